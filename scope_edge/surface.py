"""The surface of a prompt: how long it is, which kinds of characters it holds, how it is spelt.

A bag of tokens over folded case misses layout, code, formulas and answer options, and the notation and
habits of a data set's author. One pass over the bytes keeps them: counts of their kinds, and a hashed
histogram of three-byte sequences.
"""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from scope_edge.jit import kernels

__all__ = ["BYTE_KINDS", "LOGS", "SURFACE_DIM", "describe"]

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
_BEYOND, _OPTIONS, _LENGTH = range(len(_CLASSES), len(_CLASSES) + 3)
BYTE_KINDS = np.full(256, _OPTIONS, np.uint8)  # control characters: counted there until the options are
for _kind, _members in enumerate(_CLASSES):
    BYTE_KINDS[list(_members)] = _kind
BYTE_KINDS[128:] = _BEYOND  # of characters outside ASCII

LOGS = np.log1p(np.arange(2**14))  # more bytes than a slice has
# Blanks of one line only: over thousands of empty lines, \s* would take quadratic time.
_OPTION = re.compile(r"^[^\S\n]*\(?[A-J][.):]", re.MULTILINE)

SURFACE_DIM = _LENGTH + 1


def describe(text: str, n_chars: int, bins: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Describe the encoded slice of a prompt.

    Parameters
    ----------
    text : str
        The slice that is encoded; must be encodable as UTF-8.
    n_chars : int
        Length of the whole prompt in characters, of which `text` may be a part.
    bins : int
        How many bins the byte trigrams are hashed into, at least 1.

    Returns
    -------
    features : float32 array of shape (SURFACE_DIM,)
        log(1 + count) of each kind of bytes and of lines that look like answer options, and
        log(1 + n_chars).
    trigrams : float32 array of shape (bins,)
        log(1 + count) of each bin, scaled to unit norm; all zero for a text below three bytes.
    """
    counts, trigrams = np.empty(SURFACE_DIM, np.int64), np.empty(bins, np.float32)
    kernels().spell_bytes(np.frombuffer(text.encode(), np.uint8), BYTE_KINDS, LOGS, counts, trigrams)
    counts[_OPTIONS] = len(_OPTION.findall(text))
    features = LOGS[np.minimum(counts, len(LOGS) - 1)].astype(np.float32)
    features[_LENGTH] = math.log1p(n_chars)
    return features, trigrams
