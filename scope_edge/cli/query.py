"""Commands that ask: route, estimate, models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from scope_edge.cards import ModelCard, scores_in_words
from scope_edge.cli.options import (
    Aliases,
    Alpha,
    BundlePath,
    Json,
    MaxCostUsd,
    MinAccuracy,
    Models,
    Pool,
    PricesDate,
    PricesFile,
    Prompt,
    Risk,
    ValueUsd,
    console,
    load_router,
    price_source,
    print_json,
    read_prompt,
    split_names,
)
from scope_edge.errors import PriceError
from scope_edge.estimator import Estimates
from scope_edge.names import counted
from scope_edge.price_list import PriceList
from scope_edge.price_source import PriceSource
from scope_edge.pricing import dollars

__all__ = ["cards_table", "register"]

_FIELDS = ("model", "p_correct", "p_low", "p_high", "input_tokens", "output_tokens", "cost_usd")
_EXTRA_FIELDS = ("output_tokens_p10", "output_tokens_p50", "output_tokens_p90", "cost_usd_p90")
_NAME_WIDTH = 18  # characters that the names have in a table of estimates, if need be at the cost of columns
_EVIDENCE_WIDTH = 18  # the same, of the words on what a model is known by
_CARDS_DROPPED = ("lengths", "thinks", "cached", "released", "provider")
_DROPPED = ("10-90%", "input", "80% interval", "output tokens")
"""The columns that go where the terminal is narrow, in this order; of cards, those above."""
_IF_STATED = ("current", "provider", "released", "cached", "thinks", "context", "first token s", "tokens/s", "local")
_TEXTS = ("current", "provider", "released", "evidence", "thinks", "lengths", "local")

Top = Annotated[int, typer.Option("--top", min=1, help="How many models to show in the table.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(route)
    app.command()(estimate)
    app.command()(models)


def route(
    prompt: Prompt,
    alpha: Alpha = None,
    value_usd: ValueUsd = None,
    min_accuracy: MinAccuracy = None,
    max_cost_usd: MaxCostUsd = None,
    risk: Risk = None,
    models: Models = None,
    pool: Pool = "current",
    top: Top = 10,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """Choose a model for a prompt, without calling any.

    [dim]scope-edge route "Prove that the square root of 2 is irrational." --alpha 0.8[/dim]
    [dim]scope-edge route "What is 17 * 23?" --min-accuracy 0.9 --risk 0.1[/dim]
    """
    router = load_router(bundle, pool)
    decision = router.route(
        read_prompt(prompt), alpha=alpha, value_usd=value_usd, min_accuracy=min_accuracy, max_cost_usd=max_cost_usd,
        risk=risk, models=split_names(models),
    )  # fmt: skip
    if as_json:
        print_json(
            {
                "model": decision.model,
                "p_correct": decision.p_correct,
                "cost_usd": decision.cost_usd,
                "alpha": decision.alpha,
                "met": decision.met,
                "reason": decision.reason,
                "risk": decision.risk,
                "novelty": decision.estimates.novelty,
                "estimates": _entries(decision.estimates, _FIELDS),
            }
        )
        return
    reason = f"  [dim]({escape(decision.reason)})[/]" if decision.met else ""
    console.print(
        f"[bold green]{escape(decision.model)}[/]  P(correct) {decision.p_correct:.2f}, "
        f"expected {dollars(decision.cost_usd)}{reason}",
        soft_wrap=True,
    )
    if not decision.met:
        console.print(f"[yellow]{escape(decision.reason)}[/]", soft_wrap=True)
    console.print(_table(decision.estimates, decision.value_usd, top, decision.model))


def estimate(
    prompt: Prompt,
    models: Models = None,
    pool: Pool = "current",
    top: Annotated[int, typer.Option("--top", min=1, help="How many models to show in the table.")] = 1000,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """Predict accuracy, tokens and cost of every model for a prompt.

    [dim]cat prompt.txt | scope-edge estimate - --models "gpt-4*,claude*"[/dim]
    """
    router = load_router(bundle, pool)
    estimates = router.estimate(read_prompt(prompt), split_names(models))
    if as_json:
        print_json({"novelty": estimates.novelty, "estimates": _entries(estimates, _FIELDS + _EXTRA_FIELDS)})
        return
    console.print(_table(estimates, float("inf"), top))
    console.print(f"[dim]novelty {estimates.novelty:.2f} (1 = unlike every anchor)[/]")


def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAMES", help="Only these: names, of current models or not, aliases or wildcards."),
    ] = None,
    prices: PricesFile = None,
    prices_date: PricesDate = None,
    aliases: Aliases = None,
    pool: Pool = "current",
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """List the models of a bundle with their prices and evidence; with --prices, what a list would change.

    Nothing is changed: `build --prices` and `set-model --prices` do.

    [dim]scope-edge models --prices prices.json --bundle my-bundle[/dim]
    [dim]scope-edge models "gpt-4*" --json[/dim]
    """
    router = load_router(bundle, pool)
    named = split_names(names)
    cards = router.cards if named is None else [router.card(name) for name in router.resolve(named)]
    cards = sorted(cards, key=lambda card: card.model)
    source = price_source(prices, prices_date, aliases)
    if source.prices is not None:
        source.check(card.model for card in cards)
        entries = [_compared(card, source) for card in cards]
        if as_json:
            print_json(entries)
        else:
            console.print(_comparison(entries, source.prices))
        return
    if as_json:
        print_json([card.to_json(whole=True) for card in cards])
        return
    console.print(cards_table(cards, title=counted(len(cards), "model")))
    for card in cards if named else ():
        if card.top_scores:
            told = f"{card.model}: general ability moves most by {scores_in_words(card.top_scores)}"
            console.print(f"[dim]{escape(told)}[/]", soft_wrap=True)
    more = len(router.everyone.names) - len(cards)
    if more and named is None:
        console.print(f"[dim]{counted(more, 'more model')} with --pool all[/]")


def _compared(card: ModelCard, source: PriceSource) -> dict[str, Any]:
    """What the list says of a model beside what its card says."""
    now = (card.price.input_usd_per_mtok, card.price.output_usd_per_mtok)
    entry: dict[str, Any] = {"model": card.model, "key": None, "rule": None, "now_usd_per_mtok": now}
    try:
        match = source.of(card.model, card.aliases)
    except PriceError as error:
        return {**entry, "listed_usd_per_mtok": None, "problem": f"{error.what}: {error.got}"}
    if match is None:
        return {**entry, "listed_usd_per_mtok": None, "problem": "not in the list"}
    listed = (match.price.input_usd_per_mtok, match.price.output_usd_per_mtok)
    return {**entry, "key": match.key, "rule": match.rule, "listed_usd_per_mtok": listed, "problem": None}


def _comparison(entries: Sequence[dict[str, Any]], prices: PriceList) -> Table:
    changed = sum(
        entry["problem"] is None and entry["listed_usd_per_mtok"] != entry["now_usd_per_mtok"] for entry in entries
    )
    found = sum(entry["problem"] is None for entry in entries)
    table = Table(
        title=f"{found:,} of {counted(len(entries), 'model')} in {escape(prices.name)} of {prices.date}, "
        f"{changed} at another price",
        caption="input / output, USD per million tokens",
    )
    table.add_column("model", overflow="fold", min_width=18)
    for heading in ("now", "listed"):
        table.add_column(heading, justify="right")
    table.add_column("key (rule)", overflow="fold")
    for entry in entries:
        listed, now = entry["listed_usd_per_mtok"], entry["now_usd_per_mtok"]
        table.add_row(
            escape(entry["model"]),
            _pair(now),
            "" if listed is None else _pair(listed),
            escape(entry["problem"] or f"{entry['key']} ({entry['rule']})"),
            style="dim" if entry["problem"] else "bold" if listed != now else None,
        )
    return table


def _pair(prices: Sequence[float]) -> str:
    return f"{prices[0]:g} / {prices[1]:g}"


def cards_table(cards: Sequence[ModelCard], title: str | None = None) -> Table:
    """What the cards say; the columns of `_IF_STATED` only where one of them states it, others where there is room."""
    columns: dict[str, list[str]] = {
        "model": [escape(card.model) for card in cards],
        "current": ["" if card.current else "no" for card in cards],
        "provider": [escape(card.provider or "") for card in cards],
        "released": [card.released or "" for card in cards],
        "input": [_stated(card.price.input_usd_per_mtok) for card in cards],
        "cached": [_stated(card.price.cached_input_usd_per_mtok) for card in cards],
        "output": [_stated(card.price.output_usd_per_mtok) for card in cards],
        "evidence": [card.evidence for card in cards],
        "thinks": ["yes" if card.thinks else "" for card in cards],
        "lengths": [card.length_source for card in cards],
        "context": [_stated(card.context_window, ",d") for card in cards],
        "first token s": [_stated(card.time_to_first_token_s) for card in cards],
        "tokens/s": [_stated(card.tokens_per_second) for card in cards],
        "local": ["yes" if card.local else "" for card in cards],
    }
    shown = {heading: cells for heading, cells in columns.items() if heading not in _IF_STATED or any(cells)}
    widths = {heading: max(map(len, (heading, *cells))) + 3 for heading, cells in shown.items()}  # with its border
    widths["model"] = _NAME_WIDTH + 3  # what is longer takes another line
    widths["evidence"] = min(widths["evidence"], _EVIDENCE_WIDTH + 3)
    for heading in _CARDS_DROPPED:
        if sum(widths[name] for name in shown) >= console.width:
            shown.pop(heading, None)
    table = Table(title=title, caption="prices in USD per million tokens")
    table.add_column("model", overflow="fold", min_width=_NAME_WIDTH)
    for heading in list(shown)[1:]:
        table.add_column(heading, justify="left" if heading in _TEXTS else "right", no_wrap=heading != "evidence")
    for row in zip(*shown.values(), strict=True):
        table.add_row(*row)
    return table


def _stated(value: float | None, form: str = "g") -> str:
    return "" if value is None else format(value, form)


def _entries(estimates: Estimates, names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in estimates.rows()]


def _table(estimates: Estimates, value_usd: float, top: int, chosen: str | None = None) -> Table:
    """The models by what they are worth at this point of the dial, best first; above them the chosen one."""

    def worth(row: dict[str, Any]) -> tuple[bool, float, float, str]:
        gain = row["p_correct"] if value_usd == float("inf") else value_usd * row["p_correct"] - row["cost_usd"]
        return row["model"] != chosen, -gain, row["cost_usd"], row["model"]

    rows = sorted(estimates.rows(), key=worth)
    shown = rows[:top]
    columns = {
        "P(correct)": [f"{row['p_correct']:.2f}" for row in shown],
        "80% interval": [f"{row['p_low']:.2f}-{row['p_high']:.2f}" for row in shown],
        "input": [f"{row['input_tokens']:.0f}" for row in shown],
        "output tokens": [f"{row['output_tokens']:.0f}" for row in shown],
        "10-90%": [f"{row['output_tokens_p10']:.0f}-{row['output_tokens_p90']:.0f}" for row in shown],
        "USD": [dollars(float(row["cost_usd"])) for row in shown],
    }
    widths = {heading: max(map(len, (heading, *cells))) + 3 for heading, cells in columns.items()}  # with its border
    for heading in _DROPPED:
        if _NAME_WIDTH + 4 + sum(widths[name] for name in columns) > console.width:
            del columns[heading]
    table = Table(caption=f"{len(rows) - top} more, see --top" if len(rows) > top else None)
    table.add_column("model", overflow="fold")
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for row, *cells in zip(shown, *columns.values(), strict=True):
        table.add_row(escape(str(row["model"])), *cells, style="bold green" if row["model"] == chosen else None)
    return table
