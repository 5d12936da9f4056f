"""The arrays of a bundle: bytes of a file, mapped into memory, so that what nobody reads is never loaded."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from scope_edge.mapping import may_map

__all__ = ["map_tensors", "tensor_bytes"]

_DTYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16,
    "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8, "U16": np.uint16, "U8": np.uint8,
}  # fmt: skip
_CACHE_LINE, _PADDING = 64, "padding"  # in bytes; an array that only fills the file


def map_tensors(file: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read-only arrays over a .safetensors file, and its metadata.

    The library checks the file, but copies every array: only the places of the arrays are read here
    (eight bytes of length, then JSON, then the data).

    Raises
    ------
    OSError, ValueError
        The file cannot be read, or is malformed.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            metadata = dict(opened.metadata() or {})
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
        data = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if may_map(file) else _read(stream))
    for name in ("__metadata__", _PADDING):
        header.pop(name, None)
    tensors = {}
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"{name} has the unknown type {entry['dtype']}")
        dtype = np.dtype(_DTYPES[entry["dtype"]])
        array = np.frombuffer(data.toreadonly(), dtype, (stop - start) // dtype.itemsize, 8 + length + start)
        tensors[name] = np.require(array.reshape(entry["shape"]), requirements="A")
    return tensors, metadata


def _read(stream: BinaryIO) -> mmap.mmap:
    """The file in memory of its own, which begins on a page, as a mapped file does."""
    data = mmap.mmap(-1, stream.seek(0, os.SEEK_END))
    stream.seek(0)
    data[:] = stream.read()
    return data


def tensor_bytes(tensors: Mapping[str, NDArray[Any]], metadata: dict[str, str], *, first: str = "") -> bytes:
    """The bytes of a .safetensors file; a mapped array `first`, of one-byte numbers, begins on a cache line.

    Reading a row of 64 numbers that lies across two lines costs nearly twice as much once the arrays are larger than
    the cache. The library writes wider numbers before narrower ones, and a header may end in spaces.
    """
    from safetensors.numpy import save

    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    if first:
        wider = sum(tensor.nbytes for tensor in tensors.values() if tensor.itemsize > 1)
        tensors[_PADDING] = np.zeros(-wider % _CACHE_LINE // 2, np.uint16)
    data = save(tensors, metadata)
    length = int.from_bytes(data[:8], "little")
    spaces = -(8 + length) % _CACHE_LINE
    return (length + spaces).to_bytes(8, "little") + data[8 : 8 + length] + b" " * spaces + data[8 + length :]
