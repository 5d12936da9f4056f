"""The grader `choice`: a letter or number of an option, or the text of the option itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from scope_edge.questions.finding import WINDOW, boxed, json_answers, phrases, plain
from scope_edge.questions.graders.verdict import NOTHING, Judge, Verdict

__all__ = ["LETTERS", "prepare"]

LETTERS = "ABCDEFGHIJKLMNOP"

# A label in brackets, or one that no word goes on from: "C", "C.", "C: because", but not "A train".
_FORM = (
    r"[\s*_$`\"']{0,6}(?:(?:option|choice)s?\b)?[\s*_$`\"']{0,6}"
    r"(?:[(\[{]\s?(?P<in>%s)\s?(?:[)\]}.:]|\Z)|(?P<bare>%s)(?=[.,:;)*_$`\"'<\]\n]|\s*\Z|\s+[-–—(]))"
)
_LETTER = re.compile(_FORM % ("[A-P]", "[A-P]"), re.IGNORECASE)
_NUMBER = re.compile(_FORM % (r"\d{1,2}", r"\d{1,2}"), re.IGNORECASE)
_AND_MORE = re.compile(r"[)\]*.\s]{0,4}(?:,|&|and\b|or\b)\s{0,4}(?:and\s|or\s)?(?:\([A-P]\)|[A-P](?=[.,\n]|\Z))")
_SEVERAL = re.compile(
    r"[\s*]{0,4}(?:\([A-P](?:\s?[,&/]?\s?[A-P])+\)|[A-P]\s(?:and|or|&)\s[A-P](?=[.,\n]|\Z))"  # "(A, C)", "A and C."
)
_TEXT = re.compile(r"\\(?:text|mathrm|mathbf|textbf)\s?\{([^{}]*)\}")
_FINAL = re.compile(r"\bfinal answer(?=[\s*]{0,9}(?::|is\b))", re.IGNORECASE)
_BEGINS = re.compile(r"[\s*]{0,4}(?:\([A-P]\)|[A-P]\)|[A-P]:)(?=\s|\*)")
_BRACKETED = re.compile(r"\(([A-P])\)")
_NAMED = re.compile(
    # "the answer (C) is right", "(C) is the correct answer", "which makes (C) the right option", "(C) is correct"
    r"\banswer\s\(([A-P])\)\s(?:is|was)\b"
    r"|\(([A-P])\)\s(?:(?:is\s)?the\s(?:correct|right|best)\s(?:answer|option|choice)|is\scorrect)\b"
)


def prepare(answer: str, choices: Sequence[str] | None = None) -> Judge:
    """Grade by a label, A to P or a number; where there are choices, the text of one stands for its label."""
    options = [_folded(choice) for choice in choices or ()]
    gold = _label_of_gold(answer, options)
    form = _NUMBER if gold.isdigit() else _LETTER

    def read(text: str) -> str | None:
        if not gold.isdigit() and (several := _SEVERAL.match(text)):
            return several[0].strip()
        label = form.match(_TEXT.sub(r"\1", text))
        if label and (name := label["in"] or label["bare"]):
            more = None if gold.isdigit() else _AND_MORE.match(text, label.end())
            return text[: more.end()].strip() if more else name.upper()
        folded = _folded(text)
        return LETTERS[options.index(folded)] if folded in options[: len(LETTERS)] else None

    def judge(text: str) -> Verdict:
        text = text[-WINDOW:].strip()
        found = next((name for candidate in _candidates(text) if (name := read(candidate))), None)
        if found is None and (len(text) < 12 or _BEGINS.match(text) or _folded(text) in options):
            found = read(text)
        if found is None and not gold.isdigit():
            # "... which makes (C) correct."
            named = {one or other for one, other in _NAMED.findall(text)}
            labels = named or set(_BRACKETED.findall(re.split(r"(?<=[.!?\n])\s+", text)[-1]))
            found = labels.pop() if len(labels) == 1 else None
        return NOTHING if found is None else Verdict(float(_same(found, gold)), found)

    return judge


def _candidates(text: str) -> list[str]:
    # Of several sentences the first counts, for models of a few-shot prompt go on to questions of their own; but one
    # that is called final goes before.
    final = _FINAL.search(text)
    final_phrases = phrases(text[final.start() :]) if final else []
    return [*json_answers(text), *boxed(text)[-1:], *final_phrases, *phrases(text)]


def _label_of_gold(answer: str, options: list[str]) -> str:
    label = answer.strip().strip("()").upper()
    if len(label) == 1 and label in LETTERS:
        place = LETTERS.index(label)
    elif re.fullmatch(r"\d{1,2}", label):
        return label
    elif _folded(answer) in options[: len(LETTERS)]:
        place = options.index(_folded(answer))
    else:
        raise ValueError(f"a letter A to P, a number or one of the choices was expected, got {answer[:60]!r}")
    if options and place >= len(options):
        raise ValueError(f"the answer {label} lies beyond the {len(options)} choices")
    return LETTERS[place]


def _same(found: str, gold: str) -> bool:
    return int(found) == int(gold) if found.isdigit() and gold.isdigit() else found == gold


def _folded(text: str) -> str:
    return " ".join(plain(text).casefold().split()).rstrip(".").strip("\"'")
