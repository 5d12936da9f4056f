"""Commands that change or check a bundle: add-model, remove-model, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from scope_edge.bundle import default_bundle, read_bundle
from scope_edge.bundle import verify as verify_bundle
from scope_edge.cli.options import BundlePath, Json, console, print_json, progress_bars
from scope_edge.pricing import Price
from scope_edge.router import Router

__all__ = ["register"]

Out = Annotated[Path, typer.Option("--out", "-o", metavar="PATH", help="Where the changed bundle is written.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("add-model")(add_model)
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
