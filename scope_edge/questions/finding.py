"""Where in a raw output the answer stands.

Models wrap their answers: in JSON, in a box, in a sentence, after pages of thinking. What is found here is text;
what it means is the grader's affair.
"""

from __future__ import annotations

import json
import re

__all__ = ["WINDOW", "boxed", "fenced", "json_answers", "phrases", "plain", "stated", "visible"]

WINDOW = 60_000
"""An answer is looked for in the last so many characters of an output."""

_OPEN, _CLOSE = re.compile(r"<(think|thinking)>"), re.compile(r"</(?:think|thinking)>")
_KEY = re.compile(r"""(?<![\w\\])(["'])(?:final[ _])?answer\1\s{0,20}:\s{0,20}""", re.IGNORECASE)
_PHRASE = re.compile(
    # "the answer is X", "Answer: X", "#### X"; a line may hold several
    r"(?:\banswers?(?:\*\*)?\s{0,9}(?:\b(?:is|are|should be|would be|must be)\b\s{0,9}:?|:)(?:\*\*)?"
    r"|^\#{4})[ \t]{0,9}\n?",
    re.IGNORECASE | re.MULTILINE,
)
_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_ENDS_STRING = re.compile(r"""["']\.?\s{0,200}(?:\}|,\s{0,200}["']\w{1,40}["']\s{0,20}:|```|\Z)""")
# Escapes of JSON that a model may as well have meant as the beginning of a LaTeX command.
_LATEX = re.compile(r"\\(?=(?:frac|dfrac|tfrac|text|times|theta|tan|right|rangle|rho|boxed|binom|beta|bar|neq|nu)\b)")


def visible(output: str) -> str:
    """The output without its thinking; a block that is never closed hides all that follows.

    Examples
    --------
    >>> visible("<think>17? No.</think>It is 18.")
    'It is 18.'
    """
    kept, at = [], 0
    while begin := _OPEN.search(output, at):
        kept.append(output[at : begin.start()])
        end = _CLOSE.search(output, begin.end())
        at = end.end() if end else len(output)
    # Some servers leave out the tag that opens.
    rest = output[at:]
    closing = [found.end() for found in _CLOSE.finditer(rest)]
    return rest[closing[-1] :] if closing else "".join(kept) + rest


def stated(text: str) -> list[str]:
    """The answers that a text states, the most explicit first: JSON, boxes, sentences; of each kind the last."""
    return [*json_answers(text), *boxed(text)[-1:], *phrases(text)[-1:]]


def json_answers(text: str) -> list[str]:
    """Readings of the last JSON field "answer": as JSON says, and as it stands, for escapes that were not meant.

    The object around it may be cut off, quoted singly, or hold quotes that are not escaped.
    """
    text = text[-WINDOW:]
    keys = list(_KEY.finditer(text))
    for key in reversed(keys[-20:]):
        rest = text[key.end() :]
        readings = _quoted(rest) if rest[:1] in {'"', "'"} else _bare(rest)
        if readings:
            return readings
    return []


def _quoted(rest: str) -> list[str]:
    try:
        value, end = json.JSONDecoder().raw_decode(rest)
        if re.match(r"\s{0,200}(?:\}|,\s{0,200}[\"'}])", rest[end:]):
            raw = rest[1 : end - 1]
            if _LATEX.search(raw.replace("\\\\", "")):
                return [raw]
            return [value] if value == raw else [value, raw]
    except (ValueError, RecursionError):
        pass
    end_match = next((found for found in _ENDS_STRING.finditer(rest, 1) if found[0][0] == rest[0]), None)
    raw = rest[1 : end_match.start()] if end_match else rest[1:]
    mended = raw.replace('\\"', '"').replace("\\'", "'").replace("\\\\", "\\")
    return [value for value in dict.fromkeys((mended, raw)) if value.strip()]


def _bare(rest: str) -> list[str]:
    if rest[:1] in {"[", "{"}:
        raw = _balanced(rest)
        try:
            return [json.dumps(json.loads(raw), ensure_ascii=False), raw]
        except (ValueError, RecursionError):
            return [raw]
    raw = re.split(r"[\n}]|,\s{0,200}[\"']", rest, maxsplit=1)[0].strip().rstrip(",`").strip()
    return [raw] if raw and raw not in {"null", "None"} else []


def _balanced(rest: str) -> str:
    depth, quote, escaped = 0, "", False
    for place, letter in enumerate(rest):
        if quote:
            if letter == quote and not escaped:
                quote = ""
            escaped = letter == "\\" and not escaped
        elif letter in "\"'":
            quote = letter
        elif letter in "[{(":
            depth += 1
        elif letter in "]})":
            depth -= 1
            if depth == 0:
                return rest[: place + 1]
    return rest


def boxed(text: str) -> list[str]:
    r"""What stands in each \boxed{...} of a text, the last 20 at most; one that is cut off is left out."""
    text = text[-WINDOW:]
    found = []
    for begin in list(re.finditer(r"\\+(?:boxed|fbox)\s{0,9}\{", text))[-20:]:
        depth = 1
        for place in range(begin.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if depth == 0:
                found.append(text[begin.end() : place].strip())
                break
    return [value for value in found if value]


def phrases(text: str) -> list[str]:
    """What follows each "the answer is", "Answer:" or "####", up to the next such or the end of its line."""
    text = text[-WINDOW:]
    starts = list(_PHRASE.finditer(text))
    ends = [found.start() for found in starts[1:]] + [len(text)]
    lines = []
    for found, end in zip(starts, ends, strict=False):
        line = text[found.end() : end].split("\n", 1)[0]
        # A mark that opened before the answer closes after it, perhaps before a dot.
        lines.append(line.replace("**", "", 1) if found[0].endswith("**") and line.count("**") == 1 else line)
    return [rest for line in lines if (rest := plain(plain(line).removeprefix("**").removesuffix("**")))]


def fenced(text: str) -> list[str]:
    """The contents of the fenced blocks of a text; the last may be cut off."""
    return [found[1] for found in _FENCE.finditer(text[-WINDOW:])]


def plain(text: str) -> str:
    """A line without the marks of Markdown and white space around it.

    Examples
    --------
    >>> plain(" **`qq`** ")
    'qq'
    """
    text = text.strip()
    for _ in range(6):
        for mark in ("**", "__", "`", "$"):
            if text.startswith(mark) and text.endswith(mark) and len(text) > 2 * len(mark):
                text = text[len(mark) : -len(mark)].strip()
                break
        else:
            break
    return text
