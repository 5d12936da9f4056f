"""Outcome tables: which model answered which prompt, how well, and at how many tokens.

A whole table folder comes in, for `build`, `train` and `evaluate`; it is checked here once, and nothing behind this
module checks again. The rows of one model are `outcome_rows`.
"""

from __future__ import annotations

import math
import re
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.cards import FACTS
from scope_edge.encodings import refuse_utf16
from scope_edge.errors import OutcomesError, PriceError, UsageError
from scope_edge.names import counted
from scope_edge.outcome_rows import MAX_TOKENS, TRUTHS, USABLE_TOKENS, number_in, text_in
from scope_edge.price_source import PriceSource, missing_price
from scope_edge.pricing import Price
from scope_edge.rows import check_separator, polars_module, read_frame

__all__ = ["SPLITS", "ModelRow", "OutcomeTable", "meant_split", "question_stem", "read_table"]

SPLITS = ("train", "val", "test", "ood")
"""What splits are called; ood holds sources that no other has. A table may have others, for `evaluate --split`."""

_OPTIONS = re.compile(r"\n\(?A[.):]")

_MEANT = {"training": "train", "validation": "val", "valid": "val", "dev": "val", "testing": "test"}


@dataclass(frozen=True)
class ModelRow:
    """What a table, or a list of prices, says of a model.

    Without a price, nobody sells it. base: its name without the reasoning effort; empty if not stated.
    """

    model: str
    price: Price | None
    params_b: float | None = None
    thinks: bool = False
    role: str = "train"
    price_date: str | None = None
    context_window: int | None = None
    base: str = ""

    @property
    def usd_per_mtok_in(self) -> float:
        """The price of input; NaN without one."""
        return math.nan if self.price is None else self.price.input_usd_per_mtok

    @property
    def usd_per_mtok_out(self) -> float:
        """The price of output; NaN without one."""
        return math.nan if self.price is None else self.price.output_usd_per_mtok


@dataclass(frozen=True)
class OutcomeTable:
    """A table folder as dense matrices of shape (n_queries, n_models); NaN marks a missing cell."""

    query_ids: list[str]
    prompts: list[str]
    sources: NDArray[np.str_]
    categories: NDArray[np.str_]
    splits: NDArray[np.str_]
    models: list[ModelRow]
    scores: NDArray[np.float32]
    output_tokens: NDArray[np.float32]  # usable kinds only
    input_tokens: NDArray[np.float32]

    def rows(self, split: str) -> NDArray[np.intp]:
        """Indices of the queries of a split."""
        return np.flatnonzero(self.splits == split)

    def without_lengths(self, patterns: Sequence[str]) -> OutcomeTable:
        """The table with the output tokens of some sources (names or wildcards) left out.

        For sources that ask for the bare answer, whose lengths say nothing of ordinary use.
        """
        named = [any(fnmatchcase(source, pattern) for pattern in patterns) for source in self.sources.tolist()]
        output_tokens = self.output_tokens.copy()
        output_tokens[np.array(named, bool)] = np.nan
        return replace(self, output_tokens=output_tokens)

    def check_sources(self, patterns: Sequence[str]) -> None:
        """Refuse a name or wildcard that is of no source here, for a slip in one would go unnoticed.

        Raises
        ------
        UsageError
            There is one; it is named.
        """
        known = sorted(set(self.sources.tolist()))
        for pattern in patterns:
            if not any(fnmatchcase(source, pattern) for source in known):
                raise UsageError(
                    f"No source matches {pattern!r}",
                    expected="a source of the table, or a wildcard for some",
                    got=", ".join(known[:5]) + (", ..." if len(known) > 5 else ""),
                )

    def columns(self, rows: NDArray[np.intp], least: int) -> NDArray[np.intp]:
        """Indices of the models with at least `least` outcomes in these rows; role=join is left out."""
        counts = np.isfinite(self.scores[rows]).sum(axis=0)
        fits = [row.role != "join" and counts[i] >= least for i, row in enumerate(self.models)]
        return np.flatnonzero(fits)


def read_table(folder: str | Path, prices: PriceSource | None = None) -> OutcomeTable:
    """Read a folder of `queries`, `outcomes` and `models` tables (.parquet, .csv or .jsonl).

    Parameters
    ----------
    folder : str or Path
    prices : PriceSource, optional
        Goes before the prices of the table, which it need not have then; the table's count for a model that is not
        in it.

    Raises
    ------
    OutcomesError
        A file or column is missing, a score is not in [0, 1], a price is missing or negative, an
        id or split is unknown, or a cell is filled twice; or an import replaced the tables meanwhile.
    PriceError
        A model has a price neither in `prices` nor in the table, or several in `prices`.
    """
    root = Path(folder)
    if not root.is_dir():
        raise OutcomesError(
            "No such outcome table",
            expected="a folder with queries, outcomes and models tables",
            got=str(root),
            remedy="See the README, section 'Outcome tables'.",
        )
    prices = prices or PriceSource()
    priced = () if prices.stated else ("usd_per_mtok_in", "usd_per_mtok_out")
    file = _file(root, "queries")
    before = _stamp(file)
    queries = _frame(root, "queries", ("query_id", "prompt"))
    outcomes = _frame(root, "outcomes", ("query_id", "model", "score"))
    models = _frame(root, "models", ("model", *priced))
    # An import takes the queries away first and puts its own there last.
    if _stamp(file) != before:
        raise OutcomesError(
            f"The tables in {root} were replaced while they were read", remedy="Read them again, once that is done."
        )

    query_ids = queries["query_id"].to_list()
    for query_id in query_ids:
        if not query_id or "\n" in query_id:
            raise OutcomesError("queries: bad query_id", expected="text on one line", got=repr(query_id))
    row_of = {query_id: index for index, query_id in enumerate(query_ids)}
    if len(row_of) != len(query_ids):
        raise OutcomesError("queries: a query_id stands twice", remedy="Give every query its own id.")
    prompts = queries["prompt"].to_list()
    for query_id, prompt in zip(query_ids, prompts, strict=True):
        if not isinstance(prompt, str) or not prompt.strip():
            raise OutcomesError("queries: a prompt is empty", got=f"query_id {query_id!r}")
    model_rows = _model_rows(list(models.iter_rows(named=True)), prices)
    column_of = {row.model: index for index, row in enumerate(model_rows)}
    if len(column_of) != len(model_rows):
        raise OutcomesError("models: a model stands twice", remedy="Give every model one row.")

    rows = _indices(outcomes["query_id"].to_list(), row_of, "query_id", "queries")
    columns = _indices(outcomes["model"].to_list(), column_of, "model", "models")
    score = _floats(outcomes["score"].to_list())
    bad = ~((score >= 0) & (score <= 1))
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise OutcomesError(
            f"outcomes: {counted(int(bad.sum()), 'score')} outside [0, 1]",
            expected="numbers from 0 (wrong) to 1 (right)",
            got=f"{score[at]} in row {at + 1}",
        )
    flat = rows * len(model_rows) + columns
    if len(np.unique(flat)) != len(flat):
        raise OutcomesError(
            "outcomes: a (query_id, model) pair stands twice",
            remedy="Average repeated runs into one score first.",
        )
    shape = (len(query_ids), len(model_rows))
    scores = np.full(shape, np.nan, np.float32)
    scores[rows, columns] = score
    output_tokens = np.full(shape, np.nan, np.float32)
    input_tokens = np.full(shape, np.nan, np.float32)
    usable = np.ones(len(rows), bool)
    if "tokens_kind" in outcomes.columns:
        usable = np.array([kind is None or kind in USABLE_TOKENS for kind in outcomes["tokens_kind"].to_list()], bool)
    for name, matrix, keep in (
        ("output_tokens", output_tokens, usable),
        ("input_tokens", input_tokens, np.ones(len(rows), bool)),
    ):
        if name in outcomes.columns:
            values = _floats(outcomes[name].to_list())
            wrong = np.flatnonzero(~(np.isnan(values) | ((values >= 0) & (values <= MAX_TOKENS))))
            if len(wrong):
                raise OutcomesError(
                    f"outcomes: bad {name}",
                    expected="a count of tokens, or nothing",
                    got=f"{values[wrong[0]]:g} in row {wrong[0] + 1}",
                )
            keep = keep & np.isfinite(values)
            matrix[rows[keep], columns[keep]] = values[keep]

    def labels(name: str, default: str) -> NDArray[np.str_]:
        if name not in queries.columns:
            return np.full(len(query_ids), default)
        return np.array([default if value is None else str(value) for value in queries[name].to_list()])

    splits = labels("split", "train")
    for split in np.unique(splits).tolist():
        if meant := meant_split(split):
            raise OutcomesError(
                "queries: unknown split",
                expected=repr(meant),
                got=f"{split!r} in row {int((splits == split).argmax()) + 1}",
                remedy="Rename it; as it is, its prompts would never be used.",
            )
    return OutcomeTable(
        query_ids=query_ids,
        prompts=prompts,
        sources=labels("source", ""),
        categories=labels("category", ""),
        splits=splits,
        models=model_rows,
        scores=scores,
        output_tokens=output_tokens,
        input_tokens=input_tokens,
    )


_TEXTS = (
    "query_id",
    "prompt",
    "source",
    "category",
    "split",
    "model",
    "tokens_kind",
    "thinks",
    "role",
    "price_date",
    "base",
)
_PRICES = ("usd_per_mtok_in", "usd_per_mtok_out", "usd_per_mtok_cached_in", "usd_per_mtok_reasoning")
_NUMBERS = ("score", "output_tokens", "input_tokens", "params_b", "context_window", *_PRICES)


def _file(root: Path, name: str) -> Path:
    """Where a table stands."""
    for suffix in (".parquet", ".csv", ".jsonl"):
        path = root / f"{name}{suffix}"
        if path.exists():
            return path
    raise OutcomesError(
        f"The folder {root} has no {name} table",
        expected=f"{name}.parquet, .csv or .jsonl",
        remedy="If an import into it was stopped, run that again." if name == "queries" else "",
    )


def _stamp(file: Path) -> tuple[int, ...]:
    """What tells a file from one that takes its place; nothing of one that is gone."""
    try:
        status = file.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_mtime_ns


def _frame(root: Path, name: str, required: Sequence[str]) -> Any:
    """One table, its known columns as text or floats, null where missing; others as they are."""
    polars = polars_module()
    readers = {
        ".parquet": polars.read_parquet,
        ".csv": _read_csv,
        ".jsonl": _read_json_lines,
    }
    path = _file(root, name)
    frame = read_frame(path, readers[path.suffix])
    missing = [column for column in required if column not in frame.columns]
    if missing:
        raise OutcomesError(f"{path.name} lacks columns", expected=", ".join(required), got=", ".join(frame.columns))
    return frame.with_columns(
        [_typed(frame[column], path.name) for column in frame.columns if column in _TEXTS + _NUMBERS]
    )


def question_stem(prompt: str) -> str:
    """What copies of a question share: its beginning in lower case, without its answer options."""
    return re.sub(r"\W+", " ", _OPTIONS.split(prompt)[0].lower()).strip()[:200]


def meant_split(split: str) -> str | None:
    """The split that was meant by a name which is nearly that of one; None for a split, and for any other name."""
    name = split.strip().lower()
    meant = _MEANT.get(name, name if name in SPLITS else None)
    return None if meant == split else meant


def _read_csv(path: Path) -> Any:
    with path.open("rb") as file:
        refuse_utf16(file.peek(2), path)
        check_separator(file.readline().decode("utf-8-sig", "replace").split(","), path.name)
    # Types are not guessed from the first rows: ids may look like numbers, scores like integers.
    return polars_module().read_csv(path, infer_schema=False)


def _read_json_lines(path: Path) -> Any:
    with path.open("rb") as file:
        refuse_utf16(file.peek(2), path)
        if file.read(len(BOM_UTF8)) == BOM_UTF8:  # polars takes it for a part of the first line
            return polars_module().read_ndjson(BytesIO(file.read()), infer_schema_length=None)
    return polars_module().read_ndjson(path, infer_schema_length=None)


def _typed(column: Any, table: str) -> Any:
    polars = polars_module()
    kind = polars.Float64 if column.name in _NUMBERS else polars.String
    if column.dtype == polars.Boolean and column.name in _NUMBERS and column.name != "score":
        raise OutcomesError(f"{table}: bad {column.name}", expected="a number", got="true or false")
    typed = column.cast(kind, strict=False)
    lost = (typed.is_null() & column.is_not_null()).arg_max()
    if lost is not None and typed[lost] is None and column[lost] is not None:
        raise OutcomesError(
            f"{table}: bad {column.name}", expected="a number", got=f"{column[lost]!r} in row {lost + 1}"
        )
    return typed


def _model_rows(rows: Sequence[Mapping[str, Any]], prices: PriceSource) -> list[ModelRow]:
    if not prices.stated:
        return _checked_rows(rows)
    prices.check(str(row["model"]) for row in rows)
    matches = [prices.of(str(row["model"])) for row in rows]
    unknown = [
        str(row["model"])
        for row, match in zip(rows, matches, strict=True)
        if match is None and None in (row.get("usd_per_mtok_in"), row.get("usd_per_mtok_out"))
    ]
    if unknown:
        raise missing_price(unknown)
    stated = [{} if match is None else match.columns() for match in matches]
    return _checked_rows([{**row, **columns} for row, columns in zip(rows, stated, strict=True)])


def _checked_rows(rows: Sequence[Mapping[str, Any]]) -> list[ModelRow]:
    return [_model_row(row, f"models, row {number}: {row['model']!r}") for number, row in enumerate(rows, 1)]


def _model_row(row: Mapping[str, Any], where: str) -> ModelRow:
    prices: list[Any] = [number_in(row.get(name)) for name in _PRICES]
    try:
        price = None if prices[0] is None and prices[1] is None else Price(*prices)
    except PriceError as error:
        raise OutcomesError(
            f"{where} has no usable price",
            expected=error.expected,
            got=", ".join(f"{name} {row[name]!r}" for name in _PRICES if name in row),
            remedy=error.remedy,
        ) from None
    window = number_in(row.get("context_window"))
    facts: dict[str, Any] = {
        "price_date": text_in(row.get("price_date")),
        "context_window": int(window) if window is not None and window.is_integer() else window,
        "params_b": number_in(row.get("params_b")),
    }
    for name, value in facts.items():
        expected, holds, _ = FACTS[name]
        if value is not None and not holds(value):
            raise OutcomesError(f"{where} has a bad {name}", expected=expected, got=repr(value))
    thinks = TRUTHS.get((text_in(row.get("thinks")) or "no").strip().lower())
    if thinks is None:
        raise OutcomesError(f"{where} has a bad thinks", expected="true or false", got=repr(row["thinks"]))
    return ModelRow(
        model=str(row["model"]),
        price=price,
        thinks=thinks,
        role=text_in(row.get("role")) or "train",
        base=text_in(row.get("base")) or "",
        **facts,
    )


def _indices(values: Sequence[Any], known: Mapping[str, int], column: str, table: str) -> NDArray[np.intp]:
    try:
        return np.fromiter((known[value] for value in values), np.intp, len(values))
    except KeyError as error:
        raise OutcomesError(
            f"outcomes: unknown {column}", expected=f"one of the {table} table", got=repr(error.args[0])
        ) from None


def _floats(values: Sequence[Any]) -> NDArray[np.float64]:
    return np.array([math.nan if value is None else float(value) for value in values], np.float64)
