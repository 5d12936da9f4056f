"""The table folder that an import makes, gathered row by row.

Prompts go to disk as they come; kept in memory are 16 bytes for each prompt, for each stem and for each query_id of the
log's own, and 24 bytes for each outcome.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scope_edge.errors import OutcomesError
from scope_edge.importing import checks
from scope_edge.importing.entries import Answer, Entry, Question, Rejected
from scope_edge.importing.models import ModelTable
from scope_edge.importing.questions import digest, normalised, split_of, stem
from scope_edge.outcome_rows import USABLE_TOKENS
from scope_edge.rows import is_missing

__all__ = ["Duplicates", "Tables"]

Duplicates = Literal["mean", "first", "error"]

_PART_ROWS, _PART_CHARS = 20_000, 2**24
_DIGEST = re.compile("[0-9a-f]{32}")
_SCHEMA = ("query_id", "source", "category", "prompt", "split")


class Tables:
    """Gathers entries, and writes queries, outcomes and models."""

    def __init__(self, work: Path, models: ModelTable, shares: Sequence[float]) -> None:
        self._work, self._shares = work, shares
        self.models = models
        self._index_of: dict[bytes, int] = {}  # by the prompt's digest, and by the key of a given id
        self._digests: list[bytes] = []  # of the prompts, by index
        self._split_of: list[str] = []  # by the same index
        self._splits: dict[bytes, str] = {}  # by the digest of the stem
        self._waiting: list[tuple[str, str, str, str, str]] = []
        self._chars = self._waiting_chars = 0
        self._parts: list[Path] = []
        self._kinds: dict[str, int] = {"usage": 0}
        self._columns: dict[str, array[Any]] = {
            "query": array("I"), "model": array("I"), "score": array("f"), "output_tokens": array("f"),
            "input_tokens": array("f"), "kind": array("I"),
        }  # fmt: skip

    @property
    def n_queries(self) -> int:
        """Different prompts so far."""
        return len(self._digests)

    @property
    def n_outcomes(self) -> int:
        """Outcomes so far, repeated ones included."""
        return len(self._columns["score"])

    def add(self, entry: Entry, source: str) -> None:
        """Take an entry in; `source` is what a row without one is called.

        Raises
        ------
        Rejected
            It cannot be used.
        PriceError
            The price list has several prices for its model.
        """
        if isinstance(entry, Answer):
            self._add_answer(entry, source)
        elif isinstance(entry, Question):
            self._index(entry, source)
        else:
            self.models.learn(entry)

    def _add_answer(self, answer: Answer, source: str) -> None:
        score = checks.score(answer.score)
        output_tokens = checks.tokens(answer.output_tokens, "output_tokens")
        input_tokens = checks.tokens(answer.input_tokens, "input_tokens")
        kind = "usage" if is_missing(answer.tokens_kind) else checks.label(answer.tokens_kind)
        known = self.models.priced(answer.model)
        row = self._index(answer.question, source)
        values = (row, known.index, score, output_tokens, input_tokens, self._kinds.setdefault(kind, len(self._kinds)))
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)

    def _index(self, question: Question, source: str) -> int:
        """The row of a question in the queries table, which is a new one where its prompt was not seen before."""
        given = None if is_missing(question.query_id) else checks.label(question.query_id)
        if given is not None and ("\n" in given or not given.strip()):
            raise Rejected("query_id over several lines, or blank")
        if given is not None and is_missing(question.prompt):
            known = self._index_of.get(_key(given))
            if known is None:
                raise Rejected("query_id without a prompt before it")
            return known
        prompt = checks.prompt_text(question.prompt)
        try:
            of_prompt = digest(normalised(prompt))
        except UnicodeEncodeError:
            raise Rejected("text that is not Unicode", "lone surrogates, or bytes that are not UTF-8") from None
        key = of_prompt if given is None else _key(given)
        known = self._index_of.get(key, self._index_of.get(of_prompt))
        if known is None:
            known = self._add_query(given or of_prompt.hex(), prompt, of_prompt, question, source)
        elif self._digests[known] != of_prompt:
            raise Rejected("query_id of another prompt")
        else:
            _check_split(self._split_of[known], checks.split(question.split))
        self._index_of[of_prompt] = self._index_of[key] = known
        return known

    def _add_query(self, query_id: str, prompt: str, of_prompt: bytes, question: Question, source: str) -> int:
        source = source if is_missing(question.source) else checks.label(question.source)
        category = "" if is_missing(question.category) else checks.label(question.category)
        split = self._split(prompt, checks.split(question.split))
        self._digests.append(of_prompt)
        self._split_of.append(split)
        self._waiting.append((query_id, source, category, prompt, split))
        self._waiting_chars += len(prompt)
        if len(self._waiting) >= _PART_ROWS or self._waiting_chars >= _PART_CHARS:
            self._write_part()
        return len(self._digests) - 1

    def _split(self, prompt: str, given: str | None) -> str:
        of_stem = digest(stem(prompt))
        split = self._splits.setdefault(of_stem, given or split_of(of_stem, self._shares))
        _check_split(split, given)
        return split

    def _write_part(self) -> None:
        import polars

        part = self._work / f"part-{len(self._parts):06}.parquet"
        polars.DataFrame(self._waiting, schema=dict.fromkeys(_SCHEMA, polars.String), orient="row").write_parquet(part)
        self._parts.append(part)
        self._chars += self._waiting_chars
        self._waiting, self._waiting_chars = [], 0

    def write(self, folder: Path, duplicates: Duplicates) -> dict[str, Any]:
        """Write the three tables, once; what they hold is told.

        Raises
        ------
        OutcomesError
            A cell is filled twice, and `duplicates` is "error".
        """
        import polars

        if self._waiting:
            self._write_part()
        if self._parts:
            # Row groups of some 16 MB of text, so that neither this nor a reader needs much memory for one.
            rows = max(1, min(_PART_ROWS, _PART_CHARS * self.n_queries // max(self._chars, 1)))
            polars.scan_parquet(self._parts).sink_parquet(folder / "queries.parquet", row_group_size=rows)
        cells = self._cells(duplicates)
        rows_of_models = self.models.rows(set(cells["model"].unique()))
        ids = polars.read_parquet(folder / "queries.parquet", columns=["query_id"])["query_id"]
        names = polars.Series(list(self.models.known), dtype=polars.String)
        kinds = polars.Series(list(self._kinds), dtype=polars.String)
        cells.select(
            ids.gather(cells["query"]).alias("query_id"),
            names.gather(cells["model"]).alias("model"),
            "score",
            "output_tokens",
            "input_tokens",
            kinds.gather(cells["kind"]).alias("tokens_kind"),
        ).write_parquet(folder / "outcomes.parquet")
        # infer_schema_length=None: a column may begin with many that are unknown.
        polars.DataFrame(rows_of_models, infer_schema_length=None).write_parquet(folder / "models.parquet")
        split = polars.read_parquet(folder / "queries.parquet", columns=["split"])["split"].value_counts()
        return {
            "n_queries": self.n_queries,
            "n_outcomes": cells.height,
            "n_repeated": self.n_outcomes - cells.height,
            "splits": dict(sorted(split.iter_rows())),
            "models": rows_of_models,
        }

    def _cells(self, duplicates: Duplicates) -> Any:
        """One row per (query, model), in the order in which they came."""
        import polars

        columns = {name: np.frombuffer(column, column.typecode) for name, column in self._columns.items()}
        frame = polars.DataFrame(columns)
        frame = frame.with_columns(polars.col("output_tokens", "input_tokens").fill_nan(None))
        pair = ["query", "model"]
        # As one number per cell, for polars takes 200 MB to find the repeated pairs of a million.
        numbers = columns["query"].astype(np.uint64) * np.uint64(len(self.models.known)) + columns["model"]
        found, counts = np.unique(numbers, return_counts=True)
        if len(found) == len(numbers):
            return frame
        if duplicates == "error":
            twice = np.isin(numbers, found[counts > 1])
            first = frame.row(int(np.flatnonzero(twice)[0]), named=True)
            ids = polars.scan_parquet(self._parts).select("query_id").slice(first["query"], 1).collect().item()
            raise OutcomesError(
                f"{int(twice.sum())} outcomes share their query and model with another",
                got=f"query_id {ids!r} with {list(self.models.known)[first['model']]!r}, for one",
                remedy="Average them with --duplicates mean, or keep the first with --duplicates first.",
            )
        if duplicates == "first":
            return frame.unique(pair, keep="first", maintain_order=True)
        usable = polars.col("kind").is_in([code for kind, code in self._kinds.items() if kind in USABLE_TOKENS])
        counted = usable & polars.col("output_tokens").is_not_null()
        # Counts that leave the reasoning out are not mixed with those that hold it.
        return frame.group_by(pair, maintain_order=True).agg(
            polars.col("score").mean(),
            polars.coalesce(
                polars.col("output_tokens").filter(counted).mean(), polars.col("output_tokens").mean()
            ).alias("output_tokens"),
            polars.col("input_tokens").mean(),
            polars.coalesce(polars.col("kind").filter(counted).first(), polars.col("kind").first()).alias("kind"),
        )


def _check_split(split: str, given: str | None) -> None:
    """Refuse a row that puts a prompt, which has a split, into another."""
    if given is not None and given != split:
        raise Rejected("prompt of another split", f"{split}, and here {given}")


def _key(query_id: str) -> bytes:
    """The key of a given id: the digest that it is where an earlier import gave it, else what no digest can be."""
    return bytes.fromhex(query_id) if _DIGEST.fullmatch(query_id) else b"i" + digest(query_id)
