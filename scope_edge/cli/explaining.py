"""The command that says why: explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from scope_edge.cli.options import (
    Alpha,
    BundlePath,
    Json,
    MaxCostUsd,
    MinAccuracy,
    Models,
    Pool,
    Prompt,
    Risk,
    ValueUsd,
    console,
    load_router,
    print_json,
    read_prompt,
    split_names,
)
from scope_edge.policy import Decision

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(explain)


def explain(
    prompt: Prompt,
    alpha: Alpha = None,
    value_usd: ValueUsd = None,
    min_accuracy: MinAccuracy = None,
    max_cost_usd: MaxCostUsd = None,
    risk: Risk = None,
    models: Models = None,
    pool: Pool = "current",
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Also draw it, as .png, .svg or .pdf (extra 'evaluate')."),
    ] = None,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """Choose a model as route does, and say why: terms, anchors, runner-up, the whole dial.

    [dim]scope-edge explain "Prove that the square root of 2 is irrational." --plot why.png[/dim]
    """
    router = load_router(bundle, pool)
    decision = router.route(
        read_prompt(prompt), alpha=alpha, value_usd=value_usd, min_accuracy=min_accuracy, max_cost_usd=max_cost_usd,
        risk=risk, models=split_names(models),
    )  # fmt: skip
    if plot is not None:
        from scope_edge.plots import decision_figure, write_figure

        write_figure(decision_figure(decision), plot)
    if as_json:
        print_json(decision.explain().to_json())
    else:
        _show(decision)


def _show(decision: Decision) -> None:
    from scope_edge.explanation.text import opening, parts

    explanation = decision.explain()
    first, *others = opening(explanation)
    console.print(f"[bold {'green' if explanation.met else 'yellow'}]{escape(first)}[/]")
    for line in others:
        console.print(escape(line))
    for part in parts(explanation):
        console.print(f"\n[bold]{escape(part.title)}[/]")
        if part.rows:
            name, *figures = part.headings
            table = Table()
            table.add_column(name, overflow="fold", min_width=18)
            for heading in figures:
                table.add_column(heading, justify="right")
            for place, row in enumerate(part.rows):
                table.add_row(*map(escape, row), style="bold green" if place == part.marked else None)
            console.print(table)
        for note in part.notes:
            console.print(f"[dim]{escape(note)}[/]")
