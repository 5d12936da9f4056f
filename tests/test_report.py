from __future__ import annotations

import copy
import json
import os
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from typing import Any

import pytest
from processes import run_python
from rich.console import Console

import scope_edge.evaluate.page as page_module
from scope_edge.errors import MissingExtraError, UsageError
from scope_edge.evaluate.page import write_page
from scope_edge.evaluate.plots import frontier_models, plots, write_plots
from scope_edge.evaluate.report import overall_sheets, pool_sheets, show, show_joining, summary

needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="the pictures need matplotlib")

KNN, MEAN, NASTY = "kNN on MiniLM", "model mean", "[bold]x[/] <b>&\"'"
PREDICTORS = ("scope-edge", MEAN, KNN, NASTY)
POOL = "_pool$a$/[red] <i>"


def interval(difference: float, low: float, high: float) -> dict[str, float]:
    return {"difference": difference, "low": low, "high": high, "se": (high - low) / 3.92}


def differences(**entries: dict[str, float]) -> dict[str, dict[str, dict[str, float]]]:
    """The same differences from every baseline."""
    return {name: copy.deepcopy(entries) for name in PREDICTORS[1:]}


def predictions(**columns: tuple[float | None, ...]) -> dict[str, dict[str, float | None]]:
    return {name: {key: values[row] for key, values in columns.items()} for row, name in enumerate(PREDICTORS)}


def synthetic_report() -> dict[str, Any]:
    """Every part of a report, small; ours wins but in the first pool's Brier score and area."""
    overall = predictions(
        auroc=(0.82, 0.68, 0.8, 0.79),
        auroc_inside=(0.7, 0.5, 0.66, 0.65),
        log_loss=(0.5, 0.62, 0.53, 0.54),
        brier=(0.17, 0.21, 0.18, 0.18),
        ece=(0.02, 0.001, 0.03, 0.04),
    )
    area = predictions(
        area=(0.69, 0.7, 0.68, 0.66), cost_save_98=(0.5, 0.2, 0.4, 0.3), oracle_gap=(0.1, 0.2, 0.15, 0.1)
    )
    curve = {"cost_usd": [0.0001, 0.001, 0.01], "accuracy": [0.5, 0.65, 0.74]}
    pool = {
        "sources": ["", "b[0]"],
        "models": ["cheap", "", "[red]best[/]", "dear"],
        "n_prompts": 160,
        "predictions": predictions(log_loss=(0.5, 0.6, 0.52, 0.53), brier=(0.2, 0.19, 0.21, 0.22)),
        "differences": {
            MEAN: {"log_loss": interval(-0.1, -0.2, -0.05), "brier": interval(0.01, 0.004, 0.016)},
            KNN: {"log_loss": interval(-0.02, -0.04, 0.01), "brier": interval(-0.01, -0.03, 0.01)},
        },
        "routing": {**area, "oracle": {"area": 0.9}},
        "routing_differences": {MEAN: {"area": interval(-0.01, -0.03, 0.01), "cost_save_98": interval(0.3, 0.1, 0.5)}},
        "best_single": "[red]best[/]",
        "fixed_models": [
            {"model": "cheap", "cost_usd": 0.0001, "accuracy": 0.5},
            {"model": "", "cost_usd": 0.001, "accuracy": 0.45},
            {"model": "[red]best[/]", "cost_usd": 0.003, "accuracy": 0.72},
            {"model": "dear", "cost_usd": 0.02, "accuracy": 0.7},
        ],
        "curves": dict.fromkeys(PREDICTORS, curve) | {"oracle": {"cost_usd": [0.0001, 0.002], "accuracy": [0.55, 0.9]}},
    }
    bare = {"sources": ["c"], "models": ["m"] * 3, "n_prompts": 30, "routing": None} | {
        key: {} for key in ("differences", "routing_differences", "curves")
    }
    bare["predictions"] = predictions(log_loss=(0.4, 0.5, 0.45, None), brier=(0.1, 0.2, 0.15, None))
    bins = {"p": [None, 0.3, 0.8], "observed": [None, 0.25, 0.85], "n": [0, 50, 70]}
    auroc = {"auroc": [0.78, 0.82], "low": [0.77, 0.81], "high": [0.79, None]}
    return {
        "bundle": "bundles/<x>",
        "encoder": "abcdef",
        "split": "test",
        "n_prompts": 1200,
        "n_models": 4,
        "n_outcomes": 4321,
        "machine": {"cpu": "A & B", "python": "3.12", "seconds": 61.4},
        "skipped": {"MLP": "needs <MiniLM>"},
        "overall": overall,
        "differences": differences(
            auroc=interval(0.02, 0.01, 0.03),
            auroc_inside=interval(0.04, 0.02, 0.06),
            log_loss=interval(-0.03, -0.04, -0.02),
            brier=interval(-0.01, -0.02, 0.001),
        ),
        "by_source": {name: {"n_prompts": 9, "predictors": overall} for name in ("", "b[0]", "c")},
        "tokens": {"scope-edge": {"median_abs_log_error": 0.4, "pinball": 0.1, "coverage_80": 0.78}}
        | {KNN: {"median_abs_log_error": 0.5, "pinball": None, "coverage_80": 0.85}},
        "input_tokens": {"median_relative_error": 0.051},
        "pools": {POOL: pool, "bare": bare},
        "equal": {
            "predictions": predictions(log_loss=(0.45, 0.55, 0.46, 0.5), brier=(0.15, 0.2, 0.16, 0.17)),
            "differences": differences(log_loss=interval(-0.01, -0.021, 0.001), brier=interval(-0.01, -0.02, -0.001)),
            "routing": area,
            "routing_differences": differences(area=interval(-0.01, -0.02, -0.005), cost_save_98=interval(0.1, 0, 0.2)),
        },
        "reliability": dict.fromkeys(PREDICTORS, bins),
        "token_quantiles": {
            "nominal": [0.1, 0.5, 0.9],
            "observed": [0.12, 0.5, 0.88],
            "by_source": {"": 0.7, "c": 0.05},
        },
        "joining": {
            "counts": ["64", "all"],
            "chosen": auroc,
            "random": auroc,
            "models": {
                "new[1]": {"n_train": 400, "auroc_all": 0.82, "averaged": True},
                "few": {"n_train": 40, "auroc_all": None, "averaged": False},
            },
            "coverage": {"64": 0.8, "all": 1.0},
            "mean_coverage": {"64": 0.79, "all": None},
        },
        "novelty": {
            "bins": [{"novelty_low": 0.0, "novelty_high": 0.5, "n": 10, "log_loss": 0.4, "brier": 0.1, "width": 0.2}],
            "sources": {"c": {"n_prompts": 9, "mean_novelty": 0.4, "predictors": overall}},
        },
    }


@pytest.fixture
def report() -> dict[str, Any]:
    # Through JSON and back, as from a file.
    made: dict[str, Any] = json.loads(json.dumps(synthetic_report(), allow_nan=False))
    return made


@pytest.fixture
def unrendered(monkeypatch) -> None:
    """Pictures are drawn but not made into PNG, which is slow."""
    monkeypatch.setattr(page_module, "png", lambda _: b"")


def printed(report: dict[str, Any], width: int = 200) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        show(report, console)
    return captured.get()


def marks(sheet: Any) -> dict[str, list[str]]:
    return {name: [cell.mark for cell in cells] for name, cells in sheet.rows}


# --- tables ---


def test_the_best_of_a_column_is_the_highest_the_lowest_or_the_nearest(report):
    sheet = overall_sheets(report)[0]
    found = {
        heading: [name for name, cells in sheet.rows if cells[index].mark == "best"]
        for index, heading in enumerate(sheet.headings[1:])
    }
    assert found["AUROC"] == found["log loss"] == found["log tokens"] == ["scope-edge"]
    assert found["ECE"] == [MEAN]
    assert found["80% interval"] == ["scope-edge"]  # 78% is nearer to 80% than 85%
    assert found["pinball"] == []  # alone


def test_equals_by_what_is_shown_share_the_bold_and_the_oracle_has_none():
    rows = {"scope-edge": {"area": 0.70001}, "a": {"area": 0.69999}, "b": {"area": 0.6}, "oracle": {"area": 0.9}}
    (sheet,) = pool_sheets("a pool", {"routing": rows})
    assert marks(sheet) == {"scope-edge": ["best"], "a": ["best"], "b": [""], "oracle": [""]}
    (sheet,) = pool_sheets("a pool", {"routing": {name: {"area": 0.5} for name in ("scope-edge", "a")}})
    assert marks(sheet) == {"scope-edge": [""], "a": [""]}


def test_an_interval_wins_only_wholly_on_the_better_side(report):
    pool = report["pools"][POOL]
    sheet = pool_sheets("a pool", pool)[-1]
    assert sheet.headings == ["baseline", "log loss", "Brier", "area", "CostSave@98"]
    # Lower is better in the losses, higher in the others; KNN has no routing differences.
    assert marks(sheet) == {MEAN: ["win", "loss", "", "win"], KNN: ["", "", "", ""]}
    assert sheet.rows[0][1][3].text == "+30.0% [+10.0%, +50.0%]"
    assert sheet.rows[1][1][2].text == "-"
    assert sheet.note.startswith("Higher is better: area, CostSave@98; lower is better: log loss, Brier")


# --- sentences ---


def test_the_summary_says_by_how_much_and_against_whom(report):
    first, second, third, fourth = summary(report)
    assert first == (
        "Over all 1,200 test prompts and 4 models, scope-edge's log loss is 0.500: better than that of the best of "
        f"3 baselines, {KNN}, by 0.0300 (95% interval 0.0200 to 0.0400)."
    )
    assert second == (
        "With the pools weighted equally, scope-edge's log loss is 0.450: better than that of the best of "
        f"3 baselines, {KNN}, by 0.0100 (95% interval -0.0010 to 0.0210), which is within the noise."
    )
    assert third == (
        "Routing those pools, scope-edge's area under the frontier is 0.6900: worse than that of the best of "
        f"3 baselines, {MEAN}, by 0.0100 (95% interval 0.0050 to 0.0200); "
        "at 98% of Best Single's accuracy it saves 50.0% of Best Single's cost."
    )
    assert fourth.startswith("It does not win everywhere: ")
    where = f"in {POOL} (160 prompts)"
    assert f"{where} {MEAN} has the better Brier score by 0.0100 (95% interval 0.0040 to 0.0160)" in fourth
    assert f"also a baseline is ahead, within the noise, in area under the frontier {where}." in fourth
    assert "log loss" not in fourth


def test_the_summary_says_where_nobody_is_ahead():
    rows = {"scope-edge": {"log_loss": 0.5, "brier": None}, "a": {"log_loss": 0.6, "brier": 0.2}}
    nowhere = "Nowhere, over all prompts or in any pool, is a baseline ahead of it in log loss."
    assert summary({"overall": rows, "n_prompts": 3, "n_models": 2})[-1] == nowhere


def test_the_summary_counts_clear_defeats_beyond_four():
    rows = {"scope-edge": {"log_loss": 0.5}, "a": {"log_loss": 0.4}}
    clear = {"a": {"log_loss": interval(0.1, 0.05, 0.15)}}
    pools = {f"p{i}": {"n_prompts": 5, "predictions": rows, "differences": clear} for i in range(6)}
    (text,) = summary({"pools": pools})
    assert "in p3 (5 prompts) a has the better log loss" in text
    assert "in p4" not in text
    assert text.endswith("; so it is in 2 more cases.")


def test_without_ours_or_baselines_nothing_is_claimed():
    assert summary({"overall": {"a": {"log_loss": 0.5}}}) == []
    assert summary({"overall": {"scope-edge": {"log_loss": 0.5}}}) == []


# --- the terminal ---


def test_a_report_prints_its_essential_parts(report):
    text = printed(report)
    for part in (
        "4,321 outcomes of 4 models on 1,200 test prompts",
        "scope-edge minus baseline, over all prompts",
        "+0.0200 * [+0.0100, +0.0300]",
        "Predictions and routing, the pools weighted equally",
        f"Predictions and routing, {POOL}: 160 prompts, 4 models",
        "1 joined models, by the number of outcomes they join with",
        "0.7800 [0.7700, 0.7900]",
        "input tokens: median error 5.1%",
        "skipped MLP: needs <MiniLM>",
    ):
        assert part in text
    assert NASTY in text  # brackets are no markup


def test_a_narrow_terminal_puts_intervals_below_their_figures(report):
    assert "+0.0200 * [" not in printed(report, width=80)
    assert "[+0.0100," in printed(report, width=80)


def test_names_cannot_move_the_cursor(report):
    report["overall"]["\x1b[2Jgone\n"] = report["overall"].pop(KNN)
    report["overall"][""] = report["overall"].pop(NASTY)
    text = printed(report)
    assert "\x1b[2J" not in text
    assert "(none)" in text


def test_joining_prints_alone(report):
    console = Console(width=120)
    with console.capture() as captured:
        show_joining(report["joining"], console)
    assert "64" in captured.get()
    assert "100.0%" in captured.get()


# --- whatever is missing ---


@needs_matplotlib
@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("gone", [*synthetic_report(), "everything"])
def test_parts_that_are_missing_vanish(report, tmp_path, gone):
    del report["pools"]["bare"]
    if gone == "everything":
        report = {}
    else:
        report[gone] = None
    printed(report)
    write_page(report, tmp_path / "page.html")
    page = read_page(tmp_path / "page.html")
    pictures = {"reliability": 1, "joining": 1, "novelty": 1, "token_quantiles": 1, "pools": 1, "everything": 5}
    assert len(page.all("img")) == 5 - pictures.get(gone, 0)
    assert bool(page.all("table")) == (gone != "everything")


@needs_matplotlib
@pytest.mark.usefixtures("unrendered")
def test_undefined_numbers_are_left_out(report, tmp_path):
    def without_numbers(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without_numbers(item) for key, item in value.items()}
        if isinstance(value, list):
            return [without_numbers(item) for item in value]
        return None if isinstance(value, float) else value

    for key in ("overall", "differences", "equal", "tokens", "reliability", "novelty", "by_source", "joining"):
        report[key] = without_numbers(report[key])
    for key in ("predictions", "differences", "routing", "routing_differences", "fixed_models"):
        report["pools"][POOL][key] = without_numbers(report["pools"][POOL][key])
    assert f"{POOL}: 160 prompts" not in printed(report)
    write_page(report, tmp_path / "page.html")
    assert not any("None" in text or "nan" in text.split() for text in read_page(tmp_path / "page.html").texts)


# --- pictures ---


def test_a_model_is_on_the_frontier_if_none_is_both_cheaper_and_better(report):
    kept = frontier_models(report["pools"][POOL])
    assert [model["model"] for model in kept] == ["cheap", "[red]best[/]"]


@needs_matplotlib
def test_there_is_a_figure_for_every_part(report):
    assert list(plots(report)) == [f"frontier-{POOL}", "reliability", "joining", "token-quantiles", "novelty"]


@needs_matplotlib
def test_the_frontier_plots_dollars_per_thousand_prompts_with_ours_on_top(report):
    figure = plots(report)[f"frontier-{POOL}"]
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    handles = axes.get_legend().legend_handles
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    # The oracle, ours, the others by their area; then the dots.
    assert texts[:5] == [
        "oracle  0.9000",
        "scope-edge  0.6900",
        "model mean  0.7000",
        f"{KNN}  0.6800",
        f"{NASTY}  0.6600",
    ]
    assert texts[-1] == "Best Single: [red]best[/]"
    ours = max(axes.lines, key=lambda line: line.get_zorder())
    assert ours.get_color() == handles[1].get_color()
    assert ours.get_linewidth() == max(line.get_linewidth() for line in axes.lines)
    assert list(ours.get_xdata()) == pytest.approx([0.1, 1.0, 10.0])
    assert [handle.get_linestyle() for handle in handles[1:4]] == ["-", "--", "-"]
    assert {text.get_text() for text in axes.texts} == {"cheap", "[red]best[/]"}


@needs_matplotlib
def test_no_text_is_below_nine_points(report):
    from matplotlib.text import Text

    for figure in plots(report).values():
        assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 9


@needs_matplotlib
def test_reliability_leaves_out_empty_bins(report):
    upper, lower = plots(report)["reliability"].axes
    lines = {line.get_label(): list(line.get_xdata()) for line in upper.lines[1:]}
    assert set(lines) == {"scope-edge", KNN, NASTY}  # ours, the kNN, and the best of the rest
    assert lines["scope-edge"] == [0.3, 0.8]
    assert [list(line.get_ydata()) for line in lower.lines] == [[50, 70]] * 3


@needs_matplotlib
def test_plots_are_written_as_png_under_tame_names(report, tmp_path):
    report["pools"] = dict.fromkeys(("a/b", "a b", "池"), report["pools"][POOL])
    paths = write_plots(report, tmp_path / "new" / "plots")
    assert len({*paths}) == 7
    assert {path.parent for path in paths} == {tmp_path / "new" / "plots"}
    assert all(path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") for path in paths)
    assert [path.name for path in paths[:2]] == ["frontier-a_b.png", "frontier-a_b-1.png"]


@needs_matplotlib
def test_a_folder_that_is_a_file_is_an_error(report, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"Cannot write .*file"):
        write_plots(report, tmp_path / "file")


def test_without_matplotlib_the_extra_is_named(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"scope-edge\[evaluate\]"):
        plots(report)


@needs_matplotlib
def test_matplotlib_is_loaded_late_and_pyplot_never():
    code = """
import sys
from scope_edge.evaluate.plots import plots, png
assert "matplotlib" not in sys.modules
[figure] = plots({"token_quantiles": {"nominal": [0.5], "observed": [0.5]}}).values()
png(figure)
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr


# --- the page ---


class Page(HTMLParser):
    """What is in a page; fails where tags do not close in order."""

    VOID = ("meta", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read_page(path: Any) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    return page


@needs_matplotlib
def test_a_page_stands_alone_and_can_be_read_by_everybody(report, tmp_path):
    path = tmp_path / "page.html"
    write_page(report, path)
    page = read_page(path)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "b", "i"})
    pictures = page.all("img")
    assert len(pictures) == 5
    assert all(str(picture["src"]).startswith("data:image/png;base64,") and picture["alt"] for picture in pictures)
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = [link["href"] for link in page.all("a")]
    assert links
    assert all(link is not None and link.startswith("#") and link[1:] in ids for link in links)
    assert len(page.all("caption")) == len(page.all("table")) > 10
    assert {header.get("scope") for header in page.all("th")} == {"col", "row"}
    style = path.read_text(encoding="utf-8").split("</style>")[0]
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style
    assert "url(" not in style
    assert page.all("html") == [{"lang": "en"}]


@needs_matplotlib
@pytest.mark.usefixtures("unrendered")
def test_names_reach_the_page_whole(report, tmp_path):
    write_page(report, tmp_path / "page.html")
    texts = read_page(tmp_path / "page.html").texts
    for text in (NASTY, POOL, "(none)", "[red]best[/]", "new[1]", "cpu: A & B", "skipped MLP: needs <MiniLM>"):
        assert any(text in found for found in texts), text
    assert any(" ".join(summary(report)) in found for found in texts)


@needs_matplotlib
@pytest.mark.usefixtures("unrendered")
def test_captions_say_which_way_is_better(report, tmp_path):
    write_page(report, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    captions = [part.split("</caption>")[0] for part in text.split("<caption>")[1:]]
    assert all("better" in caption for caption in captions)


@needs_matplotlib
@pytest.mark.usefixtures("unrendered")
def test_a_page_is_written_whole_or_not_at_all(report, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("before", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(UsageError, match=r"Cannot write .*page\.html.*the disk is full"):
            write_page(report, path)
    assert path.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]
    write_page(report, path)
    assert list(tmp_path.iterdir()) == [path]


@needs_matplotlib
@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("where", ["missing/page.html", "file/page.html", "", "folder"])
def test_where_no_page_can_be_is_an_error(report, tmp_path, where):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="Cannot write"):
        write_page(report, tmp_path / where)
