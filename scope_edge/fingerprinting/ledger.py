"""What was asked and what came back, one line each, so that nothing is paid twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from scope_edge.errors import UsageError
from scope_edge.questions import Question

__all__ = ["Ledger", "Record", "question_hash"]

FORMAT = 1


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
    """An append-only file of JSON lines: a header, `sent` before a call leaves, `record` when it ended.

    Each line is on the disk before the next step. A kill leaves at most half a line at the end, which is cut off when
    the file is opened again, and calls that were sent and have no record: they may have been charged for, and will
    be sent again. Those are the only questions that can be.

    Parameters
    ----------
    path : Path
    header : mapping
        What decides the outcome: model, base_url, questions, prices. Another run's file is refused.

    Raises
    ------
    UsageError
        The file is another run's, in use, damaged before its last line, or cannot be written.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self.path = path
        self.records: dict[str, Record] = {}
        self.sent: dict[str, list[float]] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("a+b")
        except OSError as error:
            raise UsageError(f"Cannot write {path}", got=str(error)) from error
        try:
            _lock(self._file, path)
            self.resumed = self._read({"format": FORMAT, **header})
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    @property
    def lost_usd(self) -> float:
        """What the calls that a kill interrupted may have cost at most."""
        return sum(sum(costs[:-1] if name in self.records else costs) for name, costs in self.sent.items())

    @property
    def cost_usd(self) -> float:
        """What all calls cost, those that a kill interrupted included."""
        return self.lost_usd + sum(record.cost_usd for record in self.records.values())

    def send(self, question: str, at_most_usd: float) -> None:
        """Note that a question is about to be sent, and what it may cost."""
        self._append({"sent": question, "at_most_usd": at_most_usd})
        self.sent.setdefault(question, []).append(at_most_usd)

    def add(self, record: Record) -> None:
        """Note how a question ended; it counts from now on."""
        self._append({"record": asdict(record)})
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
        try:
            found = json.loads(lines[0])
            for line in lines[1:]:
                entry = json.loads(line)
                if "sent" in entry:
                    self.sent.setdefault(entry["sent"], []).append(float(entry["at_most_usd"]))
                else:
                    record = Record(**entry["record"])
                    self.records[record.id] = record
        except (ValueError, TypeError, KeyError) as error:
            raise UsageError(f"{self.path} is no ledger of this version", got=f"{type(error).__name__}") from error
        for name in {**header, **found}:
            if found.get(name) != header.get(name):
                raise UsageError(
                    f"{self.path} is the ledger of another run",
                    expected=f"{name} {header.get(name)!r}",
                    got=repr(found.get(name)),
                    remedy="Give the same arguments to go on with it, or another --work to begin anew.",
                )
        return True


def question_hash(questions: Sequence[Question]) -> str:
    """A hash of all that decides what is asked and how it is graded."""
    text = json.dumps([asdict(question) for question in questions], sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep a second run off the same file, where the system can."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise UsageError(f"Another run writes {path}", remedy="Wait for it, or give another --work.") from None
