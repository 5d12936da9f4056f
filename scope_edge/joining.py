"""A model joins: its outcome rows become evidence for the fit, and results on the anchors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.anchors import AnchorSet
from scope_edge.cards import ModelCard
from scope_edge.difficulty import difficulties
from scope_edge.encoder import Encoder, Encoding, check_prompt
from scope_edge.errors import OutcomesError, PromptError
from scope_edge.estimator import Estimator
from scope_edge.fingerprints import Evidence, Fingerprints, Population, encode_lengths, encode_scores, place_model
from scope_edge.outcome_rows import OutcomeRow
from scope_edge.pricing import Price

__all__ = ["SAME_PROMPT", "Learned", "Places", "informative_anchors", "known_by_anchors", "learn", "place"]

SAME_PROMPT = 0.999
"""Cosine from which a prompt counts as an anchor's own."""


@dataclass(frozen=True)
class Places:
    """Where n prompts lie among the anchors, and what is known of them before a model answers.

    nearest (n,) int: rows of the anchors nearest to each; same (n,) bool: whether it is the same prompt. a (n, rank),
    b (n,), c (n, length_rank), d (n,): loadings; noise (n,) of lengths around each; n_tokens (n,): estimated, NaN
    where the prompt's text is not known; weights (n,): how much a score on each counts, in (0, 1].
    """

    nearest: NDArray[np.intp]
    same: NDArray[np.bool_]
    a: NDArray[np.float64]
    b: NDArray[np.float64]
    c: NDArray[np.float64]
    d: NDArray[np.float64]
    noise: NDArray[np.float64]
    n_tokens: NDArray[np.float64]
    weights: NDArray[np.float64]

    def evidence(
        self, scores: NDArray[np.float64], log_tokens: NDArray[np.float64], rows: NDArray[np.intp] | None = None
    ) -> Evidence:
        """What results on these prompts, or on some rows of them, say of a model."""
        at = slice(None) if rows is None else rows
        return Evidence(
            self.a[at], self.b[at], self.c[at], self.d[at], scores, log_tokens, self.noise[at], self.weights[at]
        )  # fmt: skip


@dataclass(frozen=True)
class Learned:
    """What outcome rows say: evidence for the fit, one byte per anchor, and what is known of prompts.

    anchor_scores, anchor_lengths: (n_anchors,) uint8; None where there are no rows. token_ratio: the model's
    input tokens per estimated token. sources: of the anchor nearest to each row.
    """

    evidence: Evidence
    anchor_scores: NDArray[np.uint8] | None
    anchor_lengths: NDArray[np.uint8] | None
    token_ratio: float
    sources: list[str]


def learn(rows: Sequence[OutcomeRow], encoder: Encoder, estimator: Estimator, name: str | None = None) -> Learned:
    """Embed the rows' prompts and find the anchors that are the same prompts.

    A row with a prompt is judged by its prompt, and its query_id only tells near-identical anchors
    apart; a row without a prompt must name an anchor. What the pool has of a model of this name does not count.

    Raises
    ------
    OutcomesError
        A prompt cannot be routed, or a query_id is no anchor's. The row is named.
    """
    if not rows:
        return Learned(Evidence.none(estimator.fingerprints.population), None, None, 1.0, [])
    places = place(rows, encoder, estimator, name)
    cells: dict[int, list[int]] = defaultdict(list)
    for number in np.flatnonzero(places.same).tolist():
        cells[int(places.nearest[number])].append(number)
    scores = np.array([row.score for row in rows])
    lengths = np.log1p(np.array([np.nan if row.output_tokens is None else row.output_tokens for row in rows]))
    ratios = np.array([row.input_tokens or np.nan for row in rows]) / places.n_tokens
    ratios = ratios[np.isfinite(ratios)]
    n_anchors = len(estimator.anchors)
    return Learned(
        evidence=places.evidence(scores, lengths),
        anchor_scores=encode_scores(_column(cells, scores, n_anchors)),
        anchor_lengths=encode_lengths(_column(cells, lengths, n_anchors)),
        token_ratio=float(np.median(ratios)) if len(ratios) else 1.0,
        sources=[estimator.anchors.sources[row] for row in places.nearest],
    )


def place(rows: Sequence[OutcomeRow], encoder: Encoder, estimator: Estimator, name: str | None = None) -> Places:
    """Where the rows' prompts lie among the anchors; see `learn`, which raises the same."""
    anchors, pool = estimator.anchors, estimator.fingerprints
    nearest, same = np.empty(len(rows), np.intp), np.ones(len(rows), bool)
    encodings = _encode(rows, encoder)
    for number, (row, encoding) in enumerate(zip(rows, encodings, strict=True)):
        if encoding is None:
            nearest[number] = _named(row, number, anchors)
        else:
            nearest[number], same[number] = _nearest(row, encoding, anchors)
    # The stored loadings are honest: the encoder may remember an anchor from its training.
    loadings = anchors.loadings[nearest].astype(np.float64)
    z = anchors.z(nearest)
    for number, encoding in enumerate(encodings):
        if encoding is not None:
            z[number] = encoding.z
            if not same[number]:
                loadings[number] = encoding.loadings
    rank = anchors.rank
    left_out = np.full(int(same.sum()), pool.names.index(name) if name in pool.names else -1)
    loadings[same, rank] = difficulties(anchors, pool, nearest[same], left_out)
    return Places(
        nearest=nearest,
        same=same,
        a=loadings[:, :rank],
        b=loadings[:, rank],
        c=loadings[:, rank + 1 : -1],
        d=loadings[:, -1],
        noise=estimator.noise(z),
        n_tokens=np.array([np.nan if encoding is None else encoding.n_tokens for encoding in encodings]),
        weights=np.array([row.weight for row in rows], np.float64),
    )


def known_by_anchors(
    names: Sequence[str],
    scores: NDArray[np.float32],
    log_tokens: NDArray[np.float32],
    estimator: Estimator,
    own: NDArray[np.intp] | None = None,
    abilities: Sequence[tuple[NDArray[Any], NDArray[Any]] | None] | None = None,
) -> Estimator:
    """The estimator of a pool of M models of which nothing is known but results on the anchors and published scores.

    Parameters
    ----------
    scores, log_tokens : float32 arrays of shape (n_anchors, M), NaN where missing.
    own : int array of shape (M,), optional
        The columns of these models in the estimator's pool, if they are there: what they are judged by does not
        hold their own results.
    abilities : M means and covariances of theta by published scores, optional
        None for a model without any.
    """
    anchors, population = estimator.anchors, estimator.fingerprints.population
    parts, noise = [], estimator.noise(anchors.z(np.arange(len(anchors))))
    for column in range(len(names)):
        rows = np.flatnonzero(np.isfinite(scores[:, column]))
        left_out = None if own is None else np.full(len(rows), own[column])
        b = difficulties(anchors, estimator.fingerprints, rows, left_out)
        evidence = Evidence(
            anchors.a[rows], b, anchors.c[rows], anchors.d[rows],
            scores[rows, column], log_tokens[rows, column], noise[rows], np.ones(len(rows)),
        )  # fmt: skip
        sources = [anchors.sources[row] for row in rows]
        ability = None if abilities is None else abilities[column]
        parts.append(place_model(evidence, sources, population, estimator.reach, ability))
    cards = [ModelCard(name, Price(0.0, 0.0)) for name in names]
    return estimator.with_fingerprints(
        Fingerprints.from_parts(cards, parts, population, encode_scores(scores), encode_lengths(log_tokens))
    )


def informative_anchors(
    anchors: AnchorSet, population: Population, n: int, among: NDArray[np.intp] | None = None
) -> NDArray[np.intp]:
    """The n anchors whose results would tell most about a model, the most telling first.

    Greedy I-optimal design (Chaloner and Verdinelli 1995, section 4): each step adds the anchor that
    lowers the variance of the model's logit most, averaged over all anchors; it starts from the
    population's prior and takes the average model's chance p of a right answer, so that a result adds
    p (1 - p) a a^T to the precision. The first n are the same for any larger n.

    Parameters
    ----------
    among : int array, optional
        Rows of the anchors to choose from; all if left out.
    """
    rows = np.arange(len(anchors)) if among is None else np.asarray(among)
    every = anchors.a.astype(np.float64)
    p = 1 / (1 + np.exp(anchors.b - every @ population.theta_mean))
    every *= np.sqrt(p * (1 - p))[:, None]
    typical = every.T @ every / len(every)
    a = every[rows]
    covariance = np.linalg.inv(population.theta_precision)
    chosen: list[int] = []
    for _ in range(min(n, len(rows))):
        # Sherman-Morrison: a result on a lowers the covariance C by C a a^T C / (1 + a^T C a).
        moved = a @ covariance
        drop = 1 + (moved * a).sum(axis=1)
        gain = ((moved @ typical) * moved).sum(axis=1) / drop
        gain[chosen] = -np.inf
        best = int(gain.argmax())
        chosen.append(best)
        covariance -= np.outer(moved[best], moved[best]) / drop[best]
    return rows[chosen]


def _nearest(row: OutcomeRow, encoding: Encoding, anchors: AnchorSet) -> tuple[int, bool]:
    """The anchor nearest to a prompt, and whether it is the same prompt."""
    named = anchors.find(row.query_id) if row.query_id is not None else None
    if named is not None and anchors.cosine(encoding.z, named) >= SAME_PROMPT:
        return named, True
    # The look-up rounds both sides to int8, which may cost a thousandth: look again without.
    near = anchors.nearest(encoding.z, 8).rows.tolist()
    best = max(near, key=lambda row: anchors.cosine(encoding.z, row))
    return best, anchors.cosine(encoding.z, best) >= SAME_PROMPT


def _named(row: OutcomeRow, number: int, anchors: AnchorSet) -> int:
    anchor = anchors.find(row.query_id) if row.query_id is not None else None
    if anchor is None:
        raise OutcomesError(
            f"{_where(row, number)}: no anchor {row.query_id!r}",
            expected="the query_id of an anchor of this bundle, or the prompt itself",
        )
    return anchor


def _where(row: OutcomeRow, number: int) -> str:
    return row.where or f"outcomes, row {number + 1}"


def _encode(rows: Sequence[OutcomeRow], encoder: Encoder) -> list[Encoding | None]:
    texts = {}
    for number, row in enumerate(rows):
        if row.prompt is not None:
            try:
                texts[number] = check_prompt(row.prompt)
            except PromptError as error:
                raise OutcomesError(f"{_where(row, number)}: {error}") from error
    encoded = dict(zip(texts, encoder.encode_batch(list(texts.values())), strict=True))
    return [encoded.get(number) for number in range(len(rows))]


def _column(cells: Mapping[int, list[int]], values: NDArray[np.float64], n_anchors: int) -> NDArray[np.float64]:
    """One value per anchor: the mean of the rows that are its own, NaN where there are none."""
    column = np.full(n_anchors, np.nan)
    for anchor, numbers in cells.items():
        known = values[numbers][~np.isnan(values[numbers])]
        if len(known):
            column[anchor] = known.mean()
    return column
