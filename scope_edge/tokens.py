"""The bundle's tokenizer, with a memory of words.

Words are cut into pieces one by one, whatever stands around them, so the pieces of a word that was
met before need not be worked out again: most of a prompt is such words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

__all__ = ["Tokens"]

# The pre-tokenizer's own rule. Beyond ASCII the two libraries differ in what a word character is.
_WORDS = re.compile(r"\w+|[^\w\s]+", re.ASCII)
_MEMORY = 2**19
"""Characters of words that are remembered, some ten megabytes; then the memory starts anew."""


class Tokens:
    """Text to token ids; safe to share by threads."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer
        from tokenizers.pre_tokenizers import Whitespace

        self._tokenizer = Tokenizer.from_file(str(path))
        self._by_words = self._tokenizer.normalizer is None and isinstance(self._tokenizer.pre_tokenizer, Whitespace)
        self._known: dict[str, Sequence[int]] = {}
        self._size = 0

    def ids(self, text: str) -> list[int]:
        """Token ids of a lower-cased text."""
        if not (self._by_words and text.isascii()):
            # Not `encode`, which holds the interpreter's lock.
            ids: list[int] = self._tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids
            return ids
        words = _WORDS.findall(text)
        try:
            return list(chain.from_iterable(map(self._known.__getitem__, words)))
        except KeyError:
            return list(chain.from_iterable(map(self._learn(words).__getitem__, words)))

    def _learn(self, words: Sequence[str]) -> dict[str, Sequence[int]]:
        """A memory that holds all of these words.

        Other threads may replace the memory meanwhile, but nothing is ever taken out of one.
        """
        known = self._known
        if self._size > _MEMORY:
            known = self._known = {}
            self._size = 0
        new = [word for word in dict.fromkeys(words) if word not in known]
        encoded = self._tokenizer.encode(new, is_pretokenized=True, add_special_tokens=False)
        pieces: list[list[int]] = [[] for _ in new]
        for token, index in zip(encoded.ids, encoded.word_ids, strict=True):
            pieces[index].append(token)
        known.update(zip(new, pieces, strict=True))
        self._size += sum(map(len, new))
        return known
