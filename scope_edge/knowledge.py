"""What a router knows: its pool, and what was learned."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from scope_edge.estimator import Estimator
from scope_edge.fingerprints import Fingerprints

if TYPE_CHECKING:
    from scope_edge.learning import Experience

__all__ = ["Knowledge"]


class Knowledge:
    """The estimator of a router, which queries read without a lock, and what it was made from.

    A change is worked out first, and then put in place by one assignment: no query and no forked process finds it half
    done, and one that fails changes nothing.

    Parameters
    ----------
    base : Estimator
        That of the bundle.

    Attributes
    ----------
    changing : lock
        To be held by whoever changes it.
    """

    def __init__(self, base: Estimator) -> None:
        self._now = _Now(base, base)
        self.changing = threading.Lock()
        _all.add(self)

    @property
    def base(self) -> Estimator:
        """The estimator with the present pool, before anything was learned."""
        return self._now.base

    @property
    def estimator(self) -> Estimator:
        """The estimator with everything that was learned."""
        return self._now.estimator

    def replace_pool(self, pool: Fingerprints, same_latents: bool = False) -> None:
        """Go on with another pool; with `same_latents`, what was learned has not to be worked out anew."""
        base, experience = self._now.base.with_fingerprints(pool), self._now.experience
        if experience is None:
            self._now = _Now(base, base)
        else:
            self.learn(experience.restated(base) if same_latents else experience.rebased(base))

    def learn(self, experience: Experience) -> Experience:
        """Go on with what was learned."""
        self._now = _Now(experience.learner.base, experience.estimator, experience)
        return experience

    def experience(self, config: Mapping[str, Any], journal: str | os.PathLike[str] | None = None) -> Experience:
        """What was learned so far; the first to ask opens the journal, for a bundle with this config.json."""
        if self._now.experience is not None:
            return self._now.experience
        from scope_edge.learning import Experience

        return self.learn(Experience.begin(self._now.base, config, journal))


class _Now(NamedTuple):
    """All of it at one time."""

    base: Estimator
    estimator: Estimator
    experience: Experience | None = None


_all: weakref.WeakSet[Knowledge] = weakref.WeakSet()


def _after_fork() -> None:
    """A child inherits the locks as they were, but no thread that would release them."""
    for knowledge in list(_all):
        knowledge.changing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
