"""A SQLite file that several processes write, threads share and forks survive.

Every change is one transaction, which a kill at any point leaves done or undone. The file is in write-ahead mode and
synchronised at its checkpoints only: a power cut, unlike a kill, may undo the last transactions, but never one alone
of those before it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from scope_edge.errors import ScopeEdgeError
from scope_edge.paths import PATH, is_path

__all__ = ["SharedFile"]

_WAIT_S = 10.0  # a transaction takes well under a millisecond: after so long, somebody is stuck
_TRY_MS, _PAUSE_S = 50, 0.005  # SQLite waits so long at a time, and we between


class SharedFile:
    """The connection to such a file; a subclass says what is in it.

    Parameters
    ----------
    path : str or None
        The file, made if there is none; None keeps everything in this process.
    """

    noun: ClassVar[str]
    """What messages call it."""
    error: ClassVar[type[ScopeEdgeError]]
    """What its errors are."""
    application: ClassVar[int]
    """Tells its files from other SQLite files."""
    version: ClassVar[int]
    """Of its tables: a file of a newer one is refused."""
    schema: ClassVar[Sequence[str]]
    """The statements that make its tables."""

    # Of the class too, for `__del__` of an object that was not made to the end, or that a copy began with.
    _connection: sqlite3.Connection | None = None

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        if path is not None and not is_path(path):
            raise self.error(f"Not the path of a {self.noun}", expected=PATH, got=repr(path))
        # Relative to where we are now: the file may be opened again later, in another folder.
        self.path = None if path is None else os.path.abspath(path)
        self._lock = threading.RLock()
        self._place: tuple[int, int] | None = None  # the device and inode of the file that was opened first
        self._process = os.getpid()
        self._closed = False
        with _registering:
            _files.add(self)
        with self.reported():
            self.connected()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def __del__(self) -> None:
        self._disconnect()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing of what is done within; nobody else writes meanwhile."""
        deadline = time.monotonic() + _WAIT_S
        while True:
            with self.reported():
                connection = self.connected()
                if _has_begun(connection, deadline):
                    try:
                        yield connection
                        connection.execute("COMMIT")
                    except BaseException:
                        if connection.in_transaction:
                            connection.execute("ROLLBACK")
                        raise
                    return
            time.sleep(_PAUSE_S)  # while it is nobody's turn: a fork takes one

    def query(self, sql: str, *values: Any) -> list[Any]:
        """Run one statement and give all of its rows."""
        with self.reported():
            return self.connected().execute(sql, values).fetchall()

    @contextmanager
    def reported(self) -> Iterator[None]:
        """One thread at a time, and errors of SQLite in the words of this package."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise self._told(error) from error

    def connected(self) -> sqlite3.Connection:
        """The connection of this process."""
        if self._closed:
            raise self.error(f"The {self.noun} is closed", remedy="Open it anew.")
        if self._process != os.getpid() and (self.path is None or self._connection is not None):
            raise self.error(
                f"A forked process cannot use the {self.noun} of its parent",
                remedy="Give it a file, which processes share, and fork by os.fork or multiprocessing.",
            )
        if self._connection is None or not self._connection.in_transaction:
            self._check_place()
        if self._connection is None:
            self._connection, self._process = self._connect(), os.getpid()
            self._place = self._place or self._found()
        return self._connection

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Write what a new file begins with, in the transaction that makes its tables."""

    def check(self, connection: sqlite3.Connection) -> None:
        """Refuse a file that is not to be used, by raising."""

    def _check_place(self) -> None:
        """Refuse to go on where the path leads elsewhere by now: nobody finds what is written to the old file."""
        if self._place is not None and self._found() != self._place:
            raise self.error(
                f"The {self.noun} in {self.path} was removed or replaced while it was open",
                remedy="Put the file back, or open it anew.",
            )

    def _found(self) -> tuple[int, int] | None:
        """The device and inode that the path leads to now."""
        if self.path is None:
            return None
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path or ":memory:", timeout=_WAIT_S, isolation_level=None, check_same_thread=False
        )
        try:
            mode = _into_wal(connection)
            if self.path is not None and mode != "wal":
                raise self.error(
                    f"{self.path} cannot be shared by processes", expected="write-ahead mode", got=mode,
                    remedy="Put it on a local disk.",
                )  # fmt: skip
            connection.execute("PRAGMA synchronous = NORMAL")
            self._open(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open(self, connection: sqlite3.Connection) -> None:
        """Make the tables of a new file; compare those of an existing one."""
        tables = "SELECT count(*) FROM sqlite_master"
        if not connection.execute(tables).fetchone()[0]:
            connection.execute("BEGIN IMMEDIATE")
            # Another process may have been first.
            if not connection.execute(tables).fetchone()[0]:
                for statement in self.schema:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {self.application}")
                connection.execute(f"PRAGMA user_version = {self.version}")
                self.prepare(connection)
            connection.execute("COMMIT")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != self.application:
            raise self.error(
                f"{self.path} is not a {self.noun}", got="another SQLite database", remedy="Name a file of its own."
            )
        if version > self.version:
            raise self.error(
                f"{self.path} was written by a newer version", expected=f"format {self.version}", got=f"{version}",
                remedy="Update scope-edge.",
            )  # fmt: skip
        self.check(connection)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _told(self, error: sqlite3.Error) -> ScopeEdgeError:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        what, remedy = _CAUSES.get(code, ("cannot be used", "See what SQLite says of it."))
        return self.error(f"The {self.noun} in {self.path or 'memory'} {what}", got=str(error), remedy=remedy)


_LOCKED = (f"was locked for {_WAIT_S:g} s", "See which process holds it; one that was stopped may go on or be ended.")
_UNWRITABLE = ("cannot be opened or written", "See that its folder exists, and that it and the file may be written.")
_DAMAGED = ("is damaged, or is another kind of file", "Restore it from a copy, or start a new one.")
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
            if not _may_wait(error, deadline):
                raise
            time.sleep(_PAUSE_S)


def _has_begun(connection: sqlite3.Connection, deadline: float) -> bool:
    """Begin a transaction, unless another process has one and there is time left to try again."""
    connection.execute(f"PRAGMA busy_timeout = {_TRY_MS}")
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if not _may_wait(error, deadline):
            raise
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout = {_WAIT_S * 1000:.0f}")
    return True


def _may_wait(error: sqlite3.OperationalError, deadline: float) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY and time.monotonic() < deadline


# SQLite keeps its locks by process. A connection that is open during a fork would make the child believe that it
# holds those of its parent, and write where nobody reads: all are closed before, and opened again when needed.
_files: weakref.WeakSet[SharedFile] = weakref.WeakSet()
_registering = threading.Lock()
_held: list[SharedFile] = []


def _before_fork() -> None:
    _registering.acquire()
    _held[:] = _files
    for file in _held:
        file._lock.acquire()
        if file.path is not None:
            file._disconnect()


def _after_fork() -> None:
    for file in _held:
        file._lock.release()
    _held.clear()
    _registering.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
