"""The command that measures: bench."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.bar import Bar
from rich.markup import escape
from rich.table import Table

from scope_edge.cli.options import BundlePath, Json, Pool, console, print_json, progress_bars
from scope_edge.names import counted

if TYPE_CHECKING:
    from scope_edge.pool import PoolName
    from scope_edge.speed.measuring import Report
    from scope_edge.speed.timing import Timing

__all__ = ["register", "show"]

_BAR_WIDTH = 28


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(bench)


def bench(
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="N", help="About how long it may take, 5 or more.")
    ] = 45.0,
    pool: Pool = "current",
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """Measure the speed on this machine: end to end, by stage, from a cold start; and the memory.

    Nothing is sent. The JSON names no user, path or prompt: put it into a bug report.

    [dim]scope-edge bench[/dim]
    [dim]scope-edge bench --seconds 10 --json > bench.json[/dim]
    """
    from scope_edge.speed.measuring import PARTS, measure

    bars = progress_bars()
    bars.live.auto_refresh = False  # a bar that draws itself would be timed along
    with bars:
        task = bars.add_task("", total=len(PARTS))
        done = iter(range(len(PARTS)))

        def on_part(name: str) -> None:
            bars.update(task, description=name, completed=next(done))
            bars.refresh()

        report = measure(bundle, seconds, on_part, cast("PoolName", pool))
        bars.update(task, description="done", completed=len(PARTS))
    if as_json:
        print_json(report.to_json())
    else:
        show(report)


def show(report: Report) -> None:
    """Print a report as tables."""
    console.print(_conditions(report))
    if report.kernels.hint:
        console.print(f"[yellow]{escape(report.kernels.hint)}[/]")
    console.print(_end_to_end(report))
    console.print(_stages(report))
    console.print("[dim]encode includes tokenize, estimate includes look up, route all; the bars are what each adds[/]")
    console.print(_threads(report))
    console.print(_processes(report))
    console.print("[dim]imports: of numpy, onnxruntime and tokenizers; kernels warm in the background[/]")
    if report.this_process_peak_mb is None:
        console.print("[dim]peak memory is not measured on this system[/]")


def _conditions(report: Report) -> Table:
    machine, bundle = report.machine, report.bundle
    usable = "" if machine.usable_cores == machine.cores else f", {machine.usable_cores} of them usable"
    table = Table(title="What was measured", title_justify="left", show_header=False)
    table.add_row("machine", escape(f"{machine.cpu}, {counted(machine.cores, 'core')}{usable}"))
    table.add_row("system", escape(f"{machine.os}, {machine.python}"))
    table.add_row("versions", escape(", ".join(f"{name} {number}" for name, number in machine.versions.items())))
    contents = f"{counted(bundle.anchors, 'anchor')} of {bundle.dim} dimensions, {counted(bundle.models, 'model')}"
    table.add_row("bundle", escape(f"{bundle.name}: {contents}"))
    table.add_row("kernels", "compiled" if report.kernels.compiled else "numpy's")
    return table


def _end_to_end(report: Report) -> Table:
    table = _figures("One decision, end to end", "prompt", "p50 ms", "p99 ms", "prompts/s")
    rows = report.route | {"120 words, in batches of 64": report.batch_of_64}
    rows["120 words, before the kernels are warm"] = report.numpy_route
    for name, timing in rows.items():
        table.add_row(name, *_quantiles(timing), f"{timing.per_s:,.0f}")
    return table


def _stages(report: Report) -> Table:
    table = _figures("By stage, at 120 words", "call", "p50 ms", "p99 ms", "adds")
    table.add_column("")
    begin = 0.0
    for name, stage in report.stages.items():
        bar = Bar(1.0, begin, begin + stage.share, width=_BAR_WIDTH, color="green")
        table.add_row(name, *_quantiles(stage), f"{stage.share:.0%}", bar)
        begin += stage.share
    return table


def _threads(report: Report) -> Table:
    table = _figures("Threads, at 120 words", "threads", "prompts/s", "to one")
    for row in report.threads:
        table.add_row(str(row.threads), f"{row.prompts_per_s:,.0f}", f"{row.ratio_to_one:.2f}x")
    return table


def _processes(report: Report) -> Table:
    cold, warm_up = report.cold_start, report.warm_up
    table = _figures("Fresh processes", f"median of {cold.processes}", "ms from the start", "peak MB")
    table.add_row("first decision", f"{cold.first_decision.seconds * 1e3:.0f}", _peak(cold.first_decision.peak_mb))
    table.add_row("only the imports", f"{cold.imports.seconds * 1e3:.0f}", _peak(cold.imports.peak_mb))
    table.add_row("ratio", f"{cold.ratio:.2f}x", _ratio(cold.first_decision.peak_mb, cold.imports.peak_mb))
    table.add_section()
    if warm_up is not None:
        table.add_row("kernels warm (one process)", f"{warm_up.seconds * 1e3:.0f} more", _peak(warm_up.peak_mb))
    table.add_row("this process, when warm", "", _peak(report.this_process_peak_mb))
    return table


def _figures(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for heading in others:
        table.add_column(heading, justify="right")
    return table


def _quantiles(timing: Timing) -> tuple[str, str]:
    return f"{timing.p50_ms:#.3g}", f"{timing.p99_ms:#.3g}"


def _peak(mb: float | None) -> str:
    return "-" if mb is None else f"{mb:.0f}"


def _ratio(mb: float | None, to: float | None) -> str:
    return "-" if mb is None or to is None else f"{mb / to:.2f}x"
