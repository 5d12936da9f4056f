"""Exact cosine top-k over int8 anchors."""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils, codegen, config
from numba.extending import intrinsic, overload

__all__ = ["topk_cosine"]

_GROUP = 8  # anchors of which only the highest key is kept at first
_TILE = _GROUP * _GROUP  # anchors that are read in one go, before their scales are
_CHUNK = 256 * _TILE  # anchors whose groups are worked out before the bound is raised


@njit(cache=True, nogil=True)
def topk_cosine(z, anchors, scales, indices, cosines):
    """Write the indices and cosines of the k anchors most similar to each of some unit vectors, best first.

    z (n, D) float32; anchors (N, D) int8; scales (N,) float32; indices (n, k) int32 and cosines (n, k)
    float32 are overwritten. z is rounded to codes of int8 too. Dot products of codes are exact integers
    below 2**24, so the cosines are the same on every path; equal ones go by lower index. Needs k <= N.

    A key is a dot product times the anchor's scale. Of each group of anchors only the highest key is kept at first.
    The k-th highest of these bounds the k-th key from below, so that few groups are looked at again.
    """
    n_anchors, dim = anchors.shape
    k = indices.shape[1]
    query, codes = np.empty(dim, np.int16), np.empty(dim, np.int8)
    most = -(-min(_CHUNK, n_anchors) // _GROUP)
    tile, tops = np.empty(_TILE, np.float32), np.empty(most, np.float32)
    room = 2 * k + most
    highest, groups, ranks = np.empty(room, np.float32), np.empty(room, np.int32), np.empty(room * _GROUP, np.int32)
    best, rows = np.empty((k + 1) * _GROUP, np.float32), np.empty((k + 1) * _GROUP, np.int32)
    for one in range(len(z)):
        scale = _encode(z[one], query, codes)
        kept, least = 0, np.float32(-np.inf)
        for start in range(0, n_anchors, _CHUNK):
            stop = min(start + _CHUNK, n_anchors)
            n_groups = -(-(stop - start) // _GROUP)
            _read_tops(query, codes, anchors, scales, start, stop, tile, tops)
            if start == 0 and n_groups >= k:
                least = _highest(tops, ranks, n_groups, k)
            kept = _append_from(tops, n_groups, least, start // _GROUP, highest, groups, kept)
            if kept > 2 * k or (kept > k and stop == n_anchors):
                least = _highest(highest, ranks, kept, k)
                kept = _keep(highest, groups, kept, k, least)
        found = 0
        for group in groups[:kept]:
            first, last = group * _GROUP, min((group + 1) * _GROUP, n_anchors)
            _read_keys(query, anchors, scales, first, last, tile)
            for row in range(first, last):
                best[found] = tile[row - first]
                rows[found] = row
                found += tile[row - first] >= least
        _keep(best, rows, found, k, _highest(best, ranks, found, k))
        _sort(best, rows, scale, indices[one], cosines[one])


@njit(cache=True, nogil=True)
def _encode(z, query, codes):
    """Write a vector's codes in two widths, and return their scale."""
    largest = np.float32(0.0)
    for column in range(len(z)):
        largest = max(largest, abs(z[column]))
    scale = np.float32(max(float(largest), 1e-12) / 127.0)
    for column in range(len(z)):
        query[column] = np.int16(np.rint(z[column] / scale))
        codes[column] = np.int8(query[column])
    return scale


@njit(cache=True, nogil=True)
def _append_from(tops, n, least, first, highest, groups, kept):
    """Append those of the first n tops that are at or above the least, with their groups' numbers, from `first` on."""
    for begin in range(0, n, _TILE):
        part, above = tops[begin : min(begin + _TILE, n)], np.int32(0)
        for place in range(len(part)):
            above = np.int32(above + np.int32(part[place] >= least))
        if above:
            for place in range(len(part)):
                highest[kept] = part[place]
                groups[kept] = first + begin + place
                kept += part[place] >= least
    return kept


@njit(cache=True, nogil=True)
def _sort(keys, rows, scale, indices, cosines):
    """Write the rows and cosines of the first keys, highest first, the lower row first where they are equal."""
    k = len(indices)
    for one in range(k):
        place = np.int32(0)
        for other in range(one):
            place = np.int32(place + np.int32(keys[other] >= keys[one]))
        for other in range(one + 1, k):
            place = np.int32(place + np.int32(keys[other] > keys[one]))
        indices[place] = rows[one]
        cosines[place] = keys[one] * scale


@njit(cache=True, nogil=True)
def _highest(values, ranks, n, k):
    """The k-th highest of the first n values, by halving the range of its bits. ranks (n,) is room to work in."""
    bits = values.view(np.int32)
    low, high = np.int32(2**31 - 1), np.int32(-(2**31))
    for place in range(n):
        # The bits of a float, read as an integer, rise with it; those of a negative one fall.
        rank = bits[place] ^ ((bits[place] >> 31) & np.int32(0x7FFFFFFF))
        ranks[place] = rank
        low, high = min(low, rank), max(high, rank)
    count = n
    while low < high and count != k:
        middle = np.int32(np.int64(low) + (np.int64(high) - np.int64(low) + 1) // 2)
        count = np.int32(0)
        for place in range(n):
            count = np.int32(count + np.int32(ranks[place] >= middle))
        if count >= k:
            low = middle
        else:
            high = np.int32(middle - 1)
    for place in range(n):
        # The lowest of those that are left is the k-th.
        high = min(high, ranks[place]) if ranks[place] >= low else high
    ranks[0] = high ^ ((high >> 31) & np.int32(0x7FFFFFFF))
    return ranks.view(np.float32)[0]


@njit(cache=True, nogil=True)
def _keep(keys, rows, n, k, least):
    """Move the k highest keys to the front, in their order, of which `least` is the lowest. Returns k.

    The rows rise; of equal keys the first stay.
    """
    equal, kept = k, 0
    for place in range(n):
        equal -= keys[place] > least
    for place in range(n):
        key = keys[place]
        stays = (key > least) | ((key == least) & (equal > 0))
        equal -= key == least
        keys[kept] = key
        rows[kept] = rows[place]
        kept += stays
    return kept


@njit(cache=True, nogil=True)
def _read_keys(query, anchors, scales, start, stop, keys):
    """Write the keys of the anchors from start to stop."""
    dim = anchors.shape[1]
    for row in range(start, stop):
        # A width that the compiler knows saves a third of the time.
        dot = _dot(query, anchors, row, 64) if dim == 64 else _dot(query, anchors, row, dim)
        keys[row - start] = np.float32(dot) * scales[row]


@njit(cache=True, nogil=True)
def _dot(query, anchors, row, dim):
    dot = np.int32(0)
    for column in range(dim):
        # numba widens int32 arithmetic to int64; cast back, or only half the lanes are used.
        dot = np.int32(dot + np.int32(np.int32(query[column]) * np.int32(anchors[row, column])))
    return dot


def _read_tops(query, codes, anchors, scales, start, stop, tile, tops):  # noqa: ARG001
    """Write the highest key of each group of the anchors from start to stop. tile (_TILE,) is room to work in."""
    for first in range(start, stop, _TILE):
        last = min(first + _TILE, stop)
        _read_keys(query, anchors, scales, first, last, tile)
        for place in range(0, last - first, _GROUP):
            top = tile[place]
            for other in range(place + 1, min(place + _GROUP, last - first)):
                top = max(top, tile[other])
            tops[(first - start + place) // _GROUP] = top


_read_tops_anywhere = njit(cache=True, nogil=True)(_read_tops)


@overload(_read_tops)
def _compiled_read_tops(query, codes, anchors, scales, start, stop, tile, tops):  # noqa: ARG001
    features = codegen.get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
    has = set(features.split(","))
    if not ("+avxvnni" in has or {"+avx512vnni", "+avx512vl"} <= has):
        return _read_tops

    def read_tops_by_bytes(query, codes, anchors, scales, start, stop, tile, tops):
        dim, surplus = anchors.shape[1], np.int32(0)
        tiled = start + (stop - start) // _TILE * _TILE if dim % 32 == 0 else start
        for column in range(dim):
            surplus = np.int32(surplus + np.int32(128 * np.int32(query[column])))
        for row in range(start, tiled, _TILE):
            for place in range(0, _TILE, _GROUP):
                if dim == 64:
                    _dot_group(codes, anchors, row + place, 64, surplus, tile, place)
                else:
                    _dot_group(codes, anchors, row + place, dim, surplus, tile, place)
            _scale_tile(tile, scales, row, tops, (row - start) // _GROUP)
        _read_tops_anywhere(query, codes, anchors, scales, tiled, stop, tile, tops[(tiled - start) // _GROUP :])

    return read_tops_by_bytes


_BYTE, _WHOLE, _REAL = ir.IntType(8), ir.IntType(32), ir.FloatType()
_BYTES, _WHOLES, _REALS = ir.VectorType(_BYTE, 32), ir.VectorType(_WHOLE, _GROUP), ir.VectorType(_REAL, _GROUP)


@intrinsic
def _dot_group(typing_context, query, anchors, row, dim, surplus, dots, place):  # noqa: ARG001
    """Write the dot products with the anchors row to row + 8 by VPDPBUSD, as float32.

    It multiplies unsigned bytes with signed ones and adds four products, and LLVM does not find it by
    itself. The anchors' bytes become unsigned by adding 128 to each, which adds 128 times the query's sum
    to a dot product: the surplus.
    """

    def generate(context, builder, signature, arguments):
        query, anchors, dots = (_data(context, builder, signature, arguments, index) for index in (0, 1, 5))
        _, _, row, dim, surplus, _, place = arguments
        multiply = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_WHOLES, [_WHOLES] * 3), "llvm.x86.avx512.vpdpbusd.256"
        )
        sums = [cgutils.alloca_once(builder, _WHOLES) for _ in range(_GROUP)]
        for each in sums:
            builder.store(ir.Constant(_WHOLES, [0] * _GROUP), each)
        first = builder.mul(row, dim)
        with cgutils.for_range_slice(builder, dim.type(0), dim, dim.type(32)) as (column, _):
            codes = builder.load(_at(builder, query, column, _WHOLES), align=1)
            offset = builder.add(first, column)
            for each in sums:
                anchor = builder.load(_at(builder, anchors, offset, _BYTES), align=1)
                anchor = builder.xor(anchor, ir.Constant(_BYTES, [-128] * 32))
                added = builder.call(multiply, [builder.load(each), builder.bitcast(anchor, _WHOLES), codes])
                builder.store(added, each)
                offset = builder.add(offset, dim)
        total = _reduce(builder, [builder.load(each) for each in sums], builder.add)
        total = builder.sub(total, _everywhere(builder, surplus, _WHOLES))
        builder.store(builder.sitofp(total, _REALS), _at(builder, dots, place, _REALS)).align = 4
        return context.get_dummy_value()

    return types.void(query, anchors, types.intp, types.intp, types.int32, dots, types.intp), generate


@intrinsic
def _scale_tile(typing_context, dots, scales, row, tops, group):  # noqa: ARG001
    """Multiply a tile's dot products by the scales from row on, and write the highest of each group."""

    def generate(context, builder, signature, arguments):
        dots, scales, tops = (_data(context, builder, signature, arguments, index) for index in (0, 1, 3))
        _, _, row, _, group = arguments

        def higher(left, right):
            return builder.select(builder.fcmp_ordered(">", left, right), left, right)

        keys = []
        for place in range(0, _TILE, _GROUP):
            dot = builder.load(_at(builder, dots, row.type(place), _REALS), align=4)
            scale = builder.load(_at(builder, scales, builder.add(row, row.type(place)), _REALS), align=4)
            keys.append(builder.fmul(dot, scale))
        builder.store(_reduce(builder, keys, higher), _at(builder, tops, group, _REALS)).align = 4
        return context.get_dummy_value()

    return types.void(dots, scales, types.intp, tops, types.intp), generate


def _reduce(builder, vectors, combine):
    """Eight vectors of eight become one, which holds what each comes to: neighbours are combined within halves
    of a register, where that is cheap, and the halves at last.
    """
    evens, odds = [0, 2, 8, 10, 4, 6, 12, 14], [1, 3, 9, 11, 5, 7, 13, 15]
    while len(vectors) > 2:
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [combine(_pick(builder, *pair, evens), _pick(builder, *pair, odds)) for pair in pairs]
    low, high = [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]
    return combine(_pick(builder, *vectors, low), _pick(builder, *vectors, high))


def _data(context, builder, signature, arguments, index):
    return context.make_array(signature.args[index])(context, builder, arguments[index]).data


def _at(builder, pointer, offset, kind):
    return builder.bitcast(builder.gep(pointer, [offset]), kind.as_pointer())


def _pick(builder, left, right, lanes):
    return builder.shuffle_vector(left, right, ir.Constant(_WHOLES, lanes))


def _everywhere(builder, value, kind):
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, _WHOLE(0))
    return _pick(builder, one, one, [0] * _GROUP)
