"""Commands that ask: route, estimate, models."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from scope_edge.cli.options import (
    BundlePath,
    Json,
    Models,
    Prompt,
    console,
    print_json,
    read_prompt,
    split_names,
)
from scope_edge.estimator import Estimates
from scope_edge.router import Router

__all__ = ["register"]

_FIELDS = ("model", "p_correct", "p_low", "p_high", "input_tokens", "output_tokens", "cost_usd")
_EXTRA_FIELDS = ("output_tokens_p10", "output_tokens_p50", "output_tokens_p90", "cost_usd_p90")

Top = Annotated[int, typer.Option("--top", min=1, help="How many models to show in the table.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(route)
    app.command()(estimate)
    app.command()(models)


def route(
    prompt: Prompt,
    alpha: Annotated[
        float | None,
        typer.Option(
            "--alpha", "-a", help="The dial: 0 = cheapest, 1 = most accurate.  [default: 0.5]", show_default=False
        ),
    ] = None,
    value_usd: Annotated[
        float | None, typer.Option("--value-usd", help="What a right answer is worth, in USD; instead of --alpha.")
    ] = None,
    models: Models = None,
    top: Top = 10,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """Choose a model for a prompt, without calling any.

    [dim]scope-edge route "Prove that the square root of 2 is irrational." --alpha 0.8[/dim]
    """
    router = Router.load(bundle)
    decision = router.route(read_prompt(prompt), alpha=alpha, value_usd=value_usd, models=split_names(models))
    if as_json:
        print_json(
            {
                "model": decision.model,
                "p_correct": decision.p_correct,
                "cost_usd": decision.cost_usd,
                "alpha": decision.alpha,
                "novelty": decision.estimates.novelty,
                "estimates": _entries(decision.estimates, _FIELDS),
            }
        )
        return
    dial = f"value {decision.value_usd:g} USD" if decision.alpha is None else f"alpha {decision.alpha:g}"
    console.print(
        f"[bold green]{escape(decision.model)}[/]  P(correct) {decision.p_correct:.2f}, "
        f"expected {_usd(decision.cost_usd)}  [dim]({dial})[/]"
    )
    console.print(_table(decision.estimates, decision.value_usd, top, decision.model))


def estimate(
    prompt: Prompt,
    models: Models = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many models to show in the table.")] = 1000,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """Predict accuracy, tokens and cost of every model for a prompt.

    [dim]cat prompt.txt | scope-edge estimate - --models "gpt-4*,claude*"[/dim]
    """
    router = Router.load(bundle)
    estimates = router.estimate(read_prompt(prompt), split_names(models))
    if as_json:
        print_json({"novelty": estimates.novelty, "estimates": _entries(estimates, _FIELDS + _EXTRA_FIELDS)})
        return
    console.print(_table(estimates, float("inf"), top))
    console.print(f"[dim]novelty {estimates.novelty:.2f} (1 = unlike every anchor)[/]")


def models(bundle: BundlePath = None, as_json: Json = False) -> None:
    """List the models of a bundle with their prices and evidence."""
    cards = sorted(Router.load(bundle).cards, key=lambda card: card.model)
    if as_json:
        print_json([card.to_json() for card in cards])
        return
    table = Table(title=f"{len(cards)} models", caption="prices in USD per million tokens")
    for heading in ("model", "input", "output", "outcomes", "thinks", "lengths"):
        table.add_column(heading, justify="right" if heading in ("input", "output", "outcomes") else "left")
    for card in cards:
        table.add_row(
            escape(card.model),
            f"{card.price.input_usd_per_mtok:g}",
            f"{card.price.output_usd_per_mtok:g}",
            str(card.n_outcomes),
            "yes" if card.thinks else "",
            card.length_source,
        )
    console.print(table)


def _entries(estimates: Estimates, names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in estimates.rows()]


def _table(estimates: Estimates, value_usd: float, top: int, chosen: str | None = None) -> Table:
    """The models by what they are worth at this point of the dial, best first."""

    def worth(row: dict[str, Any]) -> tuple[float, float, str]:
        gain = row["p_correct"] if value_usd == float("inf") else value_usd * row["p_correct"] - row["cost_usd"]
        return -gain, row["cost_usd"], row["model"]

    rows = sorted(estimates.rows(), key=worth)
    table = Table(caption=f"{len(rows) - top} more, see --top" if len(rows) > top else None)
    for heading in ("model", "P(correct)", "80% interval", "input", "output tokens", "10-90%", "USD"):
        if heading == "model":
            table.add_column(heading, overflow="fold", min_width=18)
        else:
            table.add_column(heading, justify="right")
    for row in rows[:top]:
        table.add_row(
            escape(str(row["model"])),
            f"{row['p_correct']:.2f}",
            f"{row['p_low']:.2f}-{row['p_high']:.2f}",
            f"{row['input_tokens']:.0f}",
            f"{row['output_tokens']:.0f}",
            f"{row['output_tokens_p10']:.0f}-{row['output_tokens_p90']:.0f}",
            _usd(row["cost_usd"]),
            style="bold green" if row["model"] == chosen else None,
        )
    return table


def _usd(cost: Any) -> str:
    return f"${cost:.2g}" if cost and cost < 0.01 else f"${cost:.4f}"
