from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reports import synthetic_report
from rich.console import Console
from rich.progress import Progress
from scipy.stats import spearmanr

from scope_edge.errors import OutcomesError
from scope_edge.evaluate import evaluate, show
from scope_edge.evaluate.baselines.published import index_and_price, published_order, source_means
from scope_edge.evaluate.markdown import markdown
from scope_edge.evaluate.names import INDEX, INDEX_AND_PRICE, MEANS, OURS
from scope_edge.evaluate.order_sheets import ordering_section
from scope_edge.evaluate.ordering import SourceCells, ordering, spearman
from scope_edge.evaluate.page import write_page
from scope_edge.evaluate.sources import SourceKind, read_sources
from scope_edge.scorecards import read_scorecards

NAN = np.nan


def planted(n: int = 40, models: int = 12, missing: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """P that is right, and scores drawn from it."""
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-(rng.normal(size=models) + rng.normal(size=(n, 1)))))
    scores = (rng.random(p.shape) < p).astype(float)
    return p, np.where(rng.random(p.shape) < missing, NAN, scores)


def cells(
    p: np.ndarray, scores: np.ndarray, source: str = "a", more: dict | None = None, **lengths: Any
) -> SourceCells:
    models = [f"m{i:02}" for i in range(scores.shape[1])]
    return SourceCells(source, models, scores, {OURS: p, **(more or {})}, **lengths)


def judged(p: np.ndarray, scores: np.ndarray, **options: Any) -> dict[str, Any]:
    return ordering([cells(p, scores, **options)])["sources"]["a"]


def flat(entry: dict[str, Any]) -> dict[str, float]:
    figures = {key: value for key, value in entry.items() if isinstance(value, float)}
    return {**figures, **entry["minus_pool"]}


# --- Spearman ---


@given(
    arrays(np.float64, 12, elements=st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0])),
    arrays(np.float64, 12, elements=st.floats(-10, 10)),
)
def test_spearman_is_scipys_with_ties(x, y):
    found = spearman(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(x, y).statistic)
        assert spearman(np.exp(x), y) == found


# --- one source ---

SCORES = np.repeat(np.array([[1.0, 1, 1, 0, 0, 0]]), 6, 0)
SCORES[:3, 2] = 0
SCORES[0, 3] = 1
"""Six models with means 1, 1, 1/2, 1/6, 0, 0 on six prompts."""


def test_a_source_by_hand():
    p = np.tile([0.9, 0.8, 0.5, 0.6, 0.1, 0.0], (6, 1))
    entry = judged(p, SCORES)
    assert (entry["n_prompts"], entry["n_models"]) == (6, 6)
    # Ranks 6 5 3 4 2 1 against 5.5 5.5 4 3 1.5 1.5.
    assert entry["order"] == pytest.approx(spearmanr([6, 5, 3, 4, 2, 1], [5.5, 5.5, 4, 3, 1.5, 1.5]).statistic)
    assert entry["pick"] == 1
    assert entry["pool"] == pytest.approx((2 + 0.5 + 1 / 6) / 6)
    assert (entry["best"], entry["best_model"]) == (1, "m00")
    assert entry["minus_pool"]["difference"] == pytest.approx(1 - entry["pool"])
    assert math.isnan(entry["minus_pool"]["low"])  # six prompts say nothing of chance
    assert entry["bias"] == pytest.approx(2.9 / 6 - entry["pool"])
    assert entry["lengths_80"] is None


def test_pick_is_among_the_models_that_answered_and_equals_share():
    p = np.array([[0.9, 0.5, 0.1], [0.9, 0.5, 0.5], [0.2, 0.2, 0.2]])
    scores = np.array([[NAN, 1.0, 0.0], [NAN, 0.0, 1.0], [0.0, 0.6, NAN]])
    entry = judged(p, scores)
    assert entry["pick"] == pytest.approx((1 + 0.5 + 0.3) / 3)
    assert entry["pool"] == pytest.approx((0.5 + 0.5 + 0.3) / 3)
    assert entry["n_models"] == 0
    assert math.isnan(entry["order"])
    assert math.isnan(entry["best"])


def test_models_are_compared_over_their_own_cells():
    # The last model answered the hard prompts alone; over all prompts its P would be the highest.
    p, scores = np.tile(np.linspace(0.3, 0.7, 6), (20, 1)), np.zeros((20, 6))
    p[10:] -= 0.25
    scores[:, :5] = np.arange(20)[:, None] < np.arange(5) * 2 + 10
    scores[:10, 5], scores[10:, 5] = NAN, 0.2
    p[:10, 5] = 1.0
    inside = np.where(np.isfinite(scores), p, NAN)
    expected = spearman(np.nanmean(inside, axis=0), np.nanmean(scores, axis=0))
    assert judged(p, scores)["order"] == pytest.approx(expected)


def test_lengths_have_half_a_token_of_room():
    p, scores = np.full((4, 1), 0.5), np.ones((4, 1))
    tokens = np.array([[9.5], [20.5], [20.6], [NAN]])
    entry = judged(p, scores, output_tokens=tokens, low=np.full((4, 1), 10.0), high=np.full((4, 1), 20.0))
    assert entry["lengths_80"] == pytest.approx(2 / 3)


def test_the_ceiling_of_what_has_no_noise_is_one_and_of_noise_is_low():
    true = np.tile(np.linspace(0.1, 0.9, 10), (30, 1))
    assert judged(true, true)["ceiling"] == pytest.approx(1)
    noise = np.random.default_rng(0).random((30, 10))
    assert judged(true, noise)["ceiling"] < 0.5


def test_the_ceiling_is_the_reliability_of_the_observed_order():
    # Of two samples of as many prompts, the orders correlate as the ceiling says.
    p, scores = planted(400, 30)
    first, second = scores[:200], scores[200:]
    found = judged(p[:200], first)["ceiling"]
    assert found == pytest.approx(spearman(first.mean(axis=0), second.mean(axis=0)), abs=0.1)


def test_too_few_models_or_prompts_have_no_order():
    p, scores = planted(4, 12)
    assert math.isnan(judged(p, scores)["order"])
    p, scores = planted(40, 4)
    entry = judged(p, scores)
    assert entry["n_models"] == 4
    assert math.isnan(entry["order"])
    assert math.isnan(entry["ceiling"])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 0.8]))
def test_figures_keep_their_bounds(seed, missing):
    p, scores = planted(12, 7, missing, seed)
    entry = judged(p, scores)
    assert -1 - 1e-9 <= entry["order"] <= 1 + 1e-9 or entry["n_models"] < 5 or math.isnan(entry["order"])
    rows = scores[np.isfinite(scores).any(axis=1)]
    if len(rows):
        assert np.nanmin(rows, axis=1).mean() - 1e-9 <= entry["pick"] <= np.nanmax(rows, axis=1).mean() + 1e-9
        assert entry["n_prompts"] == len(rows)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_what_was_not_answered_counts_for_nothing(seed):
    p, scores = planted(15, 8, 0.4, seed)
    wild = np.where(np.isfinite(scores), p, np.random.default_rng(seed).random(p.shape))
    assert flat(judged(wild, scores)) == pytest.approx(flat(judged(p, scores)), nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_a_monotone_transform_of_ranks_by_model_changes_neither_order_nor_pick(seed):
    _, scores = planted(15, 8, 0.2, seed)
    rank = np.random.default_rng(seed).normal(size=8)
    entries = [judged(np.broadcast_to(p, scores.shape), scores) for p in (1 / (1 + np.exp(-rank)), np.exp(rank) / 50)]
    for key in ("order", "ceiling", "pick", "pool", "minus_pool"):
        assert entries[0][key] == pytest.approx(entries[1][key], nan_ok=True)


def test_the_interval_is_paired():
    p, scores = planted(300, 8)
    entry = judged(p, scores)["minus_pool"]
    assert entry["low"] < entry["difference"] < entry["high"]
    assert judged(np.full_like(p, 0.5), scores)["minus_pool"] == pytest.approx(
        {"difference": 0, "low": 0, "high": 0, "se": 0}
    )


def test_an_empty_source_is_no_error():
    entry = judged(np.full((3, 2), 0.5), np.full((3, 2), NAN))
    assert entry["n_prompts"] == 0
    assert math.isnan(entry["pick"])


# --- predictors, groups, summary ---


def test_predictors_are_compared_on_the_models_that_all_know():
    p, scores = planted(60, 12)
    index = np.arange(12.0)
    index[:2] = NAN
    more = {MEANS: np.tile(np.nanmean(scores, axis=0), (60, 1)), INDEX: np.broadcast_to(index, p.shape)}
    compared = judged(p, scores, more=more)["compared"]
    assert compared["n_models"] == 10
    alone = judged(p[:, 2:], scores[:, 2:])
    ours = compared["predictors"][OURS]
    assert {key: ours[key] for key in ("order", "pick", "bias", "log_loss")} == pytest.approx(
        {key: alone[key] for key in ("order", "pick", "bias", "log_loss")}
    )
    assert compared["predictors"][MEANS]["order"] == pytest.approx(1)
    assert compared["predictors"][INDEX]["bias"] is compared["predictors"][INDEX]["log_loss"] is None
    index[:8] = NAN
    entry = judged(p, scores, more={INDEX: np.broadcast_to(index, p.shape)})
    assert set(entry["compared"]["predictors"]) == {OURS}  # of four models it can tell no order
    assert entry["compared"]["n_models"] == entry["n_models"] == 12


def test_a_group_pools_sources_and_takes_their_difficulty_off():
    p, scores = planted(60, 12)
    easy, hard = cells(0.5 + p / 2, 0.5 + scores / 2, "easy"), cells(p / 2, scores / 2, "hard")
    kinds = {"easy": SourceKind("judge", "ko"), "hard": SourceKind("judge", "ja"), "other": SourceKind("human")}
    found = ordering([easy, hard], kinds)
    assert list(found["groups"]) == ["all", "grading: judge", "language: ja", "language: ko"]
    assert found["groups"]["all"]["n_sources"] == 2
    assert found["groups"]["all"]["order"] == pytest.approx(found["sources"]["easy"]["order"])
    assert found["groups"]["all"]["n_prompts"] == 120
    assert found["sources"]["easy"]["grading"] == "judge"
    # Half of the models sat the hard exam alone: that makes them none the worse.
    half = [cells(q[:, at], s[:, at], name) for name, q, s, at in (
        ("easy", easy.p[OURS], easy.scores, slice(0, 12)), ("hard", hard.p[OURS], hard.scores, slice(0, 6)),
    )]  # fmt: skip
    assert ordering(half)["groups"]["all"]["order"] > 0.8


def test_without_kinds_all_sources_are_one_group():
    p, scores = planted()
    found = ordering([cells(p, scores)])
    assert list(found["groups"]) == ["all"]
    assert found["groups"]["all"]["order"] == found["sources"]["a"]["order"]
    assert found["groups"]["all"]["best_model"] == found["sources"]["a"]["best_model"]


def test_the_summary_is_over_sources_of_ten_models():
    large, small = planted(60, 12), planted(60, 9)
    lengths = {"output_tokens": np.ones((60, 12)), "low": np.ones((60, 12)), "high": np.ones((60, 12))}
    found = ordering(
        [cells(*large, "large", **lengths), cells(*small, "small"), cells(1 - large[0], large[1], "wrong")]
    )
    sources, summary = found["sources"], found["summary"][OURS]
    assert summary["n_sources"] == 2
    for key in ("order", "ceiling"):
        assert summary[key] == pytest.approx((sources["large"][key] + sources["wrong"][key]) / 2)
    assert summary["abs_bias"] == pytest.approx((abs(sources["large"]["bias"]) + abs(sources["wrong"]["bias"])) / 2)
    assert summary["n_above"] == 1
    assert summary["lengths_80"] == 1
    assert ordering([]) == {"sources": {}, "groups": {}, "summary": {}}


# --- baselines of published scores ---


def test_price_and_index_are_weighed_within_sources():
    rng = np.random.default_rng(0)
    index, price = rng.normal(size=30), rng.uniform(-2, 2, 30)
    means = 0.1 * index + 0.2 * price + np.array([[0.1], [0.7]])
    means[0, :15], means[1, 15:] = NAN, NAN
    found = index_and_price(index, np.exp(price), means)
    assert spearman(found, 0.1 * index + 0.2 * price) == pytest.approx(1)
    index[3] = NAN
    unknown = np.exp(price)
    unknown[4], unknown[5] = NAN, 0.0
    found = index_and_price(index, unknown, means)
    assert np.flatnonzero(np.isnan(found)).tolist() == [3]
    assert np.array_equal(index_and_price(index, unknown, np.full((2, 30), NAN)), index, equal_nan=True)


def test_means_of_a_source_need_five_prompts():
    scores = np.array([[1.0, 1.0], [0.0, NAN], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    found = source_means(scores, np.array(["a", "a", "a", "a", "a", "b"]))
    assert found == pytest.approx(np.array([[0.8, NAN], [NAN, NAN]]), nan_ok=True)


def test_without_published_scores_there_are_no_such_baselines(tmp_path):
    assert published_order(read_scorecards(tmp_path), ["a"], ["a"], np.ones(1), np.empty((0, 1))) == {}


# --- sources ---


def test_kinds_of_sources_are_read(tmp_path):
    assert read_sources(tmp_path) == {}
    (tmp_path / "sources.csv").write_text("source,grading,language\na,judge,ko\nb,,\n", encoding="utf-8")
    assert read_sources(tmp_path) == {"a": SourceKind("judge", "ko"), "b": SourceKind()}


@pytest.mark.parametrize(
    ("text", "message"), [("source\na\na\n", "a source stands twice, .*got 'a'"), ("name\na\n", "row 1: no source")]
)
def test_sources_that_cannot_be_told_apart_are_refused(tmp_path, text, message):
    (tmp_path / "sources.csv").write_text(text, encoding="utf-8")
    with pytest.raises(OutcomesError, match=message):
        read_sources(tmp_path)


# --- the report ---


@pytest.fixture
def found() -> dict[str, Any]:
    p, scores = planted(60, 12)
    more = {MEANS: np.full_like(p, 0.5), INDEX: np.broadcast_to(np.arange(12.0), p.shape)}
    few = cells(p[:, :3], scores[:, :3], "[red]few")
    return json.loads(json.dumps(ordering([cells(p, scores, more=more), few], {"a": SourceKind("judge", "ko")})))


def test_the_section_has_a_row_for_each_source(found):
    summary, sources, groups, orders, picks = ordering_section(found, "left out")
    assert sources.title == "Order of models by source, left out"
    rows = {name: dict(zip(sources.headings[1:], row, strict=True)) for name, row in sources.rows}
    assert rows["[red]few"]["order"].text == "too few"
    assert rows["a"]["order"].text == f"{found['sources']['a']['order']:.2f}"
    assert rows["a"]["pick minus pool"].mark == "win"
    assert "80% lengths" not in rows["a"]  # nobody has any
    assert [name for name, _ in groups.rows] == ["all", "grading: judge", "language: ko"]
    assert [name for name, _ in summary.rows] == [OURS, MEANS, INDEX]
    assert summary.rows[2][1][2].text == "-"
    assert [name for name, _ in orders.rows] == [name for name, _ in picks.rows] == ["a"]
    assert orders.rows[0][1][2].mark == "best"


def test_nothing_found_has_no_section():
    assert ordering_section({}) == ordering_section(ordering([])) == []


def test_every_form_of_a_report_has_the_section(found, tmp_path):
    report = {**synthetic_report(), "ordering": found, "ordering_unseen": None, "ordering_left_out": found}
    console = Console(width=200)
    with console.capture() as captured:
        show(report, console)
    text = captured.get()
    assert "Order of models by source, in short" in text
    assert "[red]few" in text
    assert any("Order of models by source, each source left out" in table for table in markdown(report))
    write_page(report, tmp_path / "report.html")
    assert ">Order of models by source</h2>" in (tmp_path / "report.html").read_text("utf-8")


def test_a_run_orders_the_models(table_folder, small_bundle, tmp_path):
    folder = tmp_path / "table"
    folder.mkdir()
    for file in table_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    lines = ["model,base,benchmark,setting,score,publisher,grade"]
    strength = {"tiny": 0.2, "small": 0.4, "large": 0.6, "thinker": 0.8} | {f"m{i}": i / 20 for i in range(10)}
    lines += [f"{model},,b{k},,{score},p,A" for model, score in strength.items() for k in range(3)]
    (folder / "scorecards.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "sources.csv").write_text("source,grading,language\ncode,verifier,en\n", encoding="utf-8")
    report = evaluate(
        folder, small_bundle, split="test", sources=None, pools=None, work=None, with_joining=False,
        progress=Progress(disable=True),
    )  # fmt: skip
    found = report["ordering"]
    assert set(found["sources"]) == {"code", "sums", "trivia"}
    assert found["sources"]["code"]["order"] is None  # four models
    assert found["sources"]["code"]["log_loss"] == report["by_source"]["code"]["predictors"][OURS]["log_loss"]
    assert list(found["groups"]) == ["all", "grading: verifier", "language: en"]
    assert report["ordering_unseen"] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert INDEX_AND_PRICE not in found["sources"]["code"]["compared"]["predictors"]  # of four models
