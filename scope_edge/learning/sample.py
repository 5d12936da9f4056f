"""The outcomes that are kept as anchors: a sample of all, in which each has the same chance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "Sample"]


class Rows(NamedTuple):
    """n outcomes, one a row.

    numbers (n,) uint64: theirs in the journal. codes (n, dim) int8, scales (n,) float32: the embeddings. loadings
    (n, n_loadings) float32: a, b, c, d, all float16 in value. models (n,) int32: columns of the pool. scores and
    lengths, log(1 + output tokens), (n,) float64: NaN where not known.
    """

    numbers: NDArray[np.uint64]
    codes: NDArray[np.int8]
    scales: NDArray[np.float32]
    loadings: NDArray[np.float32]
    models: NDArray[np.int32]
    scores: NDArray[np.float64]
    lengths: NDArray[np.float64]

    @classmethod
    def empty(cls, n: int, dim: int, n_loadings: int) -> Rows:
        """Room for n outcomes."""
        return cls(
            np.empty(n, np.uint64), np.empty((n, dim), np.int8), np.empty(n, np.float32),
            np.empty((n, n_loadings), np.float32), np.empty(n, np.int32), np.empty(n), np.empty(n),
        )  # fmt: skip

    def take(self, rows: Any) -> Rows:
        """Some of them."""
        return Rows(*(column[rows] for column in self))


class Sample:
    """Of outcomes that come one after the other, those that are kept, which depends on their numbers alone.

    Each number draws a lot, and those below a bar stay; when more than `limit` have stayed the bar is lowered by a
    quarter (adaptive sampling, Flajolet 1990). So no outcome takes another's place: new ones go behind those that
    anybody has seen, and what was given out is neither changed nor copied. Many states of a router can be alive at
    once, held by decisions that somebody has kept.

    rows: those that are kept now.
    """

    def __init__(self, limit: int, dim: int, n_loadings: int) -> None:
        self._limit = limit
        self._bar = 1 << 64
        self._room = Rows.empty(0, dim, n_loadings)
        self.rows = self._room

    def add(self, new: Rows) -> NDArray[np.intp]:
        """Add outcomes; returns which are kept, as places among those before with the new ones behind."""
        before = len(self.rows.numbers)
        lots = _lots(np.append(self.rows.numbers, new.numbers))
        kept = np.flatnonzero(lots <= np.uint64(self._bar - 1))
        while len(kept) > self._limit:
            self._bar = self._bar * 3 // 4
            kept = np.flatnonzero(lots <= np.uint64(self._bar - 1))
        stay, come = kept[kept < before], new.take(kept[kept >= before] - before)
        if len(stay) < before or len(kept) > len(self._room.numbers):
            old, (_, dim), (_, n_loadings) = self.rows.take(stay), self._room.codes.shape, self._room.loadings.shape
            self._room = Rows.empty(min(2 * len(kept), self._limit), dim, n_loadings)
            self._write(0, old)
        self._write(len(stay), come)
        self.rows = self._room.take(slice(len(kept)))
        for column in self.rows:
            column.flags.writeable = False
        return kept

    def _write(self, begin: int, rows: Rows) -> None:
        columns: Iterable[tuple[Any, Any]] = zip(self._room, rows, strict=True)
        for column, values in columns:
            column[begin : begin + len(values)] = values


def _lots(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """What numbers draw, the same for ever (the finaliser of SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        x = numbers + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
