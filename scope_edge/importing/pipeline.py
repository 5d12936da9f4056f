"""The steps of an import, from files of logs to a table folder."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from rich.progress import Progress

from scope_edge.errors import OutcomesError, UsageError
from scope_edge.importing.entries import Rejected
from scope_edge.importing.formats import Format, named, sources_of
from scope_edge.importing.models import ModelTable
from scope_edge.importing.questions import checked_shares
from scope_edge.importing.records import read_records, title_of
from scope_edge.importing.rejections import Rejections
from scope_edge.importing.tables import Duplicates, Tables
from scope_edge.names import counted
from scope_edge.price_source import PriceSource, missing_price
from scope_edge.rows import polars_module

__all__ = ["ImportOptions", "import_logs"]

FILES = ("queries.parquet", "outcomes.parquet", "models.parquet", "rejected.jsonl")


@dataclass(frozen=True)
class ImportOptions:
    """What decides an import, besides the logs.

    format: one of `formats.FORMATS`, or None to tell it from the columns. source: what rows that name none are said to
    be from; None, the name of their file. shares: of train, val and test, in percent. batch: rows of a .parquet that
    are read at once.
    """

    format: str | None = None
    source: str | None = None
    prices: PriceSource = field(default_factory=PriceSource)
    duplicates: Duplicates = "mean"
    shares: tuple[float, float, float] = (80.0, 10.0, 10.0)
    strict: bool = False
    batch: int = 8_192


def import_logs(paths: Sequence[Path], out: Path, options: ImportOptions, progress: Progress) -> dict[str, Any]:
    """Read logs of outcomes into a table folder, ready for `build`, `train` and `evaluate`.

    Every row that cannot be used is in `rejected.jsonl` beside the tables, with its file, line and reason.

    Parameters
    ----------
    paths : sequence of Path
        Logs, table folders, or folders of logs.
    out : Path
        A new folder, an empty one, or one of an earlier import, whose files are replaced once all of the new are there;
        one that is stopped in the middle of that holds no table until the import is run again.

    Returns
    -------
    dict
        A report: the files that were read, those that are empty and those that are of other kinds, counts, rejections
        by reason, models whose rows state several prices, splits, the rows of the models table, and models that the
        prices name but no log.

    Raises
    ------
    OutcomesError
        A log cannot be read, its form cannot be told, nothing in it can be used, or rows are rejected under `strict`.
    PriceError
        No model has a price, or a model matches several prices.
    UsageError
        An option, or the folder to write.
    """
    polars = polars_module("Importing a log")
    _check_options(options)
    sources = sources_of(paths, named(options.format) if options.format else None)
    _check_target(out, [path for path, _ in sources.logs])
    work = _work_folder(out)
    made = work / "made"
    try:
        made.mkdir(parents=True)
        models = ModelTable(options.prices)
        tables, rejections, n_records = _read_all(sources.logs, work, models, options, progress)
        if models.is_late():
            # A price holds for all rows of its model, those above it too; this time all are known from the start.
            models.count_anew()
            del tables
            tables, rejections, n_records = _read_all(sources.logs, work, models, options, progress)
        _check_outcome(tables, rejections, options, made, out)
        report = {
            "files": {str(path): form.name for path, form in sources.logs},
            "empty": list(map(str, sources.empty)),
            "not_read": list(map(str, sources.others)),
            "n_records": n_records,
            "n_rejected": rejections.by_reason.total(),
            "rejected": rejections.counts,
            "unpriced": models.unpriced(),
            "repriced": models.repriced(),
            "not_in_logs": options.prices.strangers(models.known),
            **tables.write(made, options.duplicates),
        }
        _move_into_place(made, out)
    except (OSError, polars.exceptions.PolarsError) as error:
        raise UsageError(f"Cannot write {out}", got=str(error).splitlines()[0]) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return report


def _work_folder(out: Path) -> Path:
    """A folder to work in, on the disk of `out`: inside it where it is there, for it may be a mount point.

    Those that killed imports left there are cleared.
    """
    place = out if out.is_dir() else out.absolute().parent
    prefix = f"{_work_prefix(out)}{platform.node()}-"  # the processes of other machines are not seen from here
    with suppress(OSError):
        for entry in place.iterdir():
            process = entry.name.removeprefix(prefix)
            if entry.name.startswith(prefix) and process.isdecimal() and not _is_running(int(process)):
                shutil.rmtree(entry, ignore_errors=True)
    return place / f"{prefix}{os.getpid()}"


def _work_prefix(out: Path) -> str:
    return f".{out.resolve().name}-import-"


def _is_running(process: int) -> bool:
    if os.name == "nt":
        return True  # os.kill would end it there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # of another user, for one
    return True


def _move_into_place(made: Path, out: Path) -> None:
    if not out.is_dir():
        made.rename(out)
        return
    # Without its queries a folder is no table: whoever is killed in between leaves none, and never parts of two.
    queries, *others = FILES
    (out / queries).unlink(missing_ok=True)
    for name in (*others, queries):
        (made / name).replace(out / name)


def _read_all(
    sources: Sequence[tuple[Path, Format]], work: Path, models: ModelTable, options: ImportOptions, progress: Progress
) -> tuple[Tables, Rejections, int]:
    with Rejections(work / "made" / "rejected.jsonl") as rejections:
        tables = Tables(work, models, checked_shares(options.shares))
        return tables, rejections, _read(sources, tables, rejections, options, progress)


def _read(
    sources: Sequence[tuple[Path, Format]],
    tables: Tables,
    rejections: Rejections,
    options: ImportOptions,
    progress: Progress,
) -> int:
    task = progress.add_task("import (MB)", total=round(sum(path.stat().st_size for path, _ in sources) / 1e6))
    n_records, done = 0, 0.0

    def on_bytes(before: float) -> Callable[[float], None]:
        return lambda n: progress.update(task, completed=round((before + n) / 1e6))

    for path, form in sources:
        source = options.source or title_of(path)
        for number, row, fault, detail in read_records(path, on_bytes(done), options.batch):
            n_records += 1
            if row is None:
                rejections.add(path, number, Rejected(fault, detail))
                continue
            try:
                for entry in form.entries(row):
                    try:
                        tables.add(entry, source)
                    except Rejected as why:
                        rejections.add(path, number, why, row, entry)
            except Rejected as why:
                rejections.add(path, number, why, row)
        done += path.stat().st_size
    return n_records


def _check_outcome(tables: Tables, rejections: Rejections, options: ImportOptions, made: Path, out: Path) -> None:
    """Refuse an import that has nothing to write, or must not; what was rejected is kept all the same."""
    empty = tables.n_outcomes == 0
    if not empty and not (options.strict and rejections.by_reason):
        return
    if rejections.by_reason:
        out.mkdir(parents=True, exist_ok=True)
        (made / "rejected.jsonl").replace(out / "rejected.jsonl")
    if empty and tables.models.unpriced():
        raise missing_price(tables.models.unpriced())
    raise OutcomesError(
        "No row could be imported" if empty else f"{counted(rejections.by_reason.total(), 'row')} rejected",
        expected="rows with a prompt, a model and a score" if empty else "none, for --strict",
        got=f"{rejections} ({rejections.first})" if rejections.by_reason else "empty logs",
        remedy=f"Each is in {out / 'rejected.jsonl'}." if rejections.by_reason else "",
    )


def _check_options(options: ImportOptions) -> None:
    if options.duplicates not in get_args(Duplicates):
        raise UsageError("Bad duplicates", expected=", ".join(get_args(Duplicates)), got=repr(options.duplicates))
    checked_shares(options.shares)


def _check_target(out: Path, inputs: Sequence[Path]) -> None:
    known = out.is_dir() and all(
        entry.name in FILES or entry.name.startswith(_work_prefix(out)) for entry in out.iterdir()
    )
    if out.exists() and not known:
        raise UsageError(f"{out} exists and is not an import", remedy="Give a new folder, or remove this one first.")
    if any(out.resolve() in path.resolve().parents for path in inputs):
        raise UsageError(f"The log lies in {out}, which would be replaced", remedy="Give another folder for --out.")
