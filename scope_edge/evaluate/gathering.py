"""From a table folder and a bundle to what predictors are given, and what the bundle answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge import minilm
from scope_edge.benchmarks import Benchmarks
from scope_edge.build.pipeline import encode_prompts
from scope_edge.bundle import default_bundle, read_bundle
from scope_edge.encoder import check_prompt
from scope_edge.errors import OutcomesError
from scope_edge.estimator import Estimates
from scope_edge.evaluate.cells import Known, Predictions
from scope_edge.evaluate.names import OURS
from scope_edge.names import counted, listed, shown
from scope_edge.outcomes import OutcomeTable, read_table
from scope_edge.router import Router
from scope_edge.scorecards import read_scorecards

__all__ = ["Answers", "Gatherer"]


@dataclass(frozen=True)
class Answers:
    """What the bundle says of some prompts: `predictions`, as of every predictor, and all of it."""

    predictions: Predictions
    estimates: Estimates


class Gatherer:
    """The models that are both in the bundle and in the table, and the table's prompts by split."""

    def __init__(self, data: Path, bundle: Path | None, work: Path | None, progress: Progress) -> None:
        self.path = default_bundle() if bundle is None else bundle
        read = read_bundle(self.path)
        self.router = Router(read, pool="all")
        linked = read.benchmarks
        self.benchmarks = None if linked is None else Benchmarks.from_json(linked)
        self.scorecards = read_scorecards(data)
        self.config: dict[str, Any] = read.config
        # Lengths that the bundle was built to ignore are ignored here too.
        ignored = self.config.get("build", {}).get("correctness_only", ())
        self.table: OutcomeTable = read_table(data).without_lengths(ignored)
        self._work = work if minilm.is_installed() else None
        self._progress = progress
        column_of = {row.model: index for index, row in enumerate(self.table.models)}
        held = {row.model for row in self.table.models if row.role == "join"}  # judged by `joining` alone
        self.names = [name for name in self.router.models if name in column_of and name not in held]
        base_of = {card.model: card.base or card.model for card in self.router.cards}
        self.bases = [base_of[name] for name in self.names]
        self.columns = np.array([column_of[name] for name in self.names], np.intp)
        if not self.names:
            raise OutcomesError(
                f"Nothing to judge in {data}",
                expected=f"outcomes of the bundle's models, {listed(self.router.models)}",
                got=f"those of {listed(list(column_of))}",
                remedy="Name the models in the table as the bundle does, or build a bundle of this table.",
            )

    @property
    def unmatched(self) -> dict[str, list[str]]:
        """The models that are only in the bundle, and those only in the table that do not wait to join."""
        there = {row.model for row in self.table.models}
        table = [row.model for row in self.table.models if row.role != "join" and row.model not in self.names]
        return {"bundle": [name for name in self.router.models if name not in there], "table": table}

    @property
    def sentences(self) -> bool:
        """Whether MiniLM embeddings are to be had."""
        return self._work is not None

    def rows(self, split: str, sources: Sequence[str] | None = None) -> NDArray[np.intp]:
        """The prompts of a split (of sources that match a wildcard) that have an outcome.

        Raises
        ------
        UsageError
            A wildcard matches no source.
        """
        self.table.check_sources(sources or ())
        rows = self.table.rows(split)
        if sources:
            named = [
                any(fnmatchcase(source, pattern) for pattern in sources) for source in self.table.sources[rows].tolist()
            ]
            rows = rows[named]
        return rows[np.isfinite(self.table.scores[np.ix_(rows, self.columns)]).any(axis=1)]

    def told(self) -> str:
        """Which splits have outcomes of these models, on how many prompts."""
        counts = {split: len(self.rows(split)) for split in sorted(set(self.table.splits.tolist()))}
        return ", ".join(f"{counted(n, 'prompt')} in split={shown(name)}" for name, n in counts.items() if n) or "none"

    def known(self, rows: NDArray[np.intp], title: str) -> Known:
        """The outcomes and the embeddings of some prompts."""
        table, cells = self.table, np.ix_(rows, self.columns)
        prompts = [check_prompt(table.prompts[row]) for row in rows]
        z = [encoding.z for encoding in encode_prompts(self.router.encoder, prompts, self._progress, f"embed {title}")]
        sentence = None if self._work is None else minilm.embed(prompts, self._work, self._progress)
        counted = table.input_tokens[cells].astype(np.float64)
        cards = [table.models[column] for column in self.columns]
        return Known(
            z=np.array(z, np.float32).reshape(len(rows), -1),
            sentence=None if sentence is None else sentence.astype(np.float32),
            sources=table.sources[rows],
            scores=table.scores[cells].astype(np.float64),
            output_tokens=table.output_tokens[cells].astype(np.float64),
            input_tokens=np.where(counted > 0, counted, np.nan),
            prices=np.array([(card.usd_per_mtok_in, card.usd_per_mtok_out) for card in cards]),
        )

    def answers(self, rows: NDArray[np.intp], title: str) -> Answers:
        """What the bundle predicts for some prompts."""
        self.router.warmup()
        task = self._progress.add_task(f"predict {title}", total=len(rows))
        parts = []
        for start in range(0, len(rows), 256):
            part = [self.table.prompts[row] for row in rows[start : start + 256]]
            parts.append(self.router.estimate_batch(part, models=self.names))
            self._progress.advance(task, len(part))
        # estimate_batch answers in the pool's order, which is the order of `names`.
        whole = replace(
            parts[0],
            figures=np.concatenate([part.figures for part in parts]),
            novelty=np.concatenate([part.novelty for part in parts]),
        )
        p, tokens = whole.p_correct.astype(np.float64), whole.output_tokens.astype(np.float64)
        quantiles = (whole.output_tokens_p10, whole.output_tokens_p50, whole.output_tokens_p90)
        log_p10, log_p50, log_p90 = (np.log1p(tokens_at.astype(np.float64)) for tokens_at in quantiles)
        return Answers(Predictions(OURS, p, log_p50, tokens, log_p10=log_p10, log_p90=log_p90), whole)
