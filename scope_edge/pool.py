"""The pool of today: of all models that a bundle knows, those that can be bought or downloaded."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from scope_edge.errors import BundleError, UsageError
from scope_edge.estimator import Estimator
from scope_edge.fingerprints import Fingerprints
from scope_edge.results import AnchorResults

__all__ = ["PartEstimator", "PoolName", "check_pool", "current_first", "pool_of"]

PoolName = Literal["current", "all"]


def check_pool(pool: str) -> None:
    """Refuse what names no pool.

    Raises
    ------
    UsageError
    """
    if pool not in get_args(PoolName):
        raise UsageError("Bad pool", expected=" or ".join(map(repr, get_args(PoolName))), got=repr(pool))


def pool_of(everyone: Estimator, pool: PoolName) -> Estimator:
    """The estimator of a pool, of the estimator of all models; the same one where the pool has all of them.

    Raises
    ------
    BundleError
        No model is current.
    """
    is_current = [card.current for card in everyone.fingerprints.cards]
    if pool == "all" or all(is_current):
        return everyone
    if not any(is_current):
        raise BundleError(
            "No model of the bundle is current",
            expected="one that can be bought or downloaded",
            got=f"{len(is_current)} that cannot",
            remedy='Load it with pool="all" (on the command line --pool all).',
        )
    return PartEstimator(everyone, np.flatnonzero(is_current))


def current_first(prints: Fingerprints) -> Fingerprints:
    """The same models in the order in which a bundle opens fastest: the current ones together, before the others."""
    is_other = np.array([not card.current for card in prints.cards])
    if not np.any(is_other[:-1] & ~is_other[1:]):
        return prints
    return prints.only(np.argsort(is_other, kind="stable"))


class PartEstimator(Estimator):
    """The estimator of some models of another one, which does not pay for the rest; its figures are the same.

    Parameters
    ----------
    everyone : Estimator
        That of all models, before anything was learned.
    columns : int array of shape (n_models,)
        The models there, rising.
    """

    def __init__(self, everyone: Estimator, columns: NDArray[np.intp]) -> None:
        prints, candidates = everyone.fingerprints.only(columns), everyone.candidates
        super().__init__(
            everyone.anchors, prints, everyone.settings, everyone.reach, everyone._novelty_quantiles, candidates.dial,
            candidates.cost_bias,
        )  # fmt: skip
        self._columns = columns
        self._known = AnchorResults(everyone.anchors, prints, everyone.fingerprints)
        self.candidates = replace(self.candidates, known=candidates)
        self.names = self.candidates.names

    def following(self, everyone: Estimator) -> PartEstimator:
        """The same after the other one has learned; what was worked out of the anchors is shared."""
        other = copy.copy(self)
        other._pool = np.ascontiguousarray(everyone._pool[:, self._columns])
        learned = everyone._learned
        other._learned = None if learned is None else learned.only(self._columns, len(everyone.names))
        return other
