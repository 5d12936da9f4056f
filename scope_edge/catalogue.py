"""The catalogue of a table folder: what models cost, take and are called, each fact with its date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from scope_edge.aliases import normalised
from scope_edge.errors import OutcomesError, PriceError
from scope_edge.outcome_rows import MAX_TOKENS, number_in, text_in, truth_in
from scope_edge.pricing import Price
from scope_edge.rows import read_file_rows

__all__ = ["Catalogue", "Offer", "read_catalogue"]

RETIRED_MONTHS, STALE_MONTHS = 15, 3
"""A closed model that the newest price list has dropped is taken for retired from this age on, of the model, or of its
price."""

LISTED_ONLY = frozenset({"list price shown by arena.ai"})
"""Providers of prices at which nobody sells."""


@dataclass(frozen=True)
class Offer:
    """What the catalogue says of one model, without its reasoning effort; None is not known."""

    price: Price | None
    price_date: str | None
    provider: str | None
    context_window: int | None
    max_output: int | None
    released: str | None
    thinks: bool | None
    open_weights: bool | None
    modalities: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """Offers by base name, and the names under which models run.

    Attributes
    ----------
    offers : mapping of base name to Offer
    bases : mapping of model to base name
    raw_names : mapping of model to its names in public lists
    thinking : mapping of model to whether it ran with reasoning, where a list says so
    efforts : mapping of model to its reasoning effort ("none" to "max"), where its name has one
    """

    offers: Mapping[str, Offer]
    bases: Mapping[str, str]
    raw_names: Mapping[str, tuple[str, ...]]
    thinking: Mapping[str, bool]
    efforts: Mapping[str, str]

    @cached_property
    def snapshot(self) -> str:
        """The month of the newest price, YYYY-MM."""
        return max((offer.price_date or "" for offer in self.offers.values()), default="")[:7]

    def offer(self, model: str) -> Offer | None:
        """What is offered under the name of a model, or of its base."""
        own, of_base = self.offers.get(model), self.offers.get(self.bases.get(model, model))
        if own is None or own.price is None or own.provider in LISTED_ONLY:
            return of_base or own
        return own

    def is_current(self, model: str) -> bool:
        """Whether the model can be bought or downloaded at the time of the snapshot.

        Somebody sells it; and if its weights are closed, the newest price list has it still, or it is younger than
        `RETIRED_MONTHS`, its price lists being what tells of one without a date of release.
        """
        offer = self.offer(model)
        if offer is None or offer.price is None or offer.provider in LISTED_ONLY:
            return False
        if offer.open_weights or (offer.price_date or "").startswith(self.snapshot):
            return True
        age, limit = (offer.price_date, STALE_MONTHS) if offer.released is None else (offer.released, RETIRED_MONTHS)
        return _months(self.snapshot) - _months(age or "") < limit

    def aliases(self, model: str) -> tuple[str, ...]:
        """Names of the model that no rule derives from its own, one of each that read the same."""
        own = normalised(model)
        found = {normalised(raw): raw for raw in sorted(self.raw_names.get(model, ()), reverse=True)}
        return tuple(sorted(raw for key, raw in found.items() if key and key != own))

    def reasons(self, model: str) -> bool:
        """Whether the model answers after reasoning, as its name, a list or the catalogue says."""
        effort = self.efforts.get(model)
        if "nothink" in model or effort in ("none", "minimal"):
            return False
        if effort is not None or model in self.thinking:
            return self.thinking.get(model, True)
        offer = self.offer(model)
        return "thinking" in model or bool(offer and offer.thinks)


def read_catalogue(folder: str | Path) -> Catalogue:
    """Read `catalogue` and `names` (.parquet, .csv or .jsonl) of a table folder; empty without the files.

    Raises
    ------
    OutcomesError
        A file cannot be read, or a price means nothing; the row is named.
    MissingExtraError
        A .parquet, and polars is not installed.
    """
    root = Path(folder)
    offers = {}
    for number, row in enumerate(_rows(root, "catalogue"), 1):
        name = text_in(row.get("model"))
        if not name:
            raise OutcomesError(f"catalogue, row {number}: no model", expected="a name")
        offers[name] = _offer(row, f"catalogue, row {number}: {name!r}")
    bases: dict[str, str] = {}
    raw_names: dict[str, set[str]] = {}
    said: dict[str, list[bool]] = {}
    efforts: dict[str, str] = {}
    for row in _rows(root, "names"):
        model, raw = text_in(row.get("model")), text_in(row.get("raw_name"))
        if not model or not raw:
            continue
        bases[model] = text_in(row.get("base")) or model
        raw_names.setdefault(model, set()).add(raw)
        thinking = truth_in(row.get("thinking"))
        if thinking is not None:
            said.setdefault(model, []).append(thinking)
        effort = text_in(row.get("effort"))
        if effort and effort in model:
            efforts[model] = effort
    return Catalogue(
        offers=offers,
        bases=bases,
        raw_names={model: tuple(sorted(names)) for model, names in raw_names.items()},
        thinking={model: 2 * sum(votes) >= len(votes) for model, votes in said.items()},
        efforts=efforts,
    )


def _rows(root: Path, name: str) -> list[Any]:
    for suffix in (".parquet", ".csv", ".jsonl"):
        if (root / f"{name}{suffix}").exists():
            return read_file_rows(root / f"{name}{suffix}", name)
    return []


def _offer(row: Mapping[str, Any], where: str) -> Offer:
    def number(name: str) -> float | None:
        return number_in(row.get(name))

    prices: list[Any] = [
        number(name) for name in ("input_usd_per_mtok", "output_usd_per_mtok", "cached_input", "reasoning")
    ]
    try:
        price = None if prices[0] is None or prices[1] is None else Price(*prices)
    except PriceError as error:
        raise OutcomesError(f"{where} has no usable price", expected=error.expected, got=repr(prices)) from None
    window, most = number("context_window"), number("max_output")
    for name, value in (("context_window", window), ("max_output", most)):
        if value is not None and not 0 <= value <= MAX_TOKENS:
            raise OutcomesError(f"{where} has a bad {name}", expected="a number of tokens", got=repr(row[name]))
    return Offer(
        price=price,
        price_date=text_in(row.get("date")),
        provider=text_in(row.get("provider")),
        context_window=int(window) if window else None,
        max_output=int(most) if most else None,
        released=text_in(row.get("released")),
        thinks=truth_in(row.get("thinks")),
        open_weights=truth_in(row.get("open_weights")),
        modalities=tuple((text_in(row.get("modalities")) or "").split("+")) if row.get("modalities") else (),
    )


def _months(date: str) -> int:
    """Months since year 0 of a date YYYY, YYYY-MM or YYYY-MM-DD; a year alone is its middle."""
    year, month = date[:4], date[5:7] or "06"
    return 12 * int(year) + int(month) if year.isdigit() and month.isdigit() else 0
