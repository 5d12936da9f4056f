"""The arrays of a bundle, mapped into memory: what nobody reads is never loaded."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["map_tensors"]

_DTYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16,
    "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8, "U16": np.uint16, "U8": np.uint8,
}  # fmt: skip


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
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"{name} has the unknown type {entry['dtype']}")
        dtype = np.dtype(_DTYPES[entry["dtype"]])
        array = np.frombuffer(data, dtype, (stop - start) // dtype.itemsize, 8 + length + start)
        tensors[name] = np.require(array.reshape(entry["shape"]), requirements="A")
    return tensors, metadata
