"""The steps of a build, from an outcome table to a bundle on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge import jit
from scope_edge.anchors import AnchorSet
from scope_edge.build.card import model_card
from scope_edge.build.noise import length_noise
from scope_edge.build.reach import measure_reach
from scope_edge.build.selection import select_anchors
from scope_edge.build.tuning import Tuned, tune
from scope_edge.bundle import FORMAT, check_target, default_bundle, read_bundle, write_bundle
from scope_edge.cards import ModelCard
from scope_edge.encoder import Encoder, Encoding, check_prompt
from scope_edge.errors import OutcomesError
from scope_edge.fingerprints import (
    OWN_LENGTHS_FROM,
    Evidence,
    Fingerprint,
    Fingerprints,
    Population,
    Reach,
    encode_lengths,
    encode_scores,
    fit_fingerprint,
)
from scope_edge.heldout import HeldOut
from scope_edge.index import INDEX_FROM, AnchorIndex
from scope_edge.outcomes import ModelRow, OutcomeTable, read_table
from scope_edge.price_source import PriceSource

__all__ = ["BuildOptions", "build", "encode_prompts", "evidence_of"]

MIN_OUTCOMES = 30


@dataclass(frozen=True)
class BuildOptions:
    """What decides a build, besides encoder and outcomes.

    index: whether a graph over the anchors is stored for the look-up; None, from `INDEX_FROM` anchors on. prices: go
    before those of the table.
    """

    n_anchors: int = 8192
    method: str = "kmeans"
    seed: int = 0
    correctness_only: tuple[str, ...] = ()
    index: bool | None = None
    prices: PriceSource = field(default_factory=PriceSource)


def build(outcomes: Path, out: Path, encoder: Path | None, options: BuildOptions, progress: Progress) -> dict[str, Any]:
    """Build a bundle from a table folder and write it atomically.

    Models need 30 outcomes in split=train and a role other than "join". Fingerprints are fitted on
    split=train; look-up settings, calibration, length quantiles and the dial on split=val, or on
    a seventh of the training prompts where no val holds an outcome of theirs.

    Returns
    -------
    dict
        A report: counts, models that were left out with the outcomes that they have, models whose lengths are not
        their own, and validation figures, also stored in the bundle's config.
    """
    check_target(out)
    source = read_bundle(default_bundle() if encoder is None else encoder)
    table = read_table(outcomes, options.prices)
    table.check_sources(options.correctness_only)
    table = table.without_lengths(options.correctness_only)
    train, val, val_from = _split(table)
    columns = table.columns(train, MIN_OUTCOMES)
    left_out = _left_out(table, train, columns)
    if not len(columns):
        why = "" if val_from == "val" else ", for without a split=val a seventh of its prompts is held out first"
        raise OutcomesError(
            f"No model in {outcomes} can enter a bundle",
            expected=f"at least {MIN_OUTCOMES} outcomes in split=train",
            got=f"at most {max(left_out.values(), default=0)}{why}",
            remedy="Collect more outcomes, or add single models to a bundle with `scope-edge add-model`.",
        )
    train, val = (rows[np.isfinite(table.scores[np.ix_(rows, columns)]).any(axis=1)] for rows in (train, val))
    jit.warmup()
    student = Encoder(source.path, source.config["encoder"])
    prompts = [check_prompt(table.prompts[row]) for row in train]
    encoded = encode_prompts(student, prompts, progress, "embed train")
    held_out = HeldOut.from_tensors(source.fingerprints)
    if held_out is not None:
        encoded = held_out.replace(prompts, encoded)
    encoded_val = encode_prompts(student, [table.prompts[row] for row in val], progress, "embed val")

    population = Population.from_tensors(source.fingerprints)
    evidence, sources = _gather(table, train, columns, encoded)
    reach = measure_reach(evidence, sources, population, progress)
    parts = _fit_models(evidence, sources, population, reach, progress)
    cards = _cards(table, train, columns, encoded, evidence)
    parts = _borrow_lengths([table.models[column] for column in columns], cards, parts)

    task = progress.add_task("choose anchors", total=1)
    known = np.isfinite(table.scores[np.ix_(train, columns)])
    chosen = select_anchors(
        np.stack([item.z for item in encoded]), known.sum(axis=1), options.n_anchors, options.method, options.seed
    )
    cells = np.ix_(train[chosen], columns)
    anchors = AnchorSet.from_encodings(
        [encoded[index] for index in chosen],
        [table.query_ids[row] for row in train[chosen]],
        table.sources[train[chosen]].tolist(),
        table.categories[train[chosen]].tolist(),
    )
    fingerprints = Fingerprints.from_parts(
        cards, parts, population,
        encode_scores(table.scores[cells]), encode_lengths(np.log1p(table.output_tokens[cells])),
    )  # fmt: skip
    anchors = replace(anchors, length_noise=length_noise(anchors, fingerprints))
    progress.advance(task)

    if options.index or (options.index is None and len(anchors) >= INDEX_FROM):
        task = progress.add_task("index anchors", total=len(anchors))
        anchors = replace(anchors, index=AnchorIndex.build(anchors.codes, lambda n: progress.advance(task, n)))

    inside = np.ix_(val, columns)
    tuned = tune(
        anchors, fingerprints, reach, encoded_val, table.scores[inside], table.output_tokens[inside],
        table.sources[val], progress,
    )  # fmt: skip
    report = {
        **{name: value for name, value in vars(options).items() if name != "prices"},
        "date": date.today().isoformat(),
        "n_train": len(train),
        "n_val": len(val),
        "val_from": val_from,
        "n_anchors": len(anchors),
        "index": anchors.index is not None,
        "n_models": len(cards),
        "min_outcomes": MIN_OUTCOMES,
        "left_out": left_out,
        "guessed_lengths": [card.model for card in cards if card.length_source == "prior"],
        "sources": sorted(set(table.sources[train].tolist())),
        "val": tuned.figures,
    }
    config = _config(source.config, tuned, reach, report)
    write_bundle(
        out,
        config=config,
        encoder=source.path,
        fingerprints=tuned.fingerprints.tensors(),
        models=[card.to_json() for card in cards],
        anchors=anchors.tensors(),
        anchor_labels=anchors.labels(),
        index=anchors.index,
        card=model_card(config, tuned.fingerprints, anchors),
    )
    return report


def encode_prompts(encoder: Encoder, prompts: Sequence[str], progress: Progress, title: str) -> list[Encoding]:
    """Encode the prompts of a table, with a bar."""
    task = progress.add_task(title, total=len(prompts))
    encoded: list[Encoding] = []
    for start in range(0, len(prompts), 512):
        part = [check_prompt(prompt) for prompt in prompts[start : start + 512]]
        encoded += encoder.encode_batch(part)
        progress.advance(task, len(part))
    return encoded


def evidence_of(
    encoded: Sequence[Encoding], scores: NDArray[np.float32], output_tokens: NDArray[np.float32]
) -> Evidence:
    """The evidence of one model: its rows with a score, of arrays of shape (n_prompts,)."""
    rows = np.flatnonzero(np.isfinite(scores))
    kept = [encoded[row] for row in rows.tolist()]
    return Evidence(
        a=np.stack([item.a for item in kept]),
        b=np.array([item.b for item in kept]),
        c=np.stack([item.c for item in kept]),
        d=np.array([item.d for item in kept]),
        scores=scores[rows],
        log_tokens=np.log1p(output_tokens[rows]),
        noise=np.ones(len(rows)),  # not known before there are anchors
        weights=np.ones(len(rows)),
    )


def _split(table: OutcomeTable) -> tuple[NDArray[np.intp], NDArray[np.intp], str]:
    """Rows to fit on, rows to calibrate on, and the split of these: train where val tells nothing of the models."""
    train, val = table.rows("train"), table.rows("val")
    columns = table.columns(train, MIN_OUTCOMES)
    if len(val) and (not len(columns) or np.isfinite(table.scores[np.ix_(val, columns)]).any()):
        return train, val, "val"
    held = np.random.default_rng(0).permutation(len(train)) % 7 == 6
    return train[~held], train[held], "train"


def _left_out(table: OutcomeTable, train: NDArray[np.intp], columns: NDArray[np.intp]) -> dict[str, int]:
    """The models that have too few outcomes, with their number; those of role=join stay out on purpose."""
    counts = np.isfinite(table.scores[train]).sum(axis=0).tolist()
    kept = set(columns.tolist())
    return {
        row.model: counts[index] for index, row in enumerate(table.models) if row.role != "join" and index not in kept
    }


def _gather(
    table: OutcomeTable, train: NDArray[np.intp], columns: NDArray[np.intp], encoded: Sequence[Encoding]
) -> tuple[list[Evidence], list[NDArray[np.str_]]]:
    """Every model's training outcomes with the loadings of their prompts, and the rows' sources."""
    evidence, sources = [], []
    for column in columns:
        scores = table.scores[train, column]
        evidence.append(evidence_of(encoded, scores, table.output_tokens[train, column]))
        sources.append(table.sources[train[np.isfinite(scores)]])
    return evidence, sources


def _fit_models(
    evidence: Sequence[Evidence],
    sources: Sequence[NDArray[np.str_]],
    population: Population,
    reach: Reach,
    progress: Progress,
) -> list[Fingerprint]:
    task = progress.add_task("fit fingerprints", total=len(evidence))
    parts = []
    for rows, source_of in zip(evidence, sources, strict=True):
        parts.append(fit_fingerprint(rows, population, reach.of(source_of.tolist())))
        progress.advance(task)
    return parts


def _cards(
    table: OutcomeTable,
    train: NDArray[np.intp],
    columns: NDArray[np.intp],
    encoded: Sequence[Encoding],
    evidence: Sequence[Evidence],
) -> list[ModelCard]:
    tokens = np.array([item.n_tokens for item in encoded])
    cards = []
    for column, rows in zip(columns, evidence, strict=True):
        row = table.models[column]
        ratios = table.input_tokens[train, column] / tokens
        ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
        own = int(np.isfinite(rows.log_tokens).sum()) >= OWN_LENGTHS_FROM
        cards.append(
            ModelCard(
                model=row.model,
                price=row.price,
                price_date=row.price_date,
                context_window=row.context_window,
                thinks=row.thinks,
                params_b=row.params_b,
                token_ratio=float(np.median(ratios)) if len(ratios) else 1.0,
                length_source="own" if own else "prior",
                n_outcomes=len(rows.scores),
            )
        )
    return cards


def _borrow_lengths(
    rows: Sequence[ModelRow], cards: Sequence[ModelCard], parts: Sequence[Fingerprint]
) -> list[Fingerprint]:
    """Give models without lengths those of comparable ones, with wider quantiles.

    Comparable are models with the same `thinks` and size class; failing that, the same `thinks`;
    failing that, all. The spread between them is added to the spread within.
    """
    own = [index for index, card in enumerate(cards) if card.length_source == "own"]
    result = list(parts)
    for index, card in enumerate(cards):
        if card.length_source == "own" or not own:
            continue
        same = [i for i in own if rows[i].thinks == rows[index].thinks]
        close = [i for i in same if _size_class(rows[i].params_b) == _size_class(rows[index].params_b)]
        peers = [parts[i] for i in close or same or own]
        psi = np.mean([peer.psi_mean for peer in peers], axis=0)
        level = np.var([peer.psi_mean[0] for peer in peers]) if len(peers) > 1 else 1.0
        within = np.mean([peer.length_quantiles for peer in peers], axis=0)
        spread = max(float(within[2] - within[0]) / 2.56, 1e-3)
        wider = float(np.sqrt(1 + level / spread**2))
        result[index] = replace(
            parts[index],
            psi_mean=psi,
            length_quantiles=within[1] + (within - within[1]) * wider,
            smear=float(np.mean([peer.smear for peer in peers])),
        )
    return result


def _size_class(params_b: float | None) -> int:
    """Unknown, below 10, 40 or 120 billion parameters, or above."""
    return -1 if params_b is None else int(np.searchsorted([10, 40, 120], params_b, side="right"))


def _config(source: dict[str, Any], tuned: Tuned, reach: Reach, report: dict[str, Any]) -> dict[str, Any]:
    return {
        **FORMAT,
        "encoder": source["encoder"],
        "lookup": asdict(tuned.settings),
        "reach": asdict(reach),
        "novelty": {"quantiles": tuned.novelty_quantiles},
        "alpha": {"v_min_usd": tuned.v_min_usd, "v_max_usd": tuned.v_max_usd},
        "cost_bias": tuned.cost_bias,
        "build": report,
    }
