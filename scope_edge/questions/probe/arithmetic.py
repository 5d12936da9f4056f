"""Sums, products and exact quotients of whole numbers. Size: signs of operation, level + 1."""

from __future__ import annotations

from typing import TypeAlias

from scope_edge.questions.probe.draws import Draws
from scope_edge.questions.probe.item import Item, answer_line

__all__ = ["make"]

Tree: TypeAlias = "int | tuple[str, Tree, Tree]"

_LARGEST = (12, 30, 60, 120, 250)
_RANK = {"+": 1, "-": 1, "*": 2, "/": 2}


def make(draws: Draws, level: int) -> Item:
    """An expression with level + 1 signs."""
    while True:
        tree = _tree(draws, level + 1, _LARGEST[level - 1])
        value = _value(tree)
        if 9 < abs(value) < 10**8:
            break
    text = _text(tree)
    prompt = f"Work out the value of\n\n{text}\n\n* and / go before + and -. {answer_line('the number')}"
    return Item(prompt, str(value), "numeric", level + 1, str(value))


def _tree(draws: Draws, signs: int, largest: int) -> Tree:
    if signs == 0:
        return draws.between(2, largest)
    left_signs = draws.below(signs)
    left, right = _tree(draws, left_signs, largest), _tree(draws, signs - 1 - left_signs, largest)
    sign = draws.pick("+-*/")
    if sign == "/":
        divisors = [n for n in range(2, largest + 1) if _value(left) % n == 0]
        if isinstance(right, int) and divisors:
            return ("/", left, draws.pick(divisors))
        sign = "-"
    return (sign, left, right)


def _value(tree: Tree) -> int:
    if isinstance(tree, int):
        return tree
    sign, left, right = tree[0], _value(tree[1]), _value(tree[2])
    return {"+": left + right, "-": left - right, "*": left * right}[sign] if sign != "/" else left // right


def _text(tree: Tree) -> str:
    if isinstance(tree, int):
        return str(tree)
    sign = tree[0]
    left, right = _text(tree[1]), _text(tree[2])
    if not isinstance(tree[1], int) and _RANK[tree[1][0]] < _RANK[sign]:
        left = f"({left})"
    if not isinstance(tree[2], int) and _RANK[tree[2][0]] < _RANK[sign] + (sign in "-/"):
        right = f"({right})"
    return f"{left} {sign} {right}"
