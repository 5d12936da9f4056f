"""The models a choice is made among: all that is known of them before a prompt is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.aliases import AliasIndex, alias_index, find_alias
from scope_edge.cards import ModelCard
from scope_edge.dial import UNTUNED, Dial
from scope_edge.errors import UnknownModelError
from scope_edge.names import listed

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
    time, whatever a policy permits. known: all models of the bundle, where these are the current ones alone.
    """

    cards: tuple[ModelCard, ...]
    dial: Dial = UNTUNED
    cost_bias: float = USUAL_COST_BIAS
    closed: frozenset[str] = frozenset()
    known: Candidates | None = field(default=None, compare=False)

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
        # Without what is worked out on the way: a decision that is sent away carries its candidates, and no others.
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "known"}

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
        """Columns of the models that match a name, a wildcard or an alias, or any of several, in order.

        Names are taken as they are, then as wildcards, then as aliases; see `scope_edge.aliases`.

        Raises
        ------
        UnknownModelError
            A name matches nothing, is no text, or is an alias that fits several models.
        """
        patterns = self._patterns(models)
        found = self._found.get(patterns)
        if found is None:
            found = _as_columns([self._hits(pattern) for pattern in patterns])
            _keep(self._found, patterns, found)
        return found

    def find_known(self, models: Any) -> tuple[bool, NDArray[np.intp]]:
        """Whether all models that match are among these, and their columns here, or else among all that are known.

        As `find`; a name or an alias that is none of these models' may be one of a model that is not current.

        Raises
        ------
        UnknownModelError
            As of `find`.
        """
        if self.known is None:
            return True, self.find(models)
        patterns = self._patterns(models)
        found = self._found_known.get(patterns)
        if found is None:
            names = {name for pattern in patterns for name in self._known_names(pattern)}
            are_here = names <= self._columns.keys()
            columns = self._columns if are_here else self.known._columns
            found = are_here, _as_columns([[columns[name] for name in names]])
            _keep(self._found_known, patterns, found)
        return found

    def name_of(self, model: Any) -> str:
        """The model of a name or an alias, among all that are known.

        Raises
        ------
        UnknownModelError
            There is none, or several.
        """
        found = self.look_up(model) if isinstance(model, str) else None
        if found is None:
            raise unknown_model(model, self._places[-1].names)
        return found

    def look_up(self, model: str) -> str | None:
        """The model of a name or an alias, among all that are known; None if there is none.

        Raises
        ------
        UnknownModelError
            An alias that fits several.
        """
        for candidates in self._places:
            if model in candidates._columns:
                return model
        for candidates in self._places:
            for column in candidates._aliased(model):
                return candidates.names[column]
        return None

    @property
    def _places(self) -> tuple[Candidates, ...]:
        """Where a name is looked up, first here."""
        return (self,) if self.known is None else (self, self.known)

    def _patterns(self, models: Any) -> tuple[str, ...]:
        several = isinstance(models, Iterable) and not isinstance(models, str)
        patterns = tuple(models) if several else (models,)
        for pattern in patterns:
            if not isinstance(pattern, str):
                raise unknown_model(pattern, self.names)
        if not patterns:
            raise UnknownModelError(
                "No models are named", expected="names or wildcards", remedy="Leave models out for all."
            )
        return patterns

    def _hits(self, pattern: str) -> list[int]:
        """Columns of the models that match, at least one."""
        hits = self._matching(pattern) or self._aliased(pattern)
        if not hits:
            raise self._unknown(pattern)
        return hits

    def _known_names(self, pattern: str) -> list[str]:
        """Names of the models that match; wildcards match these candidates, other names all that are known."""
        known = self.known or self
        exact = [pattern] if pattern in known._columns else []
        names = exact + [self.names[column] for column in self._matching(pattern)]
        for candidates in self._places:
            names = names or [candidates.names[column] for column in candidates._aliased(pattern)]
        if not names:
            raise self._unknown(pattern)
        return names

    def _matching(self, pattern: str) -> list[int]:
        """Columns of the name itself, or of those that a wildcard matches."""
        hits = [self._columns[pattern]] if pattern in self._columns else []
        if _WILD & set(pattern):
            hits += [column for column, name in enumerate(self.names) if fnmatchcase(name, pattern)]
        return hits

    def _aliased(self, alias: str) -> list[int]:
        """The column of the one model that an alias stands for, or none.

        Raises
        ------
        UnknownModelError
            It fits several.
        """
        if _WILD & set(alias):
            return []
        hits = find_alias(alias, self._alias_index)
        if len(hits) > 1:
            raise UnknownModelError(
                f"The name {alias!r} is ambiguous",
                expected="the name of one model",
                got=f"one that fits {listed([self.names[column] for column in hits])}",
                remedy="Name one of them.",
            )
        return hits

    @cached_property
    def _alias_index(self) -> AliasIndex:
        others = ((*card.aliases, *([] if card.base is None else [card.base])) for card in self.cards)
        return alias_index(zip(self.names, others, strict=True))

    def _unknown(self, pattern: str) -> UnknownModelError:
        """The error for what matches none of these models."""
        outdated = [card.model for card in self.known.cards if not card.current] if self.known else []
        hidden = [name for name in outdated if name == pattern or fnmatchcase(name, pattern)]
        if not hidden:
            return unknown_model(pattern, self.names)
        return UnknownModelError(
            f"No current model matches {pattern!r}",
            got=f"only models that are not current: {listed(hidden)}",
            remedy='Load the router with pool="all" (on the command line --pool all).',
        )

    # A program limits the pool to the same few models at every prompt; to find them takes longer than to decide.

    @cached_property
    def _found(self) -> dict[tuple[str, ...], NDArray[np.intp]]:
        return {}

    @cached_property
    def _found_known(self) -> dict[tuple[str, ...], tuple[bool, NDArray[np.intp]]]:
        return {}

    @cached_property
    def _parts(self) -> dict[bytes, Candidates]:
        return {}


def _as_columns(hits: Iterable[Iterable[int]]) -> NDArray[np.intp]:
    """All of them, each once, rising; read only, for they are kept."""
    columns = np.array(sorted({column for some in hits for column in some}), np.intp)
    columns.flags.writeable = False
    return columns


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
