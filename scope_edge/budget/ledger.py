"""The ledger: what was spent and reserved, in one SQLite file that several processes share.

Amounts are whole nano-USD, so that sums are exact. Every change is one transaction, which a kill at any point
leaves done or undone. The file is in write-ahead mode and synchronised at its checkpoints only: a power cut,
unlike a kill, may undo the last of them.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from scope_edge.errors import BudgetError

__all__ = ["NANO", "Entry", "Ledger", "Period"]

NANO = 10**9
"""Units of the ledger in a USD."""

_APPLICATION = 0x5342_4745  # tells a ledger from other SQLite files
_VERSION = 1
_WAIT_S = 10.0  # a transaction takes well under a millisecond: after so long, somebody is stuck

_SCHEMA = (
    "CREATE TABLE budget (limit_nano INTEGER NOT NULL, per TEXT NOT NULL)",
    "CREATE TABLE periods (start_s INTEGER PRIMARY KEY, spent_nano INTEGER NOT NULL, reserved_nano INTEGER NOT NULL,"
    " calls INTEGER NOT NULL, pace BLOB NOT NULL)",
    # Tickets rise with time: new ones go to the end of the table, old ones are found at its beginning.
    "CREATE TABLE calls (ticket TEXT PRIMARY KEY, start_s INTEGER NOT NULL, model TEXT NOT NULL,"
    " opened_s REAL NOT NULL, reserved_nano INTEGER NOT NULL, cost_nano INTEGER) WITHOUT ROWID",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_VERSION}",
)


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


class Ledger:
    """The accounts of one budget; may be shared by threads, and is safe to fork.

    Parameters
    ----------
    path : str or None
        The file, made if there is none; None keeps the accounts in this process.
    limit_nano, per
        The terms of the budget, which a file keeps to.

    Raises
    ------
    BudgetError
        From every method: the file cannot be used, is locked, or is another budget's.
    """

    def __init__(self, path: str | None, limit_nano: int, per: str) -> None:
        self._path, self._limit_nano, self._per = path, limit_nano, per
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._process = os.getpid()
        self._closed = False
        with _registering:
            _ledgers.add(self)
        with self._reported():
            self._connected()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def __del__(self) -> None:
        self._disconnect()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is done within; nobody else writes meanwhile."""
        with self._reported():
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def period(self, start_s: int) -> Period | None:
        """The period that began then."""
        rows = self._query("SELECT * FROM periods WHERE start_s = ?", start_s)
        return Period(*rows[0]) if rows else None

    def period_before(self, start_s: int) -> Period | None:
        """The last period that had begun before."""
        rows = self._query("SELECT * FROM periods WHERE start_s < ? ORDER BY start_s DESC LIMIT 1", start_s)
        return Period(*rows[0]) if rows else None

    def write_period(self, period: Period) -> None:
        """Replace the period's row."""
        row = (period.start_s, period.spent_nano, period.reserved_nano, period.calls, period.pace)
        self._query("REPLACE INTO periods VALUES (?, ?, ?, ?, ?)", *row)

    def entry(self, ticket: str) -> Entry | None:
        """The call of this ticket."""
        rows = self._query("SELECT * FROM calls WHERE ticket = ?", ticket)
        return Entry(*rows[0]) if rows else None

    def write_entry(self, entry: Entry) -> None:
        """Replace the call's row."""
        self._query("REPLACE INTO calls VALUES (?, ?, ?, ?, ?, ?)", *entry)

    def open_entries(self) -> list[Entry]:
        """The calls whose cost is not known yet, the oldest first."""
        return [Entry(*row) for row in self._query("SELECT * FROM calls WHERE cost_nano IS NULL ORDER BY ticket")]

    def forget_before(self, ticket: str) -> None:
        """Delete the calls before a ticket whose cost is known; it stays counted in their periods."""
        self._query("DELETE FROM calls WHERE ticket < ? AND cost_nano IS NOT NULL", ticket)

    def _query(self, sql: str, *values: Any) -> list[Any]:
        with self._reported():
            return self._connected().execute(sql, values).fetchall()

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """One thread at a time, and errors of SQLite in the words of this package."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise self._error(error) from error

    def _connected(self) -> sqlite3.Connection:
        if self._closed:
            raise BudgetError("The budget is closed", remedy="Make a new one on the same store.")
        if self._process != os.getpid() and (self._path is None or self._connection is not None):
            raise BudgetError(
                "A forked process cannot use the budget of its parent",
                remedy="Give the budget a store, which processes share, and fork by os.fork or multiprocessing.",
            )
        if self._connection is None:
            self._connection, self._process = self._connect(), os.getpid()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path or ":memory:", timeout=_WAIT_S, isolation_level=None, check_same_thread=False
        )
        try:
            mode = _into_wal(connection)
            if self._path is not None and mode != "wal":
                raise BudgetError(
                    f"{self._path} cannot be shared by processes", expected="write-ahead mode", got=mode,
                    remedy="Put the store on a local disk.",
                )  # fmt: skip
            connection.execute("PRAGMA synchronous = NORMAL")
            self._check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        """Write the schema and the terms into a new file; compare those of an existing one."""
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            connection.execute("BEGIN IMMEDIATE")
            # Another process may have been first.
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                for statement in _SCHEMA:
                    connection.execute(statement)
                connection.execute("INSERT INTO budget VALUES (?, ?)", (self._limit_nano, self._per))
            connection.execute("COMMIT")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION:
            raise BudgetError(f"{self._path} is not a budget", got="another SQLite database", remedy=_ANOTHER)
        if version > _VERSION:
            raise BudgetError(
                f"{self._path} was written by a newer version", expected=f"format {_VERSION}", got=f"{version}",
                remedy="Update scope-edge.",
            )  # fmt: skip
        limit_nano, per = connection.execute("SELECT limit_nano, per FROM budget").fetchone()
        if (limit_nano, per) != (self._limit_nano, self._per):
            raise BudgetError(
                f"{self._path} is another budget's",
                expected=f"{self._limit_nano / NANO:g} USD per {self._per}",
                got=f"{limit_nano / NANO:g} USD per {per}",
                remedy=_ANOTHER,
            )

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _error(self, error: sqlite3.Error) -> BudgetError:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        what, remedy = _CAUSES.get(code, ("cannot be used", "See what SQLite says of it."))
        return BudgetError(f"The budget in {self._path or 'memory'} {what}", got=str(error), remedy=remedy)


_ANOTHER = "Give this budget a file of its own."

_LOCKED = (f"was locked for {_WAIT_S:g} s", "See which process holds it; one that was stopped may go on or be ended.")
_UNWRITABLE = ("cannot be opened or written", "See that its folder exists, and that it and the file may be written.")
_DAMAGED = ("is damaged, or is no budget", "Restore it from a copy, or start a new one.")
_CAUSES = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_READONLY: _UNWRITABLE,
    sqlite3.SQLITE_CANTOPEN: _UNWRITABLE,
    sqlite3.SQLITE_PERM: _UNWRITABLE,
    sqlite3.SQLITE_FULL: ("finds the disk full", "Make room; nothing of the last change was written."),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}


def _into_wal(connection: sqlite3.Connection) -> str:
    """Switch to write-ahead mode, for which SQLite does not wait by itself while others open the file."""
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return str(mode)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


# SQLite keeps its locks by process. A connection that is open during a fork would make the child believe that it
# holds those of its parent, and write where nobody reads: all are closed before, and opened again when needed.
_ledgers: weakref.WeakSet[Ledger] = weakref.WeakSet()
_registering = threading.Lock()
_held: list[Ledger] = []


def _before_fork() -> None:
    _registering.acquire()
    _held[:] = _ledgers
    for ledger in _held:
        ledger._lock.acquire()
        if ledger._path is not None:
            ledger._disconnect()


def _after_fork() -> None:
    for ledger in _held:
        ledger._lock.release()
    _held.clear()
    _registering.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
