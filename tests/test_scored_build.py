"""A build from a folder with published scores, a catalogue, names and usage, by the shipped encoder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from bundles import FILES
from comparing import same
from rich.progress import Progress
from scored import BY_SCORES, FEW_SCORES, NO_PRICE, OUTCOMES, SERIES, TOPICS, UNPRICED, write_scored_table

from scope_edge import Router
from scope_edge.benchmarks import Benchmarks
from scope_edge.build import BuildOptions, build
from scope_edge.bundle import BENCHMARKS_FILE, read_bundle, verify
from scope_edge.errors import OutcomesError
from scope_edge.price_source import PriceSource
from scope_edge.pricing import Price

ASKED = [text.format(a=a, b=40, c=7) for text in TOPICS.values() for a in range(11, 900, 111)]


def built(table: Path, out: Path, **options) -> dict:
    return build(table, out, None, BuildOptions(**{"n_anchors": 64} | options), Progress(disable=True))


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Read only."""
    return write_scored_table(tmp_path_factory.mktemp("scored") / "table")


@pytest.fixture(scope="module")
def bundle(table, tmp_path_factory) -> tuple[Path, dict]:
    """The bundle of the table, read only, and the report of its build."""
    out = tmp_path_factory.mktemp("scored_bundle") / "out"
    return out, built(table, out)


@pytest.fixture(scope="module")
def everyone(bundle) -> Router:
    return Router.load(bundle[0], pool="all")


@pytest.fixture
def copied(table, tmp_path) -> Path:
    return Path(shutil.copytree(table, tmp_path / "table"))


def means(router: Router) -> dict[str, float]:
    p = router.estimate_batch(ASKED).p_correct.mean(axis=0)
    return dict(zip(router.models, p.tolist(), strict=True))


def test_the_bundle_is_whole_and_holds_the_benchmarks(bundle):
    out, _ = bundle
    assert sorted(verify(out, full=True)) == sorted([*FILES, BENCHMARKS_FILE])
    benchmarks = Benchmarks.from_json(read_bundle(out).benchmarks)
    assert {(item.benchmark, item.publisher) for item in benchmarks.series} == set(SERIES)
    assert (benchmarks.models == len(OUTCOMES | UNPRICED | BY_SCORES) + 1 + np.array(
        [k < 3 for k, _ in enumerate(sorted(SERIES))]
    )).all()  # fmt: skip
    assert (benchmarks.r2 > 0.8).all()


def test_the_report_counts_what_entered_and_what_did_not(bundle):
    _, report = bundle
    counts = {name: report[name] for name in ("n_models", "n_current", "n_by_scores_alone", "prices_of", "unpriced")}
    assert counts == {
        "n_models": len(OUTCOMES) + len(BY_SCORES), "n_current": 6, "n_by_scores_alone": len(BY_SCORES),
        "prices_of": "2026-05", "unpriced": list(UNPRICED),
    }  # fmt: skip
    assert report["left_out"] == {}
    assert json.loads(json.dumps(report)) == read_bundle(bundle[0]).config["build"]


def test_models_with_outcomes_and_models_with_scores_are_there_and_no_others(everyone):
    assert set(everyone.models) == {*OUTCOMES, *BY_SCORES}
    cards = {card.model: card for card in everyone.cards}
    assert {name for name, card in cards.items() if not card.n_outcomes} == set(BY_SCORES)
    assert {card.n_scores for card in cards.values()} == {len(SERIES)}
    assert all(len(card.top_scores) == 5 for card in cards.values())
    assert not {NO_PRICE, FEW_SCORES, *UNPRICED} & set(cards)


def test_what_is_current_is_the_catalogue_s_and_current_ones_come_first(bundle, everyone):
    current = {"model-a", "model-h", "model-h-low", "paper-low", "paper-mid", "paper-high"}
    assert {card.model for card in everyone.cards if card.current} == current
    assert [card.current for card in everyone.cards] == [True] * 6 + [False] * 7
    assert set(Router.load(bundle[0]).models) == current


def test_facts_and_aliases_are_the_catalogue_s(everyone):
    cards = {card.model: card for card in everyone.cards}
    low = cards["model-h-low"]
    assert (low.base, low.effort, low.thinks, low.price) == ("model-h", "low", True, cards["model-h"].price)
    assert low.aliases == ("model-h with low effort",)
    assert cards["model-a"].aliases == ("Model A (preview)",)  # the other list's name follows from its own
    assert (cards["model-a"].open_weights, cards["model-a"].max_output, cards["model-h"].open_weights) == (
        False, 4000, False
    )  # fmt: skip
    assert cards["model-h"].modalities == ("text", "image")
    assert (cards["model-a"].price.output_usd_per_mtok, cards["model-a"].price_date) == (0.2, "2026-05-20")
    assert (cards["model-b"].price.output_usd_per_mtok, cards["model-b"].price_date) == (0.8, None)
    decision = everyone.route(ASKED[0], models=["Paper Pro", "retired-2023"])
    assert decision.model in ("paper-high", "retired")


def test_models_are_ordered_by_skill_however_they_are_known(everyone):
    found = means(everyone)
    true = OUTCOMES | BY_SCORES
    assert np.corrcoef([found[name] for name in true], list(true.values()))[0, 1] > 0.9
    assert found["paper-low"] < found["paper-mid"] < found["paper-high"]
    assert found["model-a"] < found["paper-mid"] < found["model-h"]


def test_models_by_scores_are_less_certain(everyone):
    estimates = everyone.estimate_batch(ASKED)
    width = dict(zip(everyone.models, (estimates.p_high - estimates.p_low).mean(axis=0).tolist(), strict=True))
    assert width["paper-mid"] > max(width["model-d"], width["model-e"])
    cards = {card.model: card for card in everyone.cards}
    assert {name for name, card in cards.items() if card.length_source == "prior"} == set(BY_SCORES)
    lengths = np.log(estimates.output_tokens_p90 / estimates.output_tokens_p10).mean(axis=0)
    spread = dict(zip(everyone.models, lengths.tolist(), strict=True))
    assert min(spread[name] for name in BY_SCORES) > max(spread[name] for name in OUTCOMES)


def test_usage_orders_borrowed_lengths(everyone):
    tokens = everyone.estimate_batch(ASKED).output_tokens_p50.mean(axis=0)
    tokens = dict(zip(everyone.models, tokens.tolist(), strict=True))
    assert tokens["paper-low"] < tokens["paper-mid"]


def test_it_routes_and_saves_and_keeps_its_benchmarks(bundle, tmp_path):
    router = Router.load(bundle[0])
    assert router.route(ASKED[0], alpha=0.0).model in router.models
    chosen = router.route_batch(ASKED, alpha=1.0)
    assert len(chosen.models) == len(ASKED)
    router.remove_model("paper-low")
    router.save(tmp_path / "saved")
    assert (tmp_path / "saved" / BENCHMARKS_FILE).read_bytes() == (bundle[0] / BENCHMARKS_FILE).read_bytes()
    again = Router.load(tmp_path / "saved")
    assert same(again.estimate_batch(ASKED), router.estimate_batch(ASKED))
    router.save(tmp_path / "saved")
    assert read_bundle(tmp_path / "saved").benchmarks == read_bundle(bundle[0]).benchmarks


def test_the_same_folder_gives_the_same_bundle(table, bundle, tmp_path):
    built(table, tmp_path / "again")
    first, again = read_bundle(bundle[0]), read_bundle(tmp_path / "again")
    assert first.benchmarks == again.benchmarks
    assert first.models == again.models
    for name, tensor in first.fingerprints.items():
        assert tensor.tobytes() == again.fingerprints[name].tobytes(), name


def test_a_bundle_without_a_benchmark_never_saw_its_scores(table, copied, tmp_path, cli):
    lines = (copied / "scorecards.csv").read_text("utf-8").splitlines()
    kept = [line for line in lines if ",exam-d/" not in line and ",gsm8k," not in line]
    assert len(kept) < len(lines)
    (copied / "scorecards.csv").write_text("\n".join(kept) + "\n", encoding="utf-8")
    options = ("--anchors", "64", "--without-benchmark", "exam-d/*", "--without-benchmark", "gsm8k")
    run = cli("build", "--outcomes", table, "--out", tmp_path / "without", *options)
    assert (run.code, run.err) == (0, "")
    built(copied, tmp_path / "never")
    without, never = read_bundle(tmp_path / "without"), read_bundle(tmp_path / "never")
    assert without.config["build"]["without_benchmarks"] == ["exam-d/*", "gsm8k"]
    assert without.benchmarks == never.benchmarks
    assert without.models == never.models
    for name, tensor in never.fingerprints.items():
        assert tensor.tobytes() == without.fingerprints[name].tobytes(), name


def test_without_any_benchmark_the_build_is_one_of_outcomes(table, copied, tmp_path):
    built(table, tmp_path / "without", without_benchmarks=("*",))
    (copied / "scorecards.csv").unlink()
    built(copied, tmp_path / "never")
    without, never = read_bundle(tmp_path / "without"), read_bundle(tmp_path / "never")
    assert without.benchmarks is None
    assert [entry["model"] for entry in without.models] == ["model-a", "model-h", *list(OUTCOMES)[1:-1]]
    assert without.models == never.models
    for name, tensor in never.fingerprints.items():
        assert tensor.tobytes() == without.fingerprints[name].tobytes(), name


def test_what_was_left_out_and_what_is_sold_is_told(table, tmp_path, cli):
    run = cli("build", "--outcomes", table, "--out", tmp_path / "out", "--anchors", "64")
    assert (run.code, run.err) == (0, "")
    assert "13 models over 64 anchors" in run.out
    assert "5 models by published scores alone, 6 that can be bought or downloaded today (prices of 2026-05)" in run.out
    assert "Left out, 1 model that have no price: their outcomes are evidence for the others" in run.out
    assert "Lengths and costs are guessed" not in run.out


def test_scores_of_other_models_do_no_harm(copied, tmp_path):
    scores = copied / "scorecards.csv"
    scores.write_text(scores.read_text("utf-8").replace("model-", "other-").replace("lab-", "other-"), encoding="utf-8")
    report = built(copied, tmp_path / "out")
    assert np.isfinite(report["val"]["log_loss"])
    found = means(Router.load(tmp_path / "out", pool="all"))
    assert found["model-a"] < found["model-d"] < found["model-h"]


def test_a_stated_price_goes_before_the_catalogue_s(copied, tmp_path):
    models = copied / "models.csv"
    models.write_text(models.read_text("utf-8").replace("lab-only,,", "lab-only,1,1"), encoding="utf-8")
    built(copied, tmp_path / "out", prices=PriceSource(free=frozenset({"model-h"})))
    cards = {card.model: card for card in Router.load(tmp_path / "out", pool="all").cards}
    assert (cards["model-h"].price, cards["model-h"].price_date) == (Price(0.0, 0.0), None)
    assert cards["model-a"].price == Price(0.05, 0.2)


def test_a_model_that_is_in_by_scores_is_not_left_out(copied, tmp_path):
    outcomes = copied / "outcomes.jsonl"
    rows = [json.loads(line) for line in outcomes.read_text("utf-8").splitlines()]
    few = [row for row in rows if row["model"] not in ("model-g", "model-h") or int(row["query_id"][1:]) < 20]
    outcomes.write_text("".join(json.dumps(row) + "\n" for row in few), encoding="utf-8")
    report = built(copied, tmp_path / "out")
    assert "model-h" in Router.load(tmp_path / "out").models  # the catalogue sells it; model-g has a price in the table
    assert report["left_out"].keys() == {"model-g"}


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("catalogue", ",0.05,0.2,", ",-1,0.2,", "catalogue, row 1: 'model-a' has no usable price"),
        ("scorecards", "model-a,,exam-a,,0.", "model-a,,exam-a,,7.", "scorecards.csv, row 1: bad score"),
    ],
)
def test_a_file_that_means_nothing_is_refused(copied, tmp_path, name, old, new, message):
    file = copied / f"{name}.csv"
    assert old in file.read_text("utf-8")
    file.write_text(file.read_text("utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(OutcomesError, match=message):
        built(copied, tmp_path / "out")
    assert not (tmp_path / "out").exists()
