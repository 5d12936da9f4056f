"""A word that is changed step by step. Size: steps, as many as the level says."""

from __future__ import annotations

from collections.abc import Callable

from scope_edge.questions.probe.draws import Draws
from scope_edge.questions.probe.item import Item, answer_line
from scope_edge.questions.probe.words import WORDS

__all__ = ["make"]

_LEAST = 4
_FIRST = ("letter", "two letters", "three letters", "four letters")


def make(draws: Draws, level: int) -> Item:
    """Two words in one, and level steps of which each changes something."""
    text = start = "".join(draws.sample(WORDS, 2))
    steps: list[str] = []
    while len(steps) < level:
        step, changed = draws.pick(_STEPS)(draws, text)
        if changed != text and len(changed) >= _LEAST and step not in steps:
            steps.append(step)
            text = changed
    told = "\n".join(f"{i}. {step}" for i, step in enumerate(steps, 1))
    prompt = (
        f"Take the letters {start} and do this{' in order' if level > 1 else ''}:\n\n{told}\n\n"
        f"What are the letters then? {answer_line('the letters without spaces')}"
    )
    return Item(prompt, text, "exact", level, text)


def _reverse(_: Draws, text: str) -> tuple[str, str]:
    return "Reverse them.", text[::-1]


def _replace(draws: Draws, text: str) -> tuple[str, str]:
    old, new = draws.pick(text), draws.pick("bdgkmstz")
    return f"Replace every {old} with {new}.", text.replace(old, new)


def _remove(draws: Draws, text: str) -> tuple[str, str]:
    old = draws.pick(text)
    return f"Remove every {old}.", text.replace(old, "")


def _turn(draws: Draws, text: str) -> tuple[str, str]:
    n = draws.between(1, 4)
    order = ", in the same order" if n > 1 else ""
    return f"Move the first {_FIRST[n - 1]} to the end{order}.", text[n:] + text[:n]


def _swap(_: Draws, text: str) -> tuple[str, str]:
    return "Swap the first and the last letter.", text[-1] + text[1:-1] + text[0]


def _double(draws: Draws, text: str) -> tuple[str, str]:
    old = draws.pick(text)
    return f"Write every {old} twice.", text.replace(old, old * 2)


def _thirds(_: Draws, text: str) -> tuple[str, str]:
    return "Remove the third, the sixth, the ninth letter, and so on.", "".join(
        letter for i, letter in enumerate(text, 1) if i % 3
    )


def _halves(_: Draws, text: str) -> tuple[str, str]:
    return (
        "Write first the letters at odd places (first, third, ...), then those at even places.",
        text[::2] + text[1::2],
    )


_STEPS: tuple[Callable[[Draws, str], tuple[str, str]], ...] = (
    _reverse, _replace, _remove, _turn, _swap, _double, _thirds, _halves,
)  # fmt: skip
