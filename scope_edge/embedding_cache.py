"""Embeddings of texts by a slow teacher, computed once and kept on disk.

They are written in shards as they come: a run that is stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress
from safetensors.numpy import load_file, save_file

from scope_edge.whole_file import whole_file

__all__ = ["Encode", "embed_cached"]

SHARD = 2048

Encode = Callable[[Sequence[str]], NDArray[np.float16]]


def embed_cached(
    texts: Sequence[str],
    cache: Path,
    *,
    teacher: str,
    dim: int,
    load: Callable[[], Encode],
    title: str,
    progress: Progress | None = None,
) -> NDArray[np.float16]:
    """Embed `texts` with a teacher, reading from and adding to the shards under `cache`.

    Parameters
    ----------
    texts : sequence of str
        The texts, in any order; repeats are welcome.
    cache : Path
        A folder of shards, each with the hashes of its texts; a text is embedded once in its life.
    teacher : str
        Names the teacher and its settings; a text has an embedding for each.
    dim : int
        Size of an embedding.
    load : callable
        Returns what embeds a shard; called only if a text is missing.
    title : str
        Of the bar.
    progress : rich Progress, optional
        Shows one bar.

    Returns
    -------
    float16 array of shape (len(texts), dim), unit norm.
    """
    keys = [_key(teacher, text) for text in texts]
    rows = _read_shards(cache)
    # Short texts first: a shard then holds texts of like length, which wastes little padding.
    missing = sorted(
        {k: t for k, t in zip(keys, texts, strict=True) if k not in rows}.items(), key=lambda kt: len(kt[1])
    )
    task = progress.add_task(title, total=len(missing)) if progress else None
    if missing:
        encode = load()
        for start in range(0, len(missing), SHARD):
            shard = missing[start : start + SHARD]
            vectors = encode([text for _, text in shard])
            _write_shard(cache, [key for key, _ in shard], vectors)
            rows.update(zip((key for key, _ in shard), vectors, strict=True))
            if progress and task is not None:
                progress.advance(task, len(shard))
    return np.stack([rows[key] for key in keys]) if keys else np.zeros((0, dim), np.float16)


def _key(teacher: str, text: str) -> bytes:
    return hashlib.blake2b(f"{teacher}\0{text}".encode(), digest_size=16).digest()


def _read_shards(cache: Path) -> dict[bytes, NDArray[np.float16]]:
    rows: dict[bytes, NDArray[np.float16]] = {}
    for path in sorted(cache.glob("*.safetensors")):
        shard = load_file(path)
        rows.update(zip((key.tobytes() for key in shard["keys"]), shard["vectors"], strict=True))
    return rows


def _write_shard(cache: Path, keys: Sequence[bytes], vectors: NDArray[np.float16]) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{hashlib.sha256(b''.join(keys)).hexdigest()[:24]}.safetensors"
    with whole_file(path) as partial:
        save_file({"keys": np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16), "vectors": vectors}, partial)
