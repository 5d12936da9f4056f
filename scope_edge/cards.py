"""Cards: what a caller should know of a model beside its fingerprint, and what may be said of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

from scope_edge.errors import BundleError, PriceError, UsageError
from scope_edge.pricing import Price, is_date
from scope_edge.ranges import is_number, number_within

__all__ = ["FACTS", "MAX_PARAMS_B", "ModelCard", "check_model_name", "scores_in_words"]


@dataclass(frozen=True)
class ModelCard:
    """What a caller should know of a model beside its fingerprint.

    token_ratio: the model's input tokens per estimated token of the prompt. length_source:
    "own" if the model's lengths were seen, "prior" if they are those of comparable models.
    n_outcomes, n_scores: the outcomes, and the published scores, that the fingerprint uses.
    top_scores: the published scores that say most of it, each as benchmark, score, and the logits by which
    it moves general ability.
    aliases: names in public catalogues, as they are written there. base: the catalogue's name
    without reasoning effort; effort: that of this entry ("high", "none"). released: YYYY, YYYY-MM
    or YYYY-MM-DD. max_output: tokens. current: whether it could be bought or downloaded on the day
    of the bundle. What is None is not known, and promises nothing.
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
    base: str | None = None
    effort: str | None = None
    provider: str | None = None
    released: str | None = None
    max_output: int | None = None
    modalities: tuple[str, ...] = ()
    open_weights: bool | None = None
    current: bool = True
    n_scores: int = 0
    top_scores: tuple[tuple[str, float, float], ...] = ()

    @property
    def evidence(self) -> str:
        """What the fingerprint was fitted on, in words."""
        counts = {"own outcomes": self.n_outcomes, "published scores": self.n_scores}
        return ", ".join(f"{what} {n:,}" for what, n in counts.items() if n) or "none"

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

    def to_json(self, *, whole: bool = False) -> dict[str, Any]:
        """The entry of models.json; the fields of `_LATER` only where they are not their defaults, or if `whole`."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "price"}
        prices = {name: getattr(self.price, name) for name in self.price.__dataclass_fields__}
        lists = {name: list(getattr(self, name)) for name in ("aliases", "modalities")}
        entry = {**values, **lists, "top_scores": [list(row) for row in self.top_scores], "price": prices}
        usual = {name for name in _LATER if getattr(self, name) == getattr(ModelCard, name)}
        return {name: value for name, value in entry.items() if whole or name not in usual}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> ModelCard:
        """Read an entry of models.json; unknown fields are ignored."""
        try:
            known = {name: entry[name] for name in cls.__dataclass_fields__ if name in entry}
            price = Price(**{name: entry["price"].get(name) for name in Price.__dataclass_fields__})
            for name in ("aliases", "modalities"):
                known[name] = _texts(known.get(name, ()))
            known["token_ratio"] = number_within(known.get("token_ratio", cls.token_ratio), 1e-9)
            for name in ("n_outcomes", "n_scores"):
                known[name] = int(number_within(known.get(name, 0), 0))
            known["top_scores"] = _scores(known.get("top_scores", ()))
            card = cls(**{**known, "price": price})
        except PriceError as error:
            raise BundleError(f"models.json: {entry.get('model')!r} has no usable price", got=str(error)) from error
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BundleError("models.json has a bad entry", got=f"{type(error).__name__}: {error}") from error
        if not isinstance(card.model, str) or not card.model:
            raise BundleError("models.json has a bad entry", expected="a name as model", got=repr(card.model))
        for name, (expected, holds, _) in FACTS.items():
            value = getattr(card, name)
            may_be_unknown = getattr(cls, name, None) is None
            if not (holds(value) or (value is None and may_be_unknown)):
                raise BundleError(f"models.json: {card.model!r} has a bad {name}", expected=expected, got=repr(value))
        return card


_LATER = (
    "base", "effort", "provider", "released", "max_output", "modalities", "open_weights", "current", "n_scores",
    "top_scores",
)  # fmt: skip
"""Fields that older bundles do not have."""

MAX_PARAMS_B = 1e9
"""Billions of parameters: whoever says more means parameters."""


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{values!r}, not a list of text")
    return tuple(values)


def _scores(rows: Any) -> tuple[tuple[str, float, float], ...]:
    if not isinstance(rows, list | tuple):
        raise ValueError(f"{rows!r}, not a list of scores")
    found = []
    for benchmark, score, shift in rows:
        (name,) = _texts([benchmark])
        found.append((name, number_within(score, 0, 1), number_within(shift, -1e9)))
    return tuple(found)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _is_day_month_or_year(value: Any) -> bool:
    return isinstance(value, str) and len(value) in (4, 7, 10) and is_date((value + "-01-01")[:10])


def _is_day_or_month(value: Any) -> bool:
    return _is_day_month_or_year(value) and len(value) > len("YYYY")


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and is_number(value) and 1 <= int(value) <= 1e9


_TEXT = "printable text"
_TOKENS = "a whole number of tokens, 1 or more, at most a billion"
_TRUTH = "True or False"

FACTS: dict[str, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]] = {
    "price": (
        "Price(input_usd_per_mtok=..., output_usd_per_mtok=...)",
        lambda value: isinstance(value, Price),
        lambda value: value,
    ),
    "price_date": ("a date as YYYY-MM-DD or YYYY-MM", _is_day_or_month, str),
    "context_window": (_TOKENS, _is_count, int),
    "time_to_first_token_s": ("seconds, 0 or more", lambda value: is_number(value) and 0 <= value < math.inf, float),
    "tokens_per_second": ("a number above 0", lambda value: is_number(value) and 0 < value < math.inf, float),
    "params_b": (
        f"billions of parameters, from 0 to {MAX_PARAMS_B:g}",
        lambda value: is_number(value) and 0 <= value <= MAX_PARAMS_B,
        float,
    ),
    "local": (_TRUTH, lambda value: isinstance(value, bool), bool),
    "base": (_TEXT, _is_text, str),
    "effort": (_TEXT, _is_text, str),
    "provider": (_TEXT, _is_text, str),
    "released": ("a date as YYYY, YYYY-MM or YYYY-MM-DD", _is_day_month_or_year, str),
    "max_output": (_TOKENS, _is_count, int),
    "open_weights": (_TRUTH, lambda value: isinstance(value, bool), bool),
    "current": (_TRUTH, lambda value: isinstance(value, bool), bool),
}
"""What may be said of a model: in words, as a test, and in the form that JSON can hold."""


def scores_in_words(top_scores: Sequence[tuple[str, float, float]]) -> str:
    """The published scores that say most of a model: "mmlu-pro 0.81 (+0.42); gpqa 0.7 (+0.30)"."""
    return "; ".join(f"{benchmark} {score:g} ({shift:+z.2f})" for benchmark, score, shift in top_scores)


def check_model_name(name: str) -> None:
    """Refuse what a model of a pool cannot be called.

    Raises
    ------
    UsageError
        It is empty, cannot be printed on one line, or has a character of wildcards and lists.
    """
    if not isinstance(name, str) or not name.strip() or set(name) & set("*?[],") or not name.isprintable():
        raise UsageError("Bad model name", expected="printable text without any of * ? [ ] ,", got=repr(name))
