"""What the pool did on the anchors, in the form in which neighbours speak.

A neighbour says how each model's result on it differs from what was predicted there (the residual), and
how much such a result tells (the information). Both are worked out when an anchor is first somebody's
neighbour: a bundle opens at once, however many anchors it has, and only what is asked for takes memory.
"""

from __future__ import annotations

import os
import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.anchors import LEARNED, AnchorSet
from scope_edge.fingerprints import MISSING, Fingerprints, decode_lengths, decode_scores

__all__ = ["OTHERS", "OWN", "UNIT", "AnchorResults", "Met"]

UNIT = 4096
"""Residuals and information are whole multiples of 1 / UNIT: their sums are exact in any order."""

OWN, OTHERS = 2, 1
"""How loudly an outcome that was learned later speaks for its model, and for the others, beside any other anchor.

What it shows of one model, it shows half as much of all others: on prompts of a kind that the bundle does not know,
models fail together.
"""

_FIRST_ROOM = 512
_meeting = threading.Lock()


def _after_fork() -> None:
    """A child inherits the lock as it was, but no thread that would release it."""
    global _meeting
    _meeting = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Met(NamedTuple):
    """Places of some anchors in the two tables of those that were met.

    places (k,) int32, -1 for an anchor that was not met; loadings (room, rank + 1 + length_rank + 3) float32,
    a, b, c, d of each anchor, its noise of length and 1, or 0 and 0 where that is unknown; results
    (room, 4 R) int16, residuals of the models of `AnchorResults.columns`, their information, and the same of length,
    in units of 1 / UNIT, zero where a model has no result.
    """

    places: NDArray[np.int32]
    loadings: NDArray[np.float32]
    results: NDArray[np.int16]


class AnchorResults:
    """Loadings and results of the anchors that were met; safe to share by threads.

    Nothing is ever changed once it was given out: new anchors get new places, and a table without room
    left is replaced by a larger copy.

    Parameters
    ----------
    anchors : AnchorSet
    fingerprints : Fingerprints
        Of the models whose results are wanted.
    everyone : Fingerprints, optional
        Of all models that an outcome may be of, if they are more: one that was learned later speaks for all.

    Attributes
    ----------
    columns : int32 array of shape (R,)
        The models that anchors may tell something of: those with results, and all where one was learned later.
    """

    def __init__(self, anchors: AnchorSet, fingerprints: Fingerprints, everyone: Fingerprints | None = None) -> None:
        self._anchors, self._fingerprints, self._everyone = anchors, fingerprints, everyone
        room = min(_FIRST_ROOM, len(anchors))
        self._places = np.full(len(anchors), -1, np.int32)
        self._loadings = np.empty((room, anchors.loadings.shape[1] + 2), np.float32)
        has_learned = bool((anchors.provenance == LEARNED).any())
        columns = np.arange(len(fingerprints.cards)) if has_learned else np.sort(fingerprints.with_results)
        self.columns = columns.astype(np.int32)
        self._results = np.empty((room, 4 * len(columns)), np.int16)
        self._n_met = 0

    def met(self, rows: NDArray[np.int32]) -> Met:
        """Where these anchors are; -1 for those that nobody met before."""
        places = self._places.take(rows)
        # Read after the places: a table that was replaced meanwhile holds them too.
        return Met(places, self._loadings, self._results)

    def meet(self, rows: NDArray[np.int32]) -> Met:
        """Where these anchors are, after working out those that nobody met before."""
        with _meeting:
            missing = rows[self._places[rows] < 0]
            if len(missing):
                # Not numpy's `unique`, which imports when it is called: a fork in between would hang.
                self._work_out(np.array(sorted(set(missing.tolist())), np.int32))
        return self.met(rows)

    def shown(self, rows: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Residuals and information of correctness of all models on some anchors, (len(rows), n_models) each."""
        met, shape = self.meet(rows), (len(rows), len(self._fingerprints.cards))
        found = met.results[met.places].reshape(len(rows), 4, -1) / UNIT
        residuals, information = np.zeros(shape), np.zeros(shape)
        residuals[:, self.columns], information[:, self.columns] = found[:, 0], found[:, 1]
        return residuals, information

    def _work_out(self, rows: NDArray[np.int32]) -> None:
        loadings = self._anchors.loadings[rows].astype(np.float32)
        parts = self._parts(rows, loadings, self._fingerprints)
        learned = self._anchors.provenance[rows] == LEARNED
        if learned.any():
            all_parts = [part[learned] for part in parts]
            if self._everyone is not None:
                all_parts = self._parts(rows[learned], loadings[learned], self._everyone)
            for part, of_all in zip(parts, all_parts, strict=True):
                part[learned] = OTHERS * of_all.sum(axis=1, keepdims=True) + (OWN - OTHERS) * part[learned]
        parts = [part[:, self.columns] for part in parts]
        stop = self._n_met + len(rows)
        if stop > len(self._results):
            room = min(2 * stop, len(self._places))
            self._loadings, self._results = _grown(self._loadings, room), _grown(self._results, room)
        noise = self._anchors.length_noise[rows].astype(np.float32)
        noisy = np.stack([np.nan_to_num(noise), np.isfinite(noise)], axis=1)
        self._loadings[self._n_met : stop] = np.concatenate((loadings, noisy), axis=1)
        steps = np.rint(np.concatenate(parts, axis=1) * np.float32(UNIT))
        self._results[self._n_met : stop] = np.clip(steps, -32767, 32767)
        places = np.arange(self._n_met, stop, dtype=np.int32)
        # In this order: a process that is forked in between must not give these places to others.
        self._n_met = stop
        self._places[rows] = places

    def _parts(
        self, rows: NDArray[np.int32], loadings: NDArray[np.float32], prints: Fingerprints
    ) -> list[NDArray[np.float32]]:
        """Residual, information, and both of length, each (len(rows), n_models), of some models on some anchors."""
        rank, models = self._anchors.rank, prints.with_results
        p = _sigmoid(_along(loadings[:, :rank], prints.theta_mean[models]) - loadings[:, rank, None])
        expected = _along(loadings[:, rank + 1 : -1], prints.psi_mean[models]) + loadings[:, -1:]
        scores, lengths = prints.scores[rows], prints.log_tokens[rows]
        known, measured = scores != MISSING, lengths != MISSING
        found = [
            np.where(known, decode_scores(scores) - p, np.float32(0)),
            np.where(known, p * (1 - p), np.float32(0)),
            np.where(measured, np.clip(decode_lengths(lengths) - expected, -6, 6), np.float32(0)),
            measured.astype(np.float32),
        ]
        parts = [np.zeros((len(rows), len(prints.cards)), np.float32) for _ in found]
        for part, known_part in zip(parts, found, strict=True):
            part[:, models] = known_part
        return parts


def _grown(table: NDArray[Any], room: int) -> NDArray[Any]:
    grown = np.empty((room, table.shape[1]), table.dtype)
    grown[: len(table)] = table
    return grown


def _sigmoid(logit: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.float32(1) / (np.float32(1) + np.exp(np.clip(-logit, -60, 60)))


def _along(loadings: NDArray[np.float32], latents: NDArray[np.float32]) -> NDArray[np.float32]:
    """The product with the latents term by term: a matrix product may round differently from one shape to another."""
    total = np.zeros((len(loadings), len(latents)), np.float32)
    for j in range(loadings.shape[1]):
        total += loadings[:, j, None] * latents[:, j]
    return total
