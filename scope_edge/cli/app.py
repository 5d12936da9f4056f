"""The application and its entry point: every expected error is one line and exit code 2."""

from __future__ import annotations

import errno
import os
import sys
from io import TextIOWrapper
from typing import Any, NoReturn

import typer

from scope_edge import __version__
from scope_edge.cli import (
    benchmarks,
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
benchmarks.register(app)
planning.register(app)
importing.register(app)
making.register(app)
questions.register(app)
fingerprinting.register(app)
speed.register(app)
serving.register(app)


# click's, which typer has a copy of in some versions: whatever is wrong with the arguments.
_ArgumentError: type[Exception] = typer.BadParameter.__mro__[1]

_MAX_LINE = 1000  # characters of an error; of a longer one the middle is left out, for the remedy comes last


def main() -> None:
    """Run the command line; Ctrl-C is left to the caller."""
    if len(sys.argv) < 2:
        sys.argv.append("--help")
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        # What its code page does not have is escaped, as on standard error: a name must not lose a result.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = app(standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except ScopeEdgeError as error:
        _fail(str(error))
    except _ArgumentError as error:
        _fail(_explained(error))
    except typer.Abort:
        raise KeyboardInterrupt from None
    except BrokenPipeError:
        _reader_has_gone()
    except OSError as error:
        if _is_closed_pipe(error):
            _reader_has_gone()
        _drop_output()
        _fail(f"The operating system refuses: {error}")
    except SystemExit as end:
        # rich and typer make this of a broken pipe.
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        _reader_has_gone()
    else:
        if code == 130:
            raise KeyboardInterrupt
        sys.exit(code or 0)


def _fail(message: str) -> NoReturn:
    # What a file or an argument holds may be quoted in it: it must not steer the terminal, nor fill it.
    line = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in " ".join(message.split())
    )
    if len(line) > _MAX_LINE:
        line = f"{line[: _MAX_LINE // 2]} ... {line[-_MAX_LINE // 2 :]}"
    sys.stderr.write(f"scope-edge: {line}\n")
    sys.exit(2)


def _explained(error: Any) -> str:
    command = error.ctx.command_path if error.ctx else "scope-edge"
    message = error.format_message()
    return f"{message if message.endswith(('.', '?')) else message + '.'} See {command} --help"


def _is_closed_pipe(error: OSError) -> bool:
    """Whether it is Windows' other word for a broken pipe, EINVAL, which other errors have too."""
    if os.name != "nt" or error.errno != errno.EINVAL or sys.stdout is None:
        return False
    try:
        print(flush=True)  # what failed was perhaps a file, and not standard output
    except OSError:
        return True
    return False


def _reader_has_gone() -> NoReturn:
    """It has what it wanted, as in `scope-edge models | head -1`: whether all fitted into the pipe is no difference."""
    _drop_output()
    sys.exit(0)


def _drop_output() -> None:
    # Or the interpreter would try to write what is left when it ends.
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
