"""What the encoder sees of a text: token ids, surface, byte trigrams; in one pass where a kernel can."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.jit import kernels
from scope_edge.surface import BYTE_KINDS, LOGS, SURFACE_DIM, describe
from scope_edge.tokens import WORD_KINDS, Tokens

__all__ = ["Reader", "Seen"]

UNKNOWN_ID = 1
_LOWER_CASE = np.array([*(ord(chr(code).lower()) for code in range(128)), *range(128, 256)], np.uint8)
_SPACES = np.array([code < 128 and chr(code).isspace() for code in range(256)], np.uint8)
_TABLES = np.stack((_LOWER_CASE, WORD_KINDS, BYTE_KINDS, _SPACES))


class Seen(NamedTuple):
    """ids (n,) int64; surface (SURFACE_DIM,) and trigrams (bins,) float32, see `surface.describe`."""

    ids: NDArray[np.int64]
    surface: NDArray[np.float32]
    trigrams: NDArray[np.float32]


class Reader:
    """Reads texts; safe to share by threads."""

    def __init__(self, tokenizer: Path, bins: int) -> None:
        self._tokens, self._bins = Tokens(tokenizer), bins

    def read(self, text: str, n_chars: int) -> Seen:
        """Read the slice that is encoded of a checked prompt of n_chars characters."""
        reading = kernels().reading
        vocabulary = self._tokens.vocabulary()
        if reading is None or vocabulary is None or not text.isascii():
            ids = self._tokens.ids(text.lower())
            surface, trigrams = describe(text, n_chars, self._bins)
        else:
            data = np.frombuffer(text.encode(), np.uint8)
            ids = np.empty(len(data), np.int64)
            surface, trigrams = np.empty(SURFACE_DIM, np.float32), np.empty(self._bins, np.float32)
            ids = ids[: reading.read_ascii(data, _TABLES, LOGS, *vocabulary, ids, surface, trigrams)]
            surface[-1] = math.log1p(n_chars)
        return Seen(ids if len(ids) else np.array([UNKNOWN_ID], np.int64), surface, trigrams)
