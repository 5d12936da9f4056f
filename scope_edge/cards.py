"""Cards: what a caller should know of a model beside its fingerprint, and what may be said of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

from scope_edge.errors import BundleError, PriceError, UsageError
from scope_edge.pricing import Price, is_date
from scope_edge.ranges import is_number, number_within

__all__ = ["FACTS", "MAX_PARAMS_B", "ModelCard", "check_model_name"]


@dataclass(frozen=True)
class ModelCard:
    """What a caller should know of a model beside its fingerprint.

    token_ratio: the model's input tokens per estimated token of the prompt. length_source:
    "own" if the model's lengths were seen, "prior" if they are those of comparable models.
    What is None is not known, and promises nothing.
    """

    model: str
    price: Price
    price_date: str | None = None
    thinks: bool | None = None
    params_b: float | None = None
    token_ratio: float = 1.0
    length_source: str = "own"
    n_outcomes: int = 0
    context_window: int | None = None
    time_to_first_token_s: float | None = None
    tokens_per_second: float | None = None
    local: bool = False
    aliases: tuple[str, ...] = ()

    def stating(self, **facts: Any) -> ModelCard:
        """The card with what is given, and not None, in place of what it said; see `Router.describe_model`."""
        given = {name: value for name, value in facts.items() if value is not None}
        if not given:
            raise UsageError(f"Nothing is said of {self.model!r}", expected=f"at least one of {', '.join(facts)}")
        for name, value in given.items():
            expected, holds, plain = FACTS[name]
            if not holds(value):
                error = PriceError if name == "price" else UsageError
                raise error(f"Bad {name} of {self.model!r}", expected=expected, got=repr(value))
            given[name] = plain(value)
        if "price" in given:
            given.setdefault("price_date", None)  # it was that of the old price
        return replace(self, **given)

    def to_json(self) -> dict[str, Any]:
        """The entry of models.json."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "price"}
        prices = {name: getattr(self.price, name) for name in self.price.__dataclass_fields__}
        return {**values, "aliases": list(self.aliases), "price": prices}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> ModelCard:
        """Read an entry of models.json; unknown fields are ignored."""
        try:
            known = {name: entry[name] for name in cls.__dataclass_fields__ if name in entry}
            price = Price(**{name: entry["price"].get(name) for name in Price.__dataclass_fields__})
            known["aliases"] = tuple(entry.get("aliases", ()))
            known["token_ratio"] = number_within(entry.get("token_ratio", cls.token_ratio), 1e-9)
            known["n_outcomes"] = int(number_within(entry.get("n_outcomes", cls.n_outcomes), 0))
            card = cls(**{**known, "price": price})
        except PriceError as error:
            raise BundleError(f"models.json: {entry.get('model')!r} has no usable price", got=str(error)) from error
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BundleError("models.json has a bad entry", got=f"{type(error).__name__}: {error}") from error
        if not isinstance(card.model, str) or not card.model:
            raise BundleError("models.json has a bad entry", expected="a name as model", got=repr(card.model))
        for name, (expected, holds, _) in FACTS.items():
            value = getattr(card, name)
            if value is not None and not holds(value):
                raise BundleError(f"models.json: {card.model!r} has a bad {name}", expected=expected, got=repr(value))
        return card


MAX_PARAMS_B = 1e9
"""Billions of parameters: whoever says more means parameters."""

FACTS: dict[str, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]] = {
    "price": (
        "Price(input_usd_per_mtok=..., output_usd_per_mtok=...)",
        lambda value: isinstance(value, Price),
        lambda value: value,
    ),
    "price_date": ("a date as YYYY-MM-DD", is_date, str),
    "context_window": (
        "a whole number of tokens, 1 or more, at most a billion",
        lambda value: isinstance(value, Integral) and is_number(value) and 1 <= int(value) <= 1e9,
        int,
    ),
    "time_to_first_token_s": ("seconds, 0 or more", lambda value: is_number(value) and 0 <= value < math.inf, float),
    "tokens_per_second": ("a number above 0", lambda value: is_number(value) and 0 < value < math.inf, float),
    "params_b": (
        f"billions of parameters, from 0 to {MAX_PARAMS_B:g}",
        lambda value: is_number(value) and 0 <= value <= MAX_PARAMS_B,
        float,
    ),
    "local": ("True or False", lambda value: isinstance(value, bool), bool),
}
"""What may be said of a model: in words, as a test, and in the form that JSON can hold."""


def check_model_name(name: str) -> None:
    """Refuse what a model of a pool cannot be called.

    Raises
    ------
    UsageError
        It is empty, cannot be printed on one line, or has a character of wildcards and lists.
    """
    if not isinstance(name, str) or not name.strip() or set(name) & set("*?[],") or not name.isprintable():
        raise UsageError("Bad model name", expected="printable text without any of * ? [ ] ,", got=repr(name))
