"""The records of a file one after another, each with where it stands; memory does not grow with the file.

What cannot be read as a record is handed on as a fault, never skipped. Only a .json document is read at once. What is
packed by gzip is unpacked as it is read.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple

from scope_edge.encodings import refuse_utf16
from scope_edge.errors import OutcomesError
from scope_edge.names import counted
from scope_edge.rows import check_separator, polars_module

__all__ = ["SUFFIXES", "Record", "is_log", "read_records", "title_of", "unit_of"]

_PACKED = (".csv.gz", ".jsonl.gz", ".ndjson.gz")
_LINES = (".csv", ".jsonl", ".ndjson", *_PACKED)
SUFFIXES = (".parquet", ".csv", ".jsonl", ".ndjson", ".json", *_PACKED)
"""The kinds of logs; of a table that stands in a folder twice, the first is read."""
MAX_CHARS = 2**25
"""A longer record is a mistake: a line break, or a closing quote, is missing."""


class Record(NamedTuple):
    """`number` counts from 1: lines of the file for .csv, .jsonl and .ndjson, rows for .json and .parquet.

    Of a record over several lines it is the first; of a packed file the lines are those of what is packed. Without a
    `row`, `fault` and `detail` say why.
    """

    number: int
    row: Mapping[str, Any] | None
    fault: str = ""
    detail: str = ""


def is_log(path: Path) -> bool:
    """Whether a file is of a kind that can be read, by its suffix, in capitals or not.

    One that is packed is none where it stands unpacked beside it: its rows would be read twice.
    """
    return _suffix(path) in SUFFIXES and not (_suffix(path) in _PACKED and path.with_suffix("").exists())


def unit_of(path: Path) -> str:
    """What the number of a record counts: "line" or "row"."""
    return "line" if _suffix(path) in _LINES else "row"


def title_of(path: Path) -> str:
    """The name of a file without its suffix."""
    return path.name[: len(path.name) - len(_suffix(path))]


def _suffix(path: Path) -> str:
    """The suffix in small letters; of a packed file, that of what is packed as well."""
    return "".join(path.suffixes[-2 if path.suffix.lower() == ".gz" else -1 :]).lower()


def read_records(path: Path, on_bytes: Callable[[float], None], batch: int = 8_192) -> Iterator[Record]:
    """Read a file, by its suffix.

    Parameters
    ----------
    path : Path
        A .csv, .jsonl or .ndjson, each perhaps with .gz behind it, .json or .parquet.
    on_bytes : callable
        Is told now and then how many bytes of the file have been read so far.
    batch : int
        Rows of a .parquet that are in memory at once.

    Raises
    ------
    OutcomesError
        The file as a whole cannot be read.
    """
    readers = {".csv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl, ".json": _json}
    suffix = _suffix(path)
    try:
        if suffix in SUFFIXES and path.stat().st_size == 0:
            return  # not even the header of its kind
        if suffix == ".parquet":
            yield from _parquet(path, on_bytes, batch)
        elif suffix in SUFFIXES:
            yield from readers[suffix.removesuffix(".gz")](path, on_bytes)
        else:
            raise OutcomesError("Unknown kind of log", expected=", ".join(SUFFIXES), got=path.name)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise OutcomesError(
            f"Cannot unpack {path}",
            expected="a whole gzip file",
            got="one that is cut off" if isinstance(error, EOFError) else str(error),
            remedy="Copy it anew, or import what `gzip -dc` gets out of it.",
        ) from error
    except OSError as error:
        raise OutcomesError(f"Cannot read {path}", got=error.strerror or str(error)) from error
    on_bytes(path.stat().st_size)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BufferedReader[Any], BufferedReader[Any]]]:
    """The file as it lies on the disk, for how far it is read, and what is to be read of it."""
    with path.open("rb") as raw:
        if _suffix(path) in _PACKED:
            with BufferedReader(gzip.open(raw)) as unpacked:
                refuse_utf16(unpacked.peek(2), path)
                yield raw, unpacked
        else:
            refuse_utf16(raw.peek(2), path)
            yield raw, raw


def _jsonl(path: Path, on_bytes: Callable[[float], None]) -> Iterator[Record]:
    with _opened(path) as (raw, file):
        number = 0
        while line := file.readline(MAX_CHARS):
            number += 1
            if number % 1024 == 0:
                on_bytes(raw.tell())
            if len(line) == MAX_CHARS and not line.endswith(b"\n"):
                _skip_line(file)
                yield Record(number, None, "line too long", f"over {MAX_CHARS} bytes")
                continue
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            try:
                row = json.loads(line.rstrip(b"\r\n"))
            except (ValueError, RecursionError) as error:
                yield Record(number, None, "malformed JSON", str(error))
                continue
            if isinstance(row, dict):
                yield Record(number, row)
            else:
                yield Record(number, None, "malformed JSON", f"not an object but {type(row).__name__}")


def _skip_line(file: BufferedReader[Any]) -> None:
    while (rest := file.readline(MAX_CHARS)) and not rest.endswith(b"\n"):
        pass


def _csv(path: Path, on_bytes: Callable[[float], None]) -> Iterator[Record]:
    # Bytes that are not UTF-8 become lone surrogates, which are refused with the row that holds them.
    with _opened(path) as (raw, data), TextIOWrapper(data, "utf-8-sig", "surrogateescape", newline="") as file:
        # strict: a quote that is never closed is a fault, and not a field that holds the rest of the file.
        reader = csv.reader(file, strict=True)
        header: list[str] | None = None
        while True:
            begins = reader.line_num + 1
            before = csv.field_size_limit(MAX_CHARS)
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Record(begins, None, "malformed CSV", f"{error}; read up to line {reader.line_num}")
                continue
            finally:
                csv.field_size_limit(before)
            if begins % 1024 == 0:
                on_bytes(raw.tell())
            if not cells:
                continue
            if header is None:
                header = cells
                check_separator(header, path.name)
                if len(set(header)) < len(header):
                    twice = next(name for name in header if header.count(name) > 1)
                    raise OutcomesError(f"{path.name}: a column stands twice", got=ascii(twice)[:60])
            elif len(cells) != len(header):
                yield Record(
                    begins, None, "malformed CSV", f"{counted(len(cells), 'field')}, the header has {len(header)}"
                )
            else:
                yield Record(begins, dict(zip(header, cells, strict=True)))


def _json(path: Path, on_bytes: Callable[[float], None]) -> Iterator[Record]:
    del on_bytes  # it is read at once
    try:
        with _opened(path) as (_, file):
            document = json.loads(file.read().decode("utf-8-sig", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise OutcomesError(f"Cannot read {path}", expected="one JSON document", got=str(error)) from error
    shared: dict[str, Any] = {}
    rows = document if isinstance(document, list) else [document]
    if isinstance(document, dict) and isinstance(document.get("records"), list):
        # The form of LLMRouterBench: one file per model and data set, named once.
        rows = document["records"]
        shared = {name: document[name] for name in ("model_name", "dataset_name", "demo") if name in document}
    for number, row in enumerate(rows, 1):
        if isinstance(row, dict):
            yield Record(number, shared | row)
        else:
            yield Record(number, None, "malformed JSON", f"not an object but {type(row).__name__}")


def _parquet(path: Path, on_bytes: Callable[[float], None], batch: int) -> Iterator[Record]:
    polars = polars_module()
    size = path.stat().st_size
    try:
        frame = polars.scan_parquet(path)
        n_rows = frame.select(polars.len()).collect().item()
        # By slices, for collect_batches was seen to run ahead until all of a file of 900 MB was in memory.
        for start in range(0, n_rows, batch):
            for number, row in enumerate(frame.slice(start, batch).collect().iter_rows(named=True), start + 1):
                yield Record(number, row)
            on_bytes(size * min(start + batch, n_rows) / n_rows)
    except polars.exceptions.PolarsError as error:
        raise OutcomesError(f"Cannot read {path}", got=str(error).splitlines()[0]) from error
