"""The grader `numeric`: one number, whatever stands around it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from scope_edge.questions.finding import WINDOW, stated
from scope_edge.questions.graders.verdict import NOTHING, Judge, Verdict

__all__ = ["prepare"]

TOLERANCE = Fraction(1, 10**6)
"""Relative; but an integer is never taken for its neighbour."""

_DIGITS, _EXPONENT = 400, 400
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_UNSIGNED = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(
    rf"(?P<sign>(?<![\w.)])[-+−]\s?)?[$€£¥₹]?\s?(?P<sign2>-)?(?<![\w.])(?P<number>{_UNSIGNED})"
    r"(?:[eE](?P<e>[-+]?\d{1,4})(?!\w)|\s?(?:\*|×|x|\\times|\\cdot)\s?10\s?(?:\^|\*\*)\s?\{?(?P<e10>[-+]?\d{1,4})\}?)?"
    rf"(?:(?P<whole>\s)(?P<over>\d{{1,9}})/(?P<under>\d{{1,9}})|\s?/\s?(?P<by>{_UNSIGNED}))?(?![\d/]|[eE][-+]?\d)"
    r"(?P<percent>\s?\\?%|\s?percent\b)?(?:\s(?P<scale>thousand|million|billion|trillion)\b)?",
)
_FRAC = re.compile(r"\\[dt]?frac\s?\{\s?(-?[\d.,]{1,40})\s?\}\s?\{\s?([\d.,]{1,40})\s?\}")


class _Number(NamedTuple):
    value: Fraction
    percent: bool
    text: str


def prepare(answer: str, choices: Sequence[str] | None = None) -> Judge:
    """Grade by a number: thousands commas, currency, units, percent, fractions and powers of ten are read."""
    del choices
    found = _numbers(answer)
    if len(found) != 1:
        raise ValueError(f"one number was expected as the answer, got {answer[:60]!r}")
    gold = found[0]

    def judge(text: str) -> Verdict:
        number = _read(text)
        if number is None:
            return NOTHING
        return Verdict(float(_equal(gold, number)), number.text)

    return judge


def _read(text: str) -> _Number | None:
    for candidate in stated(text):
        # "3 + 4 = 7" states 7, "7 apples in 2 days" states 7
        for part in reversed(re.split(r"=|≈|\\approx", candidate)):
            if numbers := _numbers(part):
                return numbers[0]
    numbers = _numbers(text[-WINDOW:])
    return numbers[-1] if numbers else None


def _numbers(text: str) -> list[_Number]:
    text = _FRAC.sub(r"\1/\2", text.replace("{,}", ",").replace(r"\$", "$").replace(r"\!", ""))
    return [number for found in _NUMBER.finditer(text) if (number := _number(found)) is not None]


def _number(found: re.Match[str]) -> _Number | None:
    exponent = int(found["e"] or found["e10"] or 0)
    if len(found["number"]) > _DIGITS or len(found["by"] or "") > _DIGITS or abs(exponent) > _EXPONENT:
        return None
    value = _fraction(found["number"]) * Fraction(10) ** exponent
    try:
        if found["whole"]:
            value += Fraction(int(found["over"]), int(found["under"]))
        elif found["by"]:
            value /= _fraction(found["by"])
    except ZeroDivisionError:
        return None
    value *= _SCALES.get(found["scale"] or "", 1)
    minus = (found["sign"] or "").strip() in {"-", "−"} or found["sign2"] is not None
    return _Number(-value if minus else value, found["percent"] is not None, found[0].strip())


def _fraction(digits: str) -> Fraction:
    return Fraction(digits.replace(",", ""))


def _equal(gold: _Number, other: _Number) -> bool:
    if gold.percent == other.percent:
        return _close(gold.value, other.value)
    share = Fraction(1, 100)
    # 50% may be meant as 50 or as a half.
    return any(
        _close(a, b)
        for a in ((gold.value, gold.value * share) if gold.percent else (gold.value,))
        for b in ((other.value, other.value * share) if other.percent else (other.value,))
    )


def _close(gold: Fraction, value: Fraction) -> bool:
    tolerance = abs(gold) * TOLERANCE
    if gold.denominator == 1:
        tolerance = min(tolerance, Fraction(49, 100))
    return abs(gold - value) <= tolerance
