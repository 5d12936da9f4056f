"""What the tests of importing share: logs on disk, an import of them, and the tables as rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars
from rich.progress import Progress

from scope_edge.importing import ImportOptions, import_logs
from scope_edge.price_source import PriceSource

FREE = PriceSource(free=frozenset({"a", "b", "maker/c"}))


def jsonl(path: Path, *rows: Any) -> Path:
    """A .jsonl of these rows; a str is a line as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def imported(out: Path, *logs: Path, **options: Any) -> dict[str, Any]:
    return import_logs(logs, out, ImportOptions(**{"prices": FREE} | options), Progress(disable=True))


def table(out: Path, name: str) -> list[dict[str, Any]]:
    return polars.read_parquet(out / f"{name}.parquet").to_dicts()


def outcomes(out: Path) -> list[tuple[Any, ...]]:
    """(prompt, model, score, output_tokens, input_tokens) of each outcome."""
    prompts = {row["query_id"]: row["prompt"] for row in table(out, "queries")}
    return [
        (prompts[row["query_id"]], row["model"], row["score"], row["output_tokens"], row["input_tokens"])
        for row in table(out, "outcomes")
    ]


def rejected(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]


def reasons(out: Path) -> list[tuple[int, str]]:
    """(line or row, reason) of each rejection."""
    return [(row.get("line", row.get("row")), row["reason"]) for row in rejected(out)]
