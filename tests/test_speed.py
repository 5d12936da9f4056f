from __future__ import annotations

import io
import json
import math
import os
import sys
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest
from processes import run_python

from scope_edge import Router, ScopeEdgeError, jit
from scope_edge.bundle import default_bundle
from scope_edge.cli import main
from scope_edge.cli.speed import show
from scope_edge.errors import UsageError
from scope_edge.speed import fresh, machine, measuring
from scope_edge.speed.measuring import LEAST_SECONDS, PARTS, Report, measure
from scope_edge.speed.prompts import Prompts
from scope_edge.speed.timing import Schedule, Timing, take_turns

TIMING = {"p50_ms", "p99_ms", "per_s", "samples"}


@pytest.fixture(scope="module")
def parts() -> list[str]:
    return []


@pytest.fixture(scope="module")
def report(small_bundle, parts) -> Report:
    return measure(small_bundle, LEAST_SECONDS, parts.append)


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        value = list(value.items())
    elif isinstance(value, list):
        value = list(enumerate(value))
    else:
        yield path, value
        return
    for name, inner in value:
        yield from leaves(inner, f"{path}.{name}")


# --- what is measured ---


@pytest.mark.usefixtures("report")
def test_the_parts_are_told_in_their_order(parts):
    assert parts == list(PARTS)


def test_every_figure_is_positive_and_finite(report):
    figures = {path: value for path, value in leaves(report.to_json()) if isinstance(value, (int, float))}
    figures.pop(".kernels.compiled")
    # A share is a difference of medians, of which the smallest may vanish in the noise.
    shares = [figures.pop(f".stages.{name}.share") for name in report.stages]
    assert all(0 <= share <= 1 for share in shares)
    assert sum(shares) == pytest.approx(1)
    assert len(figures) > 40
    assert {path: value for path, value in figures.items() if not 0 < value < math.inf} == {}


def test_the_median_is_not_above_the_tail(report):
    timings = [*report.route.values(), *report.stages.values(), report.batch_of_64, report.numpy_route]
    assert all(timing.p50_ms <= timing.p99_ms for timing in timings)


def test_the_report_has_every_part(report, small_bundle):
    document = report.to_json()
    assert list(document["route"]) == ["20 words", "120 words", "2,000 words", "1 MB"]
    assert list(document["stages"]) == ["tokenize", "encode", "look up", "estimate", "route"]
    assert all(set(timing) == TIMING for timing in document["route"].values())
    assert [row["threads"] for row in document["threads"]] == [1, 2, 4]
    assert document["threads"][0]["ratio_to_one"] == 1
    cold = document["cold_start"]
    assert cold["ratio"] == cold["first_decision"]["seconds"] / cold["imports"]["seconds"]
    assert document["kernels"]["compiled"] == jit.kernels().compiled == (document["warm_up"] is not None)
    router = Router.load(small_bundle)
    assert document["bundle"] == {
        "name": "small", "anchors": 96, "models": len(router.models), "dim": router.estimator.anchors.codes.shape[1],
    }  # fmt: skip
    assert set(document["machine"]["versions"]) == {"scope-edge", *machine._LIBRARIES}


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read elsewhere in other ways")
def test_a_process_that_decides_holds_more_than_its_libraries(report):
    cold = report.cold_start
    assert cold.imports.peak_mb < cold.first_decision.peak_mb
    assert report.warm_up is None or cold.first_decision.peak_mb < report.warm_up.peak_mb
    assert report.this_process_peak_mb > cold.imports.peak_mb


@pytest.mark.parametrize("seconds", [4.99, 0, -1, math.nan, math.inf])
def test_the_time_must_be_long_enough_and_end(seconds):
    with pytest.raises(UsageError, match="Bad seconds"):
        measure(seconds=seconds)


def test_the_bundle_is_named_without_its_path(router, small_bundle):
    assert machine.bundle_facts(router, None).name == "shipped"
    assert machine.bundle_facts(router, default_bundle()).name == "shipped"
    assert machine.bundle_facts(Router.load(small_bundle), f"{small_bundle}/").name == "small"


def test_kernels_that_cannot_be_compiled_are_reported(monkeypatch):
    def fail() -> bool:
        raise ImportError(f"numba in {os.path.expanduser('~')}/lib needs another numpy\nand so on")

    monkeypatch.setattr(jit, "warmup", fail)
    facts = machine.warm_kernels()
    assert not facts.compiled
    assert "ImportError: numba in ~/lib needs another numpy)" in facts.hint


# --- prompts ---


@pytest.mark.parametrize("n_words", [20, 120, 2000])
def test_prompts_have_their_length_and_differ(n_words):
    prompts = list(islice(Prompts().of_words(n_words), 200))
    assert {len(prompt.split()) for prompt in prompts} == {n_words}
    assert len(set(prompts)) == len(prompts)
    assert prompts == list(islice(Prompts().of_words(n_words), 200))


def test_a_megabyte_differs_where_it_is_read():
    prompts = list(islice(Prompts().of_a_megabyte(), 3))
    assert [len(prompt.encode()) for prompt in prompts] == [1_000_000] * 3
    assert len({prompt[:2000] for prompt in prompts}) == len({prompt[-1000:] for prompt in prompts}) == 3


# --- timing ---


def test_calls_take_turns_and_no_input_comes_twice():
    said: list[tuple[str, int]] = []
    calls = [
        (lambda value, name=name: said.append((name, value)), count(start)) for name, start in (("a", 0), ("b", 1000))
    ]
    times = take_turns(calls, 0.01)
    assert len(times[0]) == len(times[1]) >= 8
    assert len(set(said)) == len(said) == sum(map(len, times)) + 2
    names = "".join(name for name, _ in said)
    assert names == "ab" + ("a" * 8 + "b" * 8) * (len(times[0]) // 8)


def test_a_timing_sums_up():
    timing = Timing.of([0.001, 0.002, 0.003])
    assert timing.p50_ms == pytest.approx(2)
    assert 2 < timing.p99_ms < 3
    assert timing.per_s == pytest.approx(500)
    assert timing.samples == 3


def test_a_slow_part_shortens_those_after_it():
    told: list[str] = []
    times = iter((1000.0, 1000.0, 1040.0, 1140.0))
    schedule = Schedule({"one": 1.0, "two": 1.0, "three": 2.0}, 100.0, told.append, lambda: next(times))
    assert [schedule.begin(part) for part in ("one", "two", "three")] == [25, 20, 0]
    assert told == ["one", "two", "three"]


# --- fresh processes ---


def test_a_process_that_fails_is_an_error():
    with pytest.raises(ScopeEdgeError, match="got ValueError: no"):
        fresh._ask("raise ValueError('no')")
    with pytest.raises(ScopeEdgeError, match="exit 3"):
        fresh._ask("sys.exit(3)")


def test_the_processes_find_what_this_one_finds():
    assert fresh._ask("import json; print(json.dumps(sys.path))") == sys.path


def test_the_query_path_and_the_command_line_do_not_import_it():
    code = (
        "import sys, scope_edge.cli; from scope_edge import Router; Router.load().route('hi');"
        "print([name for name in sys.modules if name.startswith('scope_edge.speed')])"
    )
    assert run_python(code).stdout.strip() == b"[]"


def test_reading_the_peak_imports_nothing_that_is_measured():
    code = "import sys, scope_edge.speed.memory; print({'numpy', 'scope_edge.router'} & set(sys.modules))"
    assert run_python(code).stdout.strip() == b"set()"


# --- the command ---


@pytest.fixture
def bench(monkeypatch, capsys):
    """Runs the command in this process; returns exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["scope-edge", "bench", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return run


def test_the_options_reach_the_measurement(bench, monkeypatch, report):
    asked = []

    def note(bundle, seconds, on_part, pool):
        asked.append((bundle, seconds, pool))
        for part in PARTS:
            on_part(part)
        return report

    monkeypatch.setattr(measuring, "measure", note)
    code, out, err = bench("--json", "--seconds", "7.5", "--bundle", "some/bundle")
    assert (code, err) == (0, "")
    assert json.loads(out) == report.to_json()
    bench("--pool", "all")
    assert asked == [(Path("some/bundle"), 7.5, "current"), (None, 45.0, "all")]


def test_a_bug_report_names_no_home_and_no_prompt(report, small_bundle):
    text = json.dumps(report.to_json(), allow_nan=False)
    home = os.path.expanduser("~")
    for secret in (home, str(small_bundle), str(small_bundle.parent), os.getcwd(), "ferry"):
        assert secret not in text


def test_the_tables_hold_what_was_measured(report, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    show(report)
    out = capsys.readouterr().out
    words = (
        *report.route, *report.stages, "batches of 64", "before the kernels are warm", "small: 96 anchors",
        "first decision", "only the imports", "peak MB", "numba",
    )  # fmt: skip
    assert [word for word in words if word not in out] == []
    assert f"{report.numpy_route.p99_ms:#.3g}" in out
    assert f"{report.cold_start.ratio:.2f}x" in out


def test_the_tables_say_what_is_missing(report, capsys):
    bare = fresh.Start(0.1, None)
    parts = {
        "kernels": machine.KernelFacts(False, "a hint about [brackets]"),
        "warm_up": None,
        "cold_start": fresh.ColdStart(bare, bare, 1.0, 3),
        "this_process_peak_mb": None,
    }
    show(Report(**(vars(report) | parts)))
    out = capsys.readouterr().out
    assert "a hint about [brackets]" in out
    assert "not measured on this system" in out
    assert "kernels warm (" not in out


def test_what_goes_wrong_is_one_line(bench, tmp_path):
    for arguments, word in ((("--seconds", "4"), "Bad seconds"), (("--bundle", tmp_path / "none"), "No bundle at")):
        code, out, err = bench(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"scope-edge: {word}")


def test_an_interrupt_is_no_traceback(bench, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(measuring, "measure", interrupted)
    code, out, err = bench()
    assert code != 0
    assert out == ""
    assert "Traceback" not in err


def test_it_measures_without_the_compiler(small_bundle):
    code = "import os; os.environ['NUMBA_DISABLE_JIT'] = '1'; from scope_edge.cli import main; main()"
    run = run_python(code, "bench", "--seconds", "5", "--json", "--bundle", str(small_bundle))
    assert (run.returncode, run.stderr) == (0, b"")
    document = json.loads(run.stdout)
    assert not document["kernels"]["compiled"]
    assert "NUMBA_DISABLE_JIT" in document["kernels"]["hint"]
    assert document["warm_up"] is None
    assert document["route"]["120 words"]["samples"] > 0
