"""The command that reads logs: import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from scope_edge.cli.options import (
    Aliases,
    Free,
    Json,
    PricesDate,
    PricesFile,
    console,
    destination,
    price_source,
    print_json,
    progress_bars,
)
from scope_edge.errors import UsageError
from scope_edge.names import counted

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("import")(import_)


def import_(
    logs: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Logs as .jsonl or .csv, with .gz or without, .parquet or .json, or folders of them.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The table folder that is written.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="own, routerbench, llmrouterbench, scope or requests; told from the columns if left out.",
        ),
    ] = None,
    prices: PricesFile = None,
    prices_date: PricesDate = None,
    aliases: Aliases = None,
    free: Free = None,
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="NAME", help="Where rows that do not say so are from; else the file's name."),
    ] = None,
    duplicates: Annotated[
        str,
        typer.Option(
            "--duplicates", help="Several outcomes of a model on one prompt: mean, first, or error to refuse them."
        ),
    ] = "mean",
    shares: Annotated[
        str,
        typer.Option("--shares", metavar="TRAIN,VAL,TEST", help="Percent of the prompts that go into each split."),
    ] = "80,10,10",
    strict: Annotated[bool, typer.Option("--strict", help="A rejected row is an error.")] = False,
    as_json: Json = False,
) -> None:
    """Turn logs of outcomes into a table folder for build and evaluate (needs the extra 'build').

    A row says which model got which prompt and how well it answered: a score from 0 (wrong) to 1 (right). Rows that
    cannot be used are in DIR/rejected.jsonl with their line and reason. A prompt falls into train, val or test by its
    text, and never into two. Every model needs a price: from the log, from --prices, or an explicit --free.

    [dim]scope-edge import requests.jsonl --prices prices.json --out table[/dim]
    [dim]scope-edge import bench/ --format llmrouterbench --prices prices.json --out table[/dim]
    [dim]scope-edge build --outcomes table --out my-bundle[/dim]
    """
    from scope_edge.importing import ImportOptions, import_logs

    options = ImportOptions(
        format=form,
        source=source,
        prices=price_source(prices, prices_date, aliases, free),
        duplicates=duplicates,  # type: ignore[arg-type]  # a wrong one is refused there
        shares=_shares(shares),
        strict=strict,
    )
    place = destination(out)
    with progress_bars() as bars:
        report = import_logs(logs, out, options, bars)
    if as_json:
        print_json({"table": str(out), **report})
    else:
        _show(report, out, place)


def _shares(text: str) -> tuple[float, float, float]:
    try:
        train, val, test = (float(share) for share in text.split(","))
    except ValueError:
        raise UsageError("Bad --shares", expected="three numbers, as in 80,10,10", got=repr(text)) from None
    return train, val, test


def _show(report: dict[str, Any], out: Path, place: str) -> None:
    splits = ", ".join(f"{name} {n:,}" for name, n in report["splits"].items())
    console.print(
        f"{counted(report['n_outcomes'], 'outcome')} of {counted(len(report['models']), 'model')} "
        f"on {counted(report['n_queries'], 'prompt')} in {place} ({splits})"
    )
    if report["n_repeated"]:
        were = "was" if report["n_repeated"] == 1 else "were"
        repeated = counted(report["n_repeated"], "outcome")
        console.print(f"{repeated} {were} of a model and prompt that had one already")
    for name, why in (("empty", "Empty"), ("not_read", "Not read")):
        if report[name]:
            more = f" and {len(report[name]) - 5:,} more" if len(report[name]) > 5 else ""
            console.print(f"[yellow]{why}[/]: {escape(', '.join(report[name][:5]))}{more}", soft_wrap=True)
    if report["n_rejected"]:
        reasons = ", ".join(f"{escape(reason)} {n:,}" for reason, n in report["rejected"].items())
        console.print(f"[yellow]{counted(report['n_rejected'], 'row')} rejected[/]: {reasons}")
        console.print(f"Each with its line is in {escape(str(out / 'rejected.jsonl'))}")
    if report["unpriced"]:
        names = ", ".join(escape(name) for name in report["unpriced"])
        console.print(
            f"[yellow]No price[/] for {names}: give --prices with it, --alias MODEL=KEY, or --free MODEL",
            soft_wrap=True,
        )
    if report["repriced"]:
        names = ", ".join(f"{escape(name)} ({n:,})" for name, n in report["repriced"].items())
        console.print(
            f"[yellow]Several prices[/] in the log, of which the first counts; rows with another: {names}. "
            "Give --prices for those of one day",
            soft_wrap=True,
        )
    if report["not_in_logs"]:
        names = ", ".join(escape(name) for name in report["not_in_logs"])
        console.print(f"[yellow]No row[/] is of {names}, which --alias or --free names", soft_wrap=True)
    console.print(_models(report["models"]))


def _models(rows: list[dict[str, Any]]) -> Table:
    table = Table(caption="prices in USD per million tokens")
    for heading in ("model", "input", "output", "price from"):
        table.add_column(heading, justify="right" if heading in ("input", "output") else "left", overflow="fold")
    for row in rows:
        key = f"{row['price_key']} " if row["price_key"] else ""
        table.add_row(
            escape(row["model"]), f"{row['usd_per_mtok_in']:g}", f"{row['usd_per_mtok_out']:g}",
            f"{escape(key)}({row['price_rule']})",
        )  # fmt: skip
    return table
