"""What a table folder says of its sources: how their answers were graded, and in which language they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scope_edge.errors import OutcomesError
from scope_edge.outcome_rows import text_in
from scope_edge.rows import read_file_rows

__all__ = ["SourceKind", "read_sources"]


@dataclass(frozen=True)
class SourceKind:
    """How a source is graded ("verifier", "judge", ...) and its language; empty where it is not said."""

    grading: str = ""
    language: str = ""


def read_sources(folder: Path) -> dict[str, SourceKind]:
    """Read `sources` (.parquet, .csv or .jsonl) of a table folder; empty without the file.

    Raises
    ------
    OutcomesError
        The file cannot be read, a row names no source, or a source stands twice.
    MissingExtraError
        It is a .parquet, and polars is not installed.
    """
    paths = [folder / f"sources{suffix}" for suffix in (".parquet", ".csv", ".jsonl")]
    file = next((path for path in paths if path.exists()), None)
    kinds: dict[str, SourceKind] = {}
    for number, row in enumerate(read_file_rows(file, "sources") if file else (), 1):
        name = text_in(row.get("source")) if isinstance(row, Mapping) else None
        if name is None or name in kinds:
            raise OutcomesError(
                f"sources, row {number}: no source" if name is None else "sources: a source stands twice",
                expected="one row for each name, in a column 'source'",
                got="" if name is None else repr(name),
            )
        kinds[name] = SourceKind(text_in(row.get("grading")) or "", text_in(row.get("language")) or "")
    return kinds
