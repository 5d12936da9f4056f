"""What a pool is fitted from, made by hand: prompts with planted loadings, models with planted skill, no encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.build.linking import Linked
from scope_edge.build.pooling import Inputs
from scope_edge.catalogue import Catalogue, Offer
from scope_edge.encoder import Encoding
from scope_edge.fingerprints import Population
from scope_edge.logistic import logistic
from scope_edge.outcomes import ModelRow, OutcomeTable
from scope_edge.pricing import Price
from scope_edge.scorecards import Scorecards, Series

RANK, DIM = 2, 8
PRICE = Price(1.0, 2.0)
POPULATION = Population(
    theta_mean=np.zeros(RANK),
    theta_precision=np.eye(RANK),
    psi_mean=np.array([5.0]),
    psi_precision=np.eye(1),
    length_noise=0.09,
    calibration=np.array([1.0, 0.0]),
    length_quantiles=np.array([-0.4, 0.0, 0.4]),
    smear=1.05,
)
NOWHERE = Catalogue(offers={}, bases={}, raw_names={}, thinking={}, efforts={})


def offered(price: Price | None = PRICE, **fields: Any) -> Offer:
    known = {"price_date": "2026-05-01", "provider": "Maker", "context_window": None, "max_output": None,
             "released": "2026-01", "thinks": None, "open_weights": None, "modalities": ()}  # fmt: skip
    return Offer(price, **{**known, **fields})


def published(skills: Mapping[str, float], seed: int = 1, noise: float = 0.2, n: int = 10, **bases: str) -> Scorecards:
    """n exams of as many boards, all of which ask for skill; the first is named as the source `mmlu-pro`."""
    rng = np.random.default_rng(seed)
    names = sorted(skills)
    skill = np.array([skills[name] for name in names])
    logits = skill[:, None] * rng.uniform(0.8, 1.2, n) - rng.normal(0, 0.5, n) + rng.normal(0, noise, (len(names), n))
    series = [Series("mmlu-pro" if k == 0 else f"exam-{k}", f"board-{k}") for k in range(n)]
    return Scorecards(names, [bases.get(name, name) for name in names], series, logits, np.ones_like(logits, np.uint8))


class ByHand:
    """Stands for an encoder: it knows every prompt of a table."""

    def __init__(self, encodings: Mapping[str, Encoding]) -> None:
        self.encodings = encodings

    def encode_batch(self, texts: Sequence[str]) -> list[Encoding]:
        return [self.encodings[text] for text in texts]


def table_of(
    hardness: Mapping[str, float],
    skills: Mapping[str, float],
    asked: Mapping[str, Sequence[str]] | None = None,
    *,
    n: int = 40,
    seed: int = 0,
    rows: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[OutcomeTable, list[Encoding], NDArray[np.float64]]:
    """n prompts of each source, their encodings, which guess the same difficulty of all, and their true difficulties.

    asked: the models of each source; all if left out. rows: fields of a model's row.
    """
    rng = np.random.default_rng(seed)
    names, models = list(hardness), list(skills)
    sources = np.repeat(names, n)
    b = np.repeat(list(hardness.values()), n) + rng.normal(0, 0.5, len(sources))
    a = np.stack((np.ones(len(sources)), rng.normal(0, 0.3, len(sources))), axis=1)
    skill = np.array([skills[name] for name in models])
    p = logistic(a[:, :1] * skill - b[:, None])
    scores = (rng.random(p.shape) < p).astype(np.float32)
    output_tokens = np.round(np.exp(5 + 0.3 * skill + rng.normal(0, 0.3, p.shape))).astype(np.float32)
    for source, kept in (asked or {}).items():
        gone = np.ix_(sources == source, [name not in kept for name in models])
        scores[gone], output_tokens[gone] = np.nan, np.nan
    encodings = []
    for row, source in enumerate(sources):
        z = np.eye(DIM)[names.index(source)] + rng.normal(0, 0.2, DIM)
        z = (z / np.linalg.norm(z)).astype(np.float32)
        loadings = np.array([*a[row], 0.0, 1.0, 0.0], np.float32)
        encodings.append(Encoding(z, loadings, RANK, 20.0))
    stated = rows or {}
    table = OutcomeTable(
        query_ids=[f"q{row}" for row in range(len(sources))],
        prompts=[f"Question {row} of {source}?" for row, source in enumerate(sources)],
        sources=sources,
        categories=np.full(len(sources), ""),
        splits=np.full(len(sources), "train"),
        models=[ModelRow(**{"model": name, "price": PRICE, **stated.get(name, {})}) for name in models],
        scores=scores,
        output_tokens=output_tokens,
        input_tokens=np.full(scores.shape, 30.0, np.float32),
    )
    return table, encodings, b


def inputs_of(
    table: OutcomeTable,
    encodings: Sequence[Encoding],
    cards: Scorecards | None = None,
    catalogue: Catalogue = NOWHERE,
    usage: Mapping[str, float] | None = None,
) -> Inputs:
    """All prompts are for training, and all models with an outcome are fitted."""
    columns = np.flatnonzero(np.isfinite(table.scores).any(axis=0))
    return Inputs(
        table=table,
        columns=columns,
        train=np.arange(len(table.prompts)),
        encoded=encodings,
        population=POPULATION,
        linked=None if cards is None else Linked.fit(cards),
        catalogue=catalogue,
        usage=dict(usage or {}),
    )
