"""Rows of files and tables as they are, whatever they are about."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, cast

from scope_edge.encodings import not_utf8
from scope_edge.errors import MissingExtraError, OutcomesError
from scope_edge.names import counted

__all__ = [
    "check_separator",
    "is_missing",
    "json_lines",
    "model_of",
    "named_rows",
    "polars_module",
    "read_file_rows",
    "read_frame",
    "rows_of_one_model",
]

Row = tuple[int, Mapping[str, Any]]

_QUOTING = "Put text that holds a comma, a quote or a line break in double quotes, and double each quote within it."


def is_missing(value: Any) -> bool:
    """Whether a value is none: None, an empty text or NaN, whichever its file or table has for that."""
    if isinstance(value, str):
        return not value
    return value is None or (isinstance(value, Real) and value != value)


def named_rows(source: Any, what: str) -> tuple[str, list[Any]]:
    """The rows of a path, a list of mappings or a table, and what to call them in errors.

    what: the plural of what a row is, such as "outcomes".
    """
    if isinstance(source, str | Path):
        path = Path(source)
        return path.name, read_file_rows(path, what)
    # pyarrow, polars and pandas, told apart by their methods so that none of them is imported
    for method, arguments in (("to_pylist", ()), ("to_dicts", ()), ("to_dict", ("records",))):
        if hasattr(source, method):
            return what, cast(list[Any], getattr(source, method)(*arguments))
    if isinstance(source, Sequence) and not isinstance(source, bytes):
        return what, list(source)
    raise OutcomesError(
        f"These {what} cannot be read",
        expected="a path, a list of mappings, or a pandas, polars or pyarrow table",
        got=type(source).__name__,
    )


def read_file_rows(path: Path, what: str, lines: str | None = None) -> list[Any]:
    """The rows of a .csv, .jsonl, .json or .parquet file, its suffix in capitals or not.

    what: the plural of what a row is, for errors. lines: the one column of a .txt with a row a line; None if none is
    taken.
    """
    kinds = ".csv, .jsonl, .json or .parquet" if lines is None else ".txt, .csv, .jsonl, .json or .parquet"
    try:
        if not path.exists():
            raise OutcomesError(f"No such file: {path}", expected=f"{what}, as {kinds}")
        suffix = path.suffix.lower()
        if suffix == ".csv":
            return _csv_rows(path)
        if suffix == ".jsonl":
            with path.open(encoding="utf-8-sig") as file:
                return json_lines(file, path.name)
        if suffix == ".json":
            loaded = json.loads(path.read_text(encoding="utf-8-sig"))
            return loaded if isinstance(loaded, list) else [loaded]
        if suffix == ".txt" and lines is not None:
            return [{lines: line} for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise OutcomesError(f"Cannot read the {what} in {path}", **not_utf8(error)) from error
    except (OSError, ValueError, RecursionError) as error:
        raise OutcomesError(f"Cannot read the {what} in {path}", got=str(error)) from error
    if suffix == ".parquet":
        return cast(list[Any], read_frame(path, polars_module().read_parquet).to_dicts())
    raise OutcomesError(f"Unknown kind of file for {what}", expected=kinds, got=path.name)


def _csv_rows(path: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    header: list[str] = []
    begins = 1
    limit = csv.field_size_limit(2**31 - 1)  # a prompt may be longer than csv's default of 128 kB
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # strict: a quote that is never closed is an error, and not a field that holds the rest of the file.
            reader = csv.reader(file, strict=True)
            for cells in reader:
                if not header:
                    header = cells
                    check_separator(header, path.name)
                    names = list(filter(None, header))
                    if len(set(names)) < len(names):
                        twice = next(name for name in names if names.count(name) > 1)
                        raise OutcomesError(f"{path.name}: a column stands twice", got=repr(twice))
                elif cells and len(cells) != len(header):
                    raise OutcomesError(
                        f"{path.name}, line {begins}: not a row of this table",
                        expected=f"{counted(len(header), 'field')}, as in the header",
                        got=str(len(cells)),
                        remedy=_QUOTING,
                    )
                elif cells:
                    rows.append(dict(zip(header, cells, strict=True)))
                begins = reader.line_num + 1
    except csv.Error as error:
        raise OutcomesError(
            f"{path.name}, line {begins}: not CSV", got=f"{error}, read up to line {reader.line_num}", remedy=_QUOTING
        ) from error
    finally:
        csv.field_size_limit(limit)
    return rows


def check_separator(header: Sequence[str], name: str) -> None:
    """Refuse a CSV whose header is one column, which other separators made of it.

    Raises
    ------
    OutcomesError
        It has semicolons, which Excel writes where the comma stands in numbers.
    """
    if len(header) == 1 and ";" in header[0]:
        raise OutcomesError(
            f"{name}: the columns are separated by semicolons",
            expected="commas",
            remedy="Save it with commas, or as .jsonl; Excel takes the list separator of the system's region settings.",
        )


def json_lines(lines: Iterable[str], name: str) -> list[Any]:
    """One JSON value a line; blank lines are passed over.

    Raises
    ------
    OutcomesError
        A line is no JSON; it is named.
    """
    rows = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                why = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
                raise OutcomesError(f"{name}, line {number}: not JSON: {why}") from error
    return rows


def model_of(row: Mapping[str, Any]) -> str:
    """What a row has in its column `model`; empty where it has nothing there."""
    name = row.get("model")
    return "" if is_missing(name) else str(name)


def rows_of_one_model(rows: Sequence[Row], name: str, what: str, only: str | None, option: str) -> list[Row]:
    """The rows of the model that is asked for, numbered from 1; all of them, if they are of one.

    name: of their file. what: the plural of what a row is. option: how `only` is said on the command line.

    Raises
    ------
    OutcomesError
        The rows are of several models and none was named, or none is of the named one.
    """
    models = list(dict.fromkeys(filter(None, (model_of(row) for _, row in rows))))
    these = f"The {what}" if name == what else f"The {what} in {name}"
    some = ", ".join(models[:5]) + (", ..." if len(models) > 5 else "")
    if only is None and len(models) > 1:
        raise OutcomesError(
            f"{these} are of {len(models)} models",
            got=some,
            remedy=f"Name the one to take with {option.strip('-')}=, on the command line with {option}.",
        )
    if only is not None and only not in models:
        raise OutcomesError(f"{these} are not of {only!r}", got=some or "no models")
    return [(number, row) for number, row in rows if only is None or model_of(row) == only]


def polars_module(purpose: str = "Reading this table") -> Any:
    """polars, which is of an extra; the purpose is for the error where it is not installed."""
    try:
        import polars
    except ImportError as error:
        raise MissingExtraError(purpose, "polars", "build") from error
    return polars


def read_frame(path: Path, reader: Callable[[Path], Any], remedy: str = "") -> Any:
    """What a reader of polars makes of a file."""
    try:
        return reader(path)
    except (OSError, polars_module().exceptions.PolarsError) as error:
        raise OutcomesError(f"Cannot read {path}", got=str(error).splitlines()[0], remedy=remedy) from error
