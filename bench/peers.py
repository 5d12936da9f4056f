"""Others that find the nearest anchors: each is prepared once, and then asked about one query at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from turns import Call

from scope_edge.anchors import AnchorSet

__all__ = ["EFFORT", "EXACT", "HNSW", "Field", "field_of"]

EFFORT = {"links": 16, "ef_construction": 100, "ef_search": 96}
"""Of every HNSW graph; ef_search must be at least k."""


class Field(NamedTuple):
    """Anchors and queries (n, dim), as float32 and in int8: what a user of any library would give it."""

    embeddings: NDArray[np.float32]
    codes: NDArray[np.int8]
    queries: NDArray[np.float32]
    query_codes: NDArray[np.int8]
    k: int


Build: TypeAlias = Callable[[Field], Call]
"""Prepares a search; its calls return rows, best first."""


def field_of(anchors: AnchorSet, queries: NDArray[np.float32], k: int) -> Field:
    """The anchors in every form that a peer takes."""
    query_codes = np.rint(queries * (127 / np.abs(queries).max(axis=1, keepdims=True))).astype(np.int8)
    return Field(anchors.codes * anchors.scales[:, None], anchors.codes, queries, query_codes, k)


def numpy(field: Field) -> Call:
    """A product with the whole matrix, the k best by partition, and these in order."""
    n, k = len(field.embeddings), field.k

    def search(call: int) -> Any:
        cosines = field.embeddings @ field.queries[call % len(field.queries)]
        best = np.argpartition(cosines, n - k)[n - k :]
        return best[np.argsort(-cosines[best])]

    return search


def scikit_learn(field: Field) -> Call:
    """By euclidean distance, which ranks unit vectors as the cosine does, and in half the time here."""
    from sklearn.neighbors import NearestNeighbors

    model = NearestNeighbors(n_neighbors=field.k, algorithm="brute", metric="euclidean", n_jobs=1).fit(field.embeddings)
    return lambda call: model.kneighbors(_row(field.queries, call), return_distance=False)[0]


def usearch_exact(field: Field) -> Call:
    """An index over the bytes, searched exactly: its fastest form; `usearch.index.search` takes 3 times as long."""
    from usearch.index import Index

    # Of the graph that comes with an index, an exact search needs nothing.
    index = Index(ndim=field.codes.shape[1], metric="cos", dtype="i8", connectivity=2, expansion_add=1)
    index.add(np.arange(len(field.codes)), field.codes)
    codes, k = field.query_codes, field.k
    return lambda call: index.search(codes[call % len(codes)], k, exact=True, threads=1).keys


def usearch_hnsw(field: Field) -> Call:
    from usearch.index import Index

    index = Index(
        ndim=field.codes.shape[1], metric="cos", dtype="i8", connectivity=EFFORT["links"],
        expansion_add=EFFORT["ef_construction"], expansion_search=EFFORT["ef_search"],
    )  # fmt: skip
    index.add(np.arange(len(field.codes)), field.codes)
    codes, k = field.query_codes, field.k
    return lambda call: index.search(codes[call % len(codes)], k, threads=1).keys


def faiss_flat(field: Field) -> Call:
    import faiss

    index = faiss.IndexFlatIP(field.embeddings.shape[1])
    index.add(field.embeddings)
    return lambda call: index.search(_row(field.queries, call), field.k)[1][0]


def faiss_hnsw(field: Field) -> Call:
    import faiss

    index = faiss.IndexHNSWFlat(field.embeddings.shape[1], EFFORT["links"], faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = EFFORT["ef_construction"], EFFORT["ef_search"]
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    index.add(field.embeddings)
    faiss.omp_set_num_threads(1)
    return lambda call: index.search(_row(field.queries, call), field.k)[1][0]


def hnswlib(field: Field) -> Call:
    from hnswlib import Index

    index = Index("cosine", field.embeddings.shape[1])
    index.init_index(len(field.embeddings), M=EFFORT["links"], ef_construction=EFFORT["ef_construction"])
    index.add_items(field.embeddings)
    index.set_ef(EFFORT["ef_search"])
    index.set_num_threads(1)
    return lambda call: index.knn_query(_row(field.queries, call), field.k)[0][0]


def _row(queries: NDArray[np.float32], call: int) -> NDArray[np.float32]:
    place = call % len(queries)
    return queries[place : place + 1]


EXACT: dict[str, Build] = {
    "numpy": numpy, "usearch exact": usearch_exact, "faiss flat": faiss_flat, "scikit-learn": scikit_learn,
}  # fmt: skip
HNSW: dict[str, Build] = {"usearch HNSW": usearch_hnsw, "faiss HNSW": faiss_hnsw, "hnswlib": hnswlib}
