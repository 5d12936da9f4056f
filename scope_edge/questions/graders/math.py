r"""The grader `math`: expressions, lists, sets, tuples and intervals, in LaTeX or plain.

Equal are: expressions of the same value (with letters: at several points), lists and sets with the same members
in any order, tuples and intervals with the same in the same order and with the same brackets. What cannot be read as
mathematics is compared as text.
"""

from __future__ import annotations

import cmath
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from scope_edge.questions.finding import WINDOW, plain, stated
from scope_edge.questions.graders.expression import UnreadableError, Value, evaluate
from scope_edge.questions.graders.verdict import NOTHING, Judge, Verdict

__all__ = ["prepare"]

MAX_CHARS, MAX_PARTS, TOLERANCE = 2_000, 40, 1e-6

_KNOWN = r"sqrt|pi|sin|cos|tan|ln|log|exp|arcsin|arccos|arctan|abs|infty|infinity|inf"
_DROPPED = re.compile(
    r"\\(?:left|right|displaystyle|quad|qquad|limits)(?![A-Za-z])|\\[,;:! ]"
    r"|\\(?:text|mathrm|mbox|textbf)\s?\{\s[^{}]*\}"
    r"|\^\s?\{?\s?\\circ\s?\}?|°|\\?%|\\?\$|\bdegrees?\b|\\degree"
)
_UNWRAPPED = re.compile(r"\\(?:text|mathrm|mathbf|textbf|mbox|boxed)\s?\{([^{}]*)\}")
_THOUSANDS = re.compile(r"(?<![\d,.])\d{1,3}(?:(?:,|\{,\}|\\!,|,\\!)\d{3})+(?![\d,])")
_NAMED = re.compile(r"^(?:\\?[A-Za-z]{1,8}(?:_\{?\w\}?)?(?:\s?\([\w,\s]{1,9}\))?)\s?(?:=|\\in\b|∈|:)\s?(?=\S)")
_BASE = re.compile(r"(?<=\d)_\{?(\d{1,2})\}?(?!\d)")
_UNIT = re.compile(rf"(?!(?:{_KNOWN}|or|and)\b)[A-Za-z²³/]{{2,12}}(?:\^?[23])?\.?")
_WORD = re.compile(rf"(?<!\\)\b(?!(?:{_KNOWN}|and)\b)[A-Za-z]{{3,}}")
_FIRST = re.compile(r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:/\d+)?")
_POINTS = (0.7310585, 1.8371173, -0.5772157)


class _Parts(NamedTuple):
    """One expression (brackets ""), or several with the brackets they stand in ("{}" also for a bare list)."""

    brackets: str
    members: tuple[str, ...]


def prepare(answer: str, choices: Sequence[str] | None = None) -> Judge:
    """Grade by a mathematical answer."""
    del choices
    if not answer.strip() or len(answer) > MAX_CHARS:
        raise ValueError(f"a mathematical answer of 1 to {MAX_CHARS} characters was expected")

    def judge(text: str) -> Verdict:
        candidates = [candidate for candidate in stated(text) if re.search(r"\w|\\", candidate)]
        if not candidates:
            numbers = _FIRST.findall(text[-WINDOW:])
            # A number somewhere in a text that was cut off is no answer; a short text is one.
            if not numbers or len(text.split()) > 60:
                return NOTHING
            candidates = [text.strip() if _is_bare(text) else numbers[-1]]
        # Readings of one answer; a box or a sentence beside JSON is another one, which does not count.
        found = (
            candidates[:2]
            if len(candidates) > 1 and _squeezed(candidates[0]) == _squeezed(candidates[1])
            else candidates[:1]
        )
        right = any(_equal(answer, reading) for candidate in found for reading in _readings(candidate))
        return Verdict(float(right), found[0][:MAX_CHARS])

    return judge


def _is_bare(text: str) -> bool:
    """Whether a text is an answer and nothing else: a few words, or a line of mathematics."""
    return len(text.split()) < 6 or not ("\n" in text.strip() or _WORD.search(text))


def _squeezed(text: str) -> str:
    return re.sub(r"[\s\\\x08\x09\x0a\x0c\x0d]|(?<=\\)[bfnrt]", "", text)


def _readings(text: str) -> list[str]:
    """The answer itself, what follows its last equals sign, and, if it is a sentence, the number in it."""
    text = plain(text[:MAX_CHARS])
    if re.search(r"\w{2,}\s+\w{2,}\s+\w{2,}", text.replace("\\text", "")) and not text.startswith("\\"):
        numbers = _FIRST.findall(text)
        return [text, *(numbers if len(set(numbers)) == 1 else ())]
    return list(dict.fromkeys((text, re.split(r"=|\\approx|≈", text)[-1].strip())))


def _equal(gold: str, text: str) -> bool:
    bases = _BASE.search(gold), _BASE.search(text)
    if bases[0] and bases[1] and bases[0][1] != bases[1][1]:
        return False
    for merged in (True, False):  # "1,234" may be a number or a list of two
        pair = _cleaned(gold, merged), _cleaned(text, merged)
        if _spaceless(pair[0]) == _spaceless(pair[1]):
            return True
        parts = _parts(pair[0]), _parts(pair[1])
        if parts[0] and parts[1] and _same_parts(parts[0], parts[1]):
            return True
        if not (_THOUSANDS.search(gold) or _THOUSANDS.search(text)):
            break
    return False


def _cleaned(text: str, merged: bool) -> str:
    text = re.sub(r"\\{2,}(?=[A-Za-z{}%$!,])", r"\\", plain(text)).replace("−", "-").replace("–", "-")
    if merged:
        text = _THOUSANDS.sub(lambda found: re.sub(r"\D", "", found[0]), text)
    text = _UNWRAPPED.sub(r" \1", _BASE.sub("", _DROPPED.sub("", text))).strip().removesuffix(".").strip()
    text = re.sub(r"\\(?:le|leq|ge|geq)\b", "<", text) if "\\l" in text or "\\g" in text else text
    text = _NAMED.sub("", text, count=1)
    return _without_units(text)


def _without_units(text: str) -> str:
    """`12 square cm` as `12`; words that follow nothing like a value stay."""
    words = text.split()
    kept = len(words)
    while kept > 1 and _UNIT.fullmatch(words[kept - 1]):
        kept -= 1
    return " ".join(words[:kept]) if words and words[kept - 1][-1] in "0123456789)}]" else text


def _parts(text: str) -> _Parts | None:
    text = re.sub(r"\\pm|±", "±", text).replace("\\{", "{").replace("\\}", "}").replace("\\cup", "∪")
    if "∪" in text:
        pieces = tuple(piece.strip() for piece in text.split("∪"))
        return _Parts("∪", pieces)
    if "±" in text:
        return _Parts("{}", (text.replace("±", "+"), text.replace("±", "-"))) if text.count("±") == 1 else None
    brackets = ""
    if text[:1] in {"(", "[", "{"} and text[-1:] in {")", "]", "}"} and _encloses(text):
        brackets, text = text[0] + text[-1], text[1:-1]
    members = _split(text)
    if len(members) > MAX_PARTS:
        return None
    if brackets in {"", "{}"}:
        members = tuple(_NAMED.sub("", member, count=1) for member in members)
    if len(members) == 1 and brackets != "{}":
        return _Parts("", (f"{brackets[:1]}{members[0]}{brackets[1:]}",))
    if len(members) == 1:
        return _Parts("", members)
    return _Parts(brackets or "{}", members)


def _encloses(text: str) -> bool:
    """Whether the first bracket closes with the last, as in (a + b) but not in (a)(b); [0, 1) is one pair too."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0:
            return place == len(text) - 1
    return False


def _split(text: str) -> tuple[str, ...]:
    members, depth, begin = [], 0, 0
    text = re.sub(r"(?:,\s*)?\b(?:or|and)\b", ",", text)
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter in ",;" and depth == 0:
            members.append(text[begin:place].strip())
            begin = place + 1
    return tuple(member for member in (*members, text[begin:].strip()) if member)


def _same_parts(a: _Parts, b: _Parts, depth: int = 0) -> bool:
    if a.brackets != b.brackets or len(a.members) != len(b.members) or depth > 3:
        return False
    if not a.brackets:
        return _same_member(a.members[0], b.members[0], depth)
    if a.brackets not in {"{}", "∪"}:
        return all(_same_member(one, other, depth) for one, other in zip(a.members, b.members, strict=True))
    left = list(b.members)
    for member in a.members:
        match = next((other for other in left if _same_member(member, other, depth)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _same_member(a: str, b: str, depth: int) -> bool:
    if _spaceless(a) == _spaceless(b):
        return True
    inner = _parts(a), _parts(b)
    if inner[0] and inner[1] and (inner[0].brackets or inner[1].brackets):
        return _same_parts(inner[0], inner[1], depth + 1)
    names = sorted((_letters(a) | _letters(b)) - {"e", "i"})
    try:
        for point in _POINTS if names else _POINTS[:1]:
            values = {name: complex(point + 0.31 * place) for place, name in enumerate(names)}
            if not _close(evaluate(a, values), evaluate(b, values)):
                return False
    except UnreadableError:
        return a.casefold().split() == b.casefold().split()
    return True


def _spaceless(text: str) -> str:
    """White space left out, but `1 2` is not 12."""
    return re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", text)


def _letters(text: str) -> set[str]:
    """The unknowns of an expression: single letters, and those of `2xy`, but not those of a word alone."""
    longest = 3 if re.search(r"[\d+*/^]", text) else 1
    words = (word for word in re.findall(r"\\?[A-Za-z]+", text) if not re.fullmatch(_KNOWN, word))
    return {letter for word in words if word[0] != "\\" and len(word) <= longest for letter in word}


def _close(a: Value, b: Value) -> bool:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a == b or (a.denominator != 1 and abs(a - b) <= abs(a) * Fraction(1, 10**6))
    a, b = complex(a), complex(b)
    return a == b or cmath.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-12)
