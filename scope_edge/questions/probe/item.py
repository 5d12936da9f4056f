"""What a family makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from scope_edge.questions.probe.draws import Draws

__all__ = ["Item", "Make", "answer_line"]


class Item(NamedTuple):
    """One question of a family.

    Attributes
    ----------
    prompt, answer, grader, choices
        As those of a `Question`.
    size : int
        What makes it hard, counted: operations, unknowns, rows, words, as the family's module says. It grows with the
        level.
    solution : str
        The least that a model may write to be right.
    """

    prompt: str
    answer: str
    grader: str
    size: int
    solution: str
    choices: tuple[str, ...] | None = None


Make: TypeAlias = Callable[[Draws, int], Item]
"""Makes an item of a level from 1 to 5."""


def answer_line(what: str) -> str:
    """How a prompt asks for an answer that can be found again."""
    return f'Think as long as you need. End with one line that has "Answer: " and {what}, nothing else.'
