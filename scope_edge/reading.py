"""What the encoder sees of a text: token ids, surface, byte trigrams; in one pass where a kernel can."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.jit import kernels
from scope_edge.surface import BYTE_KINDS, LOGS, SURFACE_DIM, describe
from scope_edge.tokens import WORD_KINDS, Tokens

__all__ = ["Reader", "Seen"]

_NO_WORDS = np.array([1])  # the unknown token
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

    def read(self, texts: Sequence[str], n_chars: Sequence[int]) -> list[Seen]:
        """Read the slices that are encoded of checked prompts of n_chars characters each."""
        reading = kernels().reading
        vocabulary = self._tokens.vocabulary()
        if reading is None or vocabulary is None:
            return [self._read_alone(text, n) for text, n in zip(texts, n_chars, strict=True)]
        whole = "".join(texts)
        if not whole.isascii():
            # Each by itself, so that those of ASCII alone still go through the kernel.
            if len(texts) > 1:
                return [self.read([text], [n])[0] for text, n in zip(texts, n_chars, strict=True)]
            return [self._read_alone(whole, n_chars[0])]
        data, bounds = np.frombuffer(whole.encode(), np.uint8), np.array([0, *accumulate(map(len, texts))])
        ids, n_ids = np.empty(len(data), np.int64), np.empty(len(texts), np.int64)
        surface = np.empty((len(texts), SURFACE_DIM), np.float32)
        trigrams = np.empty((len(texts), self._bins), np.float32)
        reading.read_ascii(data, bounds, _TABLES, LOGS, *vocabulary, ids, n_ids, surface, trigrams)
        surface[:, -1] = [math.log1p(n) for n in n_chars]
        return [
            Seen(ids[begin : begin + n] if n else _NO_WORDS, surface[row], trigrams[row])
            for row, (begin, n) in enumerate(zip(bounds.tolist(), n_ids.tolist(), strict=False))
        ]

    def _read_alone(self, text: str, n_chars: int) -> Seen:
        ids = self._tokens.ids(text.lower())
        return Seen(ids if len(ids) else _NO_WORDS, *describe(text, n_chars, self._bins))
