from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path

import generated
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rich.console import Console
from rich.progress import Progress
from scored import write_scored_table
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from tables import with_changed_rows

from scope_edge.build import BuildOptions, build
from scope_edge.cli.app import main
from scope_edge.errors import OutcomesError, UsageError
from scope_edge.evaluate import evaluate, show
from scope_edge.evaluate.bootstrap import resample_weights
from scope_edge.evaluate.cells import Known, Predictions
from scope_edge.evaluate.gathering import Gatherer
from scope_edge.evaluate.joining import joining
from scope_edge.evaluate.judging import compare
from scope_edge.evaluate.metrics import (
    calibration_error,
    correctness,
    inside_source_auroc,
    tokens,
    weighted_auroc,
    weighted_inside,
)
from scope_edge.evaluate.report import show_joining

NAN = np.nan
PREDICTORS = {"scope-edge", "model mean", "model by source mean"}


def run(data, bundle, sources=None, split="test", pools=None, with_joining=False):
    return evaluate(
        data, bundle, split=split, sources=sources, pools=pools, work=None, with_joining=with_joining,
        progress=quietly(),
    )  # fmt: skip


def quietly() -> Progress:
    return Progress(disable=True)


def cells(n: int = 200, models: int = 3, seed: int = 0):
    """Probabilities, the outcomes drawn from them with a third missing, and sources."""
    rng = np.random.default_rng(seed)
    p = rng.random((n, models)).round(2)
    scores = np.where(rng.random(p.shape) < 1 / 3, NAN, rng.random(p.shape) < p)
    return p, scores, np.array(["a", "b"])[rng.integers(2, size=n)]


# --- metrics ---


def test_metrics_are_those_of_sklearn():
    p, scores, sources = cells()
    known = np.isfinite(scores)
    figures = correctness(p, scores, sources)
    clipped = np.clip(p[known], 1e-6, 1 - 1e-6)
    assert figures["auroc"] == pytest.approx(roc_auc_score(scores[known], p[known]))
    assert figures["log_loss"] == pytest.approx(log_loss(scores[known], clipped))
    assert figures["brier"] == pytest.approx(brier_score_loss(scores[known], p[known]), abs=1e-6)
    alone = [roc_auc_score(scores[k, m], p[k, m]) for m, k in enumerate(known.T)]
    assert figures["auroc_per_model"] == pytest.approx(np.mean(alone))


def test_log_loss_takes_fractions_for_what_they_are():
    figures = correctness(np.array([[0.8], [0.4]]), np.array([[0.5], [1.0]]), np.array(["a", "a"]))
    wanted = [-0.5 * math.log(0.8) - 0.5 * math.log(0.2), -math.log(0.4)]
    assert figures["log_loss"] == pytest.approx(np.mean(wanted))
    assert figures["brier"] == pytest.approx((0.3**2 + 0.6**2) / 2)


def test_a_sure_and_wrong_prediction_costs_a_finite_loss():
    figures = correctness(np.array([[1.0]]), np.array([[0.0]]), np.array(["a"]))
    assert figures["log_loss"] == pytest.approx(-math.log(1e-6), rel=1e-6)


def test_auroc_of_one_class_is_undefined():
    figures = correctness(np.array([[0.3], [0.6]]), np.ones((2, 1)), np.array(["a", "a"]))
    assert math.isnan(figures["auroc"])
    assert math.isnan(figures["auroc_inside"])


@pytest.mark.parametrize(
    ("p", "y", "error"),
    [
        ([0.05, 0.05, 0.95, 0.95], [0, 0, 1, 1], 0.05),
        ([0.5, 0.5], [0, 1], 0.0),
        ([0.9, 0.9, 0.9, 0.9], [1, 1, 0, 0], 0.4),
        ([0.0, 1.0], [1, 0], 1.0),
        # Two bins, [.6, .667) and [.867, .933), of three and one: (3 * |.62 - 2/3| + |.9 - 0|) / 4.
        ([0.61, 0.62, 0.63, 0.9], [1, 1, 0, 0], (0.14 + 0.9) / 4),
    ],
)
def test_calibration_error_by_hand(p, y, error):
    assert calibration_error(np.array(p), np.array(y, float)) == pytest.approx(error)


def test_inside_auroc_of_what_is_constant_within_a_source_is_one_half():
    _, scores, sources = cells(400)
    constant = np.where(sources == "a", 0.9, 0.2)[:, None] + np.array([0.0, 0.05, 0.1])
    assert inside_source_auroc(constant, scores, sources) == 0.5
    # The source does differ, so that the pooled figure sees something.
    helped = np.where(np.isfinite(scores), (sources == "a")[:, None].astype(float), NAN)
    assert roc_auc_score(helped[np.isfinite(helped)], constant[np.isfinite(helped)]) == 1.0


def test_inside_auroc_is_the_mean_over_sources_of_the_mean_over_models():
    p, scores, sources = cells(400)
    means = []
    for source in ("a", "b"):
        rows = sources == source
        alone = []
        for m in range(3):
            known = np.isfinite(scores[rows, m])
            alone.append(roc_auc_score(scores[rows, m][known], p[rows, m][known]))
        means.append(np.mean(alone))
    assert inside_source_auroc(p, scores, sources) == pytest.approx(np.mean(means))


def test_inside_auroc_leaves_out_models_with_few_right_or_wrong_answers():
    scores = np.array([[1.0] * 5 + [0.0] * 5, [1.0] * 4 + [0.0] * 6]).T
    p = np.array([np.linspace(1, 0, 10), np.linspace(0, 1, 10)]).T
    sources = np.full(10, "a")
    assert inside_source_auroc(p, scores, sources) == 1.0
    assert math.isnan(inside_source_auroc(p[:, 1:], scores[:, 1:], sources))


@given(
    p=arrays(np.float64, 30, elements=st.sampled_from([0.1, 0.25, 0.5, 0.75])),
    weight=arrays(np.float64, 30, elements=st.sampled_from([0.0, 1.0, 2.0, 5.0])),
)
def test_weighted_auroc_is_sklearns_with_ties(p, weight):
    y = np.arange(30) % 2.0
    (found,) = weighted_auroc(p, y, weight[None])
    if min(weight[y == 0].sum(), weight[y == 1].sum()) == 0:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(roc_auc_score(y, p, sample_weight=weight))


def test_weighted_inside_auroc_repeats_prompts():
    p, scores, sources = cells(300)
    weights = resample_weights(300, 3, 0).astype(float)
    found = weighted_inside(p, scores, sources, np.concatenate([np.ones((1, 300)), weights]))
    assert found[0] == pytest.approx(inside_source_auroc(p, scores, sources))
    for value, weight in zip(found[1:], weights, strict=True):
        drawn = np.repeat(np.arange(300), weight.astype(int))
        assert value == pytest.approx(inside_source_auroc(p[drawn], scores[drawn], sources[drawn]))


def gaps(ours, theirs, scores, sources, resamples=200):
    n = len(scores)
    asked = Known(
        z=np.zeros((n, 2), np.float32), sentence=None, sources=sources, scores=scores,
        output_tokens=scores * NAN, input_tokens=scores * NAN, prices=np.ones((scores.shape[1], 2)),
    )  # fmt: skip
    both = [Predictions(name, p, p, p) for name, p in (("ours", ours), ("theirs", theirs))]
    return compare(both, asked, resample_weights(n, resamples, 0).astype(float))["theirs"]


def test_differences_are_those_of_the_metrics():
    p, scores, sources = cells()
    worse = np.clip(p + np.random.default_rng(1).normal(0, 0.3, p.shape), 0, 1)
    ours, theirs = (correctness(q, scores, sources) for q in (p, worse))
    differences = gaps(p, worse, scores, sources)
    for name in ("auroc", "auroc_inside", "log_loss", "brier"):
        entry = differences[name]
        assert entry["difference"] == pytest.approx(ours[name] - theirs[name], abs=1e-9)
        assert entry["low"] < entry["difference"] < entry["high"]
    assert differences["auroc"]["low"] > 0
    assert differences["brier"]["high"] < 0


def test_a_predictor_does_not_differ_from_itself():
    p, scores, sources = cells()
    differences = gaps(p, p.copy(), scores, sources, 20)
    assert {value for entry in differences.values() for value in entry.values()} == {0.0}


def test_the_bootstrap_draws_whole_prompts():
    # Both cells of a prompt agree, so twice the cells must not narrow the interval.
    p, scores, sources = cells(150, 1)
    one = gaps(p, np.full_like(p, 0.5), scores, sources)["brier"]
    two = gaps(np.repeat(p, 2, 1), np.full((150, 2), 0.5), np.repeat(scores, 2, 1), sources)["brier"]
    assert two == pytest.approx(one)


def test_errors_of_lengths_by_hand():
    actual = np.array([[10.0, NAN], [100.0, 1000.0]])
    p50 = np.log1p(np.array([[10.0, 5.0], [50.0, 4000.0]]))
    low, high = np.array([[5.0, 0], [101.0, 900.0]]), np.array([[9.2, 0], [200.0, 1000.0]])
    figures = tokens(p50, actual, np.log1p(low), np.log1p(high))
    assert figures["median_abs_log_error"] == pytest.approx(math.log(101 / 51))
    # 10 lies in [5, 9.2] rounded outwards, 100 not in [101, 200], 1000 on the edge of [900, 1000].
    assert figures["coverage_80"] == pytest.approx(2 / 3)
    assert tokens(p50, np.full((2, 2), NAN)) == {}
    assert set(tokens(p50, actual)) == {"median_abs_log_error"}


def test_pinball_loss_by_hand():
    # Each quantile is off by one: .1 and .9 times where the answer is longer, (1 - level) where it is shorter.
    log = np.log1p(np.array([[np.expm1(2.0)]]))
    figures = tokens(log - 1, np.expm1(log), log - 1, log + 1)
    assert figures["pinball"] == pytest.approx((0.1 + 0.5 + 0.1) / 3)


@pytest.mark.parametrize("n", [1, 19])
def test_few_prompts_give_no_intervals(n):
    p, scores, sources = cells(n, models=8)
    entry = gaps(p, np.full_like(p, 0.5), scores, sources)["log_loss"]
    assert np.isfinite(entry["difference"])
    assert np.isnan([entry[key] for key in ("low", "high", "se")]).all()


# --- a whole run ---


@pytest.fixture(scope="module")
def report(table_folder, small_bundle) -> dict:
    return run(table_folder, small_bundle)


def test_a_report_is_json(report):
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_a_report_counts_what_was_judged(report):
    counts = {name: report[name] for name in ("split", "n_prompts", "n_models", "n_outcomes")}
    assert counts == {"split": "test", "n_prompts": 72, "n_models": 4, "n_outcomes": 72 * 3 + 60}
    assert {source: entry["n_prompts"] for source, entry in report["by_source"].items()} == {
        "code": 24, "sums": 24, "trivia": 24,
    }  # fmt: skip


def test_every_predictor_is_judged_on_everything(report):
    names = set(report["overall"])
    assert names > PREDICTORS
    assert any(name.startswith("kNN-") for name in names)
    assert "kNN on MiniLM" in report["skipped"]
    assert set(report["tokens"]) == names
    assert set(report["differences"]) == names - {"scope-edge"}
    assert all(set(entry["predictors"]) == names for entry in report["by_source"].values())
    figures = {"auroc", "auroc_per_model", "auroc_inside", "log_loss", "brier", "ece"}
    assert all(set(entry) == figures for entry in report["overall"].values())
    assert set(report["tokens"]["scope-edge"]) == {"median_abs_log_error", "pinball", "coverage_80"}


def test_a_report_names_those_that_do_not_read_the_prompt(report):
    assert report["blind"] == ["random", "model mean", "model by source mean"]
    assert set(report["reliability"]) == set(report["overall"]) - set(report["blind"])


def test_the_mean_cannot_tell_prompts_apart_and_ours_can(report):
    assert report["overall"]["model mean"]["auroc_per_model"] == 0.5
    assert report["overall"]["model by source mean"]["auroc_inside"] == 0.5
    assert report["overall"]["scope-edge"]["auroc_per_model"] > 0.6


def test_differences_agree_with_the_figures(report):
    for name, entry in report["differences"].items():
        gap = report["overall"]["scope-edge"]["auroc"] - report["overall"][name]["auroc"]
        assert entry["auroc"]["difference"] == pytest.approx(gap)
        assert entry["auroc"]["low"] <= gap <= entry["auroc"]["high"]


def test_a_report_is_the_same_again(report, table_folder, small_bundle):
    again = run(table_folder, small_bundle)
    assert {**again, "machine": None} == {**report, "machine": None}


def test_sources_limit_what_is_judged(table_folder, small_bundle):
    report = run(table_folder, small_bundle, ["co*", "sums"])
    assert set(report["by_source"]) == {"code", "sums"}
    assert report["n_prompts"] == 48


def test_a_wildcard_that_matches_no_source_is_an_error(table_folder, small_bundle):
    with pytest.raises(UsageError, match=r"No source matches 'nosuch\*', .*got code, sums, trivia"):
        run(table_folder, small_bundle, ["co*", "nosuch*"])


@pytest.mark.parametrize(("split", "sources"), [("nowhere", None), ("nowhere", ["co*"])])
def test_nothing_to_judge_is_an_error(table_folder, small_bundle, split, sources):
    with pytest.raises(OutcomesError, match="Nothing to judge") as caught:
        run(table_folder, small_bundle, sources, split)
    assert "got 72 prompts in split=test, 252 prompts in split=train, 36 prompts in split=val. Give" in str(
        caught.value
    )


def test_models_that_are_not_judged_are_named(table_folder, small_bundle, tmp_path):
    def renamed(row: dict) -> dict:
        return {**row, "model": {"large": "larger"}.get(row["model"], row["model"])}

    table = with_changed_rows(table_folder, tmp_path / "table", "outcomes", renamed)
    models = table / "models.csv"
    models.write_text(models.read_text("utf-8").replace("large,", "larger,"), encoding="utf-8")
    report = run(table, small_bundle)
    assert report["unmatched"] == {"bundle": ["large"], "table": ["larger"]}
    console = Console(width=160)
    with console.capture() as captured:
        show(report, console)
    assert "not judged, for only the bundle has them: large\n" in captured.get()
    assert "not judged, for only the table has them: larger\n" in captured.get()


def test_where_no_model_matches_both_sides_are_named(table_folder):
    with pytest.raises(OutcomesError, match=r"models, .* and \d+ more, got those of .*thinker.*Name the models"):
        run(table_folder, None)


def test_a_report_prints(report):
    console = Console(width=160)
    with console.capture() as captured:
        show(report, console)
    text = captured.get()
    assert "276 outcomes of 4 models on 72 test prompts" in text
    assert f"{report['overall']['scope-edge']['log_loss']:.3f}" in text


def test_joining_from_few_outcomes_is_compared_with_all(small_bundle, tmp_path):
    table = generated.write_table(tmp_path / "table", n=480)
    gatherer = Gatherer(table, small_bundle, None, quietly())
    report = joining(gatherer, "test", quietly(), counts=(8, 25), draws=2)
    assert report["counts"] == ["8", "25", "all"]
    assert report["models"].keys() == {"newcomer"}
    entry = report["models"]["newcomer"]
    assert entry["n_train"] == 336
    assert report["chosen"]["auroc"][-1] == report["random"]["auroc"][-1] == entry["auroc_all"]
    for name in ("coverage", "coverage_chosen"):
        assert set(report[name]) == {"8", "25"}
        assert all(0 <= share <= 1 for share in report[name].values())
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    console = Console(width=120)
    with console.capture() as captured:
        show_joining(report, console)
    assert "25" in captured.get()


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> tuple[Path, Path]:
    """A table with published scores, two models of which wait to join, and a bundle of the others."""
    folder = tmp_path_factory.mktemp("scored")
    table = write_scored_table(folder / "table", n=480)
    file = table / "models.csv"
    lines = file.read_text("utf-8").splitlines()
    waiting = [line.startswith(("model-c,", "model-f,")) for line in lines]
    assert sum(waiting) == 2
    lines = [line.replace(",train,", ",join,") if waits else line for line, waits in zip(lines, waiting, strict=True)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    build(table, folder / "bundle", None, BuildOptions(n_anchors=96), quietly())
    return table, folder / "bundle"


def test_models_that_join_are_placed_by_published_scores(scored):
    gatherer = Gatherer(*scored, None, quietly())
    report = joining(gatherer, "test", quietly(), counts=(8, 64), draws=2)
    assert report["models"].keys() == {"model-c", "model-f"}
    assert report["scored"].keys() == {"0", "64", "all"}
    none, some, every = (report["scored"][label] for label in ("0", "64", "all"))
    assert {entry["n_models"] for entry in (none, some, every)} == {2}
    # Before the first outcome, scores tell the stronger of the two from the weaker; outcomes have to come for that.
    assert none["auroc"] > 0.65
    assert math.isnan(none["auroc_outcomes"])
    assert every["auroc_outcomes"] == pytest.approx(report["random"]["auroc"][-1])
    assert some["auroc_outcomes"] == pytest.approx(report["random"]["auroc"][1], abs=0.03)
    assert every["auroc"] == pytest.approx(every["auroc_outcomes"], abs=0.05)
    assert every["coverage"] is None
    assert all(0 <= entry["coverage"] <= 1 for entry in (none, some))


def test_scores_do_not_change_what_outcomes_alone_tell(scored, tmp_path):
    table = Path(shutil.copytree(scored[0], tmp_path / "table"))
    (table / "scorecards.csv").unlink()
    with_scores, without = (
        joining(Gatherer(folder, scored[1], None, quietly()), "test", quietly(), counts=(8,), draws=1)
        for folder in (scored[0], table)
    )
    assert without["scored"] == {}
    assert {**with_scores, "scored": {}} == without


def test_a_join_of_a_model_that_nobody_published_has_no_scored_part(table_folder, small_bundle):
    report = joining(Gatherer(table_folder, small_bundle, None, quietly()), "test", quietly(), counts=(8,), draws=1)
    assert report["models"].keys() == {"newcomer"}
    assert report["scored"] == {}


def test_without_models_to_join_there_is_nothing_to_report(table_folder, small_bundle):
    gatherer = Gatherer(table_folder, small_bundle, None, quietly())
    assert joining(gatherer, "test", quietly(), counts=(100_000,)) is None


def refused(monkeypatch, capsys, *arguments) -> str:
    monkeypatch.setattr("sys.argv", ["scope-edge", "evaluate", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    return capsys.readouterr().err


def test_what_cannot_be_written_is_said_before_the_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("scope_edge.evaluate.evaluate", lambda *_arguments, **_options: pytest.fail("it worked"))
    (tmp_path / "file").touch()
    for option, place, got in (
        ("--out", tmp_path / "missing" / "report.json", f"got no folder {tmp_path / 'missing'}"),
        ("--out", tmp_path, "got a folder"),
        ("--report", tmp_path / "file", "got a file. Give another place with --report."),
        ("--report", tmp_path / "file" / "below", "Not a directory"),
    ):
        message = refused(monkeypatch, capsys, "--data", tmp_path, option, place)
        assert f"Cannot write {place}, " in message
        assert got in message


def test_a_folder_that_may_not_be_written_is_said_before_the_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("scope_edge.evaluate.evaluate", lambda *_arguments, **_options: pytest.fail("it worked"))
    monkeypatch.setattr("os.access", lambda _, mode: mode == os.R_OK)
    for option, place in (("--out", tmp_path / "report.json"), ("--report", tmp_path)):
        message = refused(monkeypatch, capsys, "--data", tmp_path, option, place)
        assert f"Cannot write {place}, expected a f" in message
        assert f"Give another place with {option}." in message


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_figures_are_shown_though_they_cannot_be_written(monkeypatch, cli):
    found = {"n_prompts": 1, "overall": {"scope-edge": {"log_loss": 0.5}, "a": {"log_loss": 0.6}}}
    monkeypatch.setattr("scope_edge.evaluate.evaluate", lambda *_arguments, **_options: found)
    run = cli("evaluate", "--data", "table", "--out", "/dev/full")
    assert run.code == 2
    assert "scope-edge's log loss is 0.500" in run.out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_said_with_the_file(monkeypatch, capsys):
    monkeypatch.setattr("scope_edge.evaluate.evaluate", lambda *_arguments, **_options: {})
    message = refused(monkeypatch, capsys, "--data", "table", "--out", "/dev/full")
    assert "Cannot write /dev/full, got No space left on device" in message
