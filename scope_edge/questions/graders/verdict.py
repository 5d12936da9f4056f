"""What a grader says, and the form in which graders are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

__all__ = ["NOTHING", "Judge", "Prepare", "Verdict"]


class Verdict(NamedTuple):
    """The verdict on one raw output.

    Attributes
    ----------
    score : float
        From 0 (wrong) to 1 (right).
    found : str or None
        The answer that was read out of the raw text; None if there was none, and the score is then 0.
    """

    score: float
    found: str | None


NOTHING = Verdict(0.0, None)
"""No answer was found."""

Judge: TypeAlias = Callable[[str], Verdict]
"""Grades what is visible of one raw output."""

Prepare: TypeAlias = Callable[[str, Sequence[str] | None], Judge]
"""Takes a gold answer and the choices; a ValueError says why that answer is none."""
