"""The student encoder at run time: text to an embedding and loadings, on one CPU thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.errors import BundleError, PromptError
from scope_edge.session import open_session
from scope_edge.surface import surface_features
from scope_edge.trigrams import trigram_histogram

__all__ = ["Encoder", "Encoding", "check_prompt", "quantise", "slice_text"]

UNKNOWN_ID = 1


@dataclass(frozen=True)
class Encoding:
    """What the encoder says of one prompt.

    z (dim,) float32, unit norm; a (rank,), b (), c (length_rank,), d (): float32 loadings of the
    response model, logit P = a . theta - b and log(1 + tokens) = c . psi + d; n_tokens: the
    prompt's length in a typical model's tokens, extrapolated from the slice.
    """

    z: NDArray[np.float32]
    a: NDArray[np.float32]
    b: np.float32
    c: NDArray[np.float32]
    d: np.float32
    n_tokens: float


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
                remedy="Decode the input with errors='replace' first.",
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
        from tokenizers import Tokenizer

        try:
            self._head = int(config["head_chars"])
            self._tail = int(config["tail_chars"])
            self._tokens_per_id = float(config["tokens_per_id"])
            self._trigram_bins = int(config.get("trigram_bins", 0))  # bundles before 1.1 have none
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._session = open_session(folder / "encoder.onnx")
        # Both libraries raise bare Exceptions on malformed files.
        except Exception as error:
            raise BundleError(f"Cannot load the encoder in {folder}", got=str(error).splitlines()[0]) from error

    def tokenize(self, text: str) -> NDArray[np.int32]:
        """Token ids of the slice of a checked prompt that is encoded, shape (n_tokens,)."""
        return self._ids(self._tokenizer.encode(self._slice(text).lower(), add_special_tokens=False).ids)

    def encode(self, text: str) -> Encoding:
        """Encode one checked prompt."""
        return self._run(text, self.tokenize(text))

    def encode_batch(self, texts: Sequence[str]) -> list[Encoding]:
        """Encode many checked prompts; each result is the same as from `encode`."""
        lowered = [self._slice(text).lower() for text in texts]
        encoded = self._tokenizer.encode_batch_fast(lowered, add_special_tokens=False)
        return [self._run(text, self._ids(item.ids)) for text, item in zip(texts, encoded, strict=True)]

    def _slice(self, text: str) -> str:
        return slice_text(text, self._head, self._tail)

    def _ids(self, ids: Sequence[int]) -> NDArray[np.int32]:
        return np.array(ids or [UNKNOWN_ID], np.int32)

    def _run(self, text: str, ids: NDArray[np.int32]) -> Encoding:
        part = self._slice(text)
        feeds = {
            "input_ids": ids[None].astype(np.int64),
            "attention_mask": np.ones((1, len(ids)), np.int64),
            "surface": surface_features(part, len(text))[None],
        }
        if self._trigram_bins:
            feeds["trigrams"] = trigram_histogram(part, self._trigram_bins)[None]
        z, a, b, c, d = self._session.run(None, feeds)
        n_tokens = len(ids) * (len(text) / len(part)) * self._tokens_per_id
        return Encoding(z[0], a[0], b[0], c[0], d[0], n_tokens)
