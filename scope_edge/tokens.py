"""The bundle's tokenizer: the library's, and what a kernel needs to give the same ids sooner."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.jit import kernels

__all__ = ["WORD_KINDS", "Tokens", "Vocabulary"]

# The pre-tokenizer parts words as the pattern \w+|[^\w\s]+ does. Beyond ASCII it has its own idea of \w.
_BLANK, _WORD, _OTHER = range(3)
WORD_KINDS = np.full(256, _OTHER, np.uint8)
WORD_KINDS[[code for code in range(128) if re.match(r"\s", chr(code), re.ASCII)]] = _BLANK
WORD_KINDS[[code for code in range(128) if re.match(r"\w", chr(code), re.ASCII)]] = _WORD


class Vocabulary(NamedTuple):
    """The pieces, as `kernels.text` reads them."""

    letters: NDArray[np.uint8]
    starts: NDArray[np.int32]
    slots: NDArray[np.int32]
    unknown: int
    longest: int


class Tokens:
    """Text to token ids; safe to share by threads."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(path))
        self._plain = _cuts_words_alone(self._tokenizer)
        self._vocabulary: Vocabulary | None = None

    def ids(self, text: str) -> NDArray[np.int64]:
        """Token ids of a lower-cased text."""
        # Not `encode`, which holds the interpreter's lock.
        return np.array(self._tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids, np.int64)

    def vocabulary(self) -> Vocabulary | None:
        """What the kernel needs to cut ASCII text; None while there is no kernel, or if it would cut otherwise."""
        reading = kernels().reading
        if self._vocabulary is None and reading is not None and self._plain:
            model, numbers = self._tokenizer.model, self._tokenizer.get_vocab()
            pieces = [piece.encode() for piece in sorted(numbers, key=numbers.__getitem__)]
            letters = np.frombuffer(b"".join(pieces), np.uint8)
            starts = np.concatenate(([0], np.cumsum([len(piece) for piece in pieces]))).astype(np.int32)
            # At most half of the slots are taken, or searches get long.
            slots = np.zeros(2 << len(pieces).bit_length(), np.int32)
            reading.list_pieces(letters, starts, slots)
            self._vocabulary = Vocabulary(
                letters, starts, slots, numbers[model.unk_token], model.max_input_chars_per_word
            )
        return self._vocabulary


def _cuts_words_alone(tokenizer: Any) -> bool:
    """Whether the ids of a text are those of its words, cut by WordPiece, one after the other."""
    from tokenizers import models, pre_tokenizers

    model, numbers = tokenizer.model, tokenizer.get_vocab()
    return (
        isinstance(model, models.WordPiece)
        and model.continuing_subword_prefix == "##"
        and isinstance(tokenizer.pre_tokenizer, pre_tokenizers.Whitespace)
        and tokenizer.normalizer is None
        and model.unk_token in numbers
        and sorted(numbers.values()) == list(range(len(numbers)))
    )
