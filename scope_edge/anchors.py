"""Anchors: the prompts whose outcomes are known, as int8 embeddings with their loadings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.encoder import Encoding, quantise
from scope_edge.errors import BundleError
from scope_edge.index import AnchorIndex
from scope_edge.jit import kernels

__all__ = ["LEARNED", "AnchorSet", "Neighbours"]

BUILT = 0
"""Provenance of an anchor that came with the bundle."""

LEARNED = 1
"""Provenance of an anchor that was recorded: its results are of one model, and speak for all."""


class Neighbours(NamedTuple):
    """The anchors nearest to a prompt, best first: rows (k,) int32 and cosines (k,) float32; (n, k) for a batch."""

    rows: NDArray[np.int32]
    cosines: NDArray[np.float32]


@dataclass(frozen=True)
class AnchorSet:
    """Embeddings (n, dim) int8 with scales (n,) float32, and loadings (n, rank + 1 + length_rank + 1) float16.

    length_noise (n,) float16 is how far models' log(1 + tokens) lay from their predictions, squared, on average;
    NaN where none was counted.

    names are the ids as newline-separated UTF-8 bytes; source and category (n,) are numbers in the two
    vocabularies. They are spelt out when somebody asks. With an index, the look-up asks it for candidates.
    """

    codes: NDArray[np.int8]
    scales: NDArray[np.float32]
    loadings: NDArray[np.float16]
    rank: int
    names: NDArray[np.uint8]
    source: NDArray[np.uint16]
    category: NDArray[np.uint16]
    all_sources: list[str]
    all_categories: list[str]
    provenance: NDArray[np.uint8]
    length_noise: NDArray[np.float16]
    index: AnchorIndex | None = None

    def __post_init__(self) -> None:
        # The compiled look-up knows arrays that are mapped from a file, and so read-only, as another type.
        for array in (self.codes, self.scales):
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def ids(self) -> list[str]:
        """The id of every anchor."""
        return bytes(self.names).decode().split("\n")

    @cached_property
    def sources(self) -> list[str]:
        """The source of every anchor."""
        return [self.all_sources[index] for index in self.source.tolist()]

    @cached_property
    def categories(self) -> list[str]:
        """The category of every anchor."""
        return [self.all_categories[index] for index in self.category.tolist()]

    @property
    def a(self) -> NDArray[np.float16]:
        """Loadings (n, rank) of correctness, b (n,) beside them; see `Encoding`."""
        return self.loadings[:, : self.rank]

    @property
    def b(self) -> NDArray[np.float16]:
        """Difficulties (n,)."""
        return self.loadings[:, self.rank]

    @property
    def c(self) -> NDArray[np.float16]:
        """Loadings (n, length_rank) of length, d (n,) beside them."""
        return self.loadings[:, self.rank + 1 : -1]

    @property
    def d(self) -> NDArray[np.float16]:
        """Lengths that the prompts ask for (n,)."""
        return self.loadings[:, -1]

    @classmethod
    def of(
        cls,
        codes: NDArray[np.int8],
        scales: NDArray[np.float32],
        loadings: NDArray[np.float16],
        rank: int,
        ids: Sequence[str],
        sources: Sequence[str],
        categories: Sequence[str],
    ) -> AnchorSet:
        """Anchors from their parts, one entry each; ids hold no line breaks."""
        all_sources, all_categories = sorted(set(sources)), sorted(set(categories))
        return cls(
            codes=codes,
            scales=scales,
            loadings=loadings,
            rank=rank,
            names=np.frombuffer("\n".join(ids).encode(), np.uint8),
            source=np.searchsorted(all_sources, list(sources)).astype(np.uint16),
            category=np.searchsorted(all_categories, list(categories)).astype(np.uint16),
            all_sources=all_sources,
            all_categories=all_categories,
            provenance=np.full(len(codes), BUILT, np.uint8),
            length_noise=_unknown(len(codes)),
        )

    @classmethod
    def from_encodings(
        cls, encodings: Sequence[Encoding], ids: Sequence[str], sources: Sequence[str], categories: Sequence[str]
    ) -> AnchorSet:
        """Quantise encoded prompts into anchors; duplicates are the caller's affair."""
        quantised = [quantise(encoding.z) for encoding in encodings]
        return cls.of(
            np.stack([codes for codes, _ in quantised]),
            np.array([scale for _, scale in quantised], np.float32),
            np.stack([encoding.loadings for encoding in encodings]).astype(np.float16),
            encodings[0].rank,
            ids,
            sources,
            categories,
        )

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, NDArray[Any]], labels: Mapping[str, Any], index_file: Path | None = None
    ) -> AnchorSet:
        """Read back what `tensors` and `labels` gave, with the index that was stored beside them."""
        try:
            anchors = cls(
                codes=tensors["codes"],
                scales=tensors["scales"],
                loadings=tensors["loadings"],
                rank=int(tensors["rank"].item()),
                names=tensors["ids"],
                source=tensors["source"],
                category=tensors["category"],
                all_sources=labels["sources"],
                all_categories=labels["categories"],
                provenance=tensors["provenance"],
                length_noise=tensors.get("length_noise", _unknown(len(tensors["codes"]))),
                index=None if index_file is None else AnchorIndex.view(index_file, *tensors["codes"].shape),
            )
            n_ids = bytes(anchors.names).decode().count("\n") + 1
            if n_ids != len(anchors):
                raise IndexError(f"{n_ids} ids for {len(anchors)} anchors")
            for numbers, words in ((anchors.source, anchors.all_sources), (anchors.category, anchors.all_categories)):
                if len(numbers) != len(anchors) or numbers.max(initial=0) >= len(words):
                    raise IndexError("a source or category without a name")
        except (KeyError, IndexError, UnicodeDecodeError) as error:
            raise BundleError("anchors.safetensors is incomplete", got=f"{type(error).__name__}: {error}") from error
        return anchors

    def only(self, rows: NDArray[np.intp]) -> AnchorSet:
        """Some of the anchors, ascending, without an index."""
        ids = [self.ids[row] for row in rows.tolist()]
        return replace(
            self,
            codes=self.codes[rows],
            scales=self.scales[rows],
            loadings=self.loadings[rows],
            names=np.frombuffer("\n".join(ids).encode(), np.uint8),
            source=self.source[rows],
            category=self.category[rows],
            provenance=self.provenance[rows],
            length_noise=self.length_noise[rows],
            index=None,
        )

    def with_learned(
        self,
        ids: Sequence[str],
        codes: NDArray[np.int8],
        scales: NDArray[np.float32],
        loadings: NDArray[np.float16],
        length_noise: NDArray[np.float16],
    ) -> AnchorSet:
        """These anchors and some that were learned later; a graph over them would have to be built anew."""
        sources, categories = (
            [*words, word] for words, word in ((self.all_sources, "learned"), (self.all_categories, ""))
        )
        return AnchorSet(
            codes=np.concatenate((self.codes, codes)),
            scales=np.concatenate((self.scales, scales)),
            loadings=np.concatenate((self.loadings, loadings)),
            rank=self.rank,
            names=np.frombuffer("\n".join([bytes(self.names).decode(), *ids]).encode(), np.uint8),
            source=np.append(self.source, np.full(len(ids), len(sources) - 1, np.uint16)),
            category=np.append(self.category, np.full(len(ids), len(categories) - 1, np.uint16)),
            all_sources=sources,
            all_categories=categories,
            provenance=np.append(self.provenance, np.full(len(ids), LEARNED, np.uint8)),
            length_noise=np.append(self.length_noise, length_noise),
        )

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Arrays to store."""
        return {
            "codes": self.codes,
            "scales": self.scales,
            "loadings": self.loadings,
            "rank": np.array([self.rank], np.int32),
            "ids": self.names,
            "source": self.source,
            "category": self.category,
            "provenance": self.provenance,
            "length_noise": self.length_noise,
        }

    def labels(self) -> dict[str, list[str]]:
        """The vocabularies behind the stored source and category numbers."""
        return {"sources": self.all_sources, "categories": self.all_categories}

    def find(self, anchor_id: str) -> int | None:
        """Row of an anchor by its id, or None."""
        return self._row_of.get(anchor_id)

    def nearest(self, z: NDArray[np.float32], k: int) -> Neighbours:
        """The k anchors with the highest cosine to each unit vector; ties go to the lower row.

        z: float32 of shape (n, dim), or (dim,) for one. k is cut to the number of anchors. With an index some of
        them may be missed.
        """
        if z.ndim == 1:
            rows, cosines = self.nearest(z[None], k)
            return Neighbours(rows[0], cosines[0])
        k = min(k, len(self))
        rows, cosines = np.empty((len(z), k), np.int32), np.empty((len(z), k), np.float32)
        if self.index is None:
            kernels().topk_cosine(z, self.codes, self.scales, rows, cosines)
        else:
            for one in range(len(z)):
                candidates = self.index.candidates(quantise(z[one])[0], k)
                codes, scales = self.codes[candidates], self.scales[candidates]
                codes.flags.writeable = scales.flags.writeable = False
                kernels().topk_cosine(z[one : one + 1], codes, scales, rows[one : one + 1], cosines[one : one + 1])
                rows[one] = candidates[rows[one]]
        return Neighbours(rows, cosines)

    def z(self, rows: Sequence[int] | NDArray[np.intp]) -> NDArray[np.float32]:
        """Embeddings of some anchors, float32 (len(rows), dim), as far as int8 kept them."""
        return self.codes[rows] * self.scales[rows][:, None]

    def cosine(self, z: NDArray[np.float32], row: int) -> float:
        """Cosine of a unit vector to one anchor; finer than `nearest`, which rounds both sides."""
        codes = self.codes[row].astype(np.float64)
        return float(codes @ z.astype(np.float64) / np.linalg.norm(codes))

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {anchor_id: row for row, anchor_id in enumerate(self.ids)}


def _unknown(n: int) -> NDArray[np.float16]:
    return np.full(n, np.nan, np.float16)
