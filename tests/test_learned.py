"""Outcomes as anchors: the lots by which they are kept, and what they show beyond the latents of their models."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scope_edge import Router
from scope_edge.anchors import BUILT, LEARNED, AnchorSet
from scope_edge.errors import BundleError
from scope_edge.fingerprints import decode_lengths, decode_scores
from scope_edge.learning import Learner, outcome_of
from scope_edge.learning.learned import as_results
from scope_edge.learning.sample import Rows, Sample, _lots
from scope_edge.results import UNIT


def test_lots_are_those_of_splitmix64_for_ever():
    gamma = 0x9E3779B97F4A7C15
    numbers = np.array([0, gamma, 2 * gamma % 2**64], np.uint64)
    assert _lots(numbers).tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_what_a_sample_gave_out_cannot_be_changed():
    sample = Sample(8, dim=2, n_loadings=3)
    sample.add(Rows.empty(2, 2, 3)._replace(numbers=np.arange(2, dtype=np.uint64)))
    for column in sample.rows:
        with pytest.raises(ValueError, match="read-only"):
            column[:] = 0


@pytest.mark.parametrize(
    ("score", "length", "shown"),
    [
        (1.0, 3.0, [0.5, 0.25, 1.0, 1.0]),
        (1.0, math.nan, [0.5, 0.25, 0.0, 0.0]),
        (math.nan, 3.0, [0.0, 0.0, 1.0, 1.0]),
        (0.0, 20.0, [-0.5, 0.25, 6.0, 1.0]),  # as far off as counts
        (0.0, 0.0, [-0.5, 0.25, -2.0, 1.0]),
    ],
)
def test_an_outcome_shows_what_it_tells_of(score, length, shown):
    # P is 1/2, and log(1 + tokens) is expected to be 2: a = 1, b = 1, c = 1, d = 1.5 with theta = 1 and psi = 1/2.
    rows = Rows.empty(1, 2, 4)._replace(
        loadings=np.array([[1, 1, 1, 1.5]], np.float32), models=np.zeros(1, np.int32),
        scores=np.array([score]), lengths=np.array([length]),
    )  # fmt: skip
    found = as_results(rows, np.array([[1.0]]), np.array([[0.5]]))
    assert (found / UNIT).tolist() == [shown]


def test_where_few_outcomes_are_known_the_rest_of_the_five_nearest_are_none(small_bundle):
    router = Router.load(small_bundle)
    encoding = router.encoder.encode("Which gremlin hums?")
    outcomes = [(number, outcome_of(encoding, router.models[0], 0.0, 1, None, None)) for number in (1, 2)]
    learned = Learner(router.estimator).fold(outcomes)._learned
    beside = learned.beside(encoding.z[None], 80, np.ones(11, np.int32), len(router.models))
    assert beside.cosines[0].tolist() == pytest.approx([1, 1, -1, -1, -1], abs=0.01)


def test_outcomes_become_anchors_of_a_kind_of_their_own(small_bundle):
    router = Router.load(small_bundle)
    base, name = router.estimator.anchors, router.models[1]
    encoding = router.encoder.encode("Which gremlin hums?")
    told = [outcome_of(encoding, name, 0.0, score, tokens, None) for score, tokens in ((1, 99), (0, None), (None, 9))]
    learner = Learner(router.estimator)
    learner.fold([(number, one) for number, one in enumerate(told, 5)])
    anchors, prints = learner.compacted()
    assert anchors.ids == [*base.ids, "learned:5", "learned:6", "learned:7"]
    assert anchors.sources == [*base.sources, *["learned"] * 3]
    assert anchors.categories == [*base.categories, *[""] * 3]
    assert anchors.provenance.tolist() == [BUILT] * len(base) + [LEARNED] * 3
    assert anchors.cosine(encoding.z, len(base)) == pytest.approx(1, abs=1e-3)
    off = learner._results[:, 2].astype(float) / UNIT
    assert anchors.length_noise[-3:] == pytest.approx([off[0] ** 2, np.nan, off[2] ** 2], rel=1e-3, nan_ok=True)
    scores, lengths = decode_scores(prints.scores)[-3:], decode_lengths(prints.log_tokens)[-3:]
    assert scores[:, 1] == pytest.approx([1, 0, np.nan], nan_ok=True)
    assert lengths[:, 1] == pytest.approx([np.log(100), np.nan, np.log(10)], abs=0.03, nan_ok=True)
    assert np.isnan(np.delete(scores, 1, axis=1)).all()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ids", lambda ids: ids[:-1][ids[:-1] != ord("\n")]),
        ("source", lambda numbers: numbers[1:]),
        ("source", lambda numbers: np.full_like(numbers, numbers.max() + 1)),
        ("category", lambda numbers: numbers[1:]),
    ],
)
def test_anchors_without_names_are_refused(small_bundle, name, change):
    anchors = Router.load(small_bundle).estimator.anchors
    tensors, labels = anchors.tensors(), anchors.labels()
    assert AnchorSet.from_tensors(tensors, labels).ids == anchors.ids
    with pytest.raises(BundleError, match=r"anchors\.safetensors is incomplete"):
        AnchorSet.from_tensors(tensors | {name: change(tensors[name])}, labels)
