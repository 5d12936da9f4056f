from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from scope_edge.evaluate.baselines import (
    all_baselines,
    clusters,
    factorisation,
    knn,
    knn_100,
    logistic_regressions,
    model_by_source_mean,
    model_mean,
    perceptrons,
    random_scores,
    stage_one,
    stage_one_utility,
)
from scope_edge.evaluate.baselines.clusters import cluster_means
from scope_edge.evaluate.baselines.neighbours import KS, nearest, votes
from scope_edge.evaluate.baselines.neighbours import STRENGTHS as VOTE_STRENGTHS
from scope_edge.evaluate.baselines.regressions import _logistic
from scope_edge.evaluate.baselines.shrinkage import group_sums, log_loss, mean_lengths, mean_scores
from scope_edge.evaluate.cells import Known

NAN = np.nan
BASELINES = all_baselines(sentence=True)[0]
READERS = [(title, baseline) for title, baseline in BASELINES if title != "random"]


def unit(x):
    x = np.asarray(x, float)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def known(z, scores, sources=None, tokens=None) -> Known:
    scores = np.array(scores, float)
    tokens = scores * 10 if tokens is None else np.array(tokens, float)
    return Known(
        z=np.array(z, np.float32),
        sentence=np.array(z, np.float32),
        sources=np.array(["a"] * len(scores) if sources is None else sources),
        scores=scores,
        output_tokens=tokens,
        input_tokens=np.full_like(scores, 10.0),
        prices=np.ones((scores.shape[1], 2)),
    )


def planted(seed: int = 0, models: int = 4, missing: float = 0.3) -> tuple[Known, Known, Known]:
    """train, val, asked: each model has its own direction in which it is right and wordy; cells are missing."""
    rng = np.random.default_rng(seed)
    x = unit(rng.normal(size=(700, 12)))
    skill = rng.normal(size=(12, models)) * 6
    scores = (rng.random((700, models)) < 1 / (1 + np.exp(-x @ skill))).astype(float)
    tokens = np.exp(4 + x @ skill / 6 + rng.normal(0, 0.3, scores.shape)).round()
    gone = rng.random(scores.shape) < missing
    scores[gone], tokens[gone] = NAN, NAN
    whole = known(x, scores, np.array(["a", "b", "c"])[rng.integers(3, size=700)], tokens)
    columns = np.arange(models)
    return tuple(whole.only(np.arange(*ends), columns) for ends in ((0, 400), (400, 500), (500, 700)))


PLANTED = planted()
TRAIN = known(
    unit([[1, 0], [1, 0.1], [0, 1], [0.1, 1]]),
    [[1, 0], [1, NAN], [0, 1], [NAN, 1]],
    ["left", "left", "right", "right"],
)  # fmt: skip


def cross_entropy(p, y) -> float:
    """The mean over known cells, in a loop."""
    losses = [
        -(t * np.log(q) + (1 - t) * np.log(1 - q)) for q, t in zip(p.ravel(), y.ravel(), strict=True) if np.isfinite(t)
    ]
    return float(np.mean(losses))


# --- shared arithmetic ---


def test_a_models_mean_leans_on_the_mean_over_models():
    scores = np.array([[1, 0, NAN], [1, 1, NAN], [1, NAN, NAN], [0, NAN, NAN]])
    overall = (3 / 4 + 1 / 2) / 2
    wanted = [(3 + 2 * overall) / 6, (1 + 2 * overall) / 4, overall]
    assert mean_scores(scores, 2.0) == pytest.approx(wanted)
    assert mean_scores(np.full((3, 2), NAN)) == pytest.approx([0.5, 0.5])


def test_a_model_without_lengths_has_the_mean_over_models():
    tokens = [[9, 99, NAN], [NAN, 99, NAN], [29, 99, NAN]]
    log_tokens, output_tokens = mean_lengths(known(np.eye(3), np.zeros((3, 3)), tokens=tokens))
    first, second = (np.log(10) + np.log(30)) / 2, np.log(100)
    assert log_tokens == pytest.approx([first, second, (first + second) / 2])
    assert output_tokens == pytest.approx([19, 99, (19 + 99) / 2])


def test_sums_of_groups_are_those_of_a_loop():
    train = PLANTED[0]
    group = np.random.default_rng(1).integers(5, size=len(train.scores))
    total, count = group_sums(train.scores, group, 6)
    for g in range(6):
        for m in range(4):
            cells = [s for s, own in zip(train.scores[:, m], group, strict=True) if own == g and np.isfinite(s)]
            assert count[g, m] == len(cells)
            assert total[g, m] == sum(cells)


def test_log_loss_takes_fractions_and_leaves_gaps_out():
    p, y = np.array([[0.8, 0.5], [0.4, 0.9]]), np.array([[0.25, NAN], [1.0, NAN]])
    assert log_loss(p, y) == pytest.approx(cross_entropy(p, y))
    assert log_loss(p, np.full((2, 2), NAN)) == 0.0


# --- the prompt is not read ---


def test_the_models_mean_is_the_best_of_its_shrinkages_on_val():
    train, val, asked = PLANTED
    few = replace(train, scores=np.where(np.arange(400)[:, None] < 4, train.scores, NAN))
    options = [mean_scores(few.scores, strength) for strength in (0.5, 1.0, 3.0, 10.0, 30.0)]
    losses = [cross_entropy(np.tile(p, (len(val.scores), 1)), val.scores) for p in options]
    assert np.argmin(losses) > 0  # so few outcomes must not be believed
    predictions = model_mean(few, val, asked)
    assert predictions.p == pytest.approx(np.tile(options[np.argmin(losses)], (200, 1)))
    assert predictions.blind
    assert predictions.log_tokens == pytest.approx(np.tile(np.nanmean(train.log_tokens, axis=0), (200, 1)))
    assert predictions.output_tokens == pytest.approx(np.tile(np.nanmean(train.output_tokens, axis=0), (200, 1)))


def test_the_mean_by_source_by_hand(monkeypatch):
    monkeypatch.setattr(sys.modules[model_mean.__module__], "STRENGTHS", (3.0,))
    asked = known(np.zeros((2, 2)), [[NAN] * 2] * 2, ["left", "new"])
    predictions = model_by_source_mean(TRAIN, TRAIN, asked)
    prior = 2 / 3  # of both models, and so of their mean
    assert predictions.p[0] == pytest.approx([(2 + 3 * prior) / 5, (0 + 3 * prior) / 4])
    assert predictions.p[1] == pytest.approx([prior, prior])
    assert predictions.output_tokens[0] == pytest.approx([(20 + 3 * 20 / 3) / 5, (0 + 3 * 20 / 3) / 4])
    assert predictions.blind


def test_random_scores_are_uniform_and_seeded():
    train, val, asked = PLANTED
    p = random_scores(train, val, asked).p
    assert np.quantile(p, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.05)
    assert np.array_equal(p, random_scores(train, val, asked).p)
    assert not np.array_equal(p, random_scores(train, val, asked, seed=1).p)


# --- neighbours ---


def slow_nearest(anchors, asked, k):
    return [sorted(range(len(anchors)), key=lambda row: (-float(z @ anchors[row]), row))[:k] for z in asked]


def slow_vote(matrix, near, prior, strength):
    out = np.empty((len(near), matrix.shape[1]))
    for i, rows in enumerate(near):
        for m in range(matrix.shape[1]):
            cells = [matrix[row, m] for row in rows if np.isfinite(matrix[row, m])]
            out[i, m] = (sum(cells) + strength * prior[m]) / (len(cells) + strength)
    return out


@pytest.mark.parametrize("k", [1, 7, 30, 50])
def test_the_nearest_are_those_of_a_loop(k):
    # Coordinates of few bits: cosines are exact, and many are equal.
    rng = np.random.default_rng(0)
    anchors, asked = (rng.integers(-2, 3, size=(n, 4)).astype(np.float32) for n in (30, 600))
    rows, cosines = nearest(anchors, asked, k)
    assert cosines == pytest.approx(np.take_along_axis(asked @ anchors.T, rows, axis=1))
    assert (np.diff(cosines, axis=1) <= 0).all()
    assert cosines == pytest.approx(np.sort(asked @ anchors.T, axis=1)[:, ::-1][:, : min(k, 30)])
    if k >= 30:  # who is left out among equals at the edge is free; the order of those kept is not
        assert rows.tolist() == slow_nearest(anchors, asked, k)


def test_votes_go_on_from_one_k_to_the_next():
    train, val, _ = PLANTED
    near, _ = nearest(train.z, val.z, 20)
    for k, total, count in votes(train.scores, near, (3, 20)):
        means = (total + 2 * 0.5) / (count + 2)
        assert means == pytest.approx(slow_vote(train.scores, near[:, :k], [0.5] * 4, 2))


def test_knn_is_the_best_of_its_grid_on_val():
    train, val, asked = PLANTED
    prior, near = mean_scores(train.scores), slow_nearest(train.z, val.z, max(KS))
    losses = {
        (k, strength): cross_entropy(slow_vote(train.scores, [n[:k] for n in near], prior, strength), val.scores)
        for k in KS
        for strength in VOTE_STRENGTHS
    }
    k, strength = min(losses, key=losses.get)
    predictions = knn(train, val, asked, space="z")
    assert predictions.name == f"kNN-{k} on own embedding, tuned"
    near = slow_nearest(train.z, asked.z, k)
    assert predictions.p == pytest.approx(slow_vote(train.scores, near, prior, strength))
    log_prior, prior = mean_lengths(train)
    assert predictions.log_tokens == pytest.approx(slow_vote(train.log_tokens, near, log_prior, strength))
    assert predictions.output_tokens == pytest.approx(slow_vote(train.output_tokens, near, prior, strength))


def test_the_fixed_reference_tunes_nothing():
    train, val, asked = PLANTED
    predictions = knn_100(train, val, asked)
    near = slow_nearest(train.sentence, asked.sentence, 100)
    assert predictions.name == "kNN-100 on MiniLM"
    assert predictions.p == pytest.approx(slow_vote(train.scores, near, mean_scores(train.scores), 3.0))


def test_the_space_is_the_one_asked_for():
    train, val, asked = PLANTED
    rng = np.random.default_rng(99)
    blurred = [replace(part, sentence=unit(rng.normal(size=part.z.shape))) for part in (train, val, asked)]
    assert np.array_equal(knn(*blurred, space="z").p, knn(train, val, asked, space="z").p)
    assert log_loss(knn(*blurred, space="sentence").p, asked.scores) > log_loss(
        knn(*blurred, space="z").p, asked.scores
    )
    with pytest.raises(ValueError, match="needs sentence embeddings"):
        knn(replace(train, sentence=None), val, asked, space="sentence")


# --- SCOPE, stage I ---


def test_stage_one_is_the_published_loop():
    train, val, asked = PLANTED
    predictions = stage_one(train, val, asked, space="z")
    accuracy, tokens = mean_scores(train.scores), mean_lengths(train)[1]
    for i, rows in enumerate(slow_nearest(train.z, asked.z, 6)):
        weights = [float(asked.z[i] @ train.z[row]) ** 2.0 for row in rows]
        for m in range(4):
            total = correct = length = 0.0
            for row, weight in zip(rows, weights, strict=True):
                if np.isfinite(train.scores[row, m]):
                    total += weight
                    correct += weight * train.scores[row, m]
                    length += weight * train.output_tokens[row, m]
            wanted = correct / total if total else accuracy[m]
            assert predictions.p[i, m] == pytest.approx(min(max(wanted, 1e-6), 1 - 1e-6), abs=1e-6)
            assert predictions.output_tokens[i, m] == pytest.approx(length / total if total else tokens[m], rel=1e-5)


def test_stage_one_falls_back_on_the_mean_where_no_anchor_has_the_model():
    z = unit(np.r_[np.tile([[1, 0]], (6, 1)), [[0, 1]]])
    train = known(z, [[1, NAN]] * 6 + [[0, 1]])
    p = stage_one(train, train, known(z[:1], [[NAN, NAN]]), space="z").p
    assert p[0] == pytest.approx([1 - 1e-6, mean_scores(train.scores)[1]])


def test_the_published_utility_by_hand():
    p = np.array([[0.2, 0.6, 1.0], [0.5, 0.5, 0.5]])
    cost = np.array([[1e-4, 1e-3, 1e-2], [1e-3, 1e-3, 1e-3]])
    # In the middle of the dial the exponent is 2 * (1 + 2 * .5) = 4.
    wanted = [[0.5 * 0 + 0.5 * 1, 0.5 * 0.5 + 0.5 * 0.5**4, 0.5 * 1 + 0], [0.5 * 0.5 + 0.5 * 0.5**4] * 3]
    assert stage_one_utility(p, cost, 0.5) == pytest.approx(np.array(wanted), abs=1e-5)
    assert stage_one_utility(p, cost, 0.0)[0] == pytest.approx([1, 0.5**6, 0], abs=1e-5)
    assert stage_one_utility(p, cost, 1.0)[0] == pytest.approx([0, 0.5, 1])


# --- clusters ---


def test_cluster_means_by_hand(monkeypatch):
    module = sys.modules[clusters.__module__]
    for name, value in (("SIZES", (3,)), ("TOPS", (1,)), ("STRENGTHS", (1.0,))):
        monkeypatch.setattr(module, name, value)
    rng = np.random.default_rng(0)
    side = rng.integers(3, size=90)
    x = unit(np.eye(3)[side] + rng.normal(0, 0.02, (90, 3)))
    scores = np.where(rng.random((90, 2)) < 0.3, NAN, (rng.random((90, 2)) < 0.6).astype(float))
    train = known(x, scores, tokens=scores * 7 + 1)
    predictions = clusters(train, train, train)
    assert predictions.name == "3 clusters"
    for values, prior, matrix in (
        (predictions.p, mean_scores(scores), scores),
        (predictions.log_tokens, mean_lengths(train)[0], train.log_tokens),
        (predictions.output_tokens, mean_lengths(train)[1], train.output_tokens),
    ):
        for s in range(3):
            for m in range(2):
                cells = [v for v, own in zip(matrix[:, m], side, strict=True) if own == s and np.isfinite(v)]
                assert values[side == s, m] == pytest.approx((sum(cells) + prior[m]) / (len(cells) + 1))


def test_there_are_no_more_clusters_than_distinct_prompts():
    train = known(np.eye(4)[np.arange(40) % 4], np.arange(40)[:, None] % 2)
    assert clusters(train, train, train).name == "4 clusters"


def test_the_nearest_clusters_speak_equally():
    of_cluster = np.array([[0.0, 3.0], [1.0, 5.0], [0.5, 1.0]])
    assert cluster_means(of_cluster, np.array([[0, 1], [2, 1]])) == pytest.approx(np.array([[0.5, 4], [0.75, 3]]))


# --- those that learn ---


@pytest.mark.parametrize("baseline", [logistic_regressions, perceptrons, factorisation, clusters])
def test_what_reads_the_prompt_beats_the_mean(baseline):
    train, val, asked = PLANTED
    mean = log_loss(model_mean(train, val, asked).p, asked.scores)
    assert log_loss(baseline(train, val, asked).p, asked.scores) < mean - 0.05


def test_regressions_learn_lengths_and_their_mean():
    train, val, asked = PLANTED
    predictions = logistic_regressions(train, val, asked)
    there = np.isfinite(asked.log_tokens)
    spread = np.nanstd(asked.log_tokens, axis=0).mean()
    error = (predictions.log_tokens - asked.log_tokens)[there]
    assert np.sqrt((error**2).mean()) < 0.75 * spread
    assert predictions.output_tokens[there].mean() == pytest.approx(asked.output_tokens[there].mean(), rel=0.1)
    # The mean lies above the median, as it does for what is skewed to the right.
    assert (predictions.output_tokens > np.expm1(predictions.log_tokens)).all()


def test_a_fraction_is_that_share_of_right_answers():
    rng = np.random.default_rng(0)
    x = unit(rng.normal(size=(60, 5)))
    quarters = rng.integers(5, size=60)
    hard = np.repeat(x, 4, axis=0)
    label = (np.arange(4) < quarters[:, None]).ravel()
    # Four copies weigh four times as much against the penalty.
    wanted = LogisticRegression(C=0.25, tol=1e-6, max_iter=300).fit(hard, label).predict_proba(x)[:, 1]
    assert _logistic(x, quarters / 4, 1.0)(x) == pytest.approx(wanted, abs=2e-3)


# --- every baseline, on what real tables hold ---


@pytest.fixture(scope="module")
def odd() -> tuple[Known, Known, Known]:
    """Model 0 has fractions, 1 is always right, 2 is absent from train, 3 has no lengths, 4 is ordinary."""
    rng = np.random.default_rng(3)
    parts = []
    for part in planted(seed=3, models=5):
        scores, tokens = part.scores.copy(), part.output_tokens.copy()
        scores[:, 0] = np.where(np.isfinite(scores[:, 0]), rng.choice([0, 0.25, 0.5, 1], len(scores)), NAN)
        scores[:, 1] = np.where(np.isfinite(scores[:, 1]), 1.0, NAN)
        tokens[:, 3] = NAN
        if not parts:
            scores[:, 2] = tokens[:, 2] = NAN
        parts.append(replace(part, scores=scores, output_tokens=tokens))
    return tuple(parts)


def check(predictions, shape) -> None:
    for values in (predictions.p, predictions.log_tokens, predictions.output_tokens):
        assert values.shape == shape
        assert values.dtype == np.float64
        assert np.isfinite(values).all()
    assert ((predictions.p > 0) & (predictions.p < 1)).all()
    assert (predictions.log_tokens >= 0).all()
    assert (predictions.output_tokens >= 0).all()


@pytest.mark.parametrize("baseline", [pytest.param(b, id=title) for title, b in READERS])
def test_odd_models_are_answered_for(odd, baseline):
    train, val, asked = odd
    predictions = baseline(train, val, asked)
    check(predictions, (200, 5))
    assert (predictions.p[:, 1] > 0.8).all()
    others = mean_scores(np.delete(train.scores, 2, axis=1), 0.0)
    assert predictions.p[:, 2] == pytest.approx(np.full(200, others.mean()), abs=1e-3)
    log_tokens, output_tokens = mean_lengths(train)
    for absent in (2, 3):
        assert predictions.log_tokens[:, absent] == pytest.approx(np.full(200, log_tokens[absent]))
        assert predictions.output_tokens[:, absent] == pytest.approx(np.full(200, output_tokens[absent]))
    assert log_tokens[3] == pytest.approx(log_tokens[[0, 1, 4]].mean())


@pytest.mark.parametrize("baseline", [pytest.param(b, id=title) for title, b in BASELINES])
def test_what_is_asked_is_not_told(odd, baseline):
    train, val, asked = odd
    blank = np.full_like(asked.scores, NAN)
    kept_secret = replace(asked, scores=blank, output_tokens=blank)
    told, untold = baseline(train, val, asked), baseline(train, val, kept_secret)
    assert np.array_equal(told.p, untold.p)
    assert np.array_equal(told.log_tokens, untold.log_tokens)
    assert np.array_equal(told.output_tokens, untold.output_tokens)


@pytest.mark.parametrize("baseline", [pytest.param(b, id=title) for title, b in BASELINES])
def test_tables_without_lengths_and_with_few_prompts(baseline):
    train, val, asked = (
        replace(part.only(np.arange(9), np.arange(4)), output_tokens=np.full((9, 4), NAN)) for part in PLANTED
    )
    predictions = baseline(train, val, asked)
    check(predictions, (9, 4))
    assert not predictions.output_tokens.any()


def test_what_needs_sentences_is_skipped_with_a_reason():
    everything, none = all_baselines(sentence=True)
    assert none == {}
    some, skipped = all_baselines(sentence=False)
    assert [title for title, _ in some] + list(skipped) == [title for title, _ in everything]
    assert all("MiniLM" in reason for reason in skipped.values())
    parts = tuple(replace(part, sentence=None) for part in PLANTED)
    for _, baseline in some:
        check(baseline(*parts), (200, 4))


def test_names_tell_the_predictors_apart(odd, monkeypatch):
    monkeypatch.setattr(sys.modules[knn.__module__], "KS", (100,))  # the fixed reference's
    names = [baseline(*odd).name for _, baseline in BASELINES]
    assert len(set(names)) == len(names)
