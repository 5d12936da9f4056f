"""A table and what stands in it: a cell, a largest one, a count, a sum, a difference. Size: cells of the table."""

from __future__ import annotations

from typing import NamedTuple

from scope_edge.questions.probe.draws import Draws
from scope_edge.questions.probe.item import Item, answer_line
from scope_edge.questions.probe.words import NAMES, THINGS, TOWNS

__all__ = ["make"]

_ROWS = (5, 8, 12, 18, 26)


class _Row(NamedTuple):
    name: str
    town: str
    ware: str
    units: int
    price: int


def make(draws: Draws, level: int) -> Item:
    """A table of 5 to 26 sellers."""
    n = _ROWS[level - 1]
    towns, wares = draws.sample(TOWNS, 3), draws.sample(THINGS, 3)
    units = draws.sample(range(3, 99), n)
    rows = [
        _Row(name, draws.pick(towns), draws.pick(wares), units[i], draws.between(2, 20))
        for i, name in enumerate(draws.sample(NAMES, n))
    ]
    one = draws.pick(rows)
    town, ware = one.town, one.ware
    there = [row for row in rows if row.town == town]
    if level == 1:
        asked, answer = f"How many units does {one.name} have?", str(one.units)
    elif level == 2:
        asked = f"Who has the most units in {town}?"
        answer = max(there, key=lambda row: row.units).name
    elif level == 3:
        bound = sorted(units)[n // 3]
        asked = f"How many sellers in {town} have more than {bound} units?"
        answer = str(sum(row.units > bound for row in there))
    elif level == 4:
        asked = f"How many units of {ware} are there in {town}, all sellers together?"
        answer = str(sum(row.units for row in there if row.ware == ware))
    else:
        asked = f"What are all the {ware} in {town} worth together, units times price?"
        answer = str(sum(row.units * row.price for row in there if row.ware == ware))
    grader = "exact" if level == 2 else "numeric"
    lines = ["| seller | town | ware | units | price |", "|---|---|---|---|---|"]
    lines += [f"| {row.name} | {row.town} | {row.ware} | {row.units} | {row.price} |" for row in rows]
    form = "the name" if level == 2 else "the number"
    prompt = "\n".join(lines) + f"\n\n{asked} {answer_line(form)}"
    return Item(prompt, answer, grader, n * len(_Row._fields), answer)
