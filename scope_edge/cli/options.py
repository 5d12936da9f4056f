"""Options that several commands share, and how they print."""

from __future__ import annotations

import codecs
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from scope_edge.encodings import not_utf8
from scope_edge.errors import OutcomesError, PromptError, UsageError
from scope_edge.pool import PoolName
from scope_edge.price_list import PriceList
from scope_edge.price_source import PriceSource
from scope_edge.router import Router
from scope_edge.rows import json_lines, named_rows

__all__ = [
    "Aliases",
    "Alpha",
    "BundlePath",
    "Free",
    "Json",
    "MaxCostUsd",
    "MinAccuracy",
    "Models",
    "Pool",
    "PricesDate",
    "PricesFile",
    "Prompt",
    "Risk",
    "ValueUsd",
    "console",
    "destination",
    "load_router",
    "price_source",
    "print_json",
    "progress",
    "progress_bars",
    "read_prompt",
    "rows_file",
    "score_rows",
    "split_names",
]

BundlePath = Annotated[
    Path | None, typer.Option("--bundle", "-b", metavar="PATH", help="Bundle folder; the shipped one if left out.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--models",
        "-m",
        metavar="NAMES",
        help="Limit the pool: names, aliases or wildcards, repeated or comma-separated.",
    ),
]
Pool = Annotated[
    str,
    typer.Option(
        "--pool",
        metavar="current|all",
        help="The models to choose among: those that could be bought or downloaded on the bundle's day, or all.",
    ),
]
Alpha = Annotated[
    float | None,
    typer.Option(
        "--alpha", "-a", help="The dial: 0 = cheapest, 1 = most accurate.  \\[default: 0.5]", show_default=False
    ),
]
ValueUsd = Annotated[
    float | None, typer.Option("--value-usd", help="What a right answer is worth, in USD; instead of --alpha.")
]
MinAccuracy = Annotated[
    float | None,
    typer.Option("--min-accuracy", help="P(correct) must reach it; without a dial, the cheapest model that does."),
]
MaxCostUsd = Annotated[
    float | None,
    typer.Option(
        "--max-cost-usd", help="The expected cost must not exceed it; without a dial or a floor, the best within it."
    ),
]
Risk = Annotated[
    float | None,
    typer.Option("--risk", help="Count with accuracies and costs that are missed with this probability, up to 0.5."),
]
Prompt = Annotated[str, typer.Argument(metavar="PROMPT", help="The prompt; - reads it from standard input.")]

PricesFile = Annotated[
    Path | None,
    typer.Option(
        "--prices", metavar="FILE", help="Prices in the form of LiteLLM's model_prices_and_context_window.json."
    ),
]
PricesDate = Annotated[
    str | None,
    typer.Option(
        "--prices-date",
        metavar="DATE",
        help="The day they are of, YYYY-MM-DD; left out, the file's own _date or its last change.",
    ),
]
Aliases = Annotated[
    list[str] | None,
    typer.Option("--alias", metavar="MODEL=KEY", help="Which entry of --prices a model is (repeatable)."),
]
Free = Annotated[
    list[str] | None, typer.Option("--free", metavar="MODEL", help="This model costs nothing (repeatable).")
]

# COLUMNS=0 is said where the width is not known; rich would take it at its word, and print nothing.
if os.environ.get("COLUMNS") == "0":
    del os.environ["COLUMNS"]

console = Console()


def load_router(bundle: Path | None, pool: str) -> Router:
    """The router of --bundle and --pool, whose value the router checks."""
    return Router.load(bundle, pool=cast(PoolName, pool))


def price_source(
    prices: Path | None, date: str | None = None, aliases: list[str] | None = None, free: list[str] | None = None
) -> PriceSource:
    """What --prices, --prices-date, --alias and --free say together."""
    if prices is None and (date or aliases):
        raise UsageError("--prices-date and --alias need a list", remedy="Give it with --prices FILE.")
    keys: dict[str, str] = {}
    for alias in aliases or ():
        model, equals, key = alias.partition("=")
        if not (equals and model and key) or model in keys:
            raise UsageError("Bad --alias", expected="MODEL=KEY, once for a model", got=repr(alias))
        keys[model] = key
    return PriceSource(PriceList.read(prices, date) if prices else None, keys, frozenset(free or ()))


def read_prompt(prompt: str) -> str:
    """The prompt itself, or standard input without its last line break for `-`."""
    if prompt != "-":
        return prompt
    try:
        text = _standard_input().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PromptError("The prompt is not valid Unicode", **not_utf8(error)) from error
    # As in every file that is read as text: with the line ends of Windows it is not another prompt.
    return text.replace("\r\n", "\n").removesuffix("\n")


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise UsageError("Standard input is closed", expected="something to read, for -")
    return sys.stdin.buffer.read()


def rows_file(path: Path) -> Path | list[Any]:
    """The path itself, or the rows of JSON on standard input for `-`."""
    if str(path) != "-":
        return path
    name = "standard input"
    try:
        return json_lines(_standard_input().decode("utf-8-sig").split("\n"), name)
    except UnicodeDecodeError as error:
        raise OutcomesError(f"Cannot read {name}", **not_utf8(error)) from error


def score_rows(stated: list[str] | None, file: Path | None) -> Any:
    """What --score and --scores say together, as `add_model` takes it; None if neither was given."""
    rows = []
    for text in stated or ():
        benchmark, equals, score = text.rpartition("=")
        if not (equals and benchmark.strip() and score.strip()):
            raise UsageError("Bad --score", expected="BENCHMARK=SCORE, such as mmlu-pro=0.81", got=repr(text))
        rows.append({"benchmark": benchmark.strip(), "score": score})
    if file is None:
        return rows or None
    told = rows_file(file)
    return [*named_rows(told, "scores")[1], *rows] if rows else told


def split_names(models: list[str] | None) -> list[str] | None:
    """`--models a,b --models c` as one list; None if the option was not given."""
    if not models:
        return None
    return [name.strip() for entry in models for name in entry.split(",") if name.strip()]


def destination(out: Path) -> str:
    """A place that will be written, as it is said afterwards: whether something was there is known only before."""
    replaced = out.is_dir() and any(out.iterdir())
    return escape(str(out)) + (" (replaced)" if replaced else "")


def print_json(document: Any) -> None:
    """One JSON document on standard output; of ASCII alone where that is not UTF-8, which readers take JSON to be."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    ascii_alone = codecs.lookup(encoding).name != "utf-8"
    typer.echo(json.dumps(document, ensure_ascii=ascii_alone, allow_nan=False, indent=1))


def progress_bars() -> Progress:
    """Bars for long work."""
    return progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )


def progress(*columns: ProgressColumn) -> Progress:
    """What is shown of work under way, on standard error so that standard output stays clean."""
    stderr = Console(stderr=True)
    # Where nobody watches, standard error is for the one line of an error. Up to 14.2, rich ends what is disabled by a
    # line break, so the console is quiet too.
    stderr.quiet = not stderr.is_terminal
    return Progress(*columns, console=stderr, disable=stderr.quiet)
