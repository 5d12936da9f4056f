"""What kinds of bytes and which byte trigrams a text is made of."""

import numpy as np
from numba import njit

__all__ = ["spell_bytes"]


@njit(cache=True, nogil=True)
def spell_bytes(data, kinds, logs, counts, trigrams):
    """Count a text's bytes by kind, and write the histogram of its byte trigrams.

    data (n,) uint8; kinds (256,) uint8, the kind of each byte, below len(counts); logs (m,) float64,
    log(1 + count) for each count below m (higher ones count as m - 1); counts (kinds,) int64 and
    trigrams (bins,) float32 are overwritten, the second with the logs of each bin's count, scaled to
    unit norm. The bin of a trigram is a hash: FNV-1's prime mixes its bytes, Knuth's constant spreads
    them into the high bits. The norm is summed in the order of the bins: the bits are the same
    compiled or not.
    """
    counts[:] = 0
    hits = np.zeros(len(trigrams), np.int32)
    # In 64 bits, cut to 32 after each product: none of them overflows.
    bins, low = np.uint64(len(trigrams)), np.uint64(0xFFFFFFFF)
    prime, spread, shift = np.uint64(0x01000193), np.uint64(2654435761), np.uint64(8)
    for place in range(len(data)):
        counts[kinds[data[place]]] += 1
        if place >= 2:
            mixed = (np.uint64(data[place - 2]) * prime & low) ^ np.uint64(data[place - 1])
            mixed = (mixed * prime & low) ^ np.uint64(data[place])
            hits[((mixed * spread & low) >> shift) % bins] += 1
    square = 0.0
    for column in range(len(hits)):
        log = logs[min(hits[column], len(logs) - 1)]
        square += log * log
    norm = max(np.sqrt(square), 0.1)
    for column in range(len(hits)):
        trigrams[column] = np.float32(logs[min(hits[column], len(logs) - 1)] / norm)
