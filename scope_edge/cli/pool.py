"""Commands that change or check a bundle: add-model, set-model, remove-model, verify."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from scope_edge.bundle import default_bundle, read_bundle
from scope_edge.bundle import verify as verify_bundle
from scope_edge.cli.options import (
    Aliases,
    BundlePath,
    Json,
    PricesDate,
    PricesFile,
    console,
    destination,
    price_source,
    print_json,
    progress_bars,
    rows_file,
    score_rows,
)
from scope_edge.cli.query import cards_table
from scope_edge.errors import PriceError, UsageError
from scope_edge.names import counted
from scope_edge.price_list import Match
from scope_edge.price_source import PriceSource
from scope_edge.pricing import Price, local_price
from scope_edge.router import Router

__all__ = ["register"]

Out = Annotated[Path, typer.Option("--out", "-o", metavar="PATH", help="Where the changed bundle is written.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("add-model")(add_model)
    app.command("set-model")(set_model)
    app.command("remove-model")(remove_model)
    app.command()(verify)


def add_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new model.")],
    out: Out,
    outcomes: Annotated[
        Path | None,
        typer.Argument(
            metavar="OUTCOMES",
            help="Its outcomes: .csv, .jsonl, .json or .parquet with score, and prompt or query_id; "
            "optionally output_tokens and input_tokens; - reads .jsonl from standard input.",
        ),
    ] = None,
    score: Annotated[
        list[str] | None,
        typer.Option("--score", metavar="BENCHMARK=SCORE", help="A published score from 0 to 1 (repeatable)."),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            "--scores",
            metavar="FILE",
            help="Published scores: .csv, .jsonl, .json or .parquet with benchmark and score; optionally publisher, "
            "setting, n_items and grade; - reads .jsonl from standard input.",
        ),
    ] = None,
    price_in: Annotated[
        float | None, typer.Option("--price-in", help="USD per million input tokens; 0 if it is free.")
    ] = None,
    price_out: Annotated[
        float | None, typer.Option("--price-out", help="USD per million output tokens; 0 if it is free.")
    ] = None,
    prices: PricesFile = None,
    prices_date: PricesDate = None,
    aliases: Aliases = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a model of the same name.")] = False,
    only: Annotated[
        str | None, typer.Option("--only", metavar="MODEL", help="Only the rows with this name in their column model.")
    ] = None,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """Add a model from a few dozen outcomes, published scores, or both. Nothing is trained.

    `scope-edge benchmarks` lists the benchmarks that are linked; scores on the sources of the anchors count too.
    Its price is said by --price-in and --price-out, or found in --prices; what is said goes first.

    [dim]scope-edge add-model my/model outcomes.csv --price-in 0.1 --price-out 0.4 --out my-bundle[/dim]
    [dim]scope-edge add-model gpt-4o outcomes.csv --prices prices.json --out my-bundle[/dim]
    [dim]scope-edge add-model new/model --score mmlu-pro=0.81 --price-in 1 --price-out 4 --out my-bundle[/dim]
    """
    if outcomes is not None and scores is not None and str(outcomes) == str(scores) == "-":
        raise UsageError("Standard input is read once", remedy="Give OUTCOMES or --scores as a file.")
    match = _match(name, price_source(prices, prices_date, aliases))
    said = _said(price_in, price_out, None)
    if match is None and len(said) < 2:
        raise PriceError(
            f"No price for {name!r}",
            expected="--price-in and --price-out, or --prices FILE",
            remedy="A free model is an explicit 0 for both.",
        )
    router = Router.load(bundle)
    price = dataclasses.replace(match.price, **said) if match else Price(**said)
    router.add_model(
        name,
        None if outcomes is None else rows_file(outcomes),
        price,
        scores=score_rows(score, scores),
        replace=replace,
        only=only,
    )
    if match is not None:
        router.describe_model(
            name, price=price, price_date=None if said else match.date, context_window=match.context_window
        )
    place = destination(out)
    router.save(out)
    card = router.cards[-1]
    if as_json:
        print_json({"bundle": str(out), **card.to_json(), **_found(match)})
    else:
        told = {"outcome": card.n_outcomes, "published score": card.n_scores}
        console.print(
            f"Added [bold]{escape(name)}[/] from {' and '.join(counted(n, noun) for noun, n in told.items() if n)}"
        )
        _tell(match)
        console.print(f"{counted(len(router.everyone.names), 'model')} in {place}")


def set_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a model of the bundle, or an alias.")],
    out: Out,
    price_in: Annotated[float | None, typer.Option("--price-in", help="USD per million input tokens.")] = None,
    price_out: Annotated[float | None, typer.Option("--price-out", help="USD per million output tokens.")] = None,
    price_cached_in: Annotated[
        float | None,
        typer.Option(
            "--price-cached-in",
            help="USD per million input tokens that the provider has in its prompt cache; what a conversation "
            "loses when it leaves the model is counted by it.",
        ),
    ] = None,
    prices: PricesFile = None,
    prices_date: PricesDate = None,
    aliases: Aliases = None,
    usd_per_hour: Annotated[
        float | None,
        typer.Option("--usd-per-hour", metavar="USD", help="A local model's price by the time of its machine."),
    ] = None,
    watts: Annotated[
        float | None,
        typer.Option("--watts", metavar="N", help="The same by energy, with --usd-per-kwh: what it draws more."),
    ] = None,
    usd_per_kwh: Annotated[
        float | None, typer.Option("--usd-per-kwh", metavar="USD", help="What a kilowatt-hour costs.")
    ] = None,
    context_window: Annotated[
        int | None,
        typer.Option(
            "--context-window", metavar="TOKENS", help="What prompt and answer may take together; it is kept to."
        ),
    ] = None,
    first_token_s: Annotated[
        float | None, typer.Option("--first-token-s", metavar="SECONDS", help="Time to the first token of an answer.")
    ] = None,
    tokens_per_second: Annotated[
        float | None,
        typer.Option(
            "--tokens-per-second", metavar="N", help="Speed from then on; limits of latency need this and the other."
        ),
    ] = None,
    local: Annotated[
        bool | None,
        typer.Option(
            "--local/--remote", help="Whether it runs on your machine: a policy may ask for such models alone."
        ),
    ] = None,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """Say what a model costs, how much it reads, how fast it is, and where it runs.

    Nobody knows these of your own provider or machine but you. What is left out stays as it was. A list gives price
    and context window; what else is said goes before it. Time and energy become a price by --tokens-per-second.

    [dim]scope-edge set-model gpt-4o-2024-11-20 --price-cached-in 1.25 --context-window 128000 --out mine[/dim]
    [dim]scope-edge set-model my/model --local --first-token-s 0.3 --tokens-per-second 40 -b mine -o mine[/dim]
    [dim]scope-edge set-model my/model --watts 300 --usd-per-kwh 0.32 --tokens-per-second 40 -b mine -o mine[/dim]
    [dim]scope-edge set-model gpt-4o-2024-11-20 --prices prices.json --out mine[/dim]
    """
    by_time = usd_per_hour is not None or watts is not None or usd_per_kwh is not None
    stated = (price_in, price_out, price_cached_in, prices, context_window, first_token_s, tokens_per_second, local)
    if not by_time and all(value is None for value in stated):
        raise UsageError(
            f"Nothing is said of {name!r}",
            expected="a price (--price-in, --price-out, --price-cached-in, --prices, --usd-per-hour, or --watts with "
            "--usd-per-kwh), --context-window, --first-token-s, --tokens-per-second, --local or --remote",
        )
    if by_time and price_out is not None:
        raise UsageError(
            "Two prices of an output token",
            expected="--price-out, or a price by time or energy",
            got="both",
            remedy="Leave one out.",
        )
    router = Router.load(bundle)
    before = router.card(name)
    name = before.model
    match = _match(name, price_source(prices, prices_date, aliases), before.aliases)
    price = match.price if match else None
    if by_time:
        speed = before.tokens_per_second if tokens_per_second is None else tokens_per_second
        if match is not None or speed is None:
            raise UsageError(
                "A price by time or energy needs the speed, and no list",
                expected="--tokens-per-second, or a model whose speed is known",
                got="--prices" if match else "no speed",
            )
        price = local_price(speed, usd_per_hour=usd_per_hour or 0, watts=watts or 0, usd_per_kwh=usd_per_kwh or 0)
    said = _said(price_in, price_out, price_cached_in)
    if said:
        price = dataclasses.replace(price or before.price, **said)
        cached = price.cached_input_usd_per_mtok
        if cached is not None and cached > price.input_usd_per_mtok:
            raise PriceError(
                "A cached input token costs more than a fresh one",
                expected=f"at most {price.input_usd_per_mtok:g} USD per million",
                got=f"{cached:g}",
                remedy="State both, with --price-in and --price-cached-in.",
            )
    router.describe_model(
        name,
        price=price,
        price_date=match.date if match and not said else None,
        context_window=match.context_window if match and context_window is None else context_window,
        time_to_first_token_s=first_token_s,
        tokens_per_second=tokens_per_second,
        local=local,
    )
    place = destination(out)
    router.save(out)
    card = router.card(name)
    if as_json:
        print_json({"bundle": str(out), **card.to_json(), **_found(match)})
    else:
        console.print(f"Changed [bold]{escape(name)}[/]; {counted(len(router.everyone.names), 'model')} in {place}")
        _tell(match)
        console.print(cards_table([card]))


def _match(name: str, source: PriceSource, aliases: Sequence[str] = ()) -> Match | None:
    """What --prices says of the model; None without such a list."""
    source.check([name])
    return None if source.prices is None else source.of(name, aliases) or source.prices.find(name, aliases)


def _said(price_in: float | None, price_out: float | None, price_cached_in: float | None) -> dict[str, float]:
    prices = {
        "input_usd_per_mtok": price_in,
        "output_usd_per_mtok": price_out,
        "cached_input_usd_per_mtok": price_cached_in,
    }
    return {field: value for field, value in prices.items() if value is not None}


def _found(match: Match | None) -> dict[str, str]:
    return {} if match is None else {"price_key": match.key, "price_rule": match.rule}


def _tell(match: Match | None) -> None:
    if match is not None:
        console.print(f"Price of {match.date}: {escape(match.key)} ({match.rule})")


def remove_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the model to remove, or an alias.")],
    out: Out,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """Remove a model from a bundle."""
    router = Router.load(bundle)
    name = router.card(name).model
    router.remove_model(name)
    place = destination(out)
    router.save(out)
    if as_json:
        print_json({"bundle": str(out), "models": router.everyone.names})
    else:
        console.print(f"Removed [bold]{escape(name)}[/]; {counted(len(router.everyone.names), 'model')} in {place}")


def verify(bundle: BundlePath = None, as_json: Json = False) -> None:
    """Check every file of a bundle against its manifest, and that it can be read."""
    path = default_bundle() if bundle is None else bundle
    with progress_bars() as bars:
        task = bars.add_task("verify", total=None)
        files = verify_bundle(path, progress=lambda name: bars.update(task, description=f"verify {name}"))
        read = read_bundle(path)
        if read.models:
            Router(read, pool="all")
    if as_json:
        print_json({"bundle": str(path), "ok": True, "files": files})
    else:
        old = sum(entry.get("current") is False for entry in read.models)
        holds = f"{counted(len(files), 'file')}, {counted(len(read.models), 'model')}"
        holds += f", {old:,} of them not current" if old else ""
        console.print(f"[green]{escape(str(path))} is whole[/]: {holds}")
