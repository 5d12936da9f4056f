"""The application and its entry point: every expected error is one line and exit code 2."""

from __future__ import annotations

import sys

import typer

from scope_edge import __version__
from scope_edge.cli import (
    explaining,
    fingerprinting,
    importing,
    making,
    planning,
    pool,
    query,
    questions,
    serving,
    speed,
)
from scope_edge.errors import ScopeEdgeError

__all__ = ["app", "main"]

app = typer.Typer(
    name="scope-edge",
    help="Predict accuracy and cost of every model for a prompt, offline, and route it.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"scope-edge {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Predict accuracy and cost of every model for a prompt, offline, and route it."""


query.register(app)
explaining.register(app)
pool.register(app)
planning.register(app)
importing.register(app)
making.register(app)
questions.register(app)
fingerprinting.register(app)
speed.register(app)
serving.register(app)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except ScopeEdgeError as error:
        message = " ".join(str(error).split())
        sys.stderr.write(f"scope-edge: {message.encode('utf-8', 'backslashreplace').decode()}\n")
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output has gone, as in `scope-edge models | head`.
        sys.stderr.close()
        sys.exit(1)
