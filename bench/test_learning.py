"""Learning on the device: a record, and an estimate beside a thousand learned outcomes."""

from __future__ import annotations

import itertools

import pytest

from scope_edge import Router
from scope_edge.learning import Learner, outcome_of

PROMPT = "How many of the {} apples in the crate are ripe if every third one is green?"


@pytest.fixture(scope="module")
def learner(router: Router) -> Learner:
    """A thousand outcomes of a usual pool."""
    encodings = router.encoder.encode_batch([PROMPT.format(number) for number in range(1000)])
    learner = Learner(router.estimator)
    outcomes = [
        outcome_of(e, router.models[n % len(router.models)], 0.0, n % 2, 90, None) for n, e in enumerate(encodings)
    ]
    learner.fold(enumerate(outcomes, 1))
    return learner


@pytest.mark.parametrize("learned", [False, True])
def test_estimate(benchmark, router, learner, learned):
    estimator = learner.estimator if learned else router.estimator
    encodings = itertools.cycle(router.encoder.encode_batch([PROMPT.format(number) for number in range(7)]))
    benchmark.group = "estimate, without and beside 1,000 learned outcomes"
    benchmark.extra_info |= {"table": "learning", "learned": learned, "p99": None}
    benchmark(lambda: estimator.estimate(next(encodings)))


def test_fold_one_outcome(benchmark, router, learner):
    outcome = outcome_of(router.encoder.encode(PROMPT.format(7)), router.models[0], 0.0, 1, 90, None)
    numbers = itertools.count(2000)
    benchmark.group = "fold in one outcome"
    benchmark.extra_info |= {"table": "learning", "p99": None}
    benchmark(lambda: learner.fold([(next(numbers), outcome)]))
