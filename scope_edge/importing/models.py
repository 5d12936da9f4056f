"""The models of a log, with the price of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scope_edge.importing import checks
from scope_edge.importing.entries import Model, Rejected
from scope_edge.price_list import Match
from scope_edge.price_source import PriceSource

__all__ = ["Known", "ModelTable"]

_PRICES = ("usd_per_mtok_in", "usd_per_mtok_out", "usd_per_mtok_cached_in", "usd_per_mtok_reasoning")
_FACTS: dict[str, Callable[[Any, str], Any]] = {
    **dict.fromkeys(_PRICES, checks.price),
    "price_date": checks.day,
    "context_window": checks.tokens_or_none,
    "params_b": checks.size,
    "thinks": checks.truth,
    "role": checks.optional_label,
}


@dataclass
class Known:
    """What is known of a model. `match` is None where its price comes from the log, or is unknown."""

    index: int
    match: Match | None
    facts: dict[str, Any] = field(default_factory=dict)
    n_unpriced: int = 0
    n_repriced: int = 0

    def price(self) -> tuple[float, float] | None:
        """USD per million tokens of input and output; the list's before the log's."""
        if self.match is not None:
            return self.match.price.input_usd_per_mtok, self.match.price.output_usd_per_mtok
        inside, out = self.facts.get("usd_per_mtok_in"), self.facts.get("usd_per_mtok_out")
        return None if inside is None or out is None else (inside, out)


class ModelTable:
    """Models in the order in which they were first seen."""

    def __init__(self, source: PriceSource) -> None:
        self._source = source
        self.known: dict[str, Known] = {}

    def learn(self, model: Model) -> Known:
        """Take in what a row says of a model; what an earlier row said of it stays.

        Raises
        ------
        Rejected
            A value means nothing.
        PriceError
            The price list has several prices for it.
        """
        name = checks.model_name(model.name)
        facts = {fact: check(model.facts[fact], fact) for fact, check in _FACTS.items() if fact in model.facts}
        if name not in self.known:
            self.known[name] = Known(len(self.known), self._source.of(name))
        known = self.known[name]
        if any(facts.get(price) not in (None, known.facts.get(price, facts.get(price))) for price in _PRICES):
            known.n_repriced += 1
        for fact, value in facts.items():
            if value is not None:
                known.facts.setdefault(fact, value)
        return known

    def priced(self, model: Model) -> Known:
        """The same for a row whose model must have a price.

        Raises
        ------
        Rejected
            Nobody knows its price, or a value means nothing.
        """
        known = self.learn(model)
        if known.price() is None:
            known.n_unpriced += 1
            raise Rejected("no price for the model", str(model.name))
        return known

    def unpriced(self) -> dict[str, int]:
        """Models whose rows were rejected for want of a price, with their number."""
        return {name: known.n_unpriced for name, known in self.known.items() if known.n_unpriced}

    def repriced(self) -> dict[str, int]:
        """Models whose price is from the log and of which rows state another, with their number."""
        from_log = {name: known for name, known in self.known.items() if known.match is None}
        return {name: known.n_repriced for name, known in from_log.items() if known.n_repriced}

    def is_late(self) -> bool:
        """Whether rows were rejected for want of a price that a later row told."""
        return any(known.n_unpriced and known.price() for known in self.known.values())

    def count_anew(self) -> None:
        """Forget the counts but not the models, so that the logs can be read again."""
        for known in self.known.values():
            known.n_unpriced = known.n_repriced = 0

    def rows(self, indices: set[int]) -> list[dict[str, Any]]:
        """Rows of the models table for these models, which have a price."""
        return [_row(name, known) for name, known in self.known.items() if known.index in indices]


def _row(name: str, known: Known) -> dict[str, Any]:
    facts, match = known.facts, known.match
    return {
        "model": name,
        **(dict.fromkeys(_FACTS) | facts | {"thinks": facts.get("thinks", False), "role": facts.get("role", "train")}),
        **(match.columns() if match else {}),
        "price_key": match.key if match else "",
        "price_rule": match.rule if match else "the log's own",
    }
