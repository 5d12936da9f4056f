"""The student: a table of token vectors, pooled, and a small MLP.

Small enough to answer in a fraction of a millisecond, because all of its knowledge of words sits
in one look-up, and that of their spelling in one row of counts. It learns from two teachers at once:
the sentence embedding of all-MiniLM-L6-v2 and the outcome ensembles of `response`, beside the
outcomes themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from torch import nn

from scope_edge.surface import SURFACE_DIM
from scope_edge.train.response import Labels, outcome_loss
from scope_edge.train.tokenizer import PAD_ID

__all__ = ["Lessons", "Student", "StudentShape", "distil"]

LEARNING_RATE = 3e-3
BATCH = 512
TOKEN_DROPOUT = 0.2
"""Share of a prompt's tokens that a training step does not see."""


@dataclass(frozen=True)
class StudentShape:
    """Sizes of the student; `rank` and `length_rank` include the constant first loading."""

    vocab_size: int
    trigram_bins: int
    token_dim: int = 192
    trigram_dim: int = 192
    hidden: int = 384
    embedding_dim: int = 64
    rank: int = 16
    length_rank: int = 6


class Student(nn.Module):
    """Token ids, surface features and trigrams to an embedding z and the loadings a, b, c, d.

    Shapes: ids and mask (batch, tokens); surface (batch, SURFACE_DIM); trigrams (batch,
    trigram_bins); z (batch, embedding_dim) with unit norm; a (batch, rank) with a[:, 0] = 1;
    b (batch,); c (batch, length_rank) with c[:, 0] = 1; d (batch,).
    """

    def __init__(self, shape: StudentShape) -> None:
        super().__init__()
        self.shape = shape
        self.table = nn.Embedding(shape.vocab_size, shape.token_dim, padding_idx=PAD_ID)
        self.weight = nn.Embedding(shape.vocab_size, 1)
        nn.init.normal_(self.table.weight, std=0.1)
        nn.init.zeros_(self.weight.weight)
        pooled = 2 * shape.token_dim
        self.register_buffer("surface_mean", torch.zeros(SURFACE_DIM))
        self.register_buffer("surface_scale", torch.ones(SURFACE_DIM))
        self.register_buffer("trigram_mean", torch.zeros(shape.trigram_bins))
        self.register_buffer("trigram_scale", torch.ones(shape.trigram_bins))
        # Half of the bins are dropped: they could name every training prompt.
        self.unnamed = nn.Dropout(0.5)
        self.spelling = nn.Linear(shape.trigram_bins, shape.trigram_dim)
        self.trunk = nn.Sequential(
            nn.Linear(pooled + SURFACE_DIM + shape.trigram_dim, shape.hidden), nn.GELU(), nn.Dropout(0.2),
            nn.Linear(shape.hidden, shape.hidden), nn.GELU(), nn.Dropout(0.2),
        )  # fmt: skip
        self.embedding = nn.Linear(shape.hidden, shape.embedding_dim)
        self.split = [shape.rank - 1, 1, shape.length_rank - 1, 1]
        self.head = nn.Linear(shape.hidden, sum(self.split))

    surface_mean: torch.Tensor
    surface_scale: torch.Tensor
    trigram_mean: torch.Tensor
    trigram_scale: torch.Tensor

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, surface: torch.Tensor, trigrams: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """See the class."""
        real = mask.unsqueeze(-1).float()
        pooled = _pool(self.table(ids), real * self.weight(ids).exp(), real)
        looks = (surface - self.surface_mean) * self.surface_scale
        spelling = self.spelling(self.unnamed((trigrams - self.trigram_mean) * self.trigram_scale))
        return self.read(torch.cat([pooled, looks, spelling], dim=1))

    def read(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """From what is gathered of a prompt, (batch, features), to the outputs of the class."""
        hidden = self.trunk(inputs)
        z = nn.functional.normalize(self.embedding(hidden), dim=1)
        a, b, c, d = self.head(hidden).split(self.split, dim=1)
        one = torch.ones_like(b)
        return z, torch.cat([one, a], 1), b.squeeze(1), torch.cat([one, c], 1), d.squeeze(1)


def _pool(vectors: torch.Tensor, weight: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    mean = (vectors * weight).sum(1) / weight.sum(1).clamp(min=1e-6)
    top = (vectors - 1e4 * (1 - real)).amax(1).clamp(min=-10)
    return torch.cat([mean, top], dim=1)


@dataclass(frozen=True)
class Lessons:
    """What the student is taught. Rows: first the labelled prompts, then the unlabelled corpus.

    embeddings, foreign (n, 384): of the English and of the multilingual teacher, zeros where a text is not for it.
    weights (n,): how much the outcomes of each text count.
    """

    ids: Sequence[NDArray[np.int32]]
    surface: NDArray[np.float32]
    trigrams: NDArray[np.float16]
    embeddings: NDArray[np.float16]
    foreign: NDArray[np.float16]
    logits: NDArray[np.float16]
    log_tokens: NDArray[np.float16]
    labels: Labels
    weights: NDArray[np.float32]


def distil(
    shape: StudentShape, lessons: Lessons, *, epochs: int, seed: int, teacher_weight: float, label_weight: float,
    progress: Progress,
) -> tuple[Student, NDArray[np.float32], NDArray[np.float32]]:  # fmt: skip
    """Train the student; returns it with the model latents theta and psi.

    Every batch is half labelled prompts and half corpus. The loss is `teacher_weight` times the sum of
    1 - cosine to each teacher's embedding (through a linear map of its own), cross-entropy to the ensembles'
    probabilities and Huber to their log tokens, plus `label_weight` times the outcome loss. What is said of
    outcomes counts as the texts' weights say.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    student = Student(shape)
    n_models = lessons.logits.shape[1]
    theta = nn.Parameter(torch.randn(n_models, shape.rank) * 0.1)
    psi = nn.Parameter(torch.randn(n_models, shape.length_rank) * 0.1)
    teachers = (lessons.embeddings, lessons.foreign)
    to_teachers = [nn.Linear(shape.embedding_dim, part.shape[1], bias=False) for part in teachers]
    with torch.no_grad():
        theta[:, 0] = torch.from_numpy(lessons.logits.astype(np.float32).mean(0))
        psi[:, 0] = torch.from_numpy(lessons.log_tokens.astype(np.float32).mean(0))
        student.surface_mean.copy_(torch.from_numpy(lessons.surface.mean(0)))
        student.surface_scale.copy_(torch.from_numpy(1 / (lessons.surface.std(0) + 0.03)))
        student.trigram_mean.copy_(torch.from_numpy(lessons.trigrams.mean(0, dtype=np.float32)))
        student.trigram_scale.copy_(torch.from_numpy(1 / (lessons.trigrams.std(0, dtype=np.float32) + 1e-3)))
    tables = [student.table.weight, student.weight.weight]
    dense = [*student.trunk.parameters(), *student.spelling.parameters()]
    dense += [*student.embedding.parameters(), *student.head.parameters()]
    dense += [parameter for to_teacher in to_teachers for parameter in to_teacher.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": dense, "weight_decay": 0.02},
            {"params": tables, "weight_decay": 0.0},
            {"params": [theta, psi], "weight_decay": 0.01},
        ],
        lr=LEARNING_RATE,
    )
    n_labelled = len(lessons.labels.scores)
    scores, lengths = lessons.labels.tensors()
    per_epoch = list(_batches(lessons.ids, n_labelled, np.random.default_rng(seed)))
    steps = epochs * len(per_epoch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [LEARNING_RATE] * 3, total_steps=steps, pct_start=0.1)
    task = progress.add_task("student", total=steps)
    for _ in range(epochs):
        for rows in _batches(lessons.ids, n_labelled, rng):
            ids, mask = pad([lessons.ids[row] for row in rows])
            heard = (torch.rand(mask.shape) > TOKEN_DROPOUT).long()
            heard[:, 0] = 1
            labelled = torch.from_numpy(rows[rows < n_labelled])
            n_first = len(labelled)
            trigrams = torch.from_numpy(lessons.trigrams[rows].astype(np.float32))
            z, a, b, c, d = student(ids, mask * heard, torch.from_numpy(lessons.surface[rows]), trigrams)
            logits, log_tokens = a @ theta.T - b[:, None], c @ psi.T + d[:, None]
            taught = torch.from_numpy(lessons.logits[rows].astype(np.float32)).sigmoid()
            sizes = torch.from_numpy(lessons.log_tokens[rows].astype(np.float32))
            weight = torch.from_numpy(lessons.weights[rows])
            right = nn.functional.binary_cross_entropy_with_logits(logits, taught, reduction="none").mean(1)
            size = nn.functional.huber_loss(log_tokens, sizes, reduction="none").mean(1)
            loss = teacher_weight * (weight * (2.0 * right + 0.5 * size)).sum() / weight.sum()
            for part, to_teacher in zip(teachers, to_teachers, strict=True):
                loss = loss + teacher_weight * 2.0 * _apart(to_teacher(z), torch.from_numpy(part[rows]).float())
            if n_first:
                loss = loss + label_weight * outcome_loss(
                    logits[:n_first], log_tokens[:n_first], scores[labelled], lengths[labelled], weight[:n_first]
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            progress.advance(task)
    student.eval()
    return student, theta.detach().numpy().copy(), psi.detach().numpy().copy()


def _apart(vectors: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Sum of 1 - cosine over the rows whose target is not zero, divided by all rows."""
    known = targets.square().sum(1) > 0
    return (known * (1 - nn.functional.cosine_similarity(vectors, targets))).mean()


def pad(rows: Sequence[NDArray[np.int32]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-padded ids and mask, int64 tensors of shape (batch, longest)."""
    width = max(len(row) for row in rows)
    ids = np.full((len(rows), width), PAD_ID, np.int64)
    mask = np.zeros((len(rows), width), np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


def _batches(ids: Sequence[NDArray[np.int32]], n_labelled: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """One epoch: every labelled prompt once, each batch filled up with as many corpus texts.

    Rows of similar length share a batch, which halves the padding; labelled rows come first.
    """
    lengths = np.array([len(row) for row in ids])
    half = BATCH // 2
    labelled = rng.permutation(n_labelled)
    others = n_labelled + rng.permutation(len(ids) - n_labelled)[:n_labelled]
    groups = []
    for chosen in (labelled, others):
        noisy = np.log1p(lengths[chosen]) + rng.normal(0, 0.25, len(chosen))
        chosen = chosen[np.argsort(noisy, kind="stable")]
        groups.append([chosen[start : start + half] for start in range(0, len(chosen), half)])
    first, second = groups
    second += [np.empty(0, np.intp)] * (len(first) - len(second))
    for index in rng.permutation(len(first)):
        yield np.concatenate((first[index], second[index]))
