"""The bundle's tokenizer: words of ASCII are cut here, all other text by the tokenizers library.

Cutting here gives the library's ids. It spares most processes the library, a third of the memory that a first
decision takes, and it is what the kernel does too, once it is warm.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.jit import kernels

__all__ = ["WORD_KINDS", "Tokens", "Vocabulary"]

# The pre-tokenizer parts words by this pattern. Beyond ASCII it has its own idea of \w.
_WORDS = re.compile(r"\w+|[^\w\s]+", re.ASCII)
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
        # Kept for the library, which reads it when it is first needed: the file may be another one by then.
        self._stored = path.read_bytes()
        tokenizer = json.loads(self._stored)
        model = tokenizer["model"]
        self._numbers: dict[str, int] = model["vocab"]
        self._cuts_words = _cuts_words_alone(tokenizer)
        if self._cuts_words:
            self._unknown, self._longest = self._numbers[model["unk_token"]], int(model["max_input_chars_per_word"])
            self._longest_piece = max(map(len, self._numbers))
        self._library: Any = None
        self._vocabulary: Vocabulary | None = None

    def ids(self, text: str) -> NDArray[np.int64]:
        """Token ids of a lower-cased text."""
        if self._cuts_words and text.isascii():
            return np.array([piece for word in _WORDS.findall(text) for piece in self._cut(word)], np.int64)
        if self._library is None:
            from tokenizers import Tokenizer

            self._library = Tokenizer.from_buffer(self._stored)
        # Not `encode`, which holds the interpreter's lock.
        return np.array(self._library.encode_batch_fast([text], add_special_tokens=False)[0].ids, np.int64)

    def vocabulary(self) -> Vocabulary | None:
        """What the kernel needs to cut ASCII text; None while there is no kernel, or if it would cut otherwise."""
        reading = kernels().reading
        if self._vocabulary is None and reading is not None and self._cuts_words:
            pieces = [piece.encode() for piece in sorted(self._numbers, key=self._numbers.__getitem__)]
            letters = np.frombuffer(b"".join(pieces), np.uint8)
            starts = np.concatenate(([0], np.cumsum([len(piece) for piece in pieces]))).astype(np.int32)
            # At most half of the slots are taken, or searches get long.
            slots = np.zeros(2 << len(pieces).bit_length(), np.int32)
            reading.list_pieces(letters, starts, slots)
            self._vocabulary = Vocabulary(letters, starts, slots, self._unknown, self._longest)
        return self._vocabulary

    def _cut(self, word: str) -> list[int]:
        """The longest pieces there are, from the left; the unknown one if there is none, or the word is too long."""
        if len(word) > self._longest:
            return [self._unknown]
        found: list[int] = []
        start, prefix = 0, ""
        while start < len(word):
            for end in range(min(len(word), start + self._longest_piece), start, -1):
                piece = self._numbers.get(prefix + word[start:end])
                if piece is not None:
                    break
            else:
                return [self._unknown]
            found.append(piece)
            start, prefix = end, "##"
        return found


def _cuts_words_alone(tokenizer: dict[str, Any]) -> bool:
    """Whether the ids of an ASCII text in lower case are those of its words, cut by WordPiece, one after the other."""
    model = tokenizer["model"]
    return (
        model["type"] == "WordPiece"
        and model["continuing_subword_prefix"] == "##"
        and tokenizer["pre_tokenizer"] == {"type": "Whitespace"}
        and tokenizer["normalizer"] is None
        and model["unk_token"] in model["vocab"]
        and sorted(model["vocab"].values()) == list(range(len(model["vocab"])))
        # Special tokens are found before all others; those with capitals are not in such a text.
        and all(token["content"] != token["content"].lower() for token in tokenizer["added_tokens"])
    )
