"""The command that looks ahead: plan."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from scope_edge.cli.options import (
    BundlePath,
    Json,
    Models,
    Pool,
    console,
    load_router,
    print_json,
    progress_bars,
    split_names,
)
from scope_edge.errors import UsageError
from scope_edge.names import apart, counted

if TYPE_CHECKING:
    from scope_edge.estimator import Estimates
    from scope_edge.policy.decision import Plan
    from scope_edge.policy.frontier import Point
    from scope_edge.router import Router

__all__ = ["register"]

_CHUNK = 256


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(plan)


def plan(
    prompts: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Prompts: a .txt with one a line, or a .csv, .jsonl or .parquet with a column 'prompt'.",
        ),
    ],
    budget_usd: Annotated[
        float | None, typer.Option("--budget-usd", metavar="USD", help="What all prompts together may cost.")
    ] = None,
    target: Annotated[
        float | None, typer.Option("--target", metavar="SHARE", help="The share of right answers to reach, 0 to 1.")
    ] = None,
    risk: Annotated[
        float,
        typer.Option("--risk", min=0.001, max=0.5, help="How likely the cost may exceed the limit; 0.5: as expected."),
    ] = 0.05,
    models: Models = None,
    pool: Pool = "current",
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Also draw it, as .png, .svg or .pdf (extra 'evaluate')."),
    ] = None,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """Show what each position of the dial would buy for your prompts, and which one meets a budget or a target.

    Nothing is called. For a budget also the best plan for just these prompts, which is better than any position.

    [dim]scope-edge plan prompts.jsonl --budget-usd 5[/dim]
    [dim]scope-edge plan prompts.txt --target 0.8 --plot plan.png[/dim]
    """
    if budget_usd is not None and target is not None:
        raise UsageError("--budget-usd and --target exclude each other", remedy="Give one of them.")
    # Not every command needs these.
    from scope_edge.outcome_rows import read_prompts
    from scope_edge.policy import Tradeoff, plan_within
    from scope_edge.policy.frontier import frontier, reaching, within

    texts = read_prompts(prompts)
    estimates = _estimates(load_router(bundle, pool), texts, split_names(models))
    points = frontier(estimates, risk=risk)
    chosen, best, asked = None, None, ""
    if budget_usd is not None:
        chosen, best = within(estimates, budget_usd, risk), plan_within(estimates, budget_usd, Tradeoff(), risk)
        asked = f"within {budget_usd:g} USD"
    elif target is not None:
        chosen, asked = reaching(estimates, target, risk), f"for {100 * target:g}% right"
    if plot is not None:
        from scope_edge.plots import plan_figure, write_figure

        write_figure(plan_figure(points, chosen, best, asked), plot)
    if as_json:
        print_json(
            {
                "n_prompts": len(texts),
                "risk": risk,
                "frontier": [asdict(point) for point in points],
                # JSON has no infinity
                "asked": {"budget_usd": None if budget_usd == math.inf else budget_usd, "target": target},
                "dial": None if chosen is None else asdict(chosen),
                "plan": None if best is None else _plan_json(best),
            }
        )
        return
    _show(points, chosen, len(texts), risk)
    if asked:
        _answer(chosen, best, asked, points, budget_usd, target)


def _estimates(router: Router, prompts: list[str], models: list[str] | None) -> Estimates:
    """Of all prompts, with a bar."""
    from dataclasses import replace

    import numpy as np

    parts = []
    with progress_bars() as bars:
        task = bars.add_task("estimate", total=len(prompts))
        for start in range(0, len(prompts), _CHUNK):
            parts.append(router.estimate_batch(prompts[start : start + _CHUNK], models))
            bars.advance(task, len(parts[-1].figures))
    return replace(
        parts[0],
        figures=np.concatenate([part.figures for part in parts]),
        novelty=np.concatenate([part.novelty for part in parts]),
    )


def _show(points: list[Point], chosen: Point | None, n_prompts: int, risk: float) -> None:
    table = Table(
        title=counted(n_prompts, "prompt"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        caption=f"right: expected, with its 80% interval; at most: the cost, but for a probability of {risk:g}",
        caption_justify="left",
    )
    for heading in ("alpha", "right", "80%", "USD", "at most", "most used", "others"):
        table.add_column(heading, justify="left" if heading == "most used" else "right", overflow="fold")
    for point in sorted([*points, *([chosen] if chosen else [])], key=lambda point: point.alpha):
        model, count = next(iter(point.models.items()))
        table.add_row(
            f"{point.alpha:.3f}" if point is chosen else f"{point.alpha:.2f}",
            f"{point.accuracy:.1%}",
            f"{point.accuracy_low:.0%}-{point.accuracy_high:.0%}",
            f"{point.cost_usd:.3g}",
            f"{point.cost_limit_usd:.3g}",
            escape(f"{model} {count / n_prompts:.0%}"),
            str(len(point.models) - 1),
            style="bold green" if point is chosen else None,
        )
    console.print(table)


def _answer(
    chosen: Point | None,
    best: Plan | None,
    asked: str,
    points: list[Point],
    budget_usd: float | None,
    target: float | None,
) -> None:
    most_usd = math.inf if budget_usd is None else budget_usd
    if chosen is None:
        least, _ = apart(points[0].cost_limit_usd, most_usd)
        best_right, _ = apart(100 * points[-1].accuracy, math.inf if target is None else 100 * target, ".1f")
        console.print(
            f"[yellow]No position of the dial is enough {asked}[/]: the cheapest may cost "
            f"{least} USD, the most accurate is expected to get {best_right}% right."
        )
    else:
        console.print(
            f"{asked[:1].upper()}{asked[1:]}: [bold green]alpha {chosen.alpha:.3f}[/], "
            f"{chosen.accuracy:.1%} right ({chosen.accuracy_low:.1%}-{chosen.accuracy_high:.1%}), "
            f"{chosen.cost_usd:.3g} USD expected"
        )
    if best is not None and best.met:
        at_most, _ = apart(min(best.cost_limit_usd, most_usd), most_usd, may_look_equal=True)
        console.print(
            f"The best plan for just these prompts: {best.expected_accuracy:.1%} right, "
            f"{best.expected_cost_usd:.3g} USD expected, at most {at_most}; "
            f"in Python: route_batch(prompts, budget_usd=...)"
        )


def _plan_json(best: Plan) -> dict[str, Any]:
    return {
        "met": best.met,
        "reason": best.reason,
        "models": best.models,
        "expected_accuracy": best.expected_accuracy,
        "expected_cost_usd": best.expected_cost_usd,
        "cost_limit_usd": best.cost_limit_usd,
        "value_usd": best.value_usd,
        "gap": best.gap,
    }
