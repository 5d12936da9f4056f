"""Surface features of a prompt: how long it is and what kinds of characters it is made of.

They tell the student what a bag of tokens does not (layout, code, formulas, answer options) and
cost a few microseconds: one byte histogram, folded into classes.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

__all__ = ["SURFACE_DIM", "surface_features"]

_CLASSES = (
    b"abcdefghijklmnopqrstuvwxyz",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    b"0123456789",
    b" \t",
    b"\n\r",
    b".,;:!",
    b"?",
    b"+-*/=<>^%|&~",
    b"()[]{}",
    b"'\"`",
    b"\\$_#@",
)
_FOLD = np.zeros((256, len(_CLASSES) + 1), np.float64)
for _column, _members in enumerate(_CLASSES):
    _FOLD[list(_members), _column] = 1.0
_FOLD[128:, len(_CLASSES)] = 1.0  # bytes of characters outside ASCII

_OPTION = re.compile(r"^\s*\(?[A-J][.):]", re.MULTILINE)

SURFACE_DIM = len(_CLASSES) + 3


def surface_features(text: str, n_chars: int) -> NDArray[np.float32]:
    """Describe the encoded slice of a prompt.

    Parameters
    ----------
    text : str
        The slice that is encoded; must be encodable as UTF-8.
    n_chars : int
        Length of the whole prompt in characters, of which `text` may be a part.

    Returns
    -------
    float32 array of shape (SURFACE_DIM,)
        log(1 + count) of each class of bytes and of lines that look like answer options, and
        log(1 + n_chars).
    """
    histogram = np.bincount(np.frombuffer(text.encode(), np.uint8), minlength=256)
    # Counts are whole numbers below 2**53: the product is exact, whatever the order of the sum.
    counts = histogram @ _FOLD
    options = len(_OPTION.findall(text))
    return np.log1p(np.concatenate((counts, (options, n_chars)))).astype(np.float32)
