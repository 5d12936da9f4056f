"""A graph over many anchors (HNSW, by usearch): candidates for the look-up without reading every anchor.

The exact look-up reads all codes, in time that grows with their number. From `INDEX_FROM` anchors on, `build`
stores a graph beside them. It finds candidates, and the exact kernel ranks these, so cosines and the order of
ties are as without a graph; an anchor that the graph misses is missed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.errors import BundleError
from scope_edge.mapping import may_map
from scope_edge.runtime import without_telemetry

__all__ = ["INDEX_FILE", "INDEX_FROM", "AnchorIndex"]

INDEX_FILE = "anchors.usearch"
INDEX_FROM = 500_000
"""From how many anchors on `build` stores a graph; docs/measurements.md says where it overtakes the exact look-up."""

_CONNECTIVITY, _EXPANSION_ADD = 16, 128
_CANDIDATES = 2  # per neighbour that is asked for: usearch rounds cosines otherwise than the exact kernel
_PART = 8192  # anchors that are added at a time


class AnchorIndex:
    """A usearch index over int8 codes; searches may run in many threads."""

    def __init__(self, graph: Any, path: Path | None) -> None:
        self._graph, self._path = graph, path

    @classmethod
    def build(cls, codes: NDArray[np.int8], on_part: Callable[[int], None] = lambda _: None) -> AnchorIndex:
        """Build a graph over codes (n, dim), one anchor after the other: the same codes give the same graph.

        `on_part` is told how many anchors were added since it was last called.
        """
        graph = _empty(codes.shape[1])
        for start in range(0, len(codes), _PART):
            part = codes[start : start + _PART]
            graph.add(np.arange(start, start + len(part)), part, threads=1)
            on_part(len(part))
        return cls(graph, None)

    @classmethod
    def view(cls, path: Path, n_anchors: int, dim: int) -> AnchorIndex:
        """Map a stored graph into memory, or read it.

        Raises
        ------
        BundleError
            The file is not a graph over so many anchors of that width.
        """
        graph = _empty(dim)
        try:
            (graph.view if may_map(path) else graph.load)(str(path))
        # usearch raises bare exceptions on files that it cannot read.
        except Exception as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BundleError(
                f"Cannot read {path}", got=said, remedy="Rebuild the bundle with `scope-edge build`."
            ) from error
        if (len(graph), graph.ndim) != (n_anchors, dim):
            raise BundleError(
                f"{path} belongs to other anchors",
                expected=f"{n_anchors} of {dim} dimensions",
                got=f"{len(graph)} of {graph.ndim}",
                remedy="Rebuild the bundle with `scope-edge build`.",
            )
        return cls(graph, path)

    def save(self, path: Path) -> None:
        """Write the graph to a file."""
        if self._path is None:
            self._graph.save(str(path))
        else:
            shutil.copyfile(self._path, path)

    def candidates(self, codes: NDArray[np.int8], k: int) -> NDArray[np.intp]:
        """Rows that are likely to hold the k anchors nearest to a query's codes (dim,), in rising order."""
        count = min(_CANDIDATES * k, len(self._graph))
        found = self._graph.search(codes, count, threads=1).keys
        return np.sort(found.astype(np.intp))


def _empty(dim: int) -> Any:
    without_telemetry()
    # First: onnxruntime 1.32 crashes when it is imported after usearch 2.26.
    import onnxruntime  # noqa: F401
    from usearch.index import Index

    return Index(
        ndim=dim,
        metric="cos",
        dtype="i8",
        connectivity=_CONNECTIVITY,
        expansion_add=_EXPANSION_ADD,
        enable_key_lookups=False,
    )
