"""A prompt's text in one pass: its WordPiece tokens, the kinds of its bytes, its byte trigrams.

The tokens are the tokenizers library's, some twenty times as fast, for text of ASCII alone.
"""

import numpy as np
from numba import njit

__all__ = ["cut_words", "list_pieces", "read_ascii", "spell_bytes"]

_SEED, _PRIME, _LOW = np.uint64(0x811C9DC5), np.uint64(0x01000193), np.uint64(0xFFFFFFFF)  # FNV-1a, 32 bits
_HASH = np.uint64(ord("#"))


@njit(cache=True, nogil=True)
def read_ascii(data, bounds, tables, logs, letters, starts, slots, unknown, longest, ids, n_ids, features, trigrams):
    """Write the token ids of some texts, their features and their trigrams.

    data (n,) uint8, ASCII, the texts one after the other; bounds (texts + 1,) int64, where each begins and the
    last one ends. tables (4, 256) uint8, of each byte: what it is in lower case, its kind for `cut_words`, its
    kind for `spell_bytes`, and whether it is white space. letters to longest: see `cut_words`; logs and
    trigrams (texts, bins): see `spell_bytes`. ids (n,) int64 is overwritten from where each text begins, n_ids
    (texts,) int64 says with how many; features (texts, kinds) float32 with log(1 + count) of each kind of
    bytes, and in place of the last kind but one, of the lines that look like answer options.
    """
    lowered, counts = np.empty_like(data), np.empty(features.shape[1], np.int64)
    for place in range(len(data)):
        lowered[place] = tables[0, data[place]]
    for text in range(len(n_ids)):
        begin, end = bounds[text], bounds[text + 1]
        spell_bytes(data[begin:end], tables[2], logs, counts, trigrams[text])
        counts[-2] = _count_options(data[begin:end], tables[3])
        for kind in range(len(counts)):
            features[text, kind] = np.float32(logs[min(counts[kind], len(logs) - 1)])
        n_ids[text] = cut_words(lowered[begin:end], tables[1], letters, starts, slots, unknown, longest, ids[begin:end])


@njit(cache=True, nogil=True)
def _count_options(data, blanks):
    r"""Count the lines that begin as the pattern [^\S\n]*\(?[A-J][.):] says."""
    count, place = 0, 0
    while place < len(data):
        while place < len(data) and blanks[data[place]] and data[place] != 10:
            place += 1
        if place < len(data) and data[place] == 40:  # (
            place += 1
        if place + 1 < len(data) and 65 <= data[place] <= 74 and (data[place + 1] in (41, 46, 58)):  # ) . :
            count += 1
        while place < len(data) and data[place] != 10:
            place += 1
        place += 1
    return count


@njit(cache=True, nogil=True)
def list_pieces(letters, starts, slots):
    """Fill an open-addressed table of a vocabulary.

    letters (n,) uint8 and starts (V + 1,) int32: piece v is letters[starts[v] : starts[v + 1]], with the
    leading ## of those inside words. slots (2**s,) int32, at first all 0, more than V of them: the number
    of a piece plus 1 stands at its hash, or behind.
    """
    last = np.uint64(len(slots) - 1)
    for piece in range(len(starts) - 1):
        hashed = _SEED
        for place in range(starts[piece], starts[piece + 1]):
            hashed = ((hashed ^ np.uint64(letters[place])) * _PRIME) & _LOW
        slot = hashed & last
        while slots[slot] != 0:
            slot = (slot + np.uint64(1)) & last
        slots[slot] = piece + 1


@njit(cache=True, nogil=True)
def cut_words(data, kinds, letters, starts, slots, unknown, longest, ids):
    """Write the token ids of a text and return their number.

    data (n,) uint8, ASCII; kinds (256,) uint8 of each byte, 0 for blanks: a word ends where the kind changes.
    letters, starts and slots: see `list_pieces`. Each word is cut from the left into the longest pieces
    there are; one without a cut, or of more than `longest` bytes, is the piece `unknown`. ids (n,) int64 is
    overwritten.
    """
    hashes = np.empty(longest, np.uint64)
    inside = (((_SEED ^ _HASH) * _PRIME & _LOW) ^ _HASH) * _PRIME & _LOW
    n, place = 0, 0
    while place < len(data):
        kind, start = kinds[data[place]], place
        while place < len(data) and kinds[data[place]] == kind:
            place += 1
        if kind == 0:
            continue
        first, begin = n, start
        if place - start > longest:
            begin = place
            ids[n] = unknown
            n += 1
        while begin < place:
            hashed = _SEED if begin == start else inside
            for end in range(begin, place):
                hashed = ((hashed ^ np.uint64(data[end])) * _PRIME) & _LOW
                hashes[end - begin] = hashed
            size, piece = place - begin, -1
            while size > 0:
                piece = _find(hashes[size - 1], data, begin, size, begin > start, letters, starts, slots)
                if piece >= 0:
                    break
                size -= 1
            if piece < 0:
                n = first
                piece, size = unknown, place - begin
            ids[n] = piece
            n += 1
            begin += size
    return n


@njit(cache=True, nogil=True)
def _find(hashed, data, begin, size, continued, letters, starts, slots):
    """The number of a piece, or -1: `size` bytes from `begin` on, behind ## if the word is continued."""
    last = np.uint64(len(slots) - 1)
    slot = hashed & last
    skip = 2 if continued else 0
    while slots[slot] != 0:
        piece = slots[slot] - 1
        first = starts[piece]
        if starts[piece + 1] - first == size + skip:
            same = not continued or (letters[first] == _HASH and letters[first + 1] == _HASH)
            for place in range(size):
                if not same:
                    break
                same = letters[first + skip + place] == data[begin + place]
            if same:
                return piece
        slot = (slot + np.uint64(1)) & last
    return -1


@njit(cache=True, nogil=True)
def spell_bytes(data, kinds, logs, counts, trigrams):
    """Count a text's bytes by kind, and write the histogram of its byte trigrams.

    data (n,) uint8; kinds (256,) uint8, the kind of each byte, below len(counts); logs (m,) float64,
    log(1 + count) for each count below m (higher ones count as m - 1); counts (kinds,) int64 and
    trigrams (bins,) float32 are overwritten, the second with the logs of each bin's count, scaled to
    unit norm. The bin of a trigram is a hash: FNV-1's prime mixes its bytes, Knuth's constant spreads
    them into the high bits. The norm is summed over the counts, from low to high, times how many bins have
    them: the bits are the same compiled or not.
    """
    counts[:] = 0
    for place in range(len(data)):
        counts[kinds[data[place]]] += 1
    n = max(len(data) - 2, 0)
    hits, bins, equal = np.zeros(len(trigrams), np.int32), np.empty(n, np.int32), np.zeros(n + 1, np.int32)
    # In 64 bits, cut to 32 after each product: none of them overflows.
    n_bins, low = np.uint64(len(trigrams)), np.uint64(0xFFFFFFFF)
    prime, spread, shift = np.uint64(0x01000193), np.uint64(2654435761), np.uint64(8)
    highest = 0
    for place in range(n):
        mixed = (np.uint64(data[place]) * prime & low) ^ np.uint64(data[place + 1])
        mixed = (mixed * prime & low) ^ np.uint64(data[place + 2])
        bins[place] = ((mixed * spread & low) >> shift) % n_bins
    for place in range(n):
        hit = hits[bins[place]] + 1
        hits[bins[place]] = hit
        equal[hit] += 1
        highest = max(highest, hit)
    # So far `equal` says how many bins have at least so many hits.
    square = 0.0
    for hit in range(1, highest + 1):
        more = equal[hit + 1] if hit < highest else 0
        log = logs[min(hit, len(logs) - 1)]
        square += log * log * float(equal[hit] - more)
    norm = max(np.sqrt(square), 0.1)
    trigrams[:] = 0.0
    for place in range(n):
        trigrams[bins[place]] = np.float32(logs[min(hits[bins[place]], len(logs) - 1)] / norm)
