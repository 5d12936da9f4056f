"""The decision-aware step: the student is rewarded for the choices that its estimates lead to.

The counterpart of SCOPE's reinforcement learning (arXiv 2601.22323). A prompt's pool is the group: a
soft choice among the models that answered it is rewarded by value x score - cost, as an advantage over
the group's mean in units of its spread (GRPO's estimator). The expectation over the pool is exact, so
nothing is sampled. Lengths get the paper's reward: full within max(100, 25%) tokens of the truth, none
beyond twice that.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from torch import nn

from scope_edge.train.student import Lessons, Student, pad

__all__ = ["Prices", "advantage", "length_reward", "reward_decisions"]

LOG_VALUES_USD = (math.log(1e-4), math.log(3e-2))
"""What a right answer is worth: the dial's range on the training pools, drawn log-uniformly."""
TEMPERATURE = 0.05
"""Of the soft choice, in units of P."""
DECISION_WEIGHT, LENGTH_WEIGHT = 1.0, 0.1

Prices = NDArray[np.float32]
"""USD per token, shape (2, n_models): input, output."""


def advantage(rewards: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Rewards over the group's mean in units of its standard deviation; 0 for unknown cells.

    Shapes (prompts, models). A group of one, or of equal rewards, has no advantage to tell of.
    """
    n = known.sum(1, keepdim=True).clamp(min=1)
    centred = (rewards - (rewards * known).sum(1, keepdim=True) / n) * known
    spread = (centred.square().sum(1, keepdim=True) / n).sqrt()
    return centred / spread.clamp(min=1e-3)


def length_reward(log_tokens: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """1 within max(100, 25%) tokens of the truth, falling to 0 at twice that; both are log(1 + tokens)."""
    true = truth.expm1()
    slack = (0.25 * true).clamp(min=100)
    return (2 - (log_tokens.clamp(max=14).expm1() - true).abs() / slack).clamp(0, 1)


def reward_decisions(
    student: Student, theta: NDArray[np.float32], psi: NDArray[np.float32], lessons: Lessons, prices: Prices,
    *, epochs: int, seed: int, learning_rate: float = 3e-4, progress: Progress | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # fmt: skip
    """Fine-tune the student's head in place, and theta and psi, which are returned.

    The teachers' probabilities are kept as a second objective: without it, P would become whatever
    wins the arg max and no longer a probability.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    latents = [nn.Parameter(torch.from_numpy(values.copy())) for values in (theta, psi)]
    optimizer = torch.optim.AdamW([*student.head.parameters(), *latents], lr=learning_rate, weight_decay=0.0)
    scores, lengths = lessons.labels.tensors()
    n_labelled = len(scores)
    price_in, price_out = torch.from_numpy(prices)
    batches = -(-n_labelled // 256)
    task = progress.add_task("decisions", total=epochs * batches) if progress else None
    student.train()
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(n_labelled), batches):
            ids, mask = pad([lessons.ids[row] for row in rows])
            trigrams = torch.from_numpy(lessons.trigrams[rows].astype(np.float32))
            _, a, b, c, d = student(ids, mask, torch.from_numpy(lessons.surface[rows]), trigrams)
            logits, log_tokens = a @ latents[0].T - b[:, None], c @ latents[1].T + d[:, None]
            score, length = scores[rows], lengths[rows]
            known, known_length = (~score.isnan()).float(), (~length.isnan()).float()
            taught = torch.from_numpy(lessons.log_tokens[rows].astype(np.float32))
            value = torch.from_numpy(np.exp(rng.uniform(*LOG_VALUES_USD, size=(len(rows), 1))).astype(np.float32))
            spent = mask.sum(1, keepdim=True) * price_in

            # Everything in units of the value, so that every position of the dial weighs alike.
            true_cost = (spent + torch.where(known_length > 0, length, taught).expm1() * price_out) / value
            expected_cost = (spent + log_tokens.detach().clamp(max=14).expm1() * price_out) / value
            utility = (logits.sigmoid() - expected_cost) / TEMPERATURE
            choice = utility.masked_fill(known == 0, -1e9).softmax(1)
            gain = (choice * advantage(score.nan_to_num() - true_cost, known)).sum(1).mean()
            near = (length_reward(log_tokens, length.nan_to_num()) * known_length).sum() / known_length.sum().clamp(
                min=1
            )
            said = torch.from_numpy(lessons.logits[rows].astype(np.float32)).sigmoid()
            loss = (
                2.0 * nn.functional.binary_cross_entropy_with_logits(logits, said)
                + 0.5 * nn.functional.huber_loss(log_tokens, taught)
                - DECISION_WEIGHT * gain
                - LENGTH_WEIGHT * near
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if progress and task is not None:
                progress.advance(task)
    student.eval()
    theta, psi = (latent.detach().numpy().copy() for latent in latents)
    return theta, psi
