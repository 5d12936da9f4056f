"""Where the prices of many models come from: a list, names that stand for an entry of it, and what costs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from scope_edge.errors import PriceError, UsageError
from scope_edge.price_list import Match, PriceList
from scope_edge.pricing import Price

__all__ = ["PriceSource", "missing_price"]


@dataclass(frozen=True)
class PriceSource:
    """What a user says of prices.

    prices: a list. aliases: the key in it by model, whatever its rules find. free: models that cost nothing, whatever
    the list says.
    """

    prices: PriceList | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    free: frozenset[str] = frozenset()

    @property
    def stated(self) -> bool:
        """Whether it says anything."""
        return self.prices is not None or bool(self.free)

    def of(self, model: str, aliases: Sequence[str] = ()) -> Match | None:
        """What is stated of a model here; None where nothing is known.

        Raises
        ------
        PriceError
            The list has several prices for it, or not the key that is stated.
        """
        if model in self.free:
            return Match(Price(0.0, 0.0), None, "", "free", None)
        if self.prices is None:
            return None
        key = self.aliases.get(model)
        return self.prices.look_up(model, aliases) if key is None else self.prices.entry(key)

    def strangers(self, models: Iterable[str]) -> list[str]:
        """Names of aliases and free models that are none of these models: slips, perhaps."""
        known = set(models)
        return [name for name in (*self.aliases, *sorted(self.free)) if name not in known]

    def check(self, models: Iterable[str]) -> None:
        """Refuse names that are none of these models, for a slip in one would go unnoticed.

        Raises
        ------
        UsageError
            An alias is of another model, or another model is free.
        """
        strange = self.strangers(models)
        if strange:
            raise UsageError(
                f"No model {strange[0]!r} to price", expected="a model of the data or the bundle", got=strange[0]
            )


def missing_price(models: Iterable[str]) -> PriceError:
    """The error for models whose price nobody knows."""
    names = list(models)
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return PriceError(
        f"No price is known for {', '.join(map(repr, names[:8]))}{more}",
        expected="a price for every model",
        remedy="Give a list with --prices FILE, say which entry of it a model is with --alias MODEL=KEY, or that it "
        "costs nothing with --free MODEL.",
    )
