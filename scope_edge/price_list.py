"""Prices from a file in LiteLLM's form, with the rule by which a model was found in it.

The form is that of LiteLLM's `model_prices_and_context_window.json`: an object per model, with
`input_cost_per_token`, `output_cost_per_token`, `cache_read_input_token_cost`, `output_cost_per_reasoning_token`
(USD per token), `max_input_tokens` or `max_tokens`, `litellm_provider` and `mode`. Prices of long contexts, batches and
regions are not read. Entries whose mode is not chat, completion or responses, or that have no price per token, are not
models to route to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from scope_edge.encodings import not_utf8
from scope_edge.errors import PriceError
from scope_edge.pricing import Price, is_date
from scope_edge.ranges import is_number

__all__ = ["Match", "PriceList"]

_MODES = (None, "chat", "completion", "responses")
_FIELDS = {
    "input_usd_per_mtok": "input_cost_per_token",
    "output_usd_per_mtok": "output_cost_per_token",
    "cached_input_usd_per_mtok": "cache_read_input_token_cost",
    "reasoning_usd_per_mtok": "output_cost_per_reasoning_token",
}
_MONTH, _DAY = "(0[1-9]|1[0-2])", "(0[1-9]|[12][0-9]|3[01])"
# A whole date, month and day, or year and month. Other numbers at the end of a name are sizes of contexts and the like.
_DATED = re.compile(f"[-@](20[0-9]{{2}}(-{_MONTH}-{_DAY}|{_MONTH}{_DAY})|{_MONTH}{_DAY}|2[0-9]{_MONTH})$")


@dataclass(frozen=True)
class Match:
    """What a price list says of a model.

    `rule` is how `key` was found, or "free"; `date` that of the list, YYYY-MM-DD, None for what is free.
    """

    price: Price
    context_window: int | None
    key: str
    rule: str
    date: str | None

    def columns(self) -> dict[str, float | int | str | None]:
        """What it says, in the columns of a models table."""
        return {
            "usd_per_mtok_in": self.price.input_usd_per_mtok,
            "usd_per_mtok_out": self.price.output_usd_per_mtok,
            "usd_per_mtok_cached_in": self.price.cached_input_usd_per_mtok,
            "usd_per_mtok_reasoning": self.price.reasoning_usd_per_mtok,
            "price_date": self.date,
            # Where the list has none, another may know it.
            **({} if self.context_window is None else {"context_window": self.context_window}),
        }


@dataclass(frozen=True)
class PriceList:
    """A dated snapshot of prices.

    Examples
    --------
    >>> prices = PriceList.read("model_prices_and_context_window.json")  # doctest: +SKIP
    >>> prices.find("openai/gpt-4o").rule  # doctest: +SKIP
    'without the provider'
    """

    entries: Mapping[str, Mapping[str, Any]]
    date: str
    name: str = "the price list"

    @classmethod
    def read(cls, path: str | Path, date: str | None = None) -> PriceList:
        """Read a file.

        Parameters
        ----------
        path : str or Path
        date : str, optional
            The day the prices are of, YYYY-MM-DD; if left out, the file's own `_date`, or the day it was changed.

        Raises
        ------
        PriceError
            The file cannot be read, is not in this form, or the date is not one.
        """
        file = Path(path)
        try:
            document = json.loads(file.read_text(encoding="utf-8-sig"))
            changed = datetime.fromtimestamp(file.stat().st_mtime, UTC).date().isoformat()
        except UnicodeDecodeError as error:
            raise PriceError(f"Cannot read the prices in {file}", **not_utf8(error)) from error
        except (OSError, ValueError, RecursionError) as error:
            raise PriceError(f"Cannot read the prices in {file}", got=str(error)) from error
        if not isinstance(document, dict):
            raise PriceError(
                f"{file.name} is not a price list", expected="an object of models", got=type(document).__name__
            )
        entries = {
            key: entry
            for key, entry in document.items()
            if isinstance(entry, dict) and not key.startswith("_") and key != "sample_spec" and _is_priced(entry)
        }
        if not entries:
            raise PriceError(
                f"{file.name} has no prices",
                expected="models with input_cost_per_token and output_cost_per_token",
                got=", ".join(list(document)[:5]) or "an empty object",
            )
        day = date or document.get("_date") or changed
        if not is_date(day):
            raise PriceError(f"Bad date of {file.name}", expected="YYYY-MM-DD", got=repr(day))
        return cls(entries, day, file.name)

    def find(self, model: str, aliases: Sequence[str] = ()) -> Match:
        """The price of a model; see `look_up` for the rules.

        Raises
        ------
        PriceError
            No rule finds an entry, and the message suggests names that are close; or one finds several with different
            prices, and the message lists them.
        """
        match = self.look_up(model, aliases)
        if match is not None:
            return match
        close = self._close(model)
        raise PriceError(
            f"No price for {model!r} in {self.name}",
            expected="its key, an alias, or its name without provider, case or date",
            got=f"only similar names: {', '.join(close)}" if close else "nothing like it",
            remedy=f"Say which entry it is with --alias '{model}=KEY', or state its price; 0 if it is free.",
        )

    def look_up(self, model: str, aliases: Sequence[str] = ()) -> Match | None:
        """The price of a model by the first of these rules that finds an entry, or None.

        1. exact: the key is the name.
        2. alias: the key is one of the aliases.
        3. without the provider: they are the same after the last `/`.
        4. case-insensitive: the same, with upper and lower case alike.
        5. without the date: the same again, where either the name or the key ends in a date (`-2024-08-06`, `-0613`)
           and the other has none.

        Of several entries those of the provider that the name states count alone, and for a name without one those
        without; if there are such. Nothing else is guessed.

        Raises
        ------
        PriceError
            A rule finds several entries with different prices; the message lists them.
        """
        bare, lower = _bare(model), _bare(model).lower()
        found = {
            "exact": [model] if model in self.entries else [],
            "alias": [key for key in self.entries if key in aliases] if aliases else [],
            "without the provider": [key for key in self._by_lower.get(lower, ()) if _bare(key) == bare],
            "case-insensitive": self._by_lower.get(lower, ()),
            # Two different dates are two different models.
            "without the date": self._by_undated.get(lower, ()) or self._by_lower.get(_DATED.sub("", lower), ()),
        }
        for rule, keys in found.items():
            if keys:
                return self._agreed(model, self._of_provider(model, list(keys)), rule)
        return None

    @cached_property
    def _by_lower(self) -> dict[str, list[str]]:
        """Keys by their names without provider and case."""
        return _grouped((_bare(key).lower(), key) for key in self.entries)

    @cached_property
    def _by_undated(self) -> dict[str, list[str]]:
        """Keys with a date, by their names without provider, case and date."""
        names = ((_bare(key).lower(), key) for key in self.entries)
        return _grouped((_DATED.sub("", name), key) for name, key in names if _DATED.search(name))

    def entry(self, key: str) -> Match:
        """The price under a key that somebody has stated, whatever the rules would find.

        Raises
        ------
        PriceError
            There is no such key.
        """
        if key not in self.entries:
            close = ", ".join(self._close(key))
            raise PriceError(
                f"{self.name} has no entry {key!r}", expected="a key", got=close and f"similar ones: {close}"
            )
        return self._agreed(key, [key], "alias")

    def _of_provider(self, model: str, keys: list[str]) -> list[str]:
        provider = model.rpartition("/")[0].lower()
        own = [key for key in keys if key.rpartition("/")[0].lower() == provider]
        if provider:
            own += [key for key in keys if key not in own and self._provider(key) == provider]
        return own or keys

    def _provider(self, key: str) -> str:
        return str(self.entries[key].get("litellm_provider", "")).lower()

    def _agreed(self, model: str, keys: list[str], rule: str) -> Match:
        prices = {key: _price(key, self.entries[key]) for key in keys}
        # An entry that says nothing of cached input does not contradict one that does.
        said = {name: {getattr(price, name) for price in prices.values()} - {None} for name in _FIELDS}
        if any(len(values) > 1 for values in said.values()):
            listed = ", ".join(f"{key} ({_shown(price)})" for key, price in list(prices.items())[:6])
            more = f" and {len(keys) - 6} more" if len(keys) > 6 else ""
            raise PriceError(
                f"{model!r} could be several entries of {self.name} with different prices",
                expected="one price (input / output, USD per million tokens)",
                got=listed + more,
                remedy=f"Say which it is with --alias '{model}=KEY'.",
            )
        price = Price(**{name: values.pop() for name, values in said.items() if values})
        windows = {_context_window(self.entries[key]) for key in keys}
        return Match(price, windows.pop() if len(windows) == 1 else None, keys[0], rule, self.date)

    def _close(self, model: str) -> list[str]:
        from difflib import get_close_matches  # for an error alone

        close = get_close_matches(_bare(model).lower(), self._by_lower, 3)
        return [self._by_lower[name][0] for name in close]


def _is_priced(entry: Mapping[str, Any]) -> bool:
    per_token = (entry.get("input_cost_per_token"), entry.get("output_cost_per_token"))
    return None not in per_token and entry.get("mode") in _MODES


def _bare(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, key in pairs:
        groups.setdefault(name, []).append(key)
    return groups


def _price(key: str, entry: Mapping[str, Any]) -> Price:
    per_mtok: dict[str, Any] = {}
    for field, name in _FIELDS.items():
        cost: Any = entry.get(name)
        # Rounded, for 2.5e-07 * 1e6 is not quite 0.25.
        per_mtok[field] = float(f"{cost * 1e6:.12g}") if is_number(cost) else cost
    try:
        return Price(**per_mtok)
    except PriceError as error:
        raise PriceError(f"{key!r} has a price that means nothing", got=str(error)) from error


def _shown(price: Price) -> str:
    shown = f"{price.input_usd_per_mtok:g} / {price.output_usd_per_mtok:g}"
    for name, value in (("cached", price.cached_input_usd_per_mtok), ("reasoning", price.reasoning_usd_per_mtok)):
        shown += "" if value is None else f", {name} {value:g}"
    return shown


def _context_window(entry: Mapping[str, Any]) -> int | None:
    for name in ("max_input_tokens", "max_tokens"):
        tokens: Any = entry.get(name)
        if is_number(tokens) and tokens >= 1:
            return int(tokens)
    return None
