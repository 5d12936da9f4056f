"""The grader `literal`: a Python value, compared as values, not as text. Nothing is executed."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence
from typing import Any

from scope_edge.questions.finding import fenced, plain, stated
from scope_edge.questions.graders.verdict import NOTHING, Judge, Verdict

__all__ = ["parse", "prepare"]

MAX_CHARS, MAX_DEPTH = 20_000, 60


def prepare(answer: str, choices: Sequence[str] | None = None) -> Judge:
    """Grade by a Python literal; where it is a string, its bare text will do."""
    del choices
    gold = parse(answer)

    def judge(text: str) -> Verdict:
        candidates = _candidates(text)
        if not candidates:
            return NOTHING
        right = next((candidate for candidate in candidates if _matches(gold, candidate)), None)
        return Verdict(float(right is not None), right if right is not None else candidates[0])

    return judge


def parse(text: str) -> Any:
    """The value of a Python literal; ValueError if it is none, or too long or too deep to be read safely."""
    text = text.strip()
    depth = deepest = 0
    for letter in text[: MAX_CHARS + 1]:
        depth += (letter in "[({") - (letter in "])}")
        deepest = max(deepest, depth)
    if len(text) > MAX_CHARS or deepest > MAX_DEPTH:
        raise ValueError(f"a Python literal of at most {MAX_CHARS} characters and {MAX_DEPTH} levels was expected")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unknown escape is the model's affair
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError(f"a Python literal was expected as the answer, got {text[:60]!r}") from None


def _candidates(text: str) -> list[str]:
    """Readings of one and the same answer."""
    found = stated(text)
    if not found:
        blocks = [block.strip() for block in fenced(text)[-1:]] or text.strip().splitlines()[-1:]
        found = [block for block in blocks if block]
        if not found or not _is_literal(_asserted(plain(found[0]))):
            return []
    readings: list[str] = []
    for reading in found[:2] if len(found) > 1 and _unescaped(found[0]) == _unescaped(found[1]) else found[:1]:
        shown = plain(reading)
        after = _asserted(shown)  # a sentence ends with a dot
        readings += [reading, shown, after, after.removesuffix(".").strip(), plain(after.removesuffix("."))]
    return list(dict.fromkeys(reading for reading in readings if reading)) or [found[0]]


def _asserted(text: str) -> str:
    """What "f(x) == 'qq'" and "assert f(x) == 'qq'" state, 'qq', and any other text as it is."""
    return text.split("==")[-1].strip() if text.startswith(("assert", "f(")) else text


def _unescaped(text: str) -> str:
    return re.sub(r"[\\\s]|n|t", "", text)


def _is_literal(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _matches(gold: Any, text: str) -> bool:
    # Quotes within quotes are often left as they are.
    if isinstance(gold, str) and (text == gold or (text[:1] in {"'", '"'} and text == text[0] + gold + text[0])):
        return True
    try:
        return same(gold, parse(text))
    except ValueError:
        # Quotes that do not close each other, or one that is missing, are no part of a string.
        return isinstance(gold, str) and text[:1] in {"'", '"'} and _unquoted(text) == _unquoted(gold) != ""


def _unquoted(text: str) -> str:
    return text.strip("\"'")


def same(a: Any, b: Any) -> bool:
    """Equality as `==`, but a truth value is no number, at any depth; parsed values are at most MAX_DEPTH deep."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | float | complex) and isinstance(b, int | float | complex):
        return a == b
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(key in b and same(value, b[key]) for key, value in a.items())
    return bool(a == b)
