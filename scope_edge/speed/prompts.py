"""Prompts to measure with, of any length, of which no two are the same.

Caches and branch predictors learn a query that is repeated, and it then looks faster than any real one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

__all__ = ["Prompts"]

_TEXT = """
A small ferry crosses the fjord in 35 minutes with the current and in 52 minutes against it. The crossing is 9.1 km
long. How fast does the water move, and how long would the boat take on a day without any current? Show the equations
that you solve, name the unit of each quantity, and check the result by putting it back. A colleague claims that the
mean of both times must be right; explain in two sentences where this goes wrong. The captain keeps a log in a file
of 1,480 lines and reads it with this function:

def late_departures(lines, limit=5):
    late = []
    for number, line in enumerate(lines, start=1):
        planned, actual = line.split(";")[1:3]
        if minutes(actual) - minutes(planned) > limit:
            late.append((number, line.strip()))
    return late

It fails on departures after midnight. Find the reason, write a version that does not, and add a test with 3 cases.
Then draft a polite notice for the passengers: from 14 October the 6:40 boat leaves a quarter of an hour earlier,
bicycles cost 2.50 instead of 1.80, and dogs still travel free. Translate it into Spanish, keep it under 90 words, and
say which of the changes is most likely to annoy regular travellers, who use the boat about 11 times a week.
"""

_WORDS = re.findall(r"\S+\s+", _TEXT)  # with the white space that follows: the code keeps its lines
_DIGITS = "0123456789"
_MEGABYTE = 1_000_000


class Prompts:
    """An endless supply, the same one for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def of_words(self, n_words: int) -> Iterator[str]:
        """Prompts of so many words: pieces of the text in any order, with other numbers in them."""
        while True:
            yield self._text(n_words)

    def of_a_megabyte(self) -> Iterator[str]:
        """Prompts of a million characters, with a beginning and an end of their own."""
        filling = "".join(_WORDS) * (_MEGABYTE // len(_TEXT) + 1)
        while True:
            head, tail = self._text(1000), self._text(1000)
            yield f"{head} {filling[: _MEGABYTE - len(head) - len(tail) - 2]} {tail}"

    def _text(self, n_words: int) -> str:
        words: list[str] = []
        while len(words) < n_words:
            start = self._random.randrange(len(_WORDS))
            words += _WORDS[start : start + self._random.randint(3, 12)]
        return re.sub(r"\d", lambda _: self._random.choice(_DIGITS), "".join(words[:n_words]).rstrip())
