"""How any name is printed."""

from __future__ import annotations

__all__ = ["shown"]


def shown(name: str) -> str:
    """A name that can be printed: it may be empty, or hold what moves a cursor."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name) or "(none)"
