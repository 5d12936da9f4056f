"""The forms of logs that are known, and how one is told from its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from scope_edge.errors import OutcomesError, UsageError
from scope_edge.importing import llmrouterbench, own, requests, routerbench, scope
from scope_edge.importing.entries import Entry
from scope_edge.importing.records import read_records

__all__ = ["FORMATS", "Format", "detect", "named", "sources_of"]

LOOKED_AT = 50
"""How many records are looked at to tell a form; a field that is often missing stands in one of them."""


class Format(NamedTuple):
    """A form of log: its name, whether columns are its own, and what a row of it says."""

    name: str
    fits: Callable[[frozenset[str]], bool]
    entries: Callable[[Mapping[str, Any]], Iterable[Entry]]


FORMATS = (
    Format("own", own.fits, own.answers),
    Format("routerbench", routerbench.fits, routerbench.answers),
    Format("llmrouterbench", llmrouterbench.fits, llmrouterbench.answers),
    Format("scope", scope.fits, scope.answers),
    Format("requests", requests.fits, requests.answers),
)

_TABLES = {
    "queries": Format("own", own.fits, own.query_rows),
    "models": Format("own", own.fits, own.model_rows),
    "outcomes": Format("own", own.fits, own.answers),
}


def named(name: str) -> Format:
    """The form of this name.

    Raises
    ------
    UsageError
        There is none.
    """
    for form in FORMATS:
        if form.name == name:
            return form
    raise UsageError("No such format", expected=", ".join(form.name for form in FORMATS), got=name)


def detect(path: Path) -> Format:
    """The form of a file, by the names of the columns of its first records.

    Raises
    ------
    OutcomesError
        No form has such columns, or more than one; or the file cannot be read.
    """
    records = islice(read_records(path, lambda _: None, batch=LOOKED_AT), LOOKED_AT)
    columns = frozenset(name for record in records for name in record.row or ())
    fitting = [form for form in FORMATS if form.fits(columns)]
    if len(fitting) == 1:
        return fitting[0]
    names = " or ".join(form.name for form in fitting)
    shown = ", ".join(sorted(columns)[:20]) or "no columns"
    raise OutcomesError(
        f"The format of {path.name} could be {names}" if fitting else f"The format of {path.name} is not known",
        expected="the columns of one of " + ", ".join(form.name for form in FORMATS),
        got=shown,
        remedy="Name it with --format." if fitting else "See docs/importing.md for the columns of each.",
    )


def sources_of(path: Path, form: Format | None) -> list[tuple[Path, Format]]:
    """The files behind a path, each with its form: the tables of a table folder, all logs in another, or itself.

    Raises
    ------
    OutcomesError
        There are none, or the form of one cannot be told.
    """
    if not path.exists():
        raise OutcomesError(f"Cannot read {path}", expected="a log, or a folder of logs", got="nothing there")
    if not path.is_dir():
        return [(path, form or detect(path))]
    found = own.tables(path)
    if found and (form is None or form.name == "own"):
        return [(file, _TABLES[name]) for name, file in found.items()]
    files = sorted(file for file in path.rglob("*") if file.suffix in (".csv", ".jsonl", ".json", ".parquet"))
    if not files:
        raise OutcomesError(f"No logs in {path}", expected="files .csv, .jsonl, .json or .parquet")
    return [(file, form or detect(file)) for file in files]
