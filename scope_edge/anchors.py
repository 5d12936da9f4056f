"""Anchors: the prompts whose outcomes are known, as int8 embeddings with their loadings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.encoder import Encoding, quantise
from scope_edge.errors import BundleError
from scope_edge.jit import kernels

__all__ = ["AnchorSet", "Neighbours"]

BUILT = 0
"""Provenance of an anchor that came with the bundle."""


@dataclass(frozen=True)
class Neighbours:
    """The anchors nearest to a prompt, best first: rows (k,) int32 and cosines (k,) float32."""

    rows: NDArray[np.int32]
    cosines: NDArray[np.float32]


@dataclass(frozen=True)
class AnchorSet:
    """Embeddings (n, dim) int8 with scales (n,) float32, and float32 loadings of every anchor."""

    codes: NDArray[np.int8]
    scales: NDArray[np.float32]
    a: NDArray[np.float32]
    b: NDArray[np.float32]
    c: NDArray[np.float32]
    d: NDArray[np.float32]
    ids: list[str]
    sources: list[str]
    categories: list[str]
    provenance: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def from_encodings(
        cls, encodings: Sequence[Encoding], ids: Sequence[str], sources: Sequence[str], categories: Sequence[str]
    ) -> AnchorSet:
        """Quantise encoded prompts into anchors; duplicates are the caller's affair."""
        quantised = [quantise(encoding.z) for encoding in encodings]
        return cls(
            codes=np.stack([codes for codes, _ in quantised]),
            scales=np.array([scale for _, scale in quantised], np.float32),
            a=np.stack([encoding.a for encoding in encodings]),
            b=np.array([encoding.b for encoding in encodings], np.float32),
            c=np.stack([encoding.c for encoding in encodings]),
            d=np.array([encoding.d for encoding in encodings], np.float32),
            ids=list(ids),
            sources=list(sources),
            categories=list(categories),
            provenance=np.full(len(encodings), BUILT, np.uint8),
        )

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]], labels: Mapping[str, Any]) -> AnchorSet:
        """Read back what `tensors` and `labels` gave."""
        try:
            sources, categories = labels["sources"], labels["categories"]
            ids = bytes(tensors["ids"]).decode().split("\n")
            if len(ids) != len(tensors["codes"]):
                raise IndexError(f"{len(ids)} ids for {len(tensors['codes'])} anchors")
            return cls(
                codes=tensors["codes"],
                scales=tensors["scales"],
                a=tensors["a"].astype(np.float32),
                b=tensors["b"].astype(np.float32),
                c=tensors["c"].astype(np.float32),
                d=tensors["d"].astype(np.float32),
                ids=ids,
                sources=[sources[index] for index in tensors["source"]],
                categories=[categories[index] for index in tensors["category"]],
                provenance=tensors["provenance"],
            )
        except (KeyError, IndexError, UnicodeDecodeError) as error:
            raise BundleError("anchors.safetensors is incomplete", got=f"{type(error).__name__}: {error}") from error

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Arrays to store; loadings in float16, ids as newline-separated UTF-8 bytes."""
        sources, categories = self._vocabularies()
        return {
            "codes": self.codes,
            "scales": self.scales,
            "a": self.a.astype(np.float16),
            "b": self.b.astype(np.float16),
            "c": self.c.astype(np.float16),
            "d": self.d.astype(np.float16),
            "ids": np.frombuffer("\n".join(self.ids).encode(), np.uint8),
            "source": np.array([sources.index(name) for name in self.sources], np.uint16),
            "category": np.array([categories.index(name) for name in self.categories], np.uint16),
            "provenance": self.provenance,
        }

    def labels(self) -> dict[str, list[str]]:
        """The vocabularies behind the stored source and category numbers."""
        sources, categories = self._vocabularies()
        return {"sources": sources, "categories": categories}

    def find(self, anchor_id: str) -> int | None:
        """Row of an anchor by its id, or None."""
        return self._row_of.get(anchor_id)

    def nearest(self, z: NDArray[np.float32], k: int) -> Neighbours:
        """The k anchors with the highest cosine to a unit vector; ties go to the lower row.

        z: float32 of shape (dim,). k is cut to the number of anchors.
        """
        k = min(k, len(self))
        codes, scale = quantise(z)
        rows, keys = np.empty(k, np.int32), np.empty(k, np.float32)
        kernels().topk_cosine(codes.astype(np.int16), self.codes, self.scales, rows, keys)
        return Neighbours(rows, keys * scale)

    def cosine(self, z: NDArray[np.float32], row: int) -> float:
        """Cosine of a unit vector to one anchor; finer than `nearest`, which rounds both sides."""
        codes = self.codes[row].astype(np.float64)
        return float(codes @ z.astype(np.float64) / np.linalg.norm(codes))

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {anchor_id: row for row, anchor_id in enumerate(self.ids)}

    def _vocabularies(self) -> tuple[list[str], list[str]]:
        return sorted(set(self.sources)), sorted(set(self.categories))
