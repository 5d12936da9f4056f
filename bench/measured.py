"""What a run of the benchmarks found, without the single times: what the report is written from, and committed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["REFERENCE", "Entry", "Results"]

REFERENCE = Path(__file__).parent / "results" / "reference.json"


@dataclass(frozen=True)
class Entry:
    """One thing that was timed: seconds at the median and at 99%, and what it was."""

    median: float
    p99: float | None
    info: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.info.get(key)


@dataclass(frozen=True)
class Results:
    """Entries of one run, and where it was made."""

    conditions: dict[str, Any]
    entries: list[Entry]

    @classmethod
    def of_run(cls, path: Path) -> Results:
        """Condense what pytest-benchmark wrote."""
        run = json.loads(path.read_text(encoding="utf-8"))
        machine, commit = run["machine_info"], run["commit_info"]
        conditions = {
            "cpu": machine["cpu"]["brand_raw"], "cores": machine["cpu"]["count"],
            "python": machine["python_version"], "versions": machine["versions"],
            "compiled_kernels": machine["compiled_kernels"], "commit": commit["id"][:10], "date": run["datetime"][:10],
        }  # fmt: skip
        entries = [
            Entry(entry["stats"]["median"], entry["extra_info"].pop("p99"), entry["extra_info"])
            for entry in run["benchmarks"]
        ]
        return cls(conditions, entries)

    @classmethod
    def read(cls, path: Path = REFERENCE) -> Results:
        """Read what `write` wrote."""
        stored = json.loads(path.read_text(encoding="utf-8"))
        return cls(stored["conditions"], [Entry(**entry) for entry in stored["entries"]])

    def write(self, path: Path = REFERENCE) -> None:
        """One line an entry, so that a change can be read."""
        lines = ",\n".join(json.dumps({"median": e.median, "p99": e.p99, "info": e.info}) for e in self.entries)
        text = f'{{"conditions": {json.dumps(self.conditions)},\n"entries": [\n{lines}\n]}}\n'
        path.write_text(text, encoding="utf-8")

    def of(self, table: str, **wanted: Any) -> Iterator[Entry]:
        """The entries of a table with these properties, in the order of the run."""
        for entry in self.entries:
            if entry["table"] == table and all(entry[key] == value for key, value in wanted.items()):
                yield entry

    def one(self, table: str, **wanted: Any) -> Entry | None:
        """The first of them; None where it was not measured."""
        return next(self.of(table, **wanted), None)
