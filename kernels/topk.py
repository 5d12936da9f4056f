"""Exact cosine top-k over int8 anchors."""

import numpy as np
from numba import njit

__all__ = ["topk_cosine"]


@njit(cache=True, nogil=True)
def topk_cosine(query, anchors, scales, indices, keys):
    """Write the indices and keys of the k most similar anchors, best first.

    query (D,) int16; anchors (N, D) int8; scales (N,) float32; indices (k,) int32 and keys (k,)
    float32 are overwritten. key = (query . anchor) * scale of the anchor. Dot products are exact
    integers below 2**24, so the keys are the same on every path; equal keys go by lower index.
    Needs k <= N.
    """
    n_anchors, dim = anchors.shape
    k = len(indices)
    filled = 0
    for row in range(n_anchors):
        dot = np.int32(0)
        for column in range(dim):
            # numba widens int32 arithmetic to int64; cast back, or only half the lanes are used.
            dot = np.int32(dot + np.int32(np.int32(query[column]) * np.int32(anchors[row, column])))
        key = np.float32(dot) * scales[row]
        if filled == k:
            if key <= keys[k - 1]:
                continue
            place = k - 1
        else:
            place = filled
            filled += 1
        while place > 0 and keys[place - 1] < key:
            keys[place] = keys[place - 1]
            indices[place] = indices[place - 1]
            place -= 1
        keys[place] = key
        indices[place] = row
