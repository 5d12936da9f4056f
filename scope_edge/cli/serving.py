"""The command that serves the proxy: serve."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from scope_edge.cli.options import Json, console, print_json
from scope_edge.errors import MissingExtraError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(serve)


def serve(
    config: Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The TOML file; see docs/proxy.md.")],
    host: Annotated[
        str, typer.Option("--host", help="Where to listen; beyond this machine only with a key in \\[server].")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8100,
    check: Annotated[bool, typer.Option("--check", help="Check the file, tell what it comes to, and end.")] = False,
    as_json: Json = False,
) -> None:
    """Serve OpenAI's API: each request goes to the model that is worth it (needs the extra 'serve').

    Clients set their base URL to http://127.0.0.1:8100/v1 and ask for the model `scope`, or `scope-0.7` (the dial),
    `scope:cheap>=0.8` (a floor), `scope:best<=0.002` (USD per call), or any configured model by its name.

    [dim]scope-edge serve --config scope.toml --check[/dim]
    [dim]scope-edge serve --config scope.toml --port 8100[/dim]
    """
    try:
        from scope_edge.serve.server import check_host
        from scope_edge.serve.server import serve as listen
    except ModuleNotFoundError as error:
        raise MissingExtraError("The proxy", (error.name or "").partition(".")[0], "serve") from None
    from scope_edge.serve.choosing import Chooser
    from scope_edge.serve.config import read_config

    settings = read_config(config)
    check_host(settings, host)
    chooser = Chooser(settings)
    summary = {
        "candidates": chooser.candidates,
        "by_name_only": [model for model in chooser.prices if model not in chooser.candidates],
        "fallbacks": settings.fallbacks,
        "budget": None if chooser.budget is None else repr(chooser.budget),
        "key_required": settings.api_key is not None,
    }
    if check:
        _show(summary, as_json)
        return

    def on_ready(url: str) -> None:
        _show({"url": f"{url}/v1", **summary}, as_json)

    logging.basicConfig(format="%(asctime)s %(message)s")
    with contextlib.suppress(KeyboardInterrupt):  # the usual way to end it
        listen(settings, chooser, host, port, on_ready)


def _show(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    if "url" in summary:
        console.print(f"[bold green]{escape(summary['url'])}[/]  ask for the model 'scope'")
    console.print(f"chosen among: {escape(', '.join(summary['candidates']))}")
    if summary["by_name_only"]:
        names = escape(", ".join(summary["by_name_only"]))
        console.print(f"[yellow]by name only, for the bundle does not know them, or not which they are[/]: {names}")
    if summary["budget"]:
        console.print(f"budget: {escape(summary['budget'])}")
    if not summary["key_required"]:
        console.print("[dim]no key: this machine alone may ask[/]")
