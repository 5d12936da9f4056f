"""The steps of a build, from an outcome table to a bundle on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge import jit
from scope_edge.anchors import AnchorSet
from scope_edge.build.card import model_card
from scope_edge.build.lengths import read_usage
from scope_edge.build.linking import Linked
from scope_edge.build.noise import length_noise
from scope_edge.build.pooling import Inputs, fit_pool
from scope_edge.build.selection import select_anchors
from scope_edge.build.tuning import Tuned, tune
from scope_edge.bundle import FORMAT, Bundle, check_target, default_bundle, read_bundle, write_bundle
from scope_edge.catalogue import read_catalogue
from scope_edge.encoder import Encoder, Encoding, check_prompt
from scope_edge.errors import OutcomesError
from scope_edge.fingerprints import Population, Reach
from scope_edge.heldout import HeldOut
from scope_edge.index import INDEX_FROM, AnchorIndex
from scope_edge.outcomes import OutcomeTable, read_table
from scope_edge.pool import current_first
from scope_edge.price_source import PriceSource
from scope_edge.scorecards import read_scorecards

__all__ = ["MIN_OUTCOMES", "BuildOptions", "build", "encode_prompts", "read_inputs", "split_rows"]

MIN_OUTCOMES = 30


@dataclass(frozen=True)
class BuildOptions:
    """What decides a build, besides encoder and outcomes.

    without_benchmarks: names or wildcards of published benchmarks that are not used.
    index: whether a graph over the anchors is stored for the look-up; None, from `INDEX_FROM` anchors on. prices: go
    before those of the table.
    """

    n_anchors: int = 8192
    method: str = "kmeans"
    seed: int = 0
    correctness_only: tuple[str, ...] = ()
    without_benchmarks: tuple[str, ...] = ()
    index: bool | None = None
    prices: PriceSource = field(default_factory=PriceSource)


def build(outcomes: Path, out: Path, encoder: Path | None, options: BuildOptions, progress: Progress) -> dict[str, Any]:
    """Build a bundle from a table folder and write it atomically.

    Models need a price, and 30 outcomes in split=train with a role other than "join", or four linked scores in
    `scorecards`; of those that nobody sells, outcomes count as evidence. Fingerprints are fitted on split=train;
    look-up settings, calibration, length quantiles and the dial on split=val, or on a seventh of the training prompts
    where no val holds an outcome of theirs.

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
    train, val, val_from = split_rows(table)
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
    inputs = read_inputs(outcomes, table, columns, train, source, options.without_benchmarks, progress)
    inputs = replace(inputs, priced=frozenset(row.model for row in table.models if options.prices.of(row.model)))
    encoded_val = encode_prompts(student, [table.prompts[row] for row in val], progress, "embed val")
    known = fit_pool(inputs, progress)

    task = progress.add_task("choose anchors", total=1)
    answered = np.isfinite(table.scores[np.ix_(train, columns)])
    chosen = select_anchors(
        np.stack([item.z for item in inputs.encoded]),
        answered.sum(axis=1),
        options.n_anchors,
        options.method,
        options.seed,
    )
    anchors = AnchorSet.from_encodings(
        [known.encoded[index] for index in chosen],
        [table.query_ids[row] for row in train[chosen]],
        table.sources[train[chosen]].tolist(),
        table.categories[train[chosen]].tolist(),
    )
    fingerprints = known.fingerprints(inputs, train[chosen])
    anchors = replace(anchors, length_noise=length_noise(anchors, fingerprints))
    progress.advance(task)

    if options.index or (options.index is None and len(anchors) >= INDEX_FROM):
        task = progress.add_task("index anchors", total=len(anchors))
        anchors = replace(anchors, index=AnchorIndex.build(anchors.codes, lambda n: progress.advance(task, n)))

    asked = known.columns  # those with outcomes come first
    inside = np.ix_(val, asked)
    tuned = tune(
        anchors, fingerprints, known.reach, encoded_val, table.scores[inside], table.output_tokens[inside],
        table.sources[val], progress,
    )  # fmt: skip
    fingerprints = current_first(tuned.fingerprints)
    cards = fingerprints.cards
    report = {
        **{name: value for name, value in vars(options).items() if name != "prices"},
        "date": date.today().isoformat(),
        "n_train": len(train),
        "n_val": len(val),
        "val_from": val_from,
        "n_anchors": len(anchors),
        "index": anchors.index is not None,
        "n_models": len(cards),
        "n_current": sum(card.current for card in cards),
        "n_by_scores_alone": sum(not card.n_outcomes for card in cards),
        "prices_of": inputs.catalogue.snapshot,
        "min_outcomes": MIN_OUTCOMES,
        "left_out": {name: n for name, n in left_out.items() if name not in fingerprints.names},
        "unpriced": known.unpriced,
        "guessed_lengths": [card.model for card in cards if card.length_source == "prior" and card.n_outcomes],
        "sources": sorted(set(table.sources[train].tolist())),
        "val": tuned.figures,
    }
    config = _config(source.config, tuned, known.reach, report)
    write_bundle(
        out,
        config=config,
        encoder=source.path,
        fingerprints=fingerprints.tensors(),
        models=[card.to_json() for card in cards],
        anchors=anchors.tensors(),
        anchor_labels=anchors.labels(),
        index=anchors.index,
        benchmarks=known.benchmarks_json(inputs),
        card=model_card(config, fingerprints, anchors),
    )
    return report


def read_inputs(
    outcomes: Path,
    table: OutcomeTable,
    columns: NDArray[np.intp],
    train: NDArray[np.intp],
    source: Bundle,
    without_benchmarks: Sequence[str],
    progress: Progress,
) -> Inputs:
    """What a pool is fitted from, of a table folder and the bundle of an encoder."""
    prompts = [check_prompt(table.prompts[row]) for row in train]
    encoded = encode_prompts(Encoder(source.path, source.config["encoder"]), prompts, progress, "embed train")
    held_out = HeldOut.from_tensors(source.fingerprints)
    if held_out is not None:
        encoded = held_out.replace(prompts, encoded)
    cards = read_scorecards(outcomes)
    left_out = [any(fnmatchcase(item.benchmark, name) for name in without_benchmarks) for item in cards.series]
    return Inputs(
        table=table,
        columns=columns,
        train=train,
        encoded=encoded,
        population=Population.from_tensors(source.fingerprints),
        linked=Linked.fit(cards.without(np.array(left_out, bool)), progress),
        catalogue=read_catalogue(outcomes),
        usage=read_usage(outcomes),
    )


def encode_prompts(encoder: Encoder, prompts: Sequence[str], progress: Progress, title: str) -> list[Encoding]:
    """Encode the prompts of a table, with a bar."""
    task = progress.add_task(title, total=len(prompts))
    encoded: list[Encoding] = []
    for start in range(0, len(prompts), 512):
        part = [check_prompt(prompt) for prompt in prompts[start : start + 512]]
        encoded += encoder.encode_batch(part)
        progress.advance(task, len(part))
    return encoded


def split_rows(table: OutcomeTable) -> tuple[NDArray[np.intp], NDArray[np.intp], str]:
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
