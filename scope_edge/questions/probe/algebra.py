"""Linear equations, a quadratic one, and linear systems. Size: terms of the equations, 3, 4, 5, 6 and 12."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from scope_edge.questions.probe.draws import Draws
from scope_edge.questions.probe.item import Item, answer_line

__all__ = ["make"]


def make(draws: Draws, level: int) -> Item:
    """Equations with one solution, or, at level 3, with two."""
    if level <= 2:
        return _linear(draws, level)
    if level == 3:
        return _quadratic(draws)
    return _system(draws, level - 2)


def _linear(draws: Draws, level: int) -> Item:
    a, b = draws.between(2, 9), _nonzero(draws, 20)
    if level == 1:
        x = Fraction(_nonzero(draws, 12))
        sides = [(a, b), (int(a * x + b),)]
    else:
        while True:
            c, d = _nonzero(draws, 9), _nonzero(draws, 20)
            if c != a and d != b:
                break
        x, sides = Fraction(d - b, a - c), [(a, b), (c, d)]
    left, right = (_sum(side, ("x", "") if len(side) == 2 else ("",)) for side in sides)
    return _item(
        [f"{left} = {right}"], "x", "the value of x, as a whole number or a fraction such as 3/7", str(x), level + 2
    )


def _quadratic(draws: Draws) -> Item:
    while True:
        one, other = _nonzero(draws, 9), _nonzero(draws, 9)
        d, e = _nonzero(draws, 6), _nonzero(draws, 30)
        b, c = d - one - other, e + one * other
        if one < other and b and c:
            break
    equation = f"{_sum((1, b, c), ('x^2', 'x', ''))} = {_sum((d, e), ('x', ''))}"
    return _item([equation], "x", "both values of x, with a comma between them", f"{one}, {other}", 5)


def _system(draws: Draws, unknowns: int) -> Item:
    names = "xyz"[:unknowns]
    values = [_nonzero(draws, 9) for _ in names]
    while True:
        rows = [[_nonzero(draws, 7) for _ in names] for _ in names]
        if _determinant(rows):
            break
    equations = [f"{_sum(row, names)} = {sum(a * x for a, x in zip(row, values, strict=True))}" for row in rows]
    form = f"({', '.join(names)})"
    answer = f"({', '.join(map(str, values))})"
    return _item(equations, form, f"the values in the form {form}", answer, unknowns * (unknowns + 1))


def _item(equations: Sequence[str], asked: str, form: str, answer: str, terms: int) -> Item:
    prompt = f"Solve for {asked}:\n\n" + "\n".join(equations) + f"\n\n{answer_line(form)}"
    return Item(prompt, answer, "math", terms, answer)


def _nonzero(draws: Draws, most: int) -> int:
    return draws.between(1, most) * draws.pick((-1, 1))


def _determinant(rows: Sequence[Sequence[int]]) -> int:
    if len(rows) == 1:
        return rows[0][0]
    return sum(
        (-1) ** i * rows[0][i] * _determinant([[*row[:i], *row[i + 1 :]] for row in rows[1:]]) for i in range(len(rows))
    )


def _sum(factors: Sequence[int], names: Sequence[str]) -> str:
    """3x - y + 5; no factor is 0."""
    text = ""
    for factor, name in zip(factors, names, strict=True):
        size = str(abs(factor)) if abs(factor) != 1 or not name else ""
        sign = (" - " if text else "-") if factor < 0 else (" + " if text else "")
        text += f"{sign}{size}{name}"
    return text
