from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

import pytest
from processes import run_python
from reports import KNN, NASTY, POOL, synthetic_report

from scope_edge.errors import MissingExtraError, UsageError
from scope_edge.evaluate.plots import frontier_models, plots, write_plots

needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="the pictures need matplotlib")


@pytest.fixture
def report() -> dict[str, Any]:
    return synthetic_report()


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
def test_the_report_says_whose_curve_is_dashed(report):
    report["blind"] = [NASTY, KNN]
    (axes,) = plots(report)[f"frontier-{POOL}"].axes
    looks = {
        text.get_text().split("  ")[0]: (line.get_linestyle(), line.get_color())
        for text, line in zip(axes.get_legend().get_texts()[:5], axes.get_legend().legend_handles, strict=False)
    }
    assert {name for name, (style, _) in looks.items() if style == "--"} == {KNN, NASTY}
    assert len(set(looks.values())) == len(looks)


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
from scope_edge.evaluate.plots import plots
from scope_edge.plots.canvas import png
assert "matplotlib" not in sys.modules
[figure] = plots({"token_quantiles": {"nominal": [0.5], "observed": [0.5]}}).values()
png(figure)
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr
