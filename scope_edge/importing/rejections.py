"""Rows that were set aside: each with its place and reason in a file, and counted by reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from scope_edge.importing.entries import Answer, Entry, Rejected
from scope_edge.importing.records import unit_of

__all__ = ["Rejections"]

_IDS = ("query_id", "id", "sample_id", "request_id", "litellm_call_id", "index")


class Rejections:
    """Writes a line of JSON for each; a context manager. No text of a prompt or an answer goes into it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self.by_reason: Counter[str] = Counter()
        self.first = ""

    def __enter__(self) -> Rejections:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(
        self, path: Path, number: int, why: Rejected, row: Mapping[str, Any] | None = None, entry: Entry | None = None
    ) -> None:
        """Note down a record, or one entry of it."""
        line: dict[str, Any] = {"file": str(path), unit_of(path): number, "reason": why.reason}
        if why.detail:
            line["detail"] = why.detail
        for name in _IDS:
            if row is not None and isinstance(row.get(name), str | int):
                line["id"] = str(row[name])[:200]
                break
        if isinstance(entry, Answer) and isinstance(entry.model.name, str):
            line["model"] = entry.model.name[:200]
        # As ASCII, for what is rejected may hold what UTF-8 cannot.
        self._file.write(json.dumps(line) + "\n")
        self.by_reason[why.reason] += 1
        self.first = self.first or f"{path.name}, {unit_of(path)} {number}: {why.reason}"

    @property
    def counts(self) -> dict[str, int]:
        """How many by reason, the most frequent first."""
        return dict(self.by_reason.most_common())

    def __str__(self) -> str:
        return ", ".join(f"{reason} {n:,}" for reason, n in self.counts.items())
