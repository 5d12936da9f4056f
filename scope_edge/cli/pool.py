"""Commands that change or check a bundle: add-model, set-model, remove-model, verify."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from scope_edge.bundle import default_bundle, read_bundle
from scope_edge.bundle import verify as verify_bundle
from scope_edge.cli.options import BundlePath, Json, console, print_json, progress_bars
from scope_edge.cli.query import cards_table
from scope_edge.pricing import Price
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
    outcomes: Annotated[
        Path,
        typer.Argument(
            metavar="OUTCOMES",
            help="Its outcomes: .csv, .jsonl, .json or .parquet with score, and prompt or query_id; "
            "optionally output_tokens and input_tokens.",
        ),
    ],
    price_in: Annotated[float, typer.Option("--price-in", help="USD per million input tokens; 0 if it is free.")],
    price_out: Annotated[float, typer.Option("--price-out", help="USD per million output tokens; 0 if it is free.")],
    out: Out,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a model of the same name.")] = False,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """Add a model from a few dozen outcomes. Nothing is trained.

    [dim]scope-edge add-model my/model outcomes.csv --price-in 0.1 --price-out 0.4 --out my-bundle[/dim]
    """
    router = Router.load(bundle)
    router.add_model(name, outcomes, price=Price(price_in, price_out), replace=replace)
    router.save(out)
    card = router.cards[-1]
    if as_json:
        print_json({"bundle": str(out), **card.to_json()})
    else:
        console.print(f"Added [bold]{escape(name)}[/] from {card.n_outcomes} outcomes")
        console.print(f"{len(router.models)} models in {escape(str(out))}")


def set_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a model of the bundle.")],
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

    Nobody knows these of your own provider or machine but you. What is left out stays as it was.

    [dim]scope-edge set-model gpt-4o-2024-11-20 --price-cached-in 1.25 --context-window 128000 --out mine[/dim]
    [dim]scope-edge set-model my/model --local --first-token-s 0.3 --tokens-per-second 40 -b mine -o mine[/dim]
    """
    router = Router.load(bundle)
    prices = {
        "input_usd_per_mtok": price_in,
        "output_usd_per_mtok": price_out,
        "cached_input_usd_per_mtok": price_cached_in,
    }
    stated = {field: value for field, value in prices.items() if value is not None}
    before = next((card.price for card in router.cards if card.model == name), None)
    router.describe_model(
        name,
        price=dataclasses.replace(before, **stated) if before and stated else None,
        context_window=context_window,
        time_to_first_token_s=first_token_s,
        tokens_per_second=tokens_per_second,
        local=local,
    )
    router.save(out)
    card = next(card for card in router.cards if card.model == name)
    if as_json:
        print_json({"bundle": str(out), **card.to_json()})
    else:
        console.print(f"Changed [bold]{escape(name)}[/]; {len(router.models)} models in {escape(str(out))}")
        console.print(cards_table([card]))


def remove_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the model to remove.")],
    out: Out,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """Remove a model from a bundle."""
    router = Router.load(bundle)
    router.remove_model(name)
    router.save(out)
    if as_json:
        print_json({"bundle": str(out), "models": router.models})
    else:
        console.print(f"Removed [bold]{escape(name)}[/]; {len(router.models)} models in {escape(str(out))}")


def verify(bundle: BundlePath = None, as_json: Json = False) -> None:
    """Check every file of a bundle against its manifest, and that it can be read."""
    path = default_bundle() if bundle is None else bundle
    with progress_bars() as bars:
        task = bars.add_task("verify", total=None)
        files = verify_bundle(path, progress=lambda name: bars.update(task, description=f"verify {name}"))
        read = read_bundle(path)
        if read.models:
            Router(read)
    if as_json:
        print_json({"bundle": str(path), "ok": True, "files": files})
    else:
        console.print(f"[green]{escape(str(path))} is whole[/]: {len(files)} files, {len(read.models)} models")
