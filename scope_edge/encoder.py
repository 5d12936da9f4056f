"""The student encoder at run time: text to an embedding and loadings, on one CPU thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.errors import BundleError, PromptError
from scope_edge.ranges import number_within
from scope_edge.reading import Reader
from scope_edge.runtime import open_session

__all__ = ["Encoder", "Encoding", "check_prompt", "quantise", "slice_text"]

_OUTPUTS = ["z", "loadings"]
_TOGETHER = 64  # prompts that are read at a time


class Encoding(NamedTuple):
    """What the encoder says of one prompt.

    z (dim,) float32, unit norm; loadings (rank + 1 + length_rank + 1,) float32: a, b, c, d of the response
    models, logit P = a . theta - b and log(1 + tokens) = c . psi + d; n_tokens: the prompt's length in a
    typical model's tokens, extrapolated from the slice.
    """

    z: NDArray[np.float32]
    loadings: NDArray[np.float32]
    rank: int
    n_tokens: float

    @property
    def a(self) -> NDArray[np.float32]:
        """Which abilities the prompt asks for; the first is 1, the general one."""
        return self.loadings[: self.rank]

    @property
    def b(self) -> np.float32:
        """How hard the prompt is."""
        difficulty: np.float32 = self.loadings[self.rank]
        return difficulty

    def with_difficulty(self, b: float) -> Encoding:
        """The same prompt, as hard as this."""
        loadings = self.loadings.copy()
        loadings[self.rank] = b
        return self._replace(loadings=loadings)

    @property
    def c(self) -> NDArray[np.float32]:
        """Which habits of length the prompt calls up; the first is 1."""
        return self.loadings[self.rank + 1 : -1]

    @property
    def d(self) -> np.float32:
        """How long an answer the prompt asks for."""
        length: np.float32 = self.loadings[-1]
        return length


def check_prompt(prompt: Any) -> str:
    """Return the prompt without surrounding white space.

    Raises
    ------
    PromptError
        Not a str, blank, or holding lone surrogates.
    """
    if not isinstance(prompt, str):
        raise PromptError("The prompt is not text", expected="a str", got=type(prompt).__name__)
    stripped = prompt.strip()
    if not stripped:
        raise PromptError(
            "The prompt is empty",
            expected="some text",
            got="white space" if prompt else "''",
            remedy="Nothing to route.",
        )
    if not stripped.isascii():
        try:
            stripped.encode()
        except UnicodeEncodeError as error:
            raise PromptError(
                "The prompt is not valid Unicode",
                expected="text that can be encoded as UTF-8",
                got=f"a lone surrogate at character {error.start}",
                remedy="Decode the input with errors='replace' first; on the command line, give it in UTF-8.",
            ) from None
    return stripped


def quantise(z: NDArray[np.float32]) -> tuple[NDArray[np.int8], np.float32]:
    """Round a vector to int8: z is about codes * scale, codes in [-127, 127]."""
    scale = np.float32(max(float(np.abs(z).max()), 1e-12) / 127.0)
    return np.rint(z / scale).astype(np.int8), scale


def slice_text(text: str, head: int, tail: int) -> str:
    """The part of a long text that is encoded: its first `head` and last `tail` characters.

    Tokenizing costs time for every character, also for those that truncation would drop.
    """
    return text if len(text) <= head + tail else f"{text[:head]}\n{text[len(text) - tail :]}"


class Encoder:
    """Tokenizer and ONNX session of a bundle.

    Prompts go through the session one at a time: a matrix product over a batch rounds differently
    from one over a row, and a decision must not depend on its neighbours in a batch.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        try:
            self._head = int(number_within(config["head_chars"], 1))
            self._tail = int(number_within(config["tail_chars"], 0))
            self._tokens_per_id = number_within(config["tokens_per_id"], 1e-9)
            self._rank = int(number_within(config["rank"], 1))
            bins = int(number_within(config["trigram_bins"], 1))
            self._session = open_session(folder / "encoder.onnx")
            taken = {put.name: put.shape[-1] for put in self._session.get_inputs()}["trigrams"]
            if taken != bins:
                raise ValueError(f"trigram_bins {bins}, where encoder.onnx takes {taken}")
            self._reader = Reader(folder / "tokenizer.json", bins)
        # Both libraries raise bare Exceptions on malformed files.
        except Exception as error:
            raise BundleError(f"Cannot load the encoder in {folder}", got=str(error).splitlines()[0]) from error

    def tokenize(self, text: str) -> NDArray[np.int64]:
        """Token ids of the slice of a checked prompt that is encoded, shape (n_tokens,)."""
        return self._reader.read([slice_text(text, self._head, self._tail)], [len(text)])[0].ids

    def encode(self, text: str) -> Encoding:
        """Encode one checked prompt."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[Encoding]:
        """Encode many checked prompts; each result is the same as from `encode`."""
        encodings: list[Encoding] = []
        for start in range(0, len(texts), _TOGETHER):
            whole = texts[start : start + _TOGETHER]
            parts = [slice_text(text, self._head, self._tail) for text in whole]
            for text, part, seen in zip(whole, parts, self._reader.read(parts, list(map(len, whole))), strict=True):
                feeds = {"input_ids": seen.ids, "surface": seen.surface[None], "trigrams": seen.trigrams[None]}
                z, loadings = self._session.run(_OUTPUTS, feeds)
                n_tokens = len(seen.ids) * (len(text) / len(part)) * self._tokens_per_id
                encodings.append(Encoding(z[0], loadings[0], self._rank, n_tokens))
        return encodings
