"""What a router knows: all models, its pool of them, and what was learned."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.estimator import Estimator
from scope_edge.fingerprints import Fingerprints
from scope_edge.pool import PartEstimator, PoolName, pool_of

if TYPE_CHECKING:
    from scope_edge.learning import Experience

__all__ = ["Knowledge"]


class Knowledge:
    """The estimators of a router, which queries read without a lock, and what they were made from.

    A change is worked out first, and then put in place by one assignment: no query and no forked process finds it half
    done, and one that fails changes nothing.

    Parameters
    ----------
    base : Estimator
        That of the bundle, with all its models.
    pool : "current" or "all"
        Which of them queries are about that name none.

    Attributes
    ----------
    changing : lock
        To be held by whoever changes it.
    """

    def __init__(self, base: Estimator, pool: PoolName = "all") -> None:
        self._pool: PoolName = pool
        part = pool_of(base, pool)
        self._now = _Now(base, part, base, part)
        self.changing = threading.Lock()
        _all.add(self)

    @property
    def base(self) -> Estimator:
        """The estimator of all models as they are now, before anything was learned."""
        return self._now.base

    @property
    def everyone(self) -> Estimator:
        """The estimator of all models with everything that was learned."""
        return self._now.everyone

    @property
    def estimator(self) -> Estimator:
        """The estimator of the pool with everything that was learned."""
        return self._now.estimator

    def among(self, models: Any) -> tuple[Estimator, NDArray[np.intp] | None]:
        """The estimator that knows the models which are named, and their columns there; of the pool, if none are.

        Raises
        ------
        UnknownModelError
        """
        now = self._now
        if models is None:
            return now.estimator, None
        in_pool, columns = now.estimator.candidates.find_known(models)
        return (now.estimator if in_pool else now.everyone), columns

    def replace_pool(self, pool: Fingerprints, same_latents: bool = False) -> None:
        """Go on with other models; with `same_latents`, what was learned has not to be worked out anew.

        Raises
        ------
        BundleError
            None of them is current.
        """
        base, experience = self._now.base.with_fingerprints(pool), self._now.experience
        if experience is None:
            part = pool_of(base, self._pool)
            self._now = _Now(base, part, base, part)
        else:
            self.learn(experience.restated(base) if same_latents else experience.rebased(base))

    def learn(self, experience: Experience) -> Experience:
        """Go on with what was learned."""
        base, everyone = experience.learner.base, experience.estimator
        part = self._now.part if base is self._now.base else pool_of(base, self._pool)
        estimator = part.following(everyone) if isinstance(part, PartEstimator) else everyone
        self._now = _Now(base, part, everyone, estimator, experience)
        return experience

    def experience(self, config: Mapping[str, Any], journal: str | os.PathLike[str] | None = None) -> Experience:
        """What was learned so far; the first to ask opens the journal, for a bundle with this config.json."""
        if self._now.experience is not None:
            return self._now.experience
        from scope_edge.learning import Experience

        return self.learn(Experience.begin(self._now.base, config, journal))


class _Now(NamedTuple):
    """All of it at one time: the estimators of all models and of the pool, before and after what was learned."""

    base: Estimator
    part: Estimator
    everyone: Estimator
    estimator: Estimator
    experience: Experience | None = None


_all: weakref.WeakSet[Knowledge] = weakref.WeakSet()


def _after_fork() -> None:
    """A child inherits the locks as they were, but no thread that would release them."""
    for knowledge in list(_all):
        knowledge.changing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
