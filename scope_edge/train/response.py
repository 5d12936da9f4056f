"""The teacher of the outcome heads: an ensemble of amortised item-response models.

Each member maps features of a prompt to loadings (a, b) and (c, d), and gives every model latents
(theta, psi), so that

    logit P(correct) = a . theta - b          log(1 + tokens) = c . psi + d

There are two ensembles on two views of a text: what it says (the teacher embedding and TF-IDF
reduced by SVD) and how it is written (the histogram of its byte trigrams), each beside the surface
features. Their mean is better than either. Members are trained on folds of the question stems: what
the student is taught about a labelled prompt comes from members that never saw its stem, so it
carries what generalises and not what was memorised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from torch import nn

from scope_edge.outcomes import question_stem

__all__ = ["Labels", "ResponseModel", "lexical_features", "outcome_loss", "teach"]

Array = NDArray[np.float32]

_USUAL_TOKENS = 200
"""Output tokens of an answer where no table tells: the median of what the shipped bundle expects."""


@dataclass(frozen=True)
class Labels:
    """Outcomes of the labelled prompts, shape (n_labelled, n_models), NaN where missing.

    sources (n_labelled,): where each prompt comes from. covariates (n_models, r): what is known of the models beside
    outcomes, such as their published scores.
    """

    scores: Array
    log_tokens: Array
    sources: NDArray[np.str_]
    covariates: Array

    def row_weights(self, balance: float) -> Array:
        """Weight of each prompt, (n_labelled,), mean 1: its source's number of prompts to the power of -balance."""
        _, which, size = np.unique(self.sources, return_inverse=True, return_counts=True)
        weight = size[which].astype(np.float32) ** -balance
        scaled: Array = weight / weight.mean()
        return scaled

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores and log tokens as tensors."""
        return torch.from_numpy(self.scores), torch.from_numpy(self.log_tokens)


def lexical_features(texts: Sequence[str], n_taught: int, n_components: int, seed: int) -> Array:
    """TF-IDF of words and word pairs reduced by truncated SVD, shape (n_texts, n_components).

    Fitted on the first `n_taught` texts.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=3, max_features=40_000, sublinear_tf=True, dtype=np.float32)
    vectorizer.fit(texts[:n_taught])
    matrix = vectorizer.transform(texts)
    svd = TruncatedSVD(min(n_components, matrix.shape[1] - 1), random_state=seed, n_iter=3).fit(matrix[:n_taught])
    reduced = svd.transform(matrix).astype(np.float32)
    scaled: Array = reduced / np.maximum(reduced[:n_taught].std(axis=0), 1e-6)
    return scaled


class ResponseModel(nn.Module):
    """Loadings from features, latents per model; the first loading is the constant 1 (skill).

    A model's abilities are a linear function of its covariates plus what is its own: a model whose outcomes are of one
    narrow source has elsewhere the ability that its published scores tell.
    """

    def __init__(self, n_features: int, covariates: torch.Tensor, rank: int, length_rank: int, width: int) -> None:
        super().__init__()
        n_models = len(covariates)
        self.covariates = covariates
        self.slopes = nn.Parameter(torch.zeros(covariates.shape[1], rank))
        # Half of the inputs and of the hidden units are dropped: rows are few, and a teacher that
        # memorises them is over-confident.
        self.trunk = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(n_features, width), nn.GELU(), nn.Dropout(0.5),
            nn.Linear(width, width), nn.GELU(), nn.Dropout(0.5),
        )  # fmt: skip
        self.head = nn.Linear(width, (rank - 1) + 1 + (length_rank - 1) + 1)
        self.split = [rank - 1, 1, length_rank - 1, 1]
        self.theta = nn.Parameter(torch.randn(n_models, rank) * 0.1)
        self.psi = nn.Parameter(torch.randn(n_models, length_rank) * 0.1)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and log tokens of every model, each of shape (batch, n_models)."""
        a, b, c, d = self.head(self.trunk(features)).split(self.split, dim=1)
        theta = self.theta + self.covariates @ self.slopes
        logits = theta[:, 0] + a @ theta[:, 1:].T - b
        log_tokens = self.psi[:, 0] + c @ self.psi[:, 1:].T + d
        return logits, log_tokens


def outcome_loss(
    logits: torch.Tensor, log_tokens: torch.Tensor, scores: torch.Tensor, lengths: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Cross-entropy plus Huber, each row weighted by its weight / sqrt(its outcomes): rows have 2 to 150."""

    def mean(values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        weight = weights[:, None] * known / known.sum(1, keepdim=True).clamp(min=1).sqrt()
        return (values * weight).sum() / weight.sum().clamp(min=1e-6)

    known, known_length = (~scores.isnan()).float(), (~lengths.isnan()).float()
    right = nn.functional.binary_cross_entropy_with_logits(logits, scores.nan_to_num(), reduction="none")
    size = nn.functional.huber_loss(log_tokens, lengths.nan_to_num(), reduction="none")
    return mean(right, known) + 0.5 * mean(size, known_length)


def teach(
    features: NDArray[np.float16],
    texts: Sequence[str],
    labels: Labels,
    *,
    rank: int,
    length_rank: int,
    folds: int,
    seeds: int,
    epochs: int,
    balance: float,
    seed: int,
    title: str,
    progress: Progress,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Train the ensemble and predict for every text.

    Parameters
    ----------
    features : float16 array of shape (n_texts, n_features)
        Standardised. The first len(labels.scores) rows are the labelled prompts.

    Returns
    -------
    logits, log_tokens : float32 arrays of shape (n_texts, n_models)
        Out of fold for the labelled prompts, the mean of all members for the others.
    """
    n_labelled, n_models = labels.scores.shape
    fold_of = _folds(texts[:n_labelled], folds)
    inputs = torch.from_numpy(features)
    scores, lengths = labels.tensors()
    covariates, weights = torch.from_numpy(labels.covariates), torch.from_numpy(labels.row_weights(balance))
    skill, slope = (torch.from_numpy(part) for part in _abilities(labels))
    totals = np.zeros((2, len(features), n_models), np.float32)
    counts = np.zeros((len(features), 1), np.float32)
    task = progress.add_task(title, total=folds * seeds * epochs)
    for member in range(folds * seeds):
        fold = member % folds
        torch.manual_seed(seed * 1000 + member)
        model = ResponseModel(features.shape[1], covariates, rank, length_rank, width=384)
        with torch.no_grad():  # start from the means, which the latents then refine
            model.theta[:, 0], model.slopes[:, 0] = skill, slope
            model.psi[:, 0] = _start(lengths, float(np.log1p(_USUAL_TOKENS)))
        kept = torch.from_numpy(np.flatnonzero(fold_of != fold) if folds > 1 else np.arange(n_labelled))
        latents = [model.theta, model.psi]
        rest = [*model.trunk.parameters(), *model.head.parameters(), model.slopes]
        optimizer = torch.optim.AdamW(
            [{"params": rest, "weight_decay": 0.05}, {"params": latents, "weight_decay": 0.02}], lr=2e-3
        )
        batch = 512
        steps = epochs * -(-len(kept) // batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
        for _ in range(epochs):
            for chosen in kept[torch.randperm(len(kept))].split(batch):
                optimizer.zero_grad()
                logits, log_tokens = model(inputs[chosen].float())
                outcome_loss(logits, log_tokens, scores[chosen], lengths[chosen], weights[chosen]).backward()
                optimizer.step()
                schedule.step()
            progress.advance(task)
        model.eval()
        speaks = np.ones(len(features), bool)
        if folds > 1:
            speaks[:n_labelled] = fold_of == fold
        for rows in torch.from_numpy(np.flatnonzero(speaks)).split(8192):
            with torch.inference_mode():
                logits, log_tokens = model(inputs[rows].float())
            totals[0, rows.numpy()] += logits.numpy()
            totals[1, rows.numpy()] += log_tokens.numpy()
        counts[speaks] += 1
    totals /= counts
    return totals[0], totals[1]


def _abilities(labels: Labels) -> tuple[Array, Array]:
    """Where skill starts: every model's own (n_models,), and the slopes of the covariates (r,), in logits.

    Models sat different exams, so their mean scores are no scale: the logit of a model's mean on a source is the
    source's level plus a ridge regression on the covariates and on the model itself, by backfitting.
    """
    sources = np.unique(labels.sources)
    n = np.stack([np.isfinite(labels.scores[labels.sources == name]).sum(axis=0) for name in sources])
    total = np.stack([np.nansum(labels.scores[labels.sources == name], axis=0) for name in sources])
    value = np.log((total + 1) / (n - total + 1))
    weight = n / (n + 10.0)
    own, slope = np.zeros(n.shape[1]), np.zeros(labels.covariates.shape[1])
    x = labels.covariates.astype(np.float64)
    for _ in range(50):
        level = (weight * (value - own - x @ slope)).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-6)
        rest = (weight * (value - level[:, None])).sum(axis=0)
        total_weight = weight.sum(axis=0)
        slope = np.linalg.solve((x.T * total_weight) @ x + np.eye(len(slope)), x.T @ (rest - total_weight * own))
        own = (rest - total_weight * (x @ slope)) / (total_weight + 1.0)
    usual = float((weight * value).sum() / np.maximum(weight.sum(), 1e-6))
    return (own + usual).astype(np.float32), slope.astype(np.float32)


def _start(values: torch.Tensor, usual: float) -> torch.Tensor:
    """The mean of every model, shrunk towards that of all; the usual where nothing is known."""
    known = ~values.isnan()
    overall = values[known].mean() if bool(known.any()) else torch.tensor(usual)
    return (values.nan_to_num().sum(0) + 10 * overall) / (known.sum(0) + 10)


def _folds(texts: Sequence[str], folds: int) -> NDArray[np.intp]:
    """Fold of each text by its stem, the text before its answer options.

    Copies of a question that differ in their options never stand on both sides.
    """
    stems = [question_stem(text) for text in texts]
    number = {stem: index for index, stem in enumerate(sorted(set(stems)))}
    shuffled = np.random.default_rng(0).permutation(len(number))
    return np.array([shuffled[number[stem]] % folds for stem in stems], np.intp)
