"""The anchors that spoke: which of the nearest know the model, what it did there, how loudly they say so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scope_edge.estimator import Evidence, Neighbourhood
from scope_edge.fingerprints import MISSING, decode_scores

__all__ = ["Neighbours", "Source", "Voice", "voices"]


@dataclass(frozen=True)
class Voice:
    """An anchor with a result of the model.

    similarity: its cosine to the prompt. share: its part of all votes. score: the model's result there; predicted:
    what the response model says. shift: what it adds to the residual's logit.
    """

    anchor: str
    source: str
    category: str
    similarity: float
    share: float
    score: float
    predicted: float
    shift: float


@dataclass(frozen=True)
class Source:
    """A source of neighbours: how many come from it, and their part of the votes."""

    source: str
    anchors: int
    share: float


@dataclass(frozen=True)
class Neighbours:
    """All that were asked.

    n: how many; known: how many of them have a result of the model; known_share: those' part of the votes.
    voices: the loudest first. sources: of all neighbours, the largest share first. recorded: what calls
    that were recorded since, of this model and of others, add to the residual's logit.
    """

    n: int
    known: int
    known_share: float
    voices: tuple[Voice, ...]
    sources: tuple[Source, ...]
    recorded: float


def voices(evidence: Evidence, neighbourhood: Neighbourhood, model: str, residual: float) -> Neighbours:
    """What the anchors around a prompt say of a model, whose residual is a logit that is known already."""
    estimator = evidence.estimator
    anchors, prints, settings = estimator.anchors, estimator.fingerprints, estimator.settings
    rows, cosines, loudness, shares, *_ = neighbourhood
    column = estimator.names.index(model)
    loadings = anchors.loadings[rows].astype(np.float64)
    logits = loadings[:, : anchors.rank] @ prints.theta_mean[column].astype(np.float64) - loadings[:, anchors.rank]
    predicted = 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
    codes = prints.results(column)[0][rows]
    scores, known = decode_scores(codes).astype(np.float64), codes != MISSING
    information = neighbourhood.information[column] + settings.shrinkage
    shifts = settings.weights[3] * loudness * neighbourhood.residuals[:, column] / information
    found = [
        Voice(
            anchor=anchors.ids[row],
            source=anchors.all_sources[anchors.source[row]],
            category=anchors.all_categories[anchors.category[row]],
            similarity=float(cosines[place]),
            share=float(shares[place]),
            score=float(scores[place]),
            predicted=float(predicted[place]),
            shift=float(shifts[place]),
        )
        for place, row in enumerate(rows.tolist())
        if known[place]
    ]
    numbers = anchors.source[rows]
    sources = [
        Source(anchors.all_sources[number], int((numbers == number).sum()), float(shares[numbers == number].sum()))
        for number in sorted(set(numbers.tolist()))
    ]
    return Neighbours(
        n=len(rows),
        known=len(found),
        known_share=float(shares[known].sum()),
        voices=tuple(found),  # the nearest come first, and they are the loudest
        sources=tuple(sorted(sources, key=lambda source: -source.share)),
        recorded=residual - float(shifts[known].sum()),
    )
