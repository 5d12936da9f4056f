r"""Values of simple mathematical expressions, in LaTeX or plain, without `eval`.

A parser by recursive descent over numbers, letters, + - * / ^, roots, fractions, pi, e, i and a few functions;
a product may be written without its sign. Rational values are exact as long as they are small; all else is complex.
Length, depth, exponents and digits are limited, so hostile text costs no more than honest text.
"""

from __future__ import annotations

import cmath
import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TypeAlias

__all__ = ["UnreadableError", "Value", "evaluate"]

Value: TypeAlias = Fraction | complex

MAX_CHARS, MAX_TOKENS, MAX_DEPTH, MAX_BITS = 2_000, 600, 40, 8_192

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d{1,3})?)|(?P<command>\\[A-Za-z]+)|(?P<word>[A-Za-zπ∞√]+)|(?P<sign>\*\*|[-+*/^(){}\[\]|!_,]))"
)
_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "ln": cmath.log, "log": cmath.log10, "exp": cmath.exp,
    "arcsin": cmath.asin, "arccos": cmath.acos, "arctan": cmath.atan, "sqrt": cmath.sqrt,
    "abs": lambda x: complex(abs(x)),
}  # fmt: skip
_CONSTANTS = {"pi": complex(math.pi), "π": complex(math.pi), "infty": complex(math.inf), "∞": complex(math.inf)}
_CONSTANTS |= {"inf": complex(math.inf), "infinity": complex(math.inf)}
_TIMES = {"\\times", "\\cdot", "\\ast"}
_ENDS = {")", "]", "}", "|", ",", "+", "-"}


class UnreadableError(ValueError):
    """The text is no expression that can be evaluated within the limits."""


def evaluate(text: str, values: Mapping[str, complex] | None = None) -> Value:
    r"""Evaluate an expression; letters beside e and i take the given values.

    Raises
    ------
    UnreadableError
        It is no such expression, a letter has no value, or a limit is exceeded.

    Examples
    --------
    >>> evaluate(r"\\frac{1}{3} + 2^{-1}")
    Fraction(5, 6)
    """
    parser = _Parser(text, values or {})
    try:
        value = parser.sum(0)
    except (ArithmeticError, ValueError) as error:
        raise UnreadableError(str(error)) from None
    if parser.next is not None:
        raise UnreadableError(f"{parser.next!r} was not expected")
    return value


class _Parser:
    def __init__(self, text: str, values: Mapping[str, complex]) -> None:
        self._tokens, self._at, self._values = _tokens(text, values), 0, values

    @property
    def next(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self) -> str:
        token = self.next
        if token is None:
            raise UnreadableError("the expression ends too early")
        self._at += 1
        return token

    def _skip(self, token: str) -> bool:
        if self.next != token:
            return False
        self._at += 1
        return True

    def _expect(self, token: str) -> None:
        if not self._skip(token):
            raise UnreadableError(f"{token!r} is missing")

    def sum(self, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise UnreadableError("nested too deeply")
        value = self._product(depth)
        while self.next in {"+", "-"}:
            negative = self._take() == "-"
            other = self._product(depth)
            value = _small(_both(value, -other if negative else other, lambda a, b: a + b))
        return value

    def _product(self, depth: int) -> Value:
        value = self._signed(depth)
        while (token := self.next) is not None and token not in _ENDS:
            if token == "/":
                self._take()
                value = _small(_both(value, self._signed(depth), lambda a, b: a / b))
            else:
                explicit = token == "*" or token in _TIMES
                if explicit:
                    self._take()
                elif _is_number(token) and self._at and _is_number(self._tokens[self._at - 1]):
                    raise UnreadableError("two numbers stand side by side")
                value = _small(_both(value, self._signed(depth), lambda a, b: a * b))
        return value

    def _signed(self, depth: int) -> Value:
        negative = False
        while self.next in {"+", "-"}:
            negative ^= self._take() == "-"
        value = self._power(depth)
        return -value if negative else value

    def _power(self, depth: int) -> Value:
        base = self._atom(depth)
        while self._skip("!"):
            base = _factorial(base)
        if self.next in {"^", "**"}:
            self._take()
            if depth > MAX_DEPTH:
                raise UnreadableError("nested too deeply")
            negative = self._skip("-")
            exponent = self._power(depth + 1)  # binds to the right
            base = _power(base, -exponent if negative else exponent)
        return base

    def _group(self, depth: int, close: str) -> Value:
        value = self.sum(depth + 1)
        self._expect(close)
        return value

    def _argument(self, depth: int) -> Value:
        """What follows a command: a group in braces, or one token; `frac12` takes one digit each."""
        if self._skip("{"):
            return self._group(depth, "}")
        token = self.next
        if token is not None and token.isdigit() and len(token) > 1:
            self._tokens[self._at : self._at + 1] = [token[0], token[1:]]
        return self._atom(depth + 1)

    def _atom(self, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise UnreadableError("nested too deeply")
        token = self._take()
        if _is_number(token):
            return Fraction(token)
        if token in {"(", "[", "{"}:
            return self._group(depth, {"(": ")", "[": "]", "{": "}"}[token])
        if token == "|":
            return _absolute(self._group(depth, "|"))
        name = token.removeprefix("\\")
        if name in {"frac", "dfrac", "tfrac"} and token != name:
            above = self._argument(depth)
            return _small(_both(above, self._argument(depth), lambda a, b: a / b))
        if name in {"sqrt", "√"}:
            return self._root(depth)
        if name in _FUNCTIONS:
            value = self._group(depth, ")") if self._skip("(") else self._power(depth + 1)
            return complex(_FUNCTIONS[name](complex(value)))
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if token in self._values:
            return self._values[token]
        if token in {"e", "i"}:
            return complex(math.e) if token == "e" else 1j
        raise UnreadableError(f"{token!r} is not known")

    def _root(self, depth: int) -> Value:
        degree: Value = Fraction(2)
        if self._skip("["):
            degree = self._group(depth, "]")
        value = self._group(depth, ")") if self._skip("(") else self._argument(depth)
        if isinstance(value, Fraction) and value >= 0 and degree == 2:
            above, under = math.isqrt(value.numerator), math.isqrt(value.denominator)
            if Fraction(above**2, under**2) == value:
                return Fraction(above, under)
        if isinstance(value, Fraction) and value < 0 and isinstance(degree, Fraction) and degree % 2 == 1:
            return -_power(complex(-value), 1 / degree)  # the real root of an odd degree
        return _power(complex(value), _both(Fraction(1), degree, lambda a, b: a / b))


def _tokens(text: str, values: Mapping[str, complex]) -> list[str]:
    if len(text) > MAX_CHARS:
        raise UnreadableError(f"longer than {MAX_CHARS} characters")
    tokens: list[str] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or len(tokens) > MAX_TOKENS:
            raise UnreadableError("an unknown sign, or too many of them")
        at = found.end()
        token = found[0].strip()
        if found["word"]:
            tokens += _letters(token, values)
        elif token not in {"\\left", "\\right", "\\displaystyle"}:
            tokens.append(token)
    return tokens


def _letters(word: str, values: Mapping[str, complex]) -> list[str]:
    """Names of functions and constants, and single letters between them: `xsqrt` is x times sqrt."""
    tokens: list[str] = []
    while word:
        names = (name for name in (*_FUNCTIONS, *_CONSTANTS, "√") if word.startswith(name))
        name = max(names, key=len, default=word[0])
        if len(name) == 1 and name not in {*values, *_CONSTANTS, "e", "i", "√"}:
            raise UnreadableError(f"{word!r} is not known")
        tokens.append(name)
        word = word[len(name) :]
    return tokens


def _is_number(token: str) -> bool:
    return token[0].isdigit() or token[0] == "."


def _both(a: Value, b: Value, operation: Callable[[Value, Value], Value]) -> Value:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return operation(a, b)
    return operation(complex(a), complex(b))


def _small(value: Value) -> Value:
    if isinstance(value, Fraction) and max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise UnreadableError("too many digits")
    return value


def _power(base: Value, exponent: Value) -> Value:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if bits * abs(exponent) > MAX_BITS:
            raise UnreadableError("too many digits")
        return base ** int(exponent)
    return complex(complex(base) ** complex(exponent))


def _absolute(value: Value) -> Value:
    return abs(value) if isinstance(value, Fraction) else complex(abs(value))


def _factorial(value: Value) -> Value:
    if not isinstance(value, Fraction) or value.denominator != 1 or not 0 <= value <= 200:
        raise UnreadableError("a factorial of that is not taken")
    return Fraction(math.factorial(int(value)))
