"""The ledger: what was spent and reserved, in one SQLite file that several processes share, or in memory.

Amounts are whole nano-USD, so that sums are exact.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from typing import NamedTuple

from scope_edge.errors import BudgetError
from scope_edge.shared_file import SharedFile

__all__ = ["NANO", "Entry", "Ledger", "Period"]

NANO = 10**9
"""Units of the ledger in a USD."""


@dataclass
class Period:
    """One period: what its calls have cost, and what is reserved for those that are still open."""

    start_s: int
    spent_nano: int = 0
    reserved_nano: int = 0
    calls: int = 0
    pace: bytes = b""


class Entry(NamedTuple):
    """One call: open until its cost is known."""

    ticket: str
    start_s: int
    model: str
    opened_s: float
    reserved_nano: int
    cost_nano: int | None = None


class Ledger(SharedFile):
    """The accounts of one budget.

    Parameters
    ----------
    path : path or None
        The file, made if there is none; None keeps the accounts in this process.
    limit_nano, per
        The terms of the budget, which a file keeps to.

    Raises
    ------
    BudgetError
        From every method: the file cannot be used, is locked, or is another budget's.
    """

    noun, error, application, version = "budget", BudgetError, 0x5342_4745, 1
    schema = (
        "CREATE TABLE budget (limit_nano INTEGER NOT NULL, per TEXT NOT NULL)",
        "CREATE TABLE periods (start_s INTEGER PRIMARY KEY, spent_nano INTEGER NOT NULL,"
        " reserved_nano INTEGER NOT NULL, calls INTEGER NOT NULL, pace BLOB NOT NULL)",
        # Tickets rise with time: new ones go to the end of the table, old ones are found at its beginning.
        "CREATE TABLE calls (ticket TEXT PRIMARY KEY, start_s INTEGER NOT NULL, model TEXT NOT NULL,"
        " opened_s REAL NOT NULL, reserved_nano INTEGER NOT NULL, cost_nano INTEGER) WITHOUT ROWID",
    )

    def __init__(self, path: str | os.PathLike[str] | None, limit_nano: int, per: str) -> None:
        self._limit_nano, self._per = limit_nano, per
        super().__init__(path)

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Write down the terms."""
        connection.execute("INSERT INTO budget VALUES (?, ?)", (self._limit_nano, self._per))

    def check(self, connection: sqlite3.Connection) -> None:
        """Compare the terms."""
        limit_nano, per = connection.execute("SELECT limit_nano, per FROM budget").fetchone()
        if (limit_nano, per) != (self._limit_nano, self._per):
            raise BudgetError(
                f"{self.path} is another budget's",
                expected=f"{self._limit_nano / NANO:g} USD per {self._per}",
                got=f"{limit_nano / NANO:g} USD per {per}",
                remedy="Give this budget a file of its own.",
            )

    def period(self, start_s: int) -> Period | None:
        """The period that began then."""
        rows = self.query("SELECT * FROM periods WHERE start_s = ?", start_s)
        return Period(*rows[0]) if rows else None

    def period_before(self, start_s: int) -> Period | None:
        """The last period that had begun before."""
        rows = self.query("SELECT * FROM periods WHERE start_s < ? ORDER BY start_s DESC LIMIT 1", start_s)
        return Period(*rows[0]) if rows else None

    def write_period(self, period: Period) -> None:
        """Replace the period's row."""
        row = (period.start_s, period.spent_nano, period.reserved_nano, period.calls, period.pace)
        self.query("REPLACE INTO periods VALUES (?, ?, ?, ?, ?)", *row)

    def entry(self, ticket: str) -> Entry | None:
        """The call of this ticket."""
        rows = self.query("SELECT * FROM calls WHERE ticket = ?", ticket)
        return Entry(*rows[0]) if rows else None

    def write_entry(self, entry: Entry) -> None:
        """Replace the call's row."""
        self.query("REPLACE INTO calls VALUES (?, ?, ?, ?, ?, ?)", *entry)

    def open_entries(self) -> list[Entry]:
        """The calls whose cost is not known yet, the oldest first."""
        return [Entry(*row) for row in self.query("SELECT * FROM calls WHERE cost_nano IS NULL ORDER BY ticket")]

    def forget_before(self, ticket: str) -> None:
        """Delete the calls before a ticket whose cost is known; it stays counted in their periods."""
        self.query("DELETE FROM calls WHERE ticket < ? AND cost_nano IS NOT NULL", ticket)
