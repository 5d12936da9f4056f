"""The forms of logs that are known, and how one is told from its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from scope_edge.errors import OutcomesError, UsageError
from scope_edge.importing import llmrouterbench, own, requests, routerbench, scope
from scope_edge.importing.entries import Entry
from scope_edge.importing.records import SUFFIXES, Record, is_log, read_records

__all__ = ["FORMATS", "Format", "Sources", "detect", "named", "sources_of"]

LOOKED_AT = 50
"""How many records are looked at to tell a form; a field that is often missing stands in one of them."""


class Format(NamedTuple):
    """A form of log: its name, whether columns are its own, and what a row of it says."""

    name: str
    fits: Callable[[frozenset[str]], bool]
    entries: Callable[[Mapping[str, Any]], Iterable[Entry]]


class Sources(NamedTuple):
    """The files behind some paths: those to read, each with its form, those without a row, and those of other kinds."""

    logs: list[tuple[Path, Format]]
    empty: list[Path]
    others: list[Path]


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
    return _told(path, _first_records(path))


def _first_records(path: Path) -> list[Record]:
    return list(islice(read_records(path, lambda _: None, batch=LOOKED_AT), LOOKED_AT))


def _told(path: Path, records: Sequence[Record]) -> Format:
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


def sources_of(paths: Sequence[Path], form: Format | None) -> Sources:
    """The files behind the paths: the tables of a table folder, all logs in another folder, or the path itself.

    Raises
    ------
    OutcomesError
        There are none, all are empty, or the form of one cannot be told.
    """
    found = Sources([], [], [])
    for path in paths:
        if not path.exists():
            raise OutcomesError(f"Cannot read {path}", expected="a log, or a folder of logs", got="nothing there")
        logs, others = _files_in(path) if path.is_dir() else ([path], [])
        tables = own.tables(path) if path.is_dir() and (form is None or form.name == "own") else {}
        if tables:
            found.logs.extend((file, _TABLES[name]) for name, file in tables.items())
            # An import's own list of rejections is no log that was left out.
            left = {*tables.values(), path / "rejected.jsonl"}
            found.others.extend(file for file in logs if file not in left)
            continue
        found.others.extend(others)
        if not logs:
            raise OutcomesError(
                f"No logs in {path}", expected="files " + ", ".join(SUFFIXES), got=_shown(others) or "none"
            )
        for file in logs:
            records = _first_records(file)
            if records:
                found.logs.append((file, form or _told(file, records)))
            else:
                found.empty.append(file)
    if not found.logs:
        raise OutcomesError(
            f"Nothing to import: {_shown(found.empty)} {'is' if len(found.empty) == 1 else 'are'} empty",
            expected="a log with at least one row",
        )
    return found


def _files_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The logs below a folder in the order of their names, and the other files, but for hidden ones."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    logs = [file for file in files if is_log(file)]
    others = [file for file in files if not is_log(file) and "/." not in f"/{file.relative_to(folder).as_posix()}"]
    return logs, others


def _shown(files: Sequence[Path]) -> str:
    return ", ".join(file.name for file in files[:5]) + (", ..." if len(files) > 5 else "")
