"""The journal: what was recorded, in one SQLite file that several processes share, or in memory.

It holds figures: embeddings, loadings, scores, tokens, costs; the prompts' text only if that was asked for.
"""

from __future__ import annotations

import math
import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from scope_edge.errors import JournalError
from scope_edge.learning.outcome import MOST, Outcome
from scope_edge.outcome_rows import MAX_TOKENS
from scope_edge.shared_file import SharedFile

__all__ = ["AT_ONCE", "Journal"]

AT_ONCE = 1000
"""Outcomes that are read, and folded in, at once: more would take more memory, and no less time."""

_COLUMNS = "model, at_s, score, output_tokens, cost_usd, n_tokens, codes, scale, loadings, text"
_END_S = 253402300799.0  # the last second that a date can tell, of the year 9999


class Journal(SharedFile):
    """Recorded outcomes under rising numbers.

    Parameters
    ----------
    path : path or None
        The file, made if there is none; None keeps the journal in this process.
    encoder : str
        The hash of the encoder that the figures come from; a file of another one is refused.
    dim, n_loadings : int
        The lengths of that encoder's embeddings and loadings.

    Raises
    ------
    JournalError
        From every method: the file cannot be used, is locked or damaged, or is another encoder's.
    """

    noun, error, application, version = "journal", JournalError, 0x5342_4A4E, 1
    schema = (
        "CREATE TABLE journal (name TEXT NOT NULL, encoder TEXT NOT NULL, forgotten INTEGER NOT NULL)",
        # AUTOINCREMENT: a number is never given twice, even after its outcome was forgotten.
        "CREATE TABLE outcomes (number INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, at_s REAL NOT NULL,"
        " score REAL, output_tokens REAL, cost_usd REAL, n_tokens REAL NOT NULL, codes BLOB NOT NULL,"
        " scale REAL NOT NULL, loadings BLOB NOT NULL, text TEXT NOT NULL)",
    )

    def __init__(self, path: str | os.PathLike[str] | None, encoder: str, dim: int, n_loadings: int) -> None:
        self._encoder, self._dim, self._n_loadings = encoder, dim, n_loadings
        super().__init__(path)

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Name the journal, and say whose figures it holds."""
        connection.execute("INSERT INTO journal VALUES (?, ?, 0)", (uuid.uuid4().hex, self._encoder))

    def check(self, connection: sqlite3.Connection) -> None:
        """Compare the encoder."""
        _, encoder, _ = self._header(connection)
        if encoder != self._encoder:
            raise JournalError(
                f"{self.path} holds figures of another encoder",
                expected=self._encoder[:12],
                got=encoder[:12],
                remedy="Use it with bundles of that encoder, or name another file.",
            )

    @property
    def name(self) -> str:
        """Which journal it is, for ever."""
        with self.reported():
            return self._header(self.connected())[0]

    @property
    def forgotten(self) -> int:
        """How often outcomes were deleted: what was folded in before holds no longer when this has risen."""
        with self.reported():
            return self._header(self.connected())[2]

    def count(self, up_to: int) -> int:
        """How many outcomes there are up to a number, which are all looked at."""
        return int(self.query("SELECT count(*) FROM outcomes WHERE number <= ?", up_to)[0][0])

    def append(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        row = (
            outcome.model, outcome.at, _number(outcome.score), _number(outcome.output_tokens),
            _number(outcome.cost_usd), outcome.n_tokens, outcome.codes.tobytes(), float(outcome.scale),
            outcome.loadings.tobytes(), outcome.text,
        )  # fmt: skip
        self.query(f"INSERT INTO outcomes ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", *row)

    def after(self, number: int) -> Iterator[tuple[int, Outcome]]:
        """The outcomes with higher numbers, in order."""
        while True:
            rows = self.query(
                f"SELECT number, {_COLUMNS} FROM outcomes WHERE number > ? ORDER BY number LIMIT {AT_ONCE}", number
            )
            for number, *row in rows:
                yield number, self._outcome(number, row)
            if len(rows) < AT_ONCE:
                return

    def forget(self, model: str | None = None, before: float | None = None) -> int:
        """Delete the outcomes of a model, or from before a time, or both, or all; returns how many.

        What they held may be found in the file until it is cleared.
        """
        wanted, values = ["1"], list[Any]()
        if model is not None:
            wanted, values = [*wanted, "model = ?"], [*values, model]
        if before is not None:
            wanted, values = [*wanted, "at_s < ?"], [*values, before]
        with self.transaction() as connection:
            n = connection.execute(f"DELETE FROM outcomes WHERE {' AND '.join(wanted)}", values).rowcount
            if n:
                connection.execute("UPDATE journal SET forgotten = forgotten + 1")
        return int(n)

    def clear(self) -> None:
        """Leave nothing in the file of what was deleted, now or when this could not be done."""
        try:
            self.query("VACUUM")
            ((is_busy, *_),) = self.query("PRAGMA wal_checkpoint(TRUNCATE)")
            got = "another process that goes on reading it" if is_busy else ""
        except JournalError as error:
            got = error.got or error.what
        if got:
            raise JournalError(
                f"What was forgotten no longer counts, but may still be found in {self.path} or the -wal beside it",
                got=got, remedy="Make room, end what else uses it, and call `forget` again.",
            )  # fmt: skip

    def _header(self, connection: sqlite3.Connection) -> tuple[str, str, int]:
        """The journal's name, its encoder, and how often outcomes were deleted."""
        rows = connection.execute("SELECT name, encoder, forgotten FROM journal").fetchall()
        if [tuple(map(type, row)) for row in rows] != [(str, str, int)]:
            raise self._damaged("one row that names the journal and its encoder", repr(rows)[:80])
        name, encoder, forgotten = rows[0]
        return name, encoder, forgotten

    def _outcome(self, number: int, row: Sequence[Any]) -> Outcome:
        """The outcome of a row, whose values are checked: the file is open to whoever can write to it."""
        model, at, *figures, n_tokens, codes, scale, loadings, text = row
        sound = {
            "model": isinstance(model, str),
            "at_s": _is_within(at, _END_S),
            **{name: value is None or _is_within(value, MOST[name]) for name, value in zip(MOST, figures, strict=True)},
            "n_tokens": _is_within(n_tokens, MAX_TOKENS),
            "codes": isinstance(codes, bytes) and len(codes) == self._dim,
            "scale": _is_within(scale, 1.0),
            "loadings": isinstance(loadings, bytes)
            and len(loadings) == np.dtype(np.float16).itemsize * self._n_loadings
            and bool(np.isfinite(np.frombuffer(loadings, np.float16)).all()),
            "text": isinstance(text, str),
        }
        bad = [name for name, is_sound in sound.items() if not is_sound]
        if bad:
            raise self._damaged("values within their ranges", f"a bad {' and '.join(bad)} in outcome {number}")
        score, output_tokens, cost_usd = (math.nan if value is None else value for value in figures)
        return Outcome(
            model, at, score, output_tokens, cost_usd, n_tokens,
            codes=np.frombuffer(codes, np.int8), scale=np.float32(scale),
            loadings=np.frombuffer(loadings, np.float16), text=text,
        )  # fmt: skip

    def _damaged(self, expected: str, got: str) -> JournalError:
        return JournalError(
            f"The journal in {self.path} is damaged", expected=expected, got=got,
            remedy="Restore it from a copy, or start a new one.",
        )  # fmt: skip


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _is_within(value: Any, most: float) -> bool:
    return isinstance(value, float) and 0 <= value <= most
