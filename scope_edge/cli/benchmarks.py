"""The command that lists the benchmarks whose published scores a bundle understands: benchmarks."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from scope_edge.benchmarks import Benchmark
from scope_edge.cli.options import BundlePath, Json, console, print_json
from scope_edge.names import counted
from scope_edge.router import Router

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(benchmarks)


def benchmarks(
    pattern: Annotated[
        str | None, typer.Argument(metavar="PATTERN", help="A part of the benchmark's name, or a wildcard.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many to show in the table.")] = 30,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """List the linked benchmarks, whose published scores add-model takes; most models first.

    models: how many each was fitted on. r2: the share of the variance of their scores that abilities explain. noise:
    the standard deviation of the rest. Both are of logits.

    [dim]scope-edge benchmarks "livebench*"[/dim]
    """
    linked = Router.load(bundle).benchmarks
    rows = [row for row in linked if pattern is None or _matches(row, pattern.casefold())]
    if as_json:
        print_json([{**row._asdict(), "r2": round(row.r2, 4), "noise": round(row.noise, 4)} for row in rows])
        return
    found = counted(len(linked), "linked benchmark")
    left = len(rows) - top
    table = Table(
        title=found if pattern is None else f"{len(rows):,} of {found}",
        caption=f"{left:,} more, see --top" if left > 0 else None,
    )
    table.add_column("benchmark", overflow="fold")
    table.add_column("publisher", overflow="fold")
    table.add_column("release")
    for heading in ("models", "r2", "noise"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows[:top]:
        texts = (escape(text) for text in (row.benchmark, row.publisher, row.release))
        table.add_row(*texts, f"{row.models:,}", f"{row.r2:.2f}", f"{row.noise:.2f}")
    console.print(table)


def _matches(row: Benchmark, pattern: str) -> bool:
    """Whether the name holds the pattern, or fits it as a wildcard; in capitals or not."""
    name = row.benchmark.casefold()
    return pattern in name or fnmatchcase(name, pattern)
