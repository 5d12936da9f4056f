"""The grader `constraints`: whether a text keeps to a list of instructions that can be counted.

The answer is a JSON list of checks such as {"check": "words", "min": 10, "max": 20}; the score is 1 if all hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from scope_edge.questions.graders.verdict import NOTHING, Judge, Verdict

__all__ = ["prepare"]

MAX_FOUND = 2_000

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_SENTENCE = re.compile(r"[.!?]+(?=[\s\"'”’)\]]|\Z)")
_BULLET = re.compile(r"^[ \t]*(?:[-*•+]|\d{1,3}[.)])[ \t]+\S", re.MULTILINE)


class _Check(NamedTuple):
    """`fields`: which text fields it takes; `number`: what min and max bound, or None; `holds`: a yes or no."""

    fields: tuple[str, ...]
    number: Callable[[str, Mapping[str, Any]], int] | None = None
    holds: Callable[[str, Mapping[str, Any]], bool] | None = None


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


_CHECKS: dict[str, _Check] = {
    "words": _Check((), lambda text, _: len(_WORD.findall(text))),
    "characters": _Check((), lambda text, _: len(text)),
    "lines": _Check((), lambda text, _: len(_lines(text))),
    "sentences": _Check((), lambda text, _: len(_SENTENCE.findall(text))),
    "paragraphs": _Check((), lambda text, _: len([part for part in re.split(r"\n[ \t]*\n", text) if part.strip()])),
    "bullets": _Check((), lambda text, _: len(_BULLET.findall(text))),
    # Case does not count for letters and words, but does for contains and its like.
    "letter": _Check(("text",), lambda text, check: text.casefold().count(check["text"].casefold())),
    "word": _Check(
        ("text",), lambda text, check: [word.casefold() for word in _WORD.findall(text)].count(check["text"].casefold())
    ),
    "contains": _Check(("text",), holds=lambda text, check: check["text"] in text),
    "excludes": _Check(("text",), holds=lambda text, check: check["text"].casefold() not in text.casefold()),
    "starts": _Check(("text",), holds=lambda text, check: text.startswith(check["text"])),
    "ends": _Check(("text",), holds=lambda text, check: text.endswith(check["text"])),
    "lines_start": _Check(
        ("text",), holds=lambda text, check: all(line.lstrip().startswith(check["text"]) for line in _lines(text))
    ),
    "lower": _Check((), holds=lambda text, _: text == text.lower()),
    "upper": _Check((), holds=lambda text, _: text == text.upper()),
    "sorted_lines": _Check((), holds=lambda text, _: _lines(text) == sorted(_lines(text), key=str.casefold)),
}


def prepare(answer: str, choices: Sequence[str] | None = None) -> Judge:
    """Grade by a JSON list of checks, all of which must hold of the whole visible text."""
    del choices
    try:
        checks = json.loads(answer)
    except (ValueError, RecursionError):
        checks = None
    if not isinstance(checks, list) or not checks:
        raise ValueError(f"a JSON list of checks was expected as the answer, got {answer[:60]!r}")
    for check in checks:
        _validate(check)

    def judge(text: str) -> Verdict:
        text = text.strip()
        if not text:
            return NOTHING
        return Verdict(float(all(_holds(text, check) for check in checks)), text[:MAX_FOUND])

    return judge


def _validate(check: Any) -> None:
    shown = json.dumps(check)[:80]
    kind = _CHECKS.get(str(check.get("check"))) if isinstance(check, dict) else None
    if kind is None:
        raise ValueError(f"an unknown check {shown}; known are {', '.join(sorted(_CHECKS))}")
    bounds = {"min", "max"} if kind.number else set()
    if extra := set(check) - {"check", *kind.fields, *bounds}:
        raise ValueError(f"the check {shown} has unknown fields {', '.join(sorted(extra))}")
    if any(not isinstance(check.get(name), str) or not check[name] for name in kind.fields):
        raise ValueError(f"the check {shown} needs some text in {', '.join(kind.fields)}")
    stated = [check[name] for name in sorted(bounds & set(check))]
    if bounds and (not stated or any(type(value) is not int or value < 0 for value in stated)):
        raise ValueError(f"the check {shown} needs a whole number in min, max or both")


def _holds(text: str, check: Mapping[str, Any]) -> bool:
    kind = _CHECKS[check["check"]]
    if kind.number is not None:
        count = kind.number(text, check)
        return bool(check.get("min", 0) <= count <= check.get("max", count))
    return kind.holds is not None and kind.holds(text, check)
