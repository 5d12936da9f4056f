"""A sentence to be found in long notes, from level 4 on by way of another one. Size: words of the notes."""

from __future__ import annotations

from scope_edge.questions.probe.draws import Draws
from scope_edge.questions.probe.item import Item, answer_line
from scope_edge.questions.probe.words import NAMES, TOWNS

__all__ = ["LENGTHS", "make"]

LENGTHS = (150, 400, 1000, 2000, 4000)
"""Words of the notes by level; the last sentence may go a few beyond."""

_KEEPERS, _KEEPER_WORDS = 12, 13

_SIGNS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_WEATHER = ("sunny", "cloudy", "windy", "foggy", "rainy", "mild")


def make(draws: Draws, level: int) -> Item:
    """Notes about lockers in the stations of some towns."""
    lockers = [(town, number) for town in TOWNS for number in range(1, 60)]
    seen: set[str] = set()
    notes: list[str] = []
    codes: list[tuple[str, int, str]] = []
    by_way_of_another = level >= 4
    words = _KEEPERS * _KEEPER_WORDS if by_way_of_another else 0
    while words < LENGTHS[level - 1]:
        if draws.below(4):
            town, number = lockers.pop(draws.below(len(lockers)))
            code = _code(draws, seen)
            codes.append((town, number, code))
            note = f"Locker {number} of the station in {town} opens with {code}."
        else:
            note = f"On day {len(notes) + 1} the weather in {draws.pick(TOWNS)} was {draws.pick(_WEATHER)}."
        notes.append(note)
        words += len(note.split())
    town, number, answer = draws.pick(codes)
    asked = f"With which code does locker {number} of the station in {town} open?"
    if by_way_of_another:
        keepers = draws.sample(NAMES, _KEEPERS)
        others = draws.sample([each for each in codes if each[2] != answer], _KEEPERS - 1)
        for keeper, (place, locker, _) in zip(keepers, [(town, number, answer), *others], strict=True):
            note = f"{keeper} has put a bag into locker {locker} of the station in {place}."
            notes.insert(draws.below(len(notes) + 1), note)
        asked = f"Which code opens the locker with the bag of {keepers[0]}?"
    text = " ".join(notes)
    prompt = f"Notes:\n\n{text}\n\n{asked} {answer_line('the code')}"
    return Item(prompt, answer, "exact", len(text.split()), answer)


def _code(draws: Draws, seen: set[str]) -> str:
    while True:
        code = "".join(draws.pick(_SIGNS) for _ in range(5))
        if code not in seen:
            seen.add(code)
            return code
