"""What was asked and what came back, one line each, so that nothing is paid twice."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from types import ModuleType, TracebackType
from typing import IO, Any

from scope_edge.errors import UsageError
from scope_edge.questions import Question

__all__ = ["Ledger", "Record", "question_hash"]

FORMAT = 2
_LOCKED_AT = 2**30  # Windows keeps others from reading what is locked: a byte far behind the end of every ledger


@dataclass(frozen=True)
class Record:
    """How a question ended.

    outcome: answered, truncated, or the kind of a failure; score is None where there is no verdict. cost_usd is what
    was reported, or what it may have cost at most where nothing was. text is the answer, so that it can be graded
    again; an error's message where there is none.
    """

    id: str
    outcome: str
    score: float | None
    input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cached_tokens: int | None
    time_to_first_token_s: float | None
    tokens_per_second: float | None
    cost_usd: float
    text: str


class Ledger:
    """An append-only file of JSON lines: a header, `sent` before a round leaves, `record` when a call ended.

    Each line is on the disk before the next step. A kill leaves at most half a line at the end, which is cut off when
    the file is opened again, and calls that were sent and have no record: they may have been charged for, and will
    be sent again. Those are the only questions that can be. `free` takes back what was noted of calls that cannot have
    been charged for: they are still to be asked, and nothing was spent on them.

    Parameters
    ----------
    path : Path
    header : mapping
        What decides the outcome: model, base_url, questions, prices. Another run's file is refused, unless nothing was
        answered or may have been charged for in it: it is begun anew.
    kept : bool
        Whether the file is written. Otherwise it is read, if there is one, and what is noted is forgotten at the end.

    Raises
    ------
    UsageError
        The file is another run's, in use, damaged before its last line, or cannot be written.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], *, kept: bool = True) -> None:
        self.path = path
        self.records: dict[str, Record] = {}
        self.sent: dict[str, list[float]] = {}
        try:
            self._file = _opened(path) if kept else _copy(path)
        except OSError as error:
            raise UsageError(f"Cannot {'write' if kept else 'read'} {path}", got=str(error)) from error
        try:
            if kept:
                _lock(self._file, path)
            self.resumed = self._read({"format": FORMAT, **header})
        except BaseException:
            _close(self._file)
            raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _close(self._file)

    @property
    def lost_usd(self) -> float:
        """What the calls that a kill interrupted may have cost at most."""
        lost = (costs[:-1] if name in self.records else costs for name, costs in self.sent.items())
        return math.fsum(cost for costs in lost for cost in costs)

    @property
    def unfinished(self) -> list[str]:
        """The questions that were sent and have no record."""
        return [name for name in self.sent if name not in self.records]

    @property
    def cost_usd(self) -> float:
        """What all calls cost, those that a kill interrupted included."""
        # Rounded once: the order in which calls end must not be seen in it.
        return math.fsum((self.lost_usd, *(record.cost_usd for record in self.records.values())))

    def send(self, at_most_usd: Mapping[str, float]) -> None:
        """Note that questions are about to be sent, and what each may cost. It is one line: all of them or none."""
        entry = {"sent": dict(at_most_usd)}
        self._append(entry)
        self._take(entry)

    def free(self, cost_usd: Mapping[str, float]) -> None:
        """Note that the last calls of some questions gave nothing, and what each has cost: 0 if not charged for."""
        entry = {"free": list(cost_usd), "sent": {name: usd for name, usd in cost_usd.items() if usd}}
        self._append(entry)
        self._take(entry)

    def add(self, record: Record) -> None:
        """Note how a question ended; it counts from now on."""
        entry = {"record": asdict(record)}
        self._append(entry)
        self._take(entry)

    def _take(self, entry: Mapping[str, Any]) -> None:
        for name in entry.get("free", ()):
            self.sent[name].pop()
        for name, usd in entry.get("sent", {}).items():
            self.sent.setdefault(name, []).append(float(usd))
        if "record" in entry:
            record = Record(**entry["record"])
            self.records[record.id] = record

    def _append(self, line: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise UsageError(f"Cannot write {self.path}", got=str(error)) from error

    def _read(self, header: dict[str, Any]) -> bool:
        self._file.seek(0)
        data = self._file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            self._file.truncate(whole)
        lines = data[:whole].splitlines()
        if not lines:
            self._append(header)
            return False
        found = self._header(lines[0])
        differing = [name for name in {**header, **found} if found.get(name) != header.get(name)]
        if found["format"] == FORMAT:
            for number, line in enumerate(lines[1:], 2):
                self._read_line(number, line)
            if differing and not self.records and not any(self.sent.values()):
                self._file.truncate(0)
                self.sent.clear()
                self._append(header)
                return False
        if differing:
            name = differing[0]
            raise UsageError(
                f"{self.path} is the ledger of another run",
                expected=f"{name} {header.get(name)!r}",
                got=repr(found.get(name)),
                remedy="Give the same arguments to go on with it, or another --work to begin anew.",
            )
        return True

    def _header(self, line: bytes) -> dict[str, Any]:
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict) or "format" not in found:
            raise UsageError(
                f"{self.path} is no ledger", got=repr(line[:40]), remedy="Give the name of another file with --work."
            )
        return found

    def _read_line(self, number: int, line: bytes) -> None:
        try:
            self._take(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            raise UsageError(
                f"Line {number} of the ledger {self.path} is damaged",
                got=repr(line[:40]),
                remedy="Take the line out to go on without what it says, or give another --work to begin anew.",
            ) from error


def question_hash(questions: Sequence[Question]) -> str:
    """A hash of all that decides what is asked and how it is graded."""
    text = json.dumps([asdict(question) for question in questions], sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _opened(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a+b")


def _copy(path: Path) -> IO[bytes]:
    """A file without a name that holds what the named one does, if there is one."""
    found = path.read_bytes() if path.exists() else b""
    file = TemporaryFile()  # noqa: SIM115 - the ledger closes it
    file.write(found)
    return file


def _lock(file: IO[bytes], path: Path) -> None:
    """Keep a second run off the same file."""
    try:
        if windows := _msvcrt():
            file.seek(_LOCKED_AT)
            windows.locking(file.fileno(), windows.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise UsageError(f"Another run writes {path}", remedy="Wait for it, or give another --work.") from None


def _close(file: IO[bytes]) -> None:
    """Close a file, and unlock it before: Windows would do so by itself, but at a time of its own."""
    if windows := _msvcrt():
        with suppress(OSError):  # it was not locked, or the disk is full
            file.seek(_LOCKED_AT)
            windows.locking(file.fileno(), windows.LK_UNLCK, 1)
    file.close()


def _msvcrt() -> ModuleType | None:
    """The module that locks files on Windows, where there is no fcntl."""
    try:
        return import_module("msvcrt")
    except ImportError:
        return None
