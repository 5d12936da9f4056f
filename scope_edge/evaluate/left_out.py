"""A bundle judged on each source by a pool that is fitted without it."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from scope_edge import jit
from scope_edge.build.leave_out import LeftOut, leave_sources_out
from scope_edge.build.pipeline import MIN_OUTCOMES, read_inputs, split_rows
from scope_edge.build.pooling import Inputs, fit_pool
from scope_edge.bundle import default_bundle, read_bundle
from scope_edge.evaluate.baselines.published import published_order, source_means
from scope_edge.evaluate.harness import without_nan
from scope_edge.evaluate.names import OURS
from scope_edge.evaluate.ordering import SourceCells, ordering
from scope_edge.evaluate.sources import read_sources
from scope_edge.loading import load_parts
from scope_edge.outcomes import read_table
from scope_edge.scorecards import Scorecards, own_series, read_scorecards

__all__ = ["leave_source_out", "left_out_cells"]


def leave_source_out(
    data: Path, bundle: Path | None, encoder: Path | None, *, sources: Sequence[str] | None, progress: Progress
) -> dict[str, Any]:
    """Judge every source, or those named, all prompts of it whatever their split; see `ordering` for what is returned.

    The parameters are those of `left_out_cells`.
    """
    cells = left_out_cells(data, bundle, encoder, sources=sources, progress=progress)
    report: dict[str, Any] = without_nan(ordering(cells, read_sources(data)))
    return report


def left_out_cells(
    data: Path, bundle: Path | None, encoder: Path | None, *, sources: Sequence[str] | None, progress: Progress
) -> list[SourceCells]:
    """What is predicted of each source without it, and observed.

    Parameters
    ----------
    encoder : Path, optional
        Bundle of the encoder with its out-of-fold loadings; `bundle` if left out. The encoders must be the same.
    sources : names or wildcards; all if left out
    """
    read = read_bundle(default_bundle() if bundle is None else bundle)
    student, estimator = load_parts(read)
    built = read.config.get("build", {})
    table = read_table(data).without_lengths(built.get("correctness_only", ()))
    table.check_sources(sources or ())
    train, _, _ = split_rows(table)
    columns = table.columns(train, MIN_OUTCOMES)
    train = train[np.isfinite(table.scores[np.ix_(train, columns)]).any(axis=1)]
    jit.warmup()
    source = read if encoder is None else read_bundle(encoder)
    inputs = read_inputs(data, table, columns, train, source, built.get("without_benchmarks", ()), progress)
    known = fit_pool(inputs, progress)
    wanted = [
        name
        for name in np.unique(table.sources).tolist()
        if not sources or any(fnmatchcase(name, pattern) for pattern in sources)
    ]
    cards = read_scorecards(data)
    found = leave_sources_out(inputs, known, estimator, student, wanted, progress)
    return [_cells(left, inputs, cards) for left in found]


def _cells(left: LeftOut, inputs: Inputs, cards: Scorecards) -> SourceCells:
    """What was predicted of one source, by us and by what is published without it."""
    table, at = inputs.table, np.ix_(left.rows, left.columns)
    models = [table.models[column] for column in left.columns]
    others = inputs.train[table.sources[inputs.train] != left.source]
    means = source_means(table.scores[np.ix_(others, left.columns)].astype(np.float64), table.sources[others])
    ranks = published_order(
        cards.without(own_series(left.source, cards.series)),
        [row.model for row in models],
        [row.base or row.model for row in models],
        np.array([row.usd_per_mtok_out for row in models]),
        means,
    )
    said = left.estimates
    p = said.p_correct.astype(np.float64)
    return SourceCells(
        source=left.source,
        models=[row.model for row in models],
        scores=table.scores[at].astype(np.float64),
        p={OURS: p, **{name: np.broadcast_to(rank, p.shape) for name, rank in ranks.items()}},
        output_tokens=table.output_tokens[at].astype(np.float64),
        low=said.output_tokens_p10.astype(np.float64),
        high=said.output_tokens_p90.astype(np.float64),
    )
