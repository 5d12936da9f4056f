"""The models a choice is made among: all that is known of them before a prompt is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.cards import ModelCard
from scope_edge.dial import UNTUNED, Dial
from scope_edge.errors import UnknownModelError

__all__ = ["Candidates", "unknown_model"]

USUAL_COST_BIAS = 0.1
"""Where a bundle does not say what it measured."""

_MOST_KEPT = 64
_WILD = frozenset("*?[")


@dataclass(frozen=True)
class Candidates:
    """Models with their cards, and what their bundle says of choices.

    dial: what a right answer may be worth. cost_bias: how far the cost of many prompts of a kind lies from its
    expectation, as a standard deviation and a share of it. closed: names of models that are not to be chosen this
    time, whatever a policy permits.
    """

    cards: tuple[ModelCard, ...]
    dial: Dial = UNTUNED
    cost_bias: float = USUAL_COST_BIAS
    closed: frozenset[str] = frozenset()

    @cached_property
    def names(self) -> list[str]:
        """Names of the models."""
        return [card.model for card in self.cards]

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(self.names)}

    @cached_property
    def order(self) -> NDArray[np.int32]:
        """int32 (n_models,), rises with the models' names: what breaks ties."""
        order = np.empty(len(self.cards), np.int32)
        order[sorted(range(len(self.cards)), key=self.names.__getitem__)] = np.arange(len(self.cards))
        return order

    @cached_property
    def output_usd(self) -> NDArray[np.float64]:
        """What an output token costs, (n_models,)."""
        return np.array([card.price.output_usd_per_mtok for card in self.cards]) / 1e6

    @cached_property
    def context_window(self) -> NDArray[np.float64] | None:
        """Tokens that prompt and answer may take together, (n_models,), infinite where not stated; None if none is."""
        windows = [card.context_window for card in self.cards]
        return None if all(window is None for window in windows) else _stated(windows)

    @cached_property
    def _speed(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return (
            _stated([card.time_to_first_token_s for card in self.cards]),
            _stated([None if card.tokens_per_second is None else 1 / card.tokens_per_second for card in self.cards]),
        )

    def latency_s(self, output_tokens: NDArray[np.float32]) -> NDArray[np.float64]:
        """Seconds to the last of so many tokens, (..., n_models); infinite for a model that states no speed."""
        first, each = self._speed
        return first + output_tokens * each

    def __getstate__(self) -> dict[str, Any]:
        # Without what is worked out on the way: a decision that is sent away carries its candidates.
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __repr__(self) -> str:
        return f"Candidates({len(self.cards)} models)"

    def only(self, columns: NDArray[np.intp]) -> Candidates:
        """Some of the models."""
        key = columns.tobytes()
        part = self._parts.get(key)
        if part is None:
            part = replace(self, cards=tuple(self.cards[column] for column in columns.tolist()))
            _keep(self._parts, key, part)
        return part

    def find(self, models: Any) -> NDArray[np.intp]:
        """Columns of the models that match a name or wildcard, or any of several, in order.

        Raises
        ------
        UnknownModelError
            A name matches nothing, or is no text.
        """
        several = isinstance(models, Iterable) and not isinstance(models, str)
        patterns = tuple(models) if several else (models,)
        for pattern in patterns:
            if not isinstance(pattern, str):
                raise unknown_model(pattern, self.names)
        found = self._found.get(patterns)
        if found is None:
            found = self._matching(patterns)
            found.flags.writeable = False
            _keep(self._found, patterns, found)
        return found

    def _matching(self, patterns: tuple[str, ...]) -> NDArray[np.intp]:
        if not patterns:
            raise UnknownModelError(
                "No models are named", expected="names or wildcards", remedy="Leave models out for all."
            )
        chosen: set[int] = set()
        for pattern in patterns:
            hits = [self._columns[pattern]] if pattern in self._columns else []
            if set(pattern) & _WILD:
                hits += [column for column, name in enumerate(self.names) if fnmatchcase(name, pattern)]
            if not hits:
                raise unknown_model(pattern, self.names)
            chosen.update(hits)
        return np.array(sorted(chosen), np.intp)

    # A program limits the pool to the same few models at every prompt; to find them takes longer than to decide.

    @cached_property
    def _found(self) -> dict[tuple[str, ...], NDArray[np.intp]]:
        return {}

    @cached_property
    def _parts(self) -> dict[bytes, Candidates]:
        return {}


def _keep(kept: dict[Any, Any], key: Any, value: Any) -> None:
    """Remember a value; all others are forgotten when there are many."""
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[key] = value


def unknown_model(name: Any, names: Sequence[str]) -> UnknownModelError:
    """The error for a name that matches nothing, with the closest names."""
    import difflib

    if not isinstance(name, str):
        return UnknownModelError("A model's name is not text", expected="a str", got=repr(name))
    holding = [each for each in names if name.strip() and name.lower() in each.lower()]
    close = holding[:3] or difflib.get_close_matches(name, names, n=3)
    return UnknownModelError(
        f"No model matches {name!r}",
        remedy=f"Did you mean {', '.join(close)}?" if close else "`scope-edge models` lists the pool.",
    )


def _stated(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.inf if value is None else value for value in values], np.float64)
