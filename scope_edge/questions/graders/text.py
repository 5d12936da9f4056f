"""The graders `exact` and `code_output`: text, with the wrappings of an answer taken off."""

from __future__ import annotations

import re
from collections.abc import Sequence

from scope_edge.questions.finding import fenced, plain, stated
from scope_edge.questions.graders.verdict import NOTHING, Judge, Verdict

__all__ = ["prepare_exact", "prepare_output"]

_OUTPUT = re.compile(
    r"^[ \t*#]{0,9}(?:the )?(?:printed )?(?:final )?(?:output|prints|result)[ \t]{0,9}(?:is[ \t]{0,9})?:?[ \t*]{0,9}$"
    r"|^[ \t*#]{0,9}(?:the )?(?:final )?output(?: is)?[ \t*]{0,9}:[ \t*]{0,9}(?=\S)",
    re.IGNORECASE | re.MULTILINE,
)


def prepare_exact(answer: str, choices: Sequence[str] | None = None) -> Judge:
    """Grade by the same text: case counts; white space around and its amount within, quotes and a last dot do not."""
    del choices
    if not answer.strip():
        raise ValueError("some text was expected as the answer")
    gold = _squeezed(answer)

    def judge(text: str) -> Verdict:
        # A single line is its own answer; of a longer text, the last line, if nothing is stated.
        candidates = stated(text)[:1] or text.strip().splitlines()[-1:]
        if not candidates or not candidates[0].strip():
            return NOTHING
        found = candidates[0].strip()
        return Verdict(float(any(_squeezed(reading) == gold for reading in _readings(found))), found)

    return judge


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _readings(text: str) -> list[str]:
    """The text, and without the dot, the marks and the quotes that may stand around it."""
    shown = plain(text)
    readings = [text, shown]
    for reading in (shown, shown.removesuffix(".")):
        reading = plain(reading)
        readings.append(reading)
        if len(reading) > 2 and reading[0] + reading[-1] in {'""', "''", "“”", "‘’"}:
            readings += [reading[1:-1], reading[1:-1].removesuffix(".")]
    return readings


def prepare_output(answer: str, choices: Sequence[str] | None = None) -> Judge:
    """Grade by what a program prints: lines are compared, their white space squeezed. No code is executed."""
    del choices
    gold = _lines(answer)
    if not gold:
        raise ValueError("some printed text was expected as the answer")

    def judge(text: str) -> Verdict:
        found = _printed(text)
        return Verdict(float(_lines(found) == gold), found) if found.strip() else NOTHING

    return judge


def _printed(text: str) -> str:
    if blocks := fenced(text):
        # JSON with an answer may be fenced too
        return next(iter(stated(blocks[-1])), blocks[-1]) if blocks[-1].lstrip().startswith("{") else blocks[-1]
    if after := [found.end() for found in _OUTPUT.finditer(text)]:
        return "\n".join(map(plain, text[after[-1] :].strip().splitlines()))
    if candidates := stated(text):
        return candidates[0]
    return "\n".join(map(plain, text.strip().splitlines()))


def _lines(text: str) -> list[str]:
    return [squeezed for line in text.splitlines() if (squeezed := " ".join(line.split()))]
