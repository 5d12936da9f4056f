"""What would be said of a source that was never seen: nothing of it is used but its prompts."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from pooled import POPULATION, ByHand, inputs_of, published, table_of
from rich.progress import Progress
from scored import OUTCOMES, TOPICS, UNPRICED, write_scored_table

from scope_edge.anchors import AnchorSet
from scope_edge.build import BuildOptions, build
from scope_edge.build.leave_out import MIN_PROMPTS, MOST_PROMPTS, LeftOut, leave_sources_out
from scope_edge.build.pooling import Inputs, KnownPool, evidence_of, fit_pool
from scope_edge.build.tuning import START
from scope_edge.errors import OutcomesError, UsageError
from scope_edge.estimator import Estimator
from scope_edge.evaluate.left_out import leave_source_out, left_out_cells
from scope_edge.evaluate.names import INDEX, INDEX_AND_PRICE, OURS
from scope_edge.logistic import logistic
from scope_edge.outcomes import OutcomeTable

SKILLS = {f"m{i:02d}": skill for i, skill in enumerate(np.linspace(-1.5, 1.5, 14))}
HARDNESS = {"mmlu-pro": 0.0, "maths": 0.8, "code": -0.8, "poems": 0.2}
"""The first is a source whose exam is published too (see `pooled.published`)."""


def made(table: OutcomeTable, encodings, cards=None, **options) -> tuple[Inputs, KnownPool, Estimator, ByHand]:
    """Inputs, what is fitted from them, and a bundle over every second prompt, as a build makes it but untuned."""
    inputs = inputs_of(table, encodings, cards, **options)
    known = fit_pool(inputs, Progress(disable=True))
    rows = np.arange(0, len(table.prompts), 2)
    anchors = AnchorSet.from_encodings(
        [known.encoded[row] for row in rows], [table.query_ids[row] for row in rows],
        table.sources[rows].tolist(), table.categories[rows].tolist(),
    )  # fmt: skip
    bundle = Estimator(anchors, known.fingerprints(inputs, rows), START, known.reach, [0.0, 1.0])
    encoder = ByHand(dict(zip(table.prompts, encodings, strict=True)))
    return inputs, known, bundle, encoder


def left_out(parts, *sources: str) -> list[LeftOut]:
    return list(leave_sources_out(*parts, sources, Progress(disable=True)))


def changed(parts, rows: np.ndarray, scores: np.ndarray, output_tokens: np.ndarray):
    """The same after other outcomes of some prompts, but for what is fitted once, on all sources.

    That are difficulties, the prior of abilities, and what was compared to measure the reach.
    """
    inputs, known, bundle, encoder = parts
    table = replace(inputs.table, scores=inputs.table.scores.copy(), output_tokens=inputs.table.output_tokens.copy())
    table.scores[rows], table.output_tokens[rows] = scores, output_tokens
    models = []
    for model, column in zip(known.models, inputs.columns, strict=True):
        evidence = evidence_of(known.encoded, table.scores[:, column], table.output_tokens[:, column])
        sources = table.sources[np.isfinite(table.scores[:, column])]
        models.append(replace(model, evidence=replace(evidence, weights=np.full(len(sources), 1.0)), sources=sources))
    inputs = replace(inputs, table=table)
    known = replace(known, models=models)
    anchors = np.array([table.query_ids.index(name) for name in bundle.anchors.ids])
    return inputs, known, bundle.with_fingerprints(known.fingerprints(inputs, anchors)), encoder


@pytest.fixture(scope="module")
def parts():
    table, encodings, _ = table_of(HARDNESS, SKILLS)
    return made(table, encodings, published(SKILLS))


@pytest.mark.parametrize("source", ["maths", "mmlu-pro"])
def test_outcomes_of_the_source_are_never_used(parts, source):
    inputs = parts[0]
    rows = np.flatnonzero(inputs.table.sources == source)
    other = changed(parts, rows, 1 - inputs.table.scores[rows], np.full((len(rows), len(SKILLS)), 9.0, np.float32))
    (before,), (after,) = left_out(parts, source), left_out(other, source)
    assert before.estimates.figures.tobytes() == after.estimates.figures.tobytes()
    assert before.estimates.novelty.tobytes() == after.estimates.novelty.tobytes()
    # And what is said of the others, with this source in the pool, does change.
    (left,), (right,) = left_out(parts, "poems"), left_out(other, "poems")
    assert (left.estimates.p_correct != right.estimates.p_correct).any()


def test_copies_of_its_prompts_in_other_sources_are_not_used_either():
    table, encodings, _ = table_of(HARDNESS, SKILLS)
    prompts = list(table.prompts)
    there, other = np.flatnonzero(table.sources == "maths"), np.flatnonzero(table.sources == "code")
    question = "How many moles are in {n} litres of gas?"
    for n, (one, two) in enumerate(zip(there[:20], other[:20], strict=True)):
        prompts[one] = question.format(n=n)
        prompts[two] = question.format(n=n).upper() + "\n(A) one\n(B) two"  # the same stem with options
    parts = made(replace(table, prompts=prompts), encodings, published(SKILLS))
    copies, rest = other[:20], other[20:]
    figures = {}
    for name, rows in (("copies", copies), ("rest", rest)):
        lengths = np.full((len(rows), len(SKILLS)), 9.0, np.float32)
        (before,) = left_out(parts, "maths")
        (after,) = left_out(changed(parts, rows, 1 - table.scores[rows], lengths), "maths")
        figures[name] = before.estimates.figures, after.estimates.figures
    assert figures["copies"][0].tobytes() == figures["copies"][1].tobytes()
    assert (figures["rest"][0] != figures["rest"][1]).any()


def test_the_published_exam_of_a_source_is_not_used(parts):
    inputs, known, bundle, encoder = parts
    cards = inputs.linked.cards
    logits = cards.logits.copy()
    exam = [item.benchmark for item in cards.series].index("mmlu-pro")
    logits[:, exam] = -logits[:, exam]
    other = replace(inputs, linked=replace(inputs.linked, cards=replace(cards, logits=logits)))
    for source, same in (("mmlu-pro", True), ("code", False)):
        (before,), (after,) = left_out(parts, source), left_out((other, known, bundle, encoder), source)
        assert (before.estimates.figures.tobytes() == after.estimates.figures.tobytes()) is same, source


def test_the_source_gives_no_anchors_and_what_it_says_of_the_reach_is_left_out(parts, monkeypatch):
    asked = []
    made_with = Estimator.__init__

    def spied(self, anchors, prints, settings, reach, *rest):
        asked.append((anchors, prints, reach))
        made_with(self, anchors, prints, settings, reach, *rest)

    monkeypatch.setattr(Estimator, "__init__", spied)
    left_out(parts, "maths")
    ((anchors, prints, reach),) = asked
    assert set(anchors.sources) == {*HARDNESS} - {"maths"}
    assert anchors.ids == [name for name, source in zip(parts[2].anchors.ids, parts[2].anchors.sources, strict=True)
                           if source != "maths"]  # fmt: skip
    assert reach == parts[1].transfers.reach(without="maths") != parts[1].reach
    # Nothing was calibrated on its own answers.
    assert np.ptp(prints.calibration, axis=0).max() == 0
    assert prints.names == list(SKILLS)


def test_a_source_that_was_never_seen_is_predicted_in_the_right_order(parts):
    for found in left_out(parts, *HARDNESS):
        p = found.estimates.p_correct.mean(axis=0)
        assert np.corrcoef(p, list(SKILLS.values()))[0, 1] > 0.9
        seen = np.nanmean(parts[0].table.scores[np.ix_(found.rows, found.columns)], axis=0)
        assert np.abs(p - seen).mean() < 0.3


def test_every_source_is_left_out_in_turn_with_all_of_its_prompts(parts):
    table = parts[0].table
    found = left_out(parts, *HARDNESS)
    assert [item.source for item in found] == list(HARDNESS)
    for item in found:
        np.testing.assert_array_equal(item.rows, np.flatnonzero(table.sources == item.source))
        np.testing.assert_array_equal(item.columns, np.arange(len(SKILLS)))
        assert item.estimates.figures.shape[::2] == (len(item.rows), len(item.columns))
        assert np.isfinite(item.estimates.figures).all()


def test_models_are_judged_where_they_answered_enough(parts):
    inputs = parts[0]
    scores = inputs.table.scores.copy()
    there = np.flatnonzero(inputs.table.sources == "code")
    scores[there[MIN_PROMPTS - 1 :], 2] = np.nan
    scores[there[MIN_PROMPTS:], 3] = np.nan
    scores[there[0], :] = np.nan
    scores[there[1 : MIN_PROMPTS + 1], 3] = 1.0
    rows = np.arange(len(scores))
    other = changed(parts, rows, scores, inputs.table.output_tokens)
    (found,) = left_out(other, "code")
    assert found.columns.tolist() == [i for i in range(len(SKILLS)) if i != 2]
    assert found.rows.tolist() == there[1:].tolist()
    nobody = changed(parts, there, np.full((len(there), len(SKILLS)), np.nan, np.float32), np.nan)
    assert left_out(nobody, "code") == []


def test_a_large_source_is_judged_on_some_of_its_prompts():
    table, encodings, _ = table_of({"a": 0.0, "b": 0.5, "c": 0.0}, {f"m{i}": i / 4 for i in range(5)}, n=60)
    parts = made(table, encodings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scope_edge.build.leave_out.MOST_PROMPTS", 25)
        (found,), (again,) = left_out(parts, "b"), left_out(parts, "b")
    assert len(found.rows) == len(set(found.rows.tolist())) == 25
    assert found.rows.tolist() == sorted(found.rows.tolist()) == again.rows.tolist()
    assert set(table.sources[found.rows]) == {"b"}
    assert MOST_PROMPTS > 60


def test_a_model_of_one_source_borrows_its_lengths_and_stands_where_its_scores_do():
    asked = {name: list(SKILLS) for name in HARDNESS} | {"poems": [*list(SKILLS), "poet"]}
    everyone = SKILLS | {"poet": 1.2}
    table, encodings, _ = table_of(HARDNESS, everyone, {k: [*v] for k, v in asked.items()})
    (found,) = left_out(made(table, encodings, published(everyone)), "poems")
    p = dict(zip(everyone, found.estimates.p_correct.mean(axis=0).tolist(), strict=True))
    assert p["poet"] > p["m08"] > p["m04"]
    (blind,) = left_out(made(table, encodings), "poems")
    unknown = blind.estimates.p_correct.mean(axis=0)[-1]
    prior = logistic(np.array([item.a @ POPULATION.theta_mean - item.b for item in encodings])).mean()
    assert unknown == pytest.approx(prior, abs=0.2)
    width = found.estimates.output_tokens_p90 - found.estimates.output_tokens_p10
    assert (width[:, -1] > width[:, :-1].mean(axis=1)).all()
    assert np.isfinite(found.estimates.figures).all()


def test_what_nobody_sells_is_judged_too():
    table, encodings, _ = table_of(HARDNESS, SKILLS, rows={"m03": {"price": None}})
    parts = made(table, encodings, published(SKILLS))
    assert "m03" in parts[1].unpriced
    (found,) = left_out(parts, "code")
    assert found.columns.tolist() == list(range(len(SKILLS)))
    assert found.estimates.cost_usd[:, 3].tolist() == [0.0] * len(found.rows)
    assert (found.estimates.cost_usd[:, 4] > 0).all()


def test_the_prompts_are_as_hard_as_the_encoder_says(parts):
    (found,) = left_out(parts, "maths")
    corrected = np.array([item.b for item in parts[1].encoded])[found.rows]
    assert corrected.mean() > 0.5
    # It guesses that maths is as hard as all the rest, and nothing told it otherwise.
    assert found.estimates.p_correct.mean() == pytest.approx(0.5, abs=0.1)
    assert logistic(-corrected).mean() < 0.4


def test_a_source_without_which_there_are_no_anchors_is_not_judged():
    table, encodings, _ = table_of({"mmlu-pro": 0.0}, SKILLS)
    assert left_out(made(table, encodings, published(SKILLS)), "mmlu-pro") == []


def test_a_bundle_of_another_table_is_refused(parts):
    inputs, *rest = parts
    renamed = replace(inputs.table, query_ids=[f"other-{name}" for name in inputs.table.query_ids])
    with pytest.raises(OutcomesError, match=r"not built on this table.*got 80 others, such as 'q0'"):
        left_out((replace(inputs, table=renamed), *rest), "code")


# --- the whole, from files ---


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("left_out")
    write_scored_table(folder / "table")
    build(folder / "table", folder / "bundle", None, BuildOptions(n_anchors=64), Progress(disable=True))
    return folder / "table", folder / "bundle"


@pytest.fixture(scope="module")
def judged(folders):
    return left_out_cells(*folders, None, sources=None, progress=Progress(disable=True))


def test_cells_are_what_was_predicted_and_observed(judged):
    assert [cells.source for cells in judged] == sorted(TOPICS)
    for cells in judged:
        assert cells.models == [*OUTCOMES, *UNPRICED]
        assert cells.p.keys() == {OURS, INDEX, INDEX_AND_PRICE}
        assert cells.scores.shape == cells.p[OURS].shape == cells.low.shape == (60, 9)  # of every split
        assert (cells.low <= cells.high).all()
        assert ((cells.p[OURS] > 0) & (cells.p[OURS] < 1)).all()
        assert np.corrcoef(cells.p[OURS].mean(axis=0), cells.scores.mean(axis=0))[0, 1] > 0.8


def test_a_published_order_does_not_know_the_source_s_own_exam(judged):
    ranks = {cells.source: cells.p[INDEX][0] for cells in judged}
    # bpmn-sol is published by nobody: its index knows all exams, and that of the others lacks their own.
    assert (ranks["bpmn-sol"] != ranks["zeroeval-gsm"]).any()
    assert (ranks["bpmn-sol"] != ranks["mmlu-pro"]).any()
    np.testing.assert_array_equal(ranks["bpmn-sol"], ranks["zeroeval-crux"])


def test_sources_are_chosen_by_wildcards_and_judged_by_kind(folders):
    report = leave_source_out(*folders, None, sources=["zeroeval-*"], progress=Progress(disable=True))
    assert report["sources"].keys() == {"zeroeval-crux", "zeroeval-gsm"}
    assert report["sources"]["zeroeval-gsm"]["grading"] == "verifier"
    assert report["groups"].keys() == {"all", "grading: verifier", "language: en"}
    assert report["sources"]["zeroeval-gsm"]["order"] > 0.5
    json.dumps(report)


def test_what_cannot_be_told_of_few_models_is_null(folders, tmp_path):
    table = shutil.copytree(folders[0], tmp_path / "table")
    rows = [json.loads(line) for line in (table / "outcomes.jsonl").read_text("utf-8").splitlines()]
    few = [row for row in rows if row["model"] in ("model-a", "model-h")]
    (table / "outcomes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in few), encoding="utf-8")
    report = leave_source_out(table, folders[1], None, sources=["bpmn-sol"], progress=Progress(disable=True))
    assert report["sources"]["bpmn-sol"]["order"] is None
    json.dumps(report, allow_nan=False)


def test_a_source_that_is_none_is_named(folders):
    with pytest.raises(UsageError, match="No source matches 'nosuch'"):
        leave_source_out(*folders, None, sources=["nosuch"], progress=Progress(disable=True))
