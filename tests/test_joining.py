from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from prompts import PROMPTS
from rich.progress import Progress

from scope_edge import Router
from scope_edge.build.widths import interval_scale
from scope_edge.difficulty import difficulties
from scope_edge.encoder import Encoding, quantise
from scope_edge.estimator import Estimator
from scope_edge.fingerprints import decode_lengths, decode_scores
from scope_edge.joining import informative_anchors, known_by_anchors, learn, place
from scope_edge.outcome_rows import OutcomeRow


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Router.load().estimator


def average_variance(estimator: Estimator, rows: np.ndarray) -> float:
    """Of the average model's logit, over all anchors, after results on these rows."""
    anchors, prior = estimator.anchors, estimator.fingerprints.population
    p = 1 / (1 + np.exp(anchors.b - anchors.a @ prior.theta_mean))
    weighted = anchors.a * np.sqrt(p * (1 - p))[:, None]
    precision = prior.theta_precision + weighted[rows].T @ weighted[rows]
    return float(np.mean((weighted @ np.linalg.inv(precision) * weighted).sum(axis=1)))


def test_chosen_anchors_tell_more_than_any_of_many_random_draws(estimator):
    chosen = informative_anchors(estimator.anchors, estimator.fingerprints.population, 16)
    rng = np.random.default_rng(0)
    draws = [average_variance(estimator, rng.permutation(len(estimator.anchors))[:16]) for _ in range(50)]
    assert average_variance(estimator, chosen) < min(draws)


def test_the_first_chosen_anchors_are_the_same_for_any_number(estimator):
    population = estimator.fingerprints.population
    many = informative_anchors(estimator.anchors, population, 20)
    assert len(set(many.tolist())) == 20
    assert informative_anchors(estimator.anchors, population, 7).tolist() == many[:7].tolist()


def test_anchors_are_chosen_among_those_asked_for(estimator):
    among = np.arange(5, 400, 7)
    chosen = informative_anchors(estimator.anchors, estimator.fingerprints.population, 1000, among)
    assert sorted(chosen.tolist()) == among.tolist()


def test_a_model_known_by_all_its_anchors_is_predicted_much_as_in_the_bundle(estimator):
    """Its theta was fitted on more prompts there, and its calibration is its own: close, not equal."""
    prints = estimator.fingerprints
    columns = np.argsort(-np.isfinite(decode_scores(prints.scores)).sum(axis=0))[:5]
    joined = known_by_anchors(
        [prints.names[column] for column in columns],
        decode_scores(prints.scores)[:, columns],
        decode_lengths(prints.log_tokens)[:, columns],
        estimator,
    )
    encoded = Router.load().encoder.encode_batch(PROMPTS)
    again, own = joined.estimate_batch(encoded), estimator.estimate_batch(encoded).only(columns)
    assert again.models == own.models
    assert np.abs(again.p_correct - own.p_correct).mean() < 0.05


def test_a_model_is_judged_by_what_others_did_on_its_anchors(estimator):
    prints, column = estimator.fingerprints, 3
    results = (decode_scores(prints.scores)[:, [column]], decode_lengths(prints.log_tokens)[:, [column]])
    without = estimator.with_fingerprints(prints.without_model(prints.names[column]))
    itself = known_by_anchors(["m"], *results, estimator, own=np.array([column]))
    apart = known_by_anchors(["m"], *results, without)
    assert np.array_equal(itself.fingerprints.theta_mean, apart.fingerprints.theta_mean)
    heard = known_by_anchors(["m"], *results, estimator)
    assert not np.array_equal(itself.fingerprints.theta_mean, heard.fingerprints.theta_mean)
    sources = [estimator.anchors.sources[row] for row in np.flatnonzero(np.isfinite(results[0][:, 0]))]
    assert itself.fingerprints.reach[0] == pytest.approx(estimator.reach.of(sources))


def test_the_scale_makes_an_interval_hold_what_it_says(estimator):
    """Applied, it leaves nothing to scale; and intervals twice as wide need half of it."""
    encoded = Router.load().encoder.encode_batch(PROMPTS)
    asked = np.ones((len(encoded), len(estimator.fingerprints.names)), np.float32)

    def scale(already: float) -> float:
        settings = replace(estimator.settings, interval_scale=already)
        scaled = Estimator(estimator.anchors, estimator.fingerprints, settings, estimator.reach, [0.0, 1.0])
        return interval_scale(scaled, encoded, asked, Progress(disable=True))

    once = scale(1.0)
    assert 0.1 < once < 1.5
    assert scale(once) == pytest.approx(1.0, abs=0.01)
    assert scale(2.0) == pytest.approx(once / 2, rel=0.01)


def test_a_pool_too_small_to_join_anew_keeps_its_intervals(small_bundle):
    estimator = Router.load(small_bundle).estimator
    few = known_by_anchors(["m"], *(np.full((len(estimator.anchors), 1), np.nan, np.float32) for _ in "sl"), estimator)
    assert interval_scale(few, [], np.zeros((0, 1), np.float32), Progress(disable=True)) == 1.0


class Told:
    """Stands in for an encoder: what it says of each prompt is given."""

    def __init__(self, **encodings: Encoding) -> None:
        self.encodings = encodings

    def encode_batch(self, texts: list[str]) -> list[Encoding]:
        return [self.encodings[text] for text in texts]


def beside(anchors, row: int, cosine: float, n_tokens: float = 10.0) -> Encoding:
    """A prompt at a cosine from an anchor, of which the encoder says other things than the bundle does."""
    z = anchors.z([row])[0].astype(np.float64)
    z /= np.linalg.norm(z)
    other = np.random.default_rng(0).normal(size=len(z))
    other -= (other @ z) * z
    turned = cosine * z + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)
    loadings = anchors.loadings[row].astype(np.float32) + 0.25
    return Encoding(turned.astype(np.float32), loadings, anchors.rank, n_tokens)


@pytest.mark.parametrize(("cosine", "same"), [(0.9995, True), (0.998, False), (0.93, False)])
def test_a_prompt_is_an_anchors_own_only_where_next_to_nothing_tells_them_apart(estimator, cosine, same):
    anchors, row = estimator.anchors, 40
    told = beside(anchors, row, cosine)
    found = place([OutcomeRow(1.0, prompt="p")], Told(p=told), estimator)
    assert (found.nearest.tolist(), found.same.tolist()) == ([row], [same])
    loadings = anchors.loadings[row].astype(np.float64) if same else told.loadings
    rank = anchors.rank
    for name, expected in (("a", loadings[:rank]), ("c", loadings[rank + 1 : -1]), ("d", loadings[-1])):
        assert getattr(found, name)[0] == pytest.approx(expected)
    hard = difficulties(anchors, estimator.fingerprints, np.array([row]))[0] if same else told.b
    assert found.b[0] == pytest.approx(hard)
    assert found.noise == pytest.approx(estimator.noise(told.z[None]))
    assert found.n_tokens == 10


def test_results_on_an_anchor_count_as_hard_as_others_found_it(estimator):
    anchors, prints = estimator.anchors, estimator.fingerprints
    row, column = (int(place) for place in np.argwhere(np.isfinite(decode_scores(prints.scores)))[0])
    named = [OutcomeRow(1.0, query_id=anchors.ids[row], weight=0.5)]
    stranger, itself = (place(named, Told(), estimator, name) for name in ("a stranger", prints.names[column]))
    assert stranger.b == pytest.approx(difficulties(anchors, prints, np.array([row])))
    assert itself.b == pytest.approx(difficulties(anchors, prints, np.array([row]), np.array([column])))
    assert stranger.b != itself.b
    assert stranger.evidence(np.ones(1), np.ones(1)).weights == 0.5


def test_one_strange_count_of_tokens_does_not_set_the_ratio(estimator):
    told = beside(estimator.anchors, 0, 0.5, n_tokens=10.0)
    rows = [OutcomeRow(1.0, prompt="p", input_tokens=count) for count in (12, 12, 9000, None)]
    assert learn(rows, Told(p=told), estimator).token_ratio == pytest.approx(1.2)


def with_first_anchors(estimator: Estimator, embeddings: list[np.ndarray]) -> Estimator:
    """The same, but for where the first anchors lie."""
    anchors = estimator.anchors
    codes, scales = anchors.codes.copy(), anchors.scales.copy()
    for row, z in enumerate(embeddings):
        codes[row], scales[row] = quantise(z.astype(np.float32))
    return Estimator(
        replace(anchors, codes=codes, scales=scales, index=None),
        estimator.fingerprints, estimator.settings, estimator.reach, [0.0, 1.0],
    )  # fmt: skip


def test_an_id_tells_equal_anchors_apart_and_does_not_overrule_the_prompt(estimator):
    told = beside(estimator.anchors, 0, 1.0)
    twins = with_first_anchors(estimator, [told.z] * 2)
    ids = estimator.anchors.ids
    rows = [OutcomeRow(1.0, prompt="p", query_id=name) for name in (ids[0], ids[1], ids[7], "no anchor's", None)]
    found = place(rows, Told(p=told), twins)
    assert found.nearest.tolist() == [0, 1, 0, 0, 0]
    assert found.same.all()


def test_of_anchors_that_the_look_up_cannot_tell_apart_the_nearest_is_taken(estimator):
    rng = np.random.default_rng(0)
    told = beside(estimator.anchors, 40, 1.0)
    around = [told.z + rng.normal(0, 0.002, len(told.z)) for _ in range(8)]
    crowd = with_first_anchors(estimator, around)
    for turn in range(20):
        z = told.z + rng.normal(0, 0.002, len(told.z)).astype(np.float32)
        found = place([OutcomeRow(1.0, prompt="p")], Told(p=told._replace(z=z / np.linalg.norm(z))), crowd)
        cosines = [crowd.anchors.cosine(z, row) for row in range(len(crowd.anchors))]
        assert found.nearest[0] == np.argmax(cosines), turn
