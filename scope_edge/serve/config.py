"""What the proxy is told: one TOML file, checked in full before anything starts.

Every key of it is read by one line below, which says what it may hold. A key that none of them reads is refused, for
a slip in a name would go unnoticed.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scope_edge.budget import Budget
from scope_edge.encodings import not_utf8
from scope_edge.errors import ConfigError, PriceError, UsageError
from scope_edge.policy import Policy, Tradeoff, named_policy, reusable, stated_policy
from scope_edge.pricing import Price
from scope_edge.ranges import is_number

__all__ = ["BudgetTerms", "Config", "Upstream", "read_config"]

_USUAL_FALLBACKS = 2


@dataclass(frozen=True)
class Upstream:
    """Where a model is called.

    model: its name for clients, and in the bundle. url: of its chat completions. price: None where the bundle's holds.
    timeout_s: the longest silence. stream_usage: whether it can be asked for the usage of a stream.
    """

    model: str
    url: str
    upstream_model: str
    api_key: str | None = field(repr=False)
    price: Price | None
    timeout_s: float
    max_concurrency: int
    stream_usage: bool


@dataclass(frozen=True)
class BudgetTerms:
    """The running budget that is to be opened; see `scope_edge.Budget`."""

    usd: float
    per: Any
    store: Path | None
    expected_calls: int | None

    def open(self, within: Policy) -> Budget:
        """The budget, with the limits of a policy."""
        return Budget(self.usd, per=self.per, store=self.store, within=within, expected_calls=self.expected_calls)


@dataclass(frozen=True)
class Config:
    """A checked configuration.

    policy: what `scope` asks for; of a budget's, the limits. fallbacks: how many further models may be tried.
    cooldown_s: for how long one that keeps failing is not chosen; 0 for never.
    """

    upstreams: tuple[Upstream, ...]
    policy: Policy
    fallbacks: int
    cooldown_s: float
    budget: BudgetTerms | None
    bundle: Path | None
    journal: Path | None
    api_key: str | None = field(repr=False)
    max_request_bytes: int
    max_concurrency: int


def read_config(path: str | Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read a configuration; relative paths in it start from its folder, keys come from the environment.

    Raises
    ------
    ConfigError, PriceError, UsageError
        The file cannot be read, or a key is unknown, missing or out of range.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"Cannot read {path}", **not_utf8(error)) from None
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(f"Cannot read {path}", got=why, remedy="See docs/proxy.md for an example.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML", got=str(error)) from None
    root = _Table("the file", document, path.parent, environ)
    server, policy, budget = root.table("server"), root.table("policy"), root.table("budget")
    bundle, journal, upstreams = root.table("bundle"), root.table("journal"), root.tables("upstream")
    root.finish()
    config = Config(
        upstreams=tuple(_upstream(table) for table in upstreams),
        fallbacks=_fallbacks(policy),
        cooldown_s=policy.number("cooldown_s", 10.0, may_be_0=True),
        policy=_policy(policy, budgeted=budget.given),
        budget=_budget(budget) if budget.given else None,
        bundle=bundle.path("path"),
        journal=journal.path("path"),
        api_key=server.secret("api_key_env"),
        max_request_bytes=server.count("max_request_bytes", 16_000_000),
        max_concurrency=server.count("max_concurrency", 256),
    )
    for table in (server, policy, budget, bundle, journal, *upstreams):
        table.finish()
    _check_names([upstream.model for upstream in config.upstreams])
    return config


def _upstream(table: _Table) -> Upstream:
    model = table.text("model")
    table.name = f"[[upstream]] {model}"
    return Upstream(
        model=model,
        url=_completions_url(table),
        upstream_model=table.text("upstream_model", model),
        api_key=table.secret("api_key_env"),
        price=_price(table),
        timeout_s=table.number("timeout_s", 600.0),
        max_concurrency=table.count("max_concurrency", 64),
        stream_usage=table.flag("stream_usage", True),
    )


def _completions_url(table: _Table) -> str:
    url = table.text("base_url").rstrip("/")
    try:
        parts = urlsplit(url)
        plain = url.isascii() and url.isprintable() and not set(url) & set(" @?#") and parts.port != 0
    except ValueError:
        plain = False
    if not plain or parts.scheme not in ("http", "https") or not parts.hostname:
        # Not shown, for it may hold a password.
        raise ConfigError(
            f"{table.name}: bad base_url",
            expected="http(s)://host/path without user, query or fragment",
            remedy="A key belongs into the variable that api_key_env names.",
        )
    return f"{url.removesuffix('/chat/completions')}/chat/completions"


def _price(table: _Table) -> Price | None:
    stated = {entry.name: table.take(entry.name) for entry in fields(Price)}
    if all(value is None for value in stated.values()):
        return None
    try:
        return Price(**stated)
    except PriceError as error:
        raise PriceError(f"{table.name}: {error.what}", expected=error.expected, got=error.got) from None


def _fallbacks(table: _Table) -> int:
    value = table.take("fallback")
    return 0 if value is False else _USUAL_FALLBACKS if value is True else table.count("fallback", _USUAL_FALLBACKS, 0)


def _policy(table: _Table, budgeted: bool) -> Policy:
    names = ("alpha", "value_usd", "min_accuracy", "max_cost_usd")
    alpha, value_usd, min_accuracy, max_cost_usd = (table.take(name) for name in names)
    try:
        if budgeted:
            if alpha is not None or value_usd is not None:
                raise UsageError(
                    "A budget and a dial exclude each other",
                    remedy="Leave alpha and value_usd out; clients may still ask for scope-0.7.",
                )
            return Tradeoff(min_accuracy=min_accuracy, max_cost_usd=max_cost_usd)
        return reusable(stated_policy(None, alpha, value_usd, min_accuracy, max_cost_usd, None))
    except UsageError as error:
        raise ConfigError(
            f"[policy]: {error.what}", expected=error.expected, got=error.got, remedy=error.remedy
        ) from None


def _budget(table: _Table) -> BudgetTerms:
    terms = BudgetTerms(
        table.number("usd"), table.take("per") or "total", table.path("store"), table.take("expected_calls")
    )
    try:
        # In memory: the store is opened when the proxy starts.
        Budget(terms.usd, per=terms.per, expected_calls=terms.expected_calls).close()
    except UsageError as error:
        raise ConfigError(f"[budget]: {error.what}", expected=error.expected, got=error.got) from None
    return terms


def _check_names(models: list[str]) -> None:
    if not models:
        raise ConfigError("There is no [[upstream]]", expected="one for each model", remedy="See docs/proxy.md.")
    for model in models:
        if models.count(model) > 1:
            raise ConfigError(f"There are two [[upstream]] of the model {model!r}", expected="one")
        try:
            reserved = named_policy(model, Tradeoff()) is not None
        except UsageError:
            reserved = True
        if reserved:
            raise ConfigError(f"No model can be named {model!r}", expected="a name that does not ask for routing")


class _Table:
    """A table of the file, whose keys are taken out one by one."""

    def __init__(self, name: str, values: dict[str, Any] | None, folder: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self.given = values is not None
        self._values, self._folder, self._environ = values or {}, folder, environ
        self._read: list[str] = []

    def take(self, key: str) -> Any:
        self._read.append(key)
        return self._values.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        value = self.take(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise self._bad(key, "printable text", value)
        return value

    def number(self, key: str, default: float | None = None, *, may_be_0: bool = False) -> float:
        value = self.take(key)
        if value is None and default is not None:
            return default
        if not (is_number(value) and 0 <= value < math.inf) or (value == 0 and not may_be_0):
            raise self._bad(key, "a number, 0 or more" if may_be_0 else "a number above 0", value)
        return float(value)

    def count(self, key: str, default: int, least: int = 1) -> int:
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self._bad(key, f"a whole number, {least} or more", value)
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._bad(key, "true or false", value)
        return value

    def path(self, key: str) -> Path | None:
        return None if self.take(key) is None else self._folder / Path(self.text(key)).expanduser()

    def secret(self, key: str) -> str | None:
        if self.take(key) is None:
            return None
        name = self.text(key)
        # Not shown: whoever mistakes the key for its variable's name would see it in a log.
        secret = self._environ.get(name, "").strip()
        if not secret or not secret.isascii() or not secret.isprintable():
            raise ConfigError(
                f"{self.name}: the environment variable that {key} names is not set",
                expected="the name of a variable that holds a key",
                remedy=f"Export it before the proxy starts, or leave {key} out if no key is needed.",
            )
        return secret

    def table(self, key: str) -> _Table:
        values = self.take(key)
        if not isinstance(values, dict | None):
            raise self._bad(key, "a table", values)
        return _Table(f"[{key}]", values, self._folder, self._environ)

    def tables(self, key: str) -> list[_Table]:
        entries = self.take(key) or []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise self._bad(key, f"tables, each below [[{key}]]", entries)
        return [_Table(f"[[{key}]] {n}", entry, self._folder, self._environ) for n, entry in enumerate(entries, 1)]

    def finish(self) -> None:
        """Refuse what nothing has read."""
        for key in self._values:
            if key not in self._read:
                close = get_close_matches(key, self._read, 1)
                remedy = f"Did you mean {close[0]}?" if close else f"Known are {', '.join(self._read)}."
                raise ConfigError(f"{self.name} has an unknown key {key!r}", remedy=remedy)

    def _bad(self, key: str, expected: str, value: Any) -> ConfigError:
        if value is not None:
            return ConfigError(f"{self.name}: bad {key}", expected=expected, got=repr(value))
        close = get_close_matches(key, [other for other in self._values if other not in self._read], 1)
        return ConfigError(
            f"{self.name}: no {key}", expected=expected, got=f"an unknown key {close[0]!r}" if close else ""
        )
