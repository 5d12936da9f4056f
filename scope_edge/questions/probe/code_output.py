"""What a small Python program prints. Size: statements that run, in a range of its own for each level.

Programs are trees of a few kinds of statements over whole numbers; a small interpreter here runs them, so nothing is
executed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from scope_edge.questions.probe.draws import Draws
from scope_edge.questions.probe.item import Item

__all__ = ["make"]

_STEPS = ((4, 6), (8, 14), (16, 28), (30, 55), (60, 110))
_LARGEST = 10**6


@dataclass(frozen=True)
class Binary:
    """An operation on two numbers: + - * // % < > ==."""

    sign: str
    left: Expression
    right: Expression


Expression: TypeAlias = "int | str | Binary"
"""A number, a name, or an operation."""


@dataclass(frozen=True)
class Assign:
    name: str
    value: Expression
    sign: str = "="


@dataclass(frozen=True)
class Loop:
    name: str
    over: str | tuple[int, int]
    body: Sequence[Statement]


@dataclass(frozen=True)
class Branch:
    condition: Binary
    then: Sequence[Statement]
    otherwise: Sequence[Statement]


@dataclass(frozen=True)
class Append:
    name: str
    value: Expression


@dataclass(frozen=True)
class Empty:
    """A new list."""

    name: str


@dataclass(frozen=True)
class Print:
    names: Sequence[str]


Statement: TypeAlias = "Assign | Loop | Branch | Append | Empty | Print"


def make(draws: Draws, level: int) -> Item:
    """A program that runs as many statements as the level's range says."""
    least, most = _STEPS[level - 1]
    while True:
        program = (_straight, _loop, _branches, _nested, _lists)[level - 1](draws)
        run = _Run()
        run.all(program)
        numbers = [*run.numbers.values(), *(number for each in run.lists.values() for number in each)]
        if least <= run.steps <= most and max(map(abs, numbers)) < _LARGEST and run.numbers["s"] != 0:
            break
    printed = "\n".join(run.printed)
    code = "\n".join(_lines(program))
    prompt = (
        f"What does this Python program print?\n\n```python\n{code}\n```\n\nThink as long as you need. End with what "
        "it prints, all of its lines and nothing else, between two lines of ```."
    )
    return Item(prompt, printed, "code_output", run.steps, f"```\n{printed}\n```")


# --- programs by level ---


def _start(draws: Draws) -> list[Statement]:
    return [Assign("a", draws.between(3, 20)), Assign("s", draws.between(2, 30))]


def _change(draws: Draws, *names: str) -> Assign:
    """Something happens to s."""
    part = draws.pick(names)
    sum_, product = Binary(draws.pick("+-"), part, draws.between(2, 9)), Binary("*", part, draws.between(2, 4))
    values: tuple[Expression, ...] = (part, sum_, product)
    return Assign("s", draws.pick(values), draws.pick(("+=", "-=")))


def _shrink(draws: Draws) -> Assign:
    return Assign("s", Binary(draws.pick(("//", "%")), "s", draws.between(3, 11)))


def _straight(draws: Draws) -> list[Statement]:
    first = Assign("b", Binary(draws.pick("+-*"), "a", "s"))
    program = [*_start(draws), first, _change(draws, "a", "b"), *([_shrink(draws)] if draws.below(2) else ())]
    return [*program, Print(draws.pick((["s"], ["b", "s"])))]


def _loop(draws: Draws) -> list[Statement]:
    body = [_change(draws, "i", "a"), *([Assign("a", draws.between(1, 4), "+=")] if draws.below(2) else ())]
    begin = draws.between(0, 4)
    return [*_start(draws), Loop("i", (begin, begin + draws.between(3, 5)), body), Print(["a", "s"])]


def _test(draws: Draws, name: str) -> Binary:
    divisor = draws.between(2, 4)
    remainder = Binary("==", Binary("%", name, divisor), draws.below(divisor))
    return draws.pick((remainder, Binary(draws.pick("<>"), "s", draws.between(5, 40))))


def _branch(draws: Draws, name: str) -> Branch:
    otherwise = _shrink(draws) if draws.below(2) else _change(draws, "a")
    return Branch(_test(draws, name), [_change(draws, name, "a")], [otherwise])


def _branches(draws: Draws) -> list[Statement]:
    begin = draws.between(0, 4)
    body: list[Statement] = [_branch(draws, "i"), Assign("a", draws.between(1, 5), draws.pick(("+=", "-=")))]
    return [*_start(draws), Loop("i", (begin, begin + draws.between(4, 8)), body), Print(["a", "s"])]


def _nested(draws: Draws) -> list[Statement]:
    inner: list[Statement] = [_branch(draws, draws.pick("ij"))]
    outer: list[Statement] = [Loop("j", (0, draws.between(2, 4)), inner), Assign("a", "i", draws.pick(("+=", "-=")))]
    return [*_start(draws), Loop("i", (1, draws.between(4, 6)), outer), Print(["a", "s"])]


def _lists(draws: Draws) -> list[Statement]:
    first: list[Statement] = [_branch(draws, "i"), Append("found", Binary("%", "s", draws.between(7, 19)))]
    second: list[Statement] = [
        Branch(_test(draws, "x"), [Assign("a", "x", "+=")], [Assign("a", draws.between(1, 3), "-=")]),
        Assign("s", Binary(draws.pick("+-"), "x", "a"), "+="),
    ]
    begin = draws.between(0, 3)
    loops = [Loop("i", (begin, begin + draws.between(7, 11)), first), Loop("x", "found", second)]
    return [*_start(draws), Empty("found"), *loops, Print(["found"]), Print(["a", "s"])]


# --- as text, and run ---


def _lines(program: Sequence[Statement], indent: str = "") -> Iterator[str]:
    for statement in program:
        match statement:
            case Assign(name, value, sign):
                yield f"{indent}{name} {sign} {_text(value)}"
            case Loop(name, over, body):
                yield f"{indent}for {name} in {over if isinstance(over, str) else f'range({over[0]}, {over[1]})'}:"
                yield from _lines(body, indent + "    ")
            case Branch(condition, then, otherwise):
                yield f"{indent}if {_text(condition)}:"
                yield from _lines(then, indent + "    ")
                yield f"{indent}else:"
                yield from _lines(otherwise, indent + "    ")
            case Append(name, value):
                yield f"{indent}{name}.append({_text(value)})"
            case Empty(name):
                yield f"{indent}{name} = []"
            case Print(names):
                yield f"{indent}print({', '.join(names)})"


def _text(value: Expression) -> str:
    if not isinstance(value, Binary):
        return str(value)
    return f"{_text(value.left)} {value.sign} {_text(value.right)}"


class _Run:
    """The state of a program: its numbers and lists by name, what it printed, and how many statements ran."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.lists: dict[str, list[int]] = {}
        self.printed: list[str] = []
        self.steps = 0

    def all(self, program: Sequence[Statement]) -> None:
        for statement in program:
            self.steps += 1
            match statement:
                case Assign(name, value, sign):
                    new = self._value(value)
                    old = self.numbers.get(name, 0)
                    self.numbers[name] = {"=": new, "+=": old + new, "-=": old - new}[sign]
                case Loop(name, over, body):
                    for number in list(self.lists[over]) if isinstance(over, str) else range(*over):
                        self.numbers[name] = number
                        self.all(body)
                case Branch(condition, then, otherwise):
                    self.all(then if self._value(condition) else otherwise)
                case Append(name, value):
                    self.lists[name].append(self._value(value))
                case Empty(name):
                    self.lists[name] = []
                case Print(names):
                    self.printed.append(" ".join(str(self.lists.get(name, self.numbers.get(name))) for name in names))

    def _value(self, value: Expression) -> int:
        if isinstance(value, int):
            return value
        if isinstance(value, str):
            return self.numbers[value]
        left, right = self._value(value.left), self._value(value.right)
        match value.sign:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "//":
                return left // right
            case "%":
                return left % right
            case "<":
                return int(left < right)
            case ">":
                return int(left > right)
            case _:
                return int(left == right)
