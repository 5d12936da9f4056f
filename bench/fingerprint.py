"""How few questions a model needs to join: chosen one round after the other, at random, and all; prints Markdown.

Run: python bench/fingerprint.py --data DIR

Recorded outcomes of the role=join models with at least 300 training outcomes are replayed: a question on an anchor
that a model has an outcome on is answered with it. Two minutes. With --val the models of the bundle join anew,
each without its own results in the pool, and are judged on split=val: that is for tuning.

The last column is the gap that an ideal belief would leave: a model's level on a source is its general ability and an
offset of the source, as far apart over models as `build` has measured, and no answer tells more than .25 of a level, in
units of 1 / logit^2. The predictions from all anchors are moved by errors as large as such a belief still has after so
many answers, spread evenly over the model's sources; the mean of 100 draws.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scope_edge import Router, jit
from scope_edge.difficulty import difficulties
from scope_edge.encoder import check_prompt
from scope_edge.estimator import Estimator
from scope_edge.evaluate.metrics import weighted_auroc
from scope_edge.fingerprinting import Offer
from scope_edge.joining import Places, known_by_anchors
from scope_edge.outcomes import OutcomeTable, read_table

COUNTS = (8, 16, 32, 64, 128, 250)
WIDTHS = (0.10, 0.08, 0.06, 0.05, 0.04)
ROUND = 8
MIN_OUTCOMES = 300


@dataclass(frozen=True)
class Model:
    """A model that joins: its column in the table, its recorded scores on the anchors, and its column in the pool."""

    column: int
    scores: NDArray[np.float64]
    own: int
    rows: NDArray[np.intp]
    offer: Offer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--val", action="store_true")
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args()
    jit.warmup()
    router, table = Router.load(arguments.bundle), read_table(arguments.data)
    estimator = router.estimator
    row_of = {name: row for row, name in enumerate(table.query_ids)}
    at = np.array([row_of[name] for name in estimator.anchors.ids])
    models = joining(estimator, table, at, arguments.val)
    asked = table.rows("val" if arguments.val else "test")
    encoded = router.encoder.encode_batch([check_prompt(table.prompts[row]) for row in asked])
    actual = table.scores[np.ix_(asked, [model.column for model in models])]

    def predict(chosen: Sequence[NDArray[np.intp]]) -> NDArray[np.float64]:
        scores = np.full((len(at), len(models)), np.nan, np.float32)
        lengths = scores.copy()
        for index, (model, rows) in enumerate(zip(models, chosen, strict=True)):
            scores[rows, index] = model.scores[rows]
            lengths[rows, index] = np.log1p(table.output_tokens[at[rows], model.column])
        own = np.array([model.own for model in models])
        joined = known_by_anchors([str(i) for i in range(len(models))], scores, lengths, estimator, own)
        return joined.estimate_batch(encoded).p_correct.astype(float)

    known = np.isfinite(actual)

    def auroc(p: NDArray[np.float64]) -> float:
        return float(weighted_auroc(p[known], actual[known].astype(float), np.ones((1, int(known.sum()))))[0])

    best = predict([model.rows for model in models])
    whole = auroc(best)
    sources = np.unique([table.sources[row] for row in asked], return_inverse=True)[1]
    print(f"{len(models)} models; pooled AUROC from all anchors {whole:.4f}\n")
    runs = [[chosen_order(model, max(COUNTS), seed) for model in models] for seed in range(arguments.draws)]
    draws = [[np.random.default_rng((d, m.column)).permutation(m.rows) for m in models] for d in range(arguments.draws)]
    print("| questions | adaptive, mean [least, most] | gap to all | random, mean [least, most] | gap to all | ideal |")
    print("|---|---|---|---|---|---|")
    for count in COUNTS:
        cells = []
        for orders in (runs, draws):
            areas = [auroc(predict([order[:count] for order in each])) for each in orders]
            cells += [f"{np.mean(areas):.4f} [{min(areas):.4f}, {max(areas):.4f}]", f"{whole - np.mean(areas):+.4f}"]
        moved = [auroc(p) for p in unsure(best, known, sources, count, estimator)]
        cells.append(f"{whole - np.mean(moved):+.4f}")
        print(f"| {count} | {' | '.join(cells)} |")
    print("\n| half width | adaptive asks | random asks | fewer | truth inside 80%, adaptive | random |")
    print("|---|---|---|---|---|---|")
    ours, theirs = (
        [[needed(model, order[:1024]) for model, order in zip(models, each, strict=True)] for each in orders]
        for orders in (runs, draws)
    )
    for index, width in enumerate(WIDTHS):
        asks, random_asks = (
            np.array([[found[index][0] for found in each] for each in orders], float).mean(axis=0)
            for orders in (ours, theirs)
        )
        inside, random_inside = (
            np.mean([[found[index][1] for found in each] for each in orders]) for orders in (ours, theirs)
        )
        print(
            f"| {width:.2f} | {asks.mean():.1f} | {random_asks.mean():.1f} | {1 - (asks / random_asks).mean():.0%} | "
            f"{inside:.0%} | {random_inside:.0%} |"
        )


def unsure(
    p: NDArray[np.float64], known: NDArray[np.bool_], sources: NDArray[np.intp], count: int, estimator: Estimator
) -> Iterator[NDArray[np.float64]]:
    """p (n, n_models), moved by what an ideal belief after `count` answers is still unsure of; 100 draws."""
    general = float(np.linalg.inv(estimator.fingerprints.population.theta_precision)[0, 0])
    rng = np.random.default_rng(count)
    p = np.clip(p, 1e-6, 1 - 1e-6)
    logits = np.log(p / (1 - p))
    for _ in range(100):
        errors = np.zeros_like(logits)
        for column in range(p.shape[1]):
            own, of_row = np.unique(sources[known[:, column]], return_inverse=True)
            prior = np.full((len(own), len(own)), general) + estimator.reach.variance * np.eye(len(own))
            belief = np.linalg.inv(np.linalg.inv(prior) + 0.25 * count / len(own) * np.eye(len(own)))
            errors[known[:, column], column] = rng.multivariate_normal(np.zeros(len(own)), belief)[of_row]
        yield 1 / (1 + np.exp(-logits - errors))


def joining(estimator: Estimator, table: OutcomeTable, at: NDArray[np.intp], val: bool) -> list[Model]:
    """The models that join, with what they may be asked: the anchors that they have an outcome on."""
    anchors, pool = estimator.anchors, estimator.fingerprints
    noise = estimator.noise(anchors.z(np.arange(len(anchors))))
    train, asked = table.rows("train"), table.rows("val" if val else "test")
    models = []
    for column, row in enumerate(table.models):
        scores = table.scores[at, column].astype(np.float64)
        rows = np.flatnonzero(np.isfinite(scores))
        if (row.model in pool.names) != val or (row.role == "join") == val or not len(rows):
            continue
        if np.isfinite(table.scores[train, column]).sum() < MIN_OUTCOMES:
            continue
        if val and np.isfinite(table.scores[asked, column]).sum() < 100:
            continue
        own = pool.names.index(row.model) if val else -1
        every = np.arange(len(anchors))
        b = difficulties(anchors, pool, every, np.full(len(anchors), own))
        places = Places(
            every, np.ones(len(anchors), bool), anchors.a.astype(np.float64), b, anchors.c.astype(np.float64),
            anchors.d.astype(np.float64), noise, np.full(len(anchors), np.nan), np.ones(len(anchors)),
        )  # fmt: skip
        models.append(Model(column, scores, own, rows, Offer(places, pool.population, places.a[rows], b[rows])))
    return models


def chosen_order(model: Model, n: int, seed: int) -> NDArray[np.intp]:
    """The first n questions of an adaptive run."""
    asked = np.empty(0, np.intp)
    while len(asked) < min(n, len(model.rows)):
        belief = model.offer.believe(asked, model.scores[asked])
        left = np.setdiff1d(model.rows, asked)
        asked = np.concatenate((asked, model.offer.choose(belief, min(ROUND, n - len(asked)), left, seed)))
    return asked


def needed(model: Model, order: NDArray[np.intp]) -> list[tuple[int, bool]]:
    """After how many questions the interval is as narrow as each of WIDTHS, and whether it holds the truth then."""
    found: list[tuple[int, bool]] = []
    truth = float(model.scores[model.rows].mean())
    for count in range(ROUND, len(order) + ROUND, ROUND):
        rows = order[:count]
        interval = model.offer.interval(model.offer.believe(rows, model.scores[rows]))
        while len(found) < len(WIDTHS) and interval.half_width <= WIDTHS[len(found)]:
            found.append((len(rows), abs(truth - interval.mean) <= interval.half_width))
        if len(found) == len(WIDTHS):
            break
    return found + [(len(order), False)] * (len(WIDTHS) - len(found))


if __name__ == "__main__":
    main()
