"""How hard the anchors are, by what the pool did on them.

An encoder guesses a prompt's difficulty b from its words. Of an anchor more is known: the pool's results on
it. A model that joins is judged by the questions that it was asked, and whether it failed a hard one or an easy
one matters the more the fewer they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scope_edge.anchors import AnchorSet
from scope_edge.fingerprints import MISSING, Fingerprints, decode_scores
from scope_edge.logistic import logistic

__all__ = ["DIFFICULTY_PRECISION", "difficulties"]

DIFFICULTY_PRECISION = 0.5
"""Prior precision of what the encoder's guess of b misses, in logits^-2. Chosen on split=val with models of the pool
that join anew: .25, .5, 1 and 2 reach the same area from random questions, and .8208, .8212, .8203 and .8195 from 64
that are chosen one after the other."""


def difficulties(
    anchors: AnchorSet, pool: Fingerprints, rows: NDArray[np.intp], leave_out: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """Difficulties (n,) of some anchors, corrected by the pool's results on them.

    b minus one Newton step of the offset's MAP estimate under a normal prior, as for the local offset of an
    estimate (see `scope_edge.estimator`): sum (y - p) / (precision + sum p (1 - p)) over the models asked.

    Parameters
    ----------
    rows : (n,) int
        Of the anchors.
    leave_out : (n,) int, optional
        For each, the column of a model that does not count, -1 for none: no model may be judged by what it did itself.
    """
    loadings = anchors.a[rows].astype(np.float64)
    b: NDArray[np.float64] = anchors.b[rows].astype(np.float64)
    p = logistic(loadings @ pool.theta_mean[pool.with_results].T.astype(np.float64) - b[:, None])
    codes = pool.scores[rows]
    known = codes != MISSING
    if leave_out is not None:
        column = np.where(leave_out >= 0, pool.results_of[leave_out], -1)
        mine = np.flatnonzero(column >= 0)
        known[mine, column[mine]] = False
    residual = np.where(known, decode_scores(codes) - p, 0).sum(axis=1)
    information = np.where(known, p * (1 - p), 0).sum(axis=1)
    b -= residual / (DIFFICULTY_PRECISION + information)
    return b
