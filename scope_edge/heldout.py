"""Loadings of an encoder's own training prompts, as they would be had it never seen them.

A student remembers its training prompts: their loadings fit their outcomes better than those of any
new prompt will. Fingerprints fitted on them, and residuals against them, would believe too much. The
out-of-fold predictions of the teacher have no such memory; they are brought into the student's space
and kept beside the encoder for `build`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.encoder import Encoding
from scope_edge.errors import BundleError

__all__ = ["HeldOut", "project"]

RIDGE = 0.3
"""In squared logits: how far a loading may go to follow one model."""


@dataclass(frozen=True)
class HeldOut:
    """a (n, rank), b (n,), c (n, length_rank), d (n,) of n prompts; keys (n, 16) are their hashes."""

    keys: NDArray[np.uint8]
    a: NDArray[np.float32]
    b: NDArray[np.float32]
    c: NDArray[np.float32]
    d: NDArray[np.float32]

    @classmethod
    def of(cls, prompts: Sequence[str], ability: tuple[Any, Any], length: tuple[Any, Any]) -> HeldOut:
        """From checked prompts and two results of `project`."""
        keys = np.frombuffer(b"".join(map(_key, prompts)), np.uint8).reshape(len(prompts), 16)
        return cls(keys, ability[0], ability[1], length[0], -length[1])

    def log_tokens(self, psi: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predicted log(1 + tokens), shape (n, n_models), for latents psi (n_models, length_rank)."""
        predicted: NDArray[np.float32] = self.c @ psi.T + self.d[:, None]
        return predicted

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Arrays to store; loadings in float16, as those of anchors."""
        loadings = {f"heldout.{name}": getattr(self, name).astype(np.float16) for name in "abcd"}
        return {"heldout.keys": self.keys, **loadings}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> HeldOut | None:
        """Read back what `tensors` gave; None if there are none."""
        if "heldout.keys" not in tensors:
            return None
        try:
            return cls(tensors["heldout.keys"], *(tensors[f"heldout.{name}"].astype(np.float32) for name in "abcd"))
        except KeyError as error:
            raise BundleError("fingerprints.safetensors is incomplete", got=f"no {error}") from None

    def replace(self, prompts: Sequence[str], encodings: Sequence[Encoding]) -> list[Encoding]:
        """The encodings with these loadings for the prompts that have some."""
        row_of = {key.tobytes(): row for row, key in enumerate(self.keys)}
        result = []
        for prompt, encoding in zip(prompts, encodings, strict=True):
            row = row_of.get(_key(prompt))
            if row is not None:
                loadings = np.concatenate((self.a[row], [self.b[row]], self.c[row], [self.d[row]]), dtype=np.float32)
                encoding = encoding._replace(loadings=loadings)
            result.append(encoding)
        return result


def project(values: NDArray[Any], latents: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The loadings (a, b) with a . latents - b nearest to `values`, by ridge regression.

    Parameters
    ----------
    values : array of shape (n, n_models)
        Logits, or log tokens.
    latents : array of shape (n_models, rank)
        The first loading is the constant 1.

    Returns
    -------
    a : float32 array of shape (n, rank), a[:, 0] = 1; b : float32 array of shape (n,)
    """
    latents = latents.astype(np.float64)
    inputs = np.column_stack([latents[:, 1:], -np.ones(len(latents))])
    gram = inputs.T @ inputs + RIDGE * np.eye(inputs.shape[1])
    found = np.linalg.solve(gram, inputs.T @ (values.astype(np.float64) - latents[:, 0]).T).T.astype(np.float32)
    return np.column_stack([np.ones(len(found), np.float32), found[:, :-1]]), found[:, -1]


def _key(prompt: str) -> bytes:
    return hashlib.blake2b(prompt.encode(), digest_size=16).digest()
