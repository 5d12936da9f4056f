"""How names and numbers of things are printed."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["counted", "listed", "shown"]


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
