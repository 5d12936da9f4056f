"""Who lives in which house, with which animal: clues that leave one arrangement. Size: persons and animals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product
from typing import NamedTuple, TypeAlias

from scope_edge.questions.graders.choice import LETTERS
from scope_edge.questions.probe.draws import Draws
from scope_edge.questions.probe.item import Item, answer_line
from scope_edge.questions.probe.words import NAMES

__all__ = ["make"]

_ANIMALS = ("cat", "dog", "goat", "hen", "horse", "parrot", "rabbit", "turtle")
_HOUSES = (3, 4, 3, 4, 5)
_WITH_ANIMALS = (False, False, True, True, True)

World: TypeAlias = tuple[tuple[int, ...], ...]
"""For persons, and for animals: the house, from 0, of each."""


class _Clue(NamedTuple):
    """What is said of one thing, or of two; a thing is the place in a world: kind, number."""

    says: str
    one: tuple[int, int]
    other: tuple[int, int]
    house: int = 0

    def holds(self, world: World) -> bool:
        here, there = world[self.one[0]][self.one[1]], world[self.other[0]][self.other[1]]
        if self.says == "in":
            return here == self.house
        if self.says == "not in":
            return here != self.house
        if self.says == "next":
            return here + 1 == there
        if self.says == "before":
            return here < there
        return (here == there) == (self.says == "same")


def make(draws: Draws, level: int) -> Item:
    """A row of 3 to 5 houses; the clues leave one arrangement, and none can be spared."""
    n, kinds = _HOUSES[level - 1], 1 + _WITH_ANIMALS[level - 1]
    names, animals = sorted(draws.sample(NAMES, n)), sorted(draws.sample(_ANIMALS, n))
    truth: World = tuple(tuple(draws.shuffled(range(n))) for _ in range(kinds))
    asked = draws.below(n)
    person = truth[0].index(asked if kinds == 1 else truth[1][asked])
    clues = _enough(draws, n, truth, [clue for clue in _clues(n, truth) if not _tells(clue, person, asked, kinds)])
    rows = [
        f"{n} houses stand in a row, numbered 1 to {n} from left to right.",
        f"In each lives one of {_list(names)}.",
    ]
    if kinds == 2:
        rows.append(f"Each of them has one animal: {_list(animals)}.")
    options = "\n".join(f"({LETTERS[i]}) {name}" for i, name in enumerate(names))
    question = f"Who lives in house {asked + 1}?" if kinds == 1 else f"Who has the {animals[asked]}?"
    told = "\n".join(f"- {_text(clue, names, animals)}" for clue in clues)
    prompt = f"{' '.join(rows)}\n\n{told}\n\n{question}\n{options}\n\n{answer_line('the letter')}"
    return Item(prompt, LETTERS[person], "choice", n * kinds, LETTERS[person], tuple(names))


def _clues(n: int, truth: World) -> list[_Clue]:
    """All that can be said truly."""
    things = [(kind, number) for kind in range(len(truth)) for number in range(n)]
    found = [_Clue(says, one, one, house) for says in ("in", "not in") for one in things for house in range(n)]
    found += [_Clue(says, one, other) for says in ("next", "before") for one, other in permutations(things, 2)]
    if len(truth) == 2:
        found += [
            _Clue(says, one, other)
            for says in ("same", "not same")
            for one, other in product(things[:n], things[n:])
        ]  # fmt: skip
    return [clue for clue in found if clue.holds(truth)]


def _tells(clue: _Clue, person: int, asked: int, kinds: int) -> bool:
    """Whether it is the answer itself."""
    if kinds == 1:
        return clue.says == "in" and clue.one == (0, person) and clue.house == asked
    return clue.says == "same" and (clue.one, clue.other) == ((0, person), (1, asked))


def _enough(draws: Draws, n: int, truth: World, clues: Sequence[_Clue]) -> list[_Clue]:
    worlds = list(product(*(permutations(range(n)) for _ in truth)))
    chosen: list[_Clue] = []
    left: Sequence[int] = range(len(worlds))
    # Those that name a house say most, and come in only where the others do not suffice.
    for clue in sorted(draws.shuffled(clues), key=lambda clue: clue.says == "in"):
        fewer = [i for i in left if clue.holds(worlds[i])]
        if len(fewer) < len(left):
            chosen.append(clue)
            left = fewer
        if len(left) == 1:
            break
    allowed = {clue: frozenset(i for i, world in enumerate(worlds) if clue.holds(world)) for clue in chosen}
    for clue in list(chosen):
        others = [each for each in chosen if each is not clue]
        if others and len(frozenset.intersection(*(allowed[each] for each in others))) == 1:
            chosen = others
    return draws.shuffled(chosen)


def _text(clue: _Clue, names: Sequence[str], animals: Sequence[str]) -> str:
    def who(thing: tuple[int, int]) -> str:
        return names[thing[1]] if thing[0] == 0 else f"the owner of the {animals[thing[1]]}"

    one, other = who(clue.one), who(clue.other)
    one = one[0].upper() + one[1:]
    return {
        "in": f"{one} lives in house {clue.house + 1}.",
        "not in": f"{one} does not live in house {clue.house + 1}.",
        "next": f"{one} lives in the house directly to the left of {other}.",
        "before": f"{one} lives somewhere to the left of {other}.",
        "same": f"{one} has the {animals[clue.other[1]]}.",
        "not same": f"{one} does not have the {animals[clue.other[1]]}.",
    }[clue.says]


def _list(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
