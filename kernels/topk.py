"""Exact cosine top-k over int8 anchors."""

import numpy as np
from numba import njit

__all__ = ["topk_cosine"]


@njit(cache=True, nogil=True)
def topk_cosine(z, anchors, scales, indices, cosines):
    """Write the indices and cosines of the k anchors most similar to a unit vector, best first.

    z (D,) float32; anchors (N, D) int8; scales (N,) float32; indices (k,) int32 and cosines (k,)
    float32 are overwritten. z is rounded to codes of int8 too. Dot products of codes are exact integers
    below 2**24, so the cosines are the same on every path; equal ones go by lower index. Needs k <= N.
    """
    n_anchors, dim = anchors.shape
    largest = np.float32(0.0)
    for column in range(dim):
        largest = max(largest, abs(z[column]))
    scale = np.float32(max(float(largest), 1e-12) / 127.0)
    query = np.empty(dim, np.int16)
    for column in range(dim):
        query[column] = np.int16(np.rint(z[column] / scale))

    # Whatever beats the k best of the last cut is collected, and cut to k again when the room is full:
    # inserting each into a sorted list would cost k moves.
    k = len(indices)
    room, filled, least = 4 * k, 0, np.float32(-np.inf)
    keys, rows = np.empty(room, np.float32), np.empty(room, np.int32)
    for row in range(n_anchors):
        # A width that the compiler knows saves a third of the time.
        dot = _dot(query, anchors, row, 64) if dim == 64 else _dot(query, anchors, row, dim)
        key = np.float32(dot) * scales[row]
        if key > least:
            keys[filled] = key
            rows[filled] = row
            filled += 1
            if filled == room:
                _keep_best(keys, rows, filled, k)
                filled, least = k, keys[:k].min()
    _keep_best(keys, rows, filled, k)
    for best in range(k):
        key, row, place = keys[best], rows[best], best
        while place > 0 and (cosines[place - 1] < key or (cosines[place - 1] == key and indices[place - 1] > row)):
            cosines[place] = cosines[place - 1]
            indices[place] = indices[place - 1]
            place -= 1
        cosines[place] = key
        indices[place] = row
    for place in range(k):
        cosines[place] *= scale


@njit(cache=True, nogil=True)
def _keep_best(keys, rows, n, k):
    """Move the k best of the first n to the front, in any order (Hoare's selection)."""
    low, high = 0, n - 1
    while low < high:
        middle = (low + high) // 2
        key, row = keys[middle], rows[middle]
        i, j = low, high
        while i <= j:
            while keys[i] > key or (keys[i] == key and rows[i] < row):
                i += 1
            while keys[j] < key or (keys[j] == key and rows[j] > row):
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                rows[i], rows[j] = rows[j], rows[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            high = j
        elif k - 1 >= i:
            low = i
        else:
            return


@njit(cache=True, nogil=True)
def _dot(query, anchors, row, dim):
    dot = np.int32(0)
    for column in range(dim):
        # numba widens int32 arithmetic to int64; cast back, or only half the lanes are used.
        dot = np.int32(dot + np.int32(np.int32(query[column]) * np.int32(anchors[row, column])))
    return dot
