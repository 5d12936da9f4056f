"""How names and numbers of things are printed."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["apart", "counted", "listed", "shown"]


def shown(name: str) -> str:
    """A name that can be printed: it may be empty, or hold what moves a cursor."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name) or "(none)"


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names with commas between, as many as can be read."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(shown, names[:most])) + more


def counted(n: int, noun: str) -> str:
    """A number of things: "1 prompt", "1,200 prompts"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def apart(value: float, limit: float, form: str = ".3g", *, may_look_equal: bool = False) -> tuple[str, str]:
    """A value and the limit that it is compared with, in as many digits as show on which side of it the value lies.

    Parameters
    ----------
    form : str
        That of the value where it is enough, with its digits: ".3g" or ".3f". The limit has six, as of :g.
    may_look_equal : bool
        Whether it is enough that neither seems to lie on the wrong side of the other: true of a limit that is kept.

    Examples
    --------
    >>> apart(0.79996, 0.8, ".3f"), apart(0.7, 0.8, ".3f")
    (('0.79996', '0.8'), ('0.700', '0.8'))
    """
    digits, kind = int(form[1:-1]), form[-1]
    for n in range(digits, digits + 17):
        told, bound = f"{value:.{n}{kind}}", f"{limit:.{max(n, 6)}g}"
        seen = _side(float(told), float(bound))
        if seen == _side(value, limit) or (may_look_equal and seen == 0):
            break
    return told, bound


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)
