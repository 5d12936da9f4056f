"""A short text under rules that can be counted. Size: rules, as many as the level says."""

from __future__ import annotations

import json
from typing import Any

from scope_edge.questions.probe.draws import Draws
from scope_edge.questions.probe.item import Item
from scope_edge.questions.probe.words import WORDS

__all__ = ["make"]

_TOPICS = (
    "a market on a rainy morning", "learning to swim", "an old bridge", "moving to another town", "a lost umbrella",
    "the first day of a job", "a garden in winter", "a night train", "repairing a bicycle", "baking bread",
    "a walk by the sea", "a noisy library", "a chess game", "a broken clock", "a visit to a museum",
)  # fmt: skip
_FILLERS = (
    "a", "we", "it", "old", "and", "then", "slowly", "morning", "walk", "small", "light", "road", "under", "with",
    "again", "bright", "quiet", "found", "many", "house", "of", "in", "stone", "blue", "long",
)  # fmt: skip
_BANNED = "bdgkpvwz"
_COUNTS = {2: "twice", 3: "three times", 4: "four times"}


def make(draws: Draws, level: int) -> Item:
    """As many rules as the level says, and a text that keeps to them."""
    kinds = draws.sample(("words", "form", "starts", "ends", "times", "letter", "case"), level)
    case = draws.pick((str.lower, str.upper)) if "case" in kinds else str
    banned = draws.pick(_BANNED) if "letter" in kinds else ""
    fillers = [word for word in _FILLERS if not banned or banned not in word]
    first, last, often = (case(word) for word in draws.sample([w for w in WORDS if not banned or banned not in w], 3))
    n, times = draws.between(12, 40), draws.between(2, 4)
    bullets = "form" in kinds and "starts" not in kinds and draws.below(2) == 1
    lines = draws.between(2, 5) if "form" in kinds else 1
    rules: list[tuple[str, dict[str, Any]]] = []
    if "words" in kinds:
        most = n + draws.between(0, 6)
        rules.append((f"It has from {n} to {most} words.", {"check": "words", "min": n, "max": most}))
    if "form" in kinds:
        form = "bullet points, each on a line that begins with '- '" if bullets else "lines, empty ones not counted"
        check = {"check": "bullets" if bullets else "lines", "min": lines, "max": lines}
        rules.append((f"It has exactly {lines} {form}.", check))
    if "starts" in kinds:
        rules.append((f"It starts with '{first}'.", {"check": "starts", "text": first}))
    if "ends" in kinds:
        rules.append((f"It ends with '{last}', with no mark after it.", {"check": "ends", "text": last}))
    if "times" in kinds:
        rule = f"It has the word '{often}' exactly {_COUNTS[times]}."
        rules.append((rule, {"check": "word", "text": often, "min": times, "max": times}))
    if "letter" in kinds:
        rules.append((f"The letter {banned} does not occur in it.", {"check": "letter", "text": banned, "max": 0}))
    if "case" in kinds:
        name, rule = ("upper", "capitals") if case is str.upper else ("lower", "small")
        rules.append((f"All of its letters are {rule}.", {"check": name}))
    words = [first] * ("starts" in kinds) + [often] * (times * ("times" in kinds))
    words += [case(draws.pick(fillers)) for _ in range(n - len(words) - ("ends" in kinds))] + [last] * ("ends" in kinds)
    solution = _laid_out(words, lines, "- " if bullets else "")
    told = "\n".join(f"{i}. {rule}" for i, (rule, _) in enumerate(rules, 1))
    prompt = (
        f"Write a short text about {draws.pick(_TOPICS)} that keeps to {'this rule' if level == 1 else 'these rules'}:"
        f"\n\n{told}\n\nGive the text alone: no title, no quotes around it, no comment."
    )
    return Item(prompt, json.dumps([check for _, check in rules]), "constraints", level, solution)


def _laid_out(words: list[str], lines: int, mark: str) -> str:
    per_line = len(words) // lines
    ends = [*(per_line * i for i in range(1, lines)), len(words)]
    begins = [0, *ends[:-1]]
    return "\n".join(mark + " ".join(words[begin:end]) for begin, end in zip(begins, ends, strict=True))
