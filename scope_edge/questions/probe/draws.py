"""Random choices that are the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

__all__ = ["Draws"]

T = TypeVar("T")


class Draws:
    """Choices that depend on the seed's text alone.

    All come from `Random.random`: Python promises the same numbers for the same seed in every version of that method,
    and of no other.
    """

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)

    def below(self, n: int) -> int:
        """A whole number from 0 to n - 1."""
        return int(self._random.random() * n)

    def between(self, least: int, most: int) -> int:
        """A whole number from least to most."""
        return least + self.below(most - least + 1)

    def pick(self, values: Sequence[T]) -> T:
        """One of the values."""
        return values[self.below(len(values))]

    def sample(self, values: Sequence[T], n: int) -> list[T]:
        """Some of the values, in random order."""
        left = list(values)
        return [left.pop(self.below(len(left))) for _ in range(n)]

    def shuffled(self, values: Sequence[T]) -> list[T]:
        """All of the values in random order."""
        return self.sample(values, len(values))
