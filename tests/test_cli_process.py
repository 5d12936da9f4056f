"""The command line as a process has it: standard streams, signals, terminals, and errors in one line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import ROUTE_FIELDS, Run, refused
from processes import run_cli, run_python
from rich.console import Console

import scope_edge.cli


@pytest.mark.parametrize(
    ("arguments", "stdin", "word"),
    [
        (["route", "-"], b"caf\xe9", b"not valid Unicode"),
        (["route", "hi", "--models", "zzz*"], b"", b"No model matches"),
        (["route", "hi", "--alpha", "7"], b"", b"Bad alpha"),
        (["verify", "--bundle", "no/bundle/here"], b"", b"No bundle at"),
        (["remove-model", "nobody", "--out", "x"], b"", b"nobody"),
    ],
)
def test_an_expected_error_is_one_line_and_exit_code_2(arguments, stdin, word):
    run = run_cli(*arguments, stdin=stdin)
    assert run.returncode == 2
    assert run.stdout == b""
    assert word in run.stderr
    assert run.stderr.startswith(b"scope-edge: ")
    assert run.stderr.count(b"\n") == 1


def test_a_process_prints_json_on_standard_output_alone():
    run = run_cli("route", "-", "--json", stdin="Was heißt »Käse« auf Welsh?\n".encode())
    assert (run.returncode, run.stderr) == (0, b"")
    assert list(json.loads(run.stdout)) == ROUTE_FIELDS


def test_a_reader_that_has_gone_is_no_traceback():
    code = "from scope_edge.cli import main; main()"
    for arguments in (["models"], ["models", "--json"], ["estimate", "hi"], ["--version"]):
        reading, writing = os.pipe()
        os.close(reading)
        try:
            run = subprocess.run([sys.executable, "-c", code, *arguments], stdout=writing, stderr=subprocess.PIPE)
        finally:
            os.close(writing)
        assert (run.returncode, run.stderr) == (0, b""), arguments


GONE = """
import errno, io, os, sys
from types import SimpleNamespace
from scope_edge.cli import app, options

class Windows(io.FileIO):
    def write(self, data):
        try:
            return super().write(data)
        except BrokenPipeError:
            raise OSError(errno.EINVAL, "Invalid argument") from None

app.os = SimpleNamespace(**{**vars(os), "name": sys.argv.pop(1)})
reading, writing = os.pipe()
os.close(reading)
if sys.argv.pop(1) == "output":
    os.dup2(writing, 1)
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(Windows(1, "wb", closefd=False)), "utf-8")
else:
    options.Router.load = lambda *_, **__: Windows(writing, "wb").write(b"of a file")
app.main()
"""


@pytest.mark.parametrize("arguments", [["models"], ["models", "--json"], ["--version"]])
def test_a_reader_that_has_gone_may_be_an_invalid_argument_on_windows(arguments):
    gone = run_python(GONE, "nt", "output", *arguments)
    assert (gone.returncode, gone.stderr) == (0, b"")


@pytest.mark.parametrize(("system", "what"), [("posix", "output"), ("nt", "a file")])
def test_other_invalid_arguments_are_errors(system, what):
    run = run_python(GONE, system, what, "models")
    assert run.returncode == 2
    assert run.stderr == b"scope-edge: The operating system refuses: [Errno 22] Invalid argument\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("models > /dev/full", "No space left on device"),
        ("models --json > /dev/full", "No space left on device"),
        ("models --help > /dev/full", "No space left on device"),
        ("--version > /dev/full", "No space left on device"),
        ("route - <&-", "Standard input is closed"),
        ("add-model guest - --price-in 0 --price-out 0 --out x <&-", "Standard input is closed"),
    ],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_what_cannot_be_written_or_read_is_one_line_too(command, said):
    run = subprocess.run(f"'{sys.executable}' -m scope_edge {command}", shell=True, capture_output=True, text=True)
    refused(Run(run.returncode, run.stdout, run.stderr), said)


def test_what_an_error_quotes_does_not_steer_the_terminal(cli, tmp_path):
    strange = tmp_path / "strange.csv"
    strange.write_bytes(b"a\x00\x07\x1b[31m\xc2\x85\xe2\x80\xaeb" + b"c" * 5000 + b",d\n1,2\n")
    error = refused(cli("import", strange, "--out", tmp_path / "out"), r"a\x00\x07\x1b[31m \u202eb", "importing.md")
    assert error.rstrip("\n").isprintable()
    assert len(error) < 1100


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["route"], "Missing argument 'PROMPT'. See "),
        (["route", "hi", "--nothing"], "No such option: --nothing"),
        (["route", "hi", "--top", "many"], "Invalid value for '--top'"),
        (["questions", "--probe", "--per-family", "0"], "Invalid value for '--per-family'"),
        (["rute", "hi"], "No such command 'rute'. Did you mean 'route'? See "),
        (["add-model", "guest", "log.csv"], "Missing option '--out'"),
    ],
)
def test_wrong_arguments_are_one_line_too(cli, arguments, said):
    assert refused(cli(*arguments), said).endswith(" --help\n")


def test_without_arguments_there_is_the_help(cli):
    assert cli() == cli("--help")


def test_what_is_stopped_says_so_in_one_line(monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("scope_edge.cli.pool.verify_bundle", stopped)
    monkeypatch.setattr(sys, "argv", ["scope-edge", "verify"])
    with pytest.raises(SystemExit) as end:
        scope_edge.cli.main()
    assert (end.value.code, capsys.readouterr()) == (130, ("", "scope-edge: stopped\n"))


def test_it_can_be_stopped_before_it_has_begun():
    # The first import of the application is where Ctrl-C falls.
    code = """
import sys

class Impatient:
    def find_spec(self, name, *_):
        if name == "scope_edge.cli.app":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Impatient())
from scope_edge.cli import main
main()
"""
    run = run_python(code, "models")
    assert (run.returncode, run.stdout) == (130, b"")
    assert run.stderr.splitlines() == [b"scope-edge: stopped"]


def test_the_module_is_the_command():
    run = subprocess.run([sys.executable, "-m", "scope_edge", "models", "--json"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)


def test_on_a_narrow_terminal_the_cost_is_not_cut_off(cli, monkeypatch):
    monkeypatch.setattr("scope_edge.cli.query.console", Console(width=80))
    narrow = cli("route", "What is 17 * 23?", "--top", "3").out
    monkeypatch.setattr("scope_edge.cli.query.console", Console(width=110))
    wide = cli("route", "What is 17 * 23?", "--top", "3").out
    costs = re.findall(r"\$[\d.e-]+ │", wide)
    assert len(costs) == 3
    assert re.findall(r"\$[\d.e-]+ │", narrow) == costs
    assert "10-90%" in wide
    assert max(map(len, narrow.splitlines()[1:])) <= 80


@pytest.mark.parametrize("width", [40, 50, 60, 70])
@pytest.mark.parametrize("command", ["route", "estimate"])
def test_on_a_narrower_one_names_and_costs_are_left(cli, monkeypatch, command, width):
    asked = (command, "A train leaves at 9:40", "--top", "2")
    monkeypatch.setattr("scope_edge.cli.query.console", Console(width=110))
    wide = [re.findall(r"[^│ ]+", line) for line in cli(*asked).out.splitlines() if line.startswith("│")]
    monkeypatch.setattr("scope_edge.cli.query.console", Console(width=width))
    lines = [line for line in cli(*asked).out.splitlines() if line[0] in "┏│"]
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines[1:]]
    assert max(map(len, lines)) <= width
    assert "".join(row[0] for row in cells) == "".join(row[0] for row in wide)
    assert [row[-1] for row in cells if row[-1]] == [row[-1] for row in wide]


def test_a_terminal_without_columns_is_one_of_unknown_width():
    runs = [
        run_python("from scope_edge.cli import main; main()", "route", "hi", env={"COLUMNS": columns})
        for columns in ("0", "80")
    ]
    assert runs[0].stdout == runs[1].stdout != b""
