"""Reading the project's pages of Markdown."""

from __future__ import annotations

import re

__all__ = ["shape"]


def shape(text: str) -> list[str]:
    """The text without its figures, which may differ in the last digit elsewhere, and without the lines of tables."""
    return re.sub(r"[─━┏┓┗┛┃│┡┩┳╇┴└┘]|[-+]?\d[\d.,]*(e-\d+)?", " ", text).split()
