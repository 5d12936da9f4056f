"""Published scores of models: the matrix of models by series, its first factor, and the series of each source.

A series is one benchmark by one publisher: runs of one model by two publishers differ by up to .2, so their scores are
never on one scale. Releases of LiveBench hold different questions and are series of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.errors import OutcomesError
from scope_edge.outcome_rows import number_in, text_in
from scope_edge.rows import read_file_rows

__all__ = [
    "CLIP",
    "GRADES",
    "OWN_SERIES",
    "Factor",
    "Scorecards",
    "Series",
    "first_factor",
    "own_series",
    "published_index",
    "read_scorecards",
    "release_in",
]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

CLIP = 0.005
"""Scores are held within [CLIP, 1 - CLIP] before the logit."""

GRADES = ("A", "B", "C")
"""A: the board's own data. B: said by a maker. C: a third party's collection. Stored as 1, 2 and 3; 0 is no score."""

LEAST_MODELS = 10
"""A series enters the index from this many models."""

NOISE_PRIOR = (2.0, 0.1)
"""How many models' worth of belief the noise variance of a series starts with, and the variance believed in.

Without it, a series whose scores follow the factor by chance would get no noise and become the factor."""

ITERATIONS = 1000
TOLERANCE = 1e-4
"""EM ends when no score moves by more, or after so many rounds."""

_COLUMNS = ("model", "base", "benchmark", "setting", "score", "publisher", "grade")
_RELEASE = re.compile(r"release ([\d_]+)")

_MMLU = (
    "mmlu", "mmlu-redux", "mmmlu", "zeroeval-mmlu-redux", "ls:mmlu-(cot)", "ls:mmlu-base", "ls:mmlu-chat",
    "ls:mmlu-redux*", "ls:mmlu-stem", "ls:openai-mmlu", "ls:multilingual-mmlu", "ls:*french*", "ls:global-mmlu*",
)  # fmt: skip

OWN_SERIES: Mapping[str, tuple[str, ...]] = {
    "abap": (),
    "bfcl-v2": ("bfcl*", "ls:bfcl*"),
    "bpmn-sol": (),
    "bullshit-bench": ("bullshit-bench*",),
    "creative-v3": ("ls:creative-writing-v3",),
    "ctala": (),
    "farel-bench": ("farel-bench*",),
    "generalization": ("lechmazur-generalization",),
    "hellobench": (),
    "ko-arena-hard": ("arena-hard", "arena-hard-v0.1*"),
    "lineage-bench-a": ("lineage-bench*",),
    "lineage-bench-b": ("lineage-bench*",),
    "logickor": (),
    "longform": (),
    "mmlu-pro": ("mmlu-pro", "ls:mmlu-prox"),
    "pfmt-fin-ja": (),
    "pm-hallucination": (),
    "power-agent": (),
    "reasoning-gym": (),
    "routellm-mmlu": _MMLU,
    "routerbench-arc_challenge": (
        "arc-challenge", "card:arc-c", "card:arc-challenge*", "ls:ai2-reasoning-challenge*", "ls:arc",
    ),
    "routerbench-mbpp": ("mbpp*", "evalplus", "card:evalplus", "card:multipl-e*", "ls:mbpp*", "ls:multipl-e*"),
    "routerbench-winograde": ("winogrande", "card:winogrande*", "ls:winogrande"),
    "rrb": ("aime-20*", "ls:aime"),
    "shaberi-gpt41": (),
    "shaberi-panel3": (),
    "sql-scale": (),
    "svelte-bench": (),
    "textclass": (),
    "textclass-2025": (),
    "token-economy": ("aime-2025",),
    "vectara-v1": ("vectara-*",),
    "vericoding": (),
    "wmt24": ("ls:wmt24*",),
    "zeroeval-crux": ("zeroeval-crux", "cruxeval*", "card:cruxeval*", "ls:crux*"),
    "zeroeval-gsm": ("zeroeval-gsm", "gsm8k", "mgsm", "card:multilingual-mgsm*", "larikoz:mgsm", "ls:gsm*",
                     "ls:multilingual-mgsm*"),
    "zeroeval-math-l5": ("zeroeval-math-l5", "math", "math-500", "math-level5", "ls:math-(cot)"),
    "zeroeval-mmlu-redux": _MMLU,
    "zeroeval-zebra-grid": ("zeroeval-zebra-grid*", "zebralogic"),
    "zoonk": (),
}  # fmt: skip
"""Benchmarks, names or wildcards, with the questions of a source: the same ones, a part of them, or a translation.

They are left out with the source when it is left out for judging, whoever publishes them. A composite that holds such a
benchmark among others (Artificial Analysis' index, Arena) stays. No entry: a source that nobody publishes scores of."""


@dataclass(frozen=True)
class Series:
    """One benchmark by one publisher; `release` is empty for all but LiveBench."""

    benchmark: str
    publisher: str
    release: str = ""

    @property
    def board(self) -> tuple[str, str, str]:
        """What series that are near copies of each other share: publisher, name up to a slash, release."""
        return self.publisher, self.benchmark.split("/")[0], self.release


@dataclass(frozen=True)
class Scorecards:
    """Published scores as matrices of shape (n_models, n_series).

    Attributes
    ----------
    models, bases : list of str
        Names, sorted, with the effort in them where one was published; and without it.
    series : list of Series
        Sorted.
    logits : float64
        Logit of the mean score of the model's runs in that series, scores held within [CLIP, 1 - CLIP]; NaN where none
        is published.
    grades : uint8
        0 no score, 1 A, 2 B, 3 C (`GRADES`); the worst where runs differ.
    """

    models: list[str]
    bases: list[str]
    series: list[Series]
    logits: Matrix
    grades: NDArray[np.uint8]

    @property
    def counts(self) -> NDArray[np.intp]:
        """Models of each series, shape (n_series,)."""
        counts: NDArray[np.intp] = np.isfinite(self.logits).sum(axis=0)
        return counts

    @property
    def series_grades(self) -> NDArray[np.str_]:
        """The grade that most scores of each series have, of equals the better; shape (n_series,)."""
        counts = np.array([(self.grades == code).sum(axis=0) for code in range(1, len(GRADES) + 1)])
        most: NDArray[np.str_] = np.array(GRADES)[counts.argmax(axis=0)]
        return most

    def without(self, mask: Mask) -> Scorecards:
        """The scorecards without some series; the models stay, though some may have no score then.

        Parameters
        ----------
        mask : array of bool, shape (n_series,)
            The series to leave out.
        """
        kept = np.flatnonzero(~mask)
        return replace(
            self, series=[self.series[k] for k in kept], logits=self.logits[:, kept], grades=self.grades[:, kept]
        )


@dataclass(frozen=True)
class Factor:
    """One factor behind a matrix x: `x[m, k] = intercepts[k] + loadings[k] * f[m] + noise`, f standard normal.

    Attributes
    ----------
    scores, variances : shape (n_models,)
        Posterior mean and variance of f; 0 and 1 for a model without a cell.
    intercepts, loadings, noise : shape (n_series,)
        `noise` is a variance. The mean loading is not negative.
    """

    scores: Vector
    variances: Vector
    intercepts: Vector
    loadings: Vector
    noise: Vector


def read_scorecards(folder: str | Path) -> Scorecards:
    """Read `scorecards` (.parquet, .csv or .jsonl) of a table folder; without the file there are no scores.

    Columns: model, base, benchmark, setting, score in [0, 1], publisher, grade (A, B or C). `base` and `setting` may be
    empty; a `base` is the model's own name then.

    Raises
    ------
    OutcomesError
        The file cannot be read, a column is missing, or a value means nothing; the row is named.
    MissingExtraError
        It is a .parquet, and polars is not installed.
    """
    file = _file(Path(folder))
    rows = [] if file is None else read_file_rows(file, "scorecards")
    runs = [_checked(row, f"{file.name if file else ''}, row {number}") for number, row in enumerate(rows, 1)]
    bases = {run.model: run.base for run in runs}
    models, series = sorted(bases), sorted({run.series for run in runs})
    row_of, column_of = ({item: i for i, item in enumerate(items)} for items in (models, series))
    row = np.array([row_of[run.model] for run in runs], np.intp)
    column = np.array([column_of[run.series] for run in runs], np.intp)
    shape = len(models), len(series)
    total, n, grades = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.uint8)
    np.add.at(total, (row, column), [run.score for run in runs])
    np.add.at(n, (row, column), 1)
    np.maximum.at(grades, (row, column), np.array([run.grade for run in runs], np.uint8))
    mean = np.clip(np.divide(total, n, out=np.full(shape, np.nan), where=n > 0), CLIP, 1 - CLIP)
    named = [Series(*names) for names in series]
    return Scorecards(models, [bases[model] for model in models], named, np.log(mean / (1 - mean)), grades)


def release_in(benchmark: str, setting: str) -> str:
    """The release that a setting names, as "2024_11_25"; of LiveBench alone, empty for all other benchmarks."""
    release = _RELEASE.search(setting) if benchmark.startswith("livebench") else None
    return release[1] if release else ""


def own_series(source: str, series: Sequence[Series]) -> Mask:
    """Which series hold a source's own questions (`OWN_SERIES`); none for a source that is not listed.

    Returns
    -------
    array of bool, shape (n_series,)
    """
    patterns = OWN_SERIES.get(source, ())
    return np.array([any(fnmatchcase(item.benchmark, pattern) for pattern in patterns) for item in series], bool)


def first_factor(x: Matrix) -> Factor:
    """Factor analysis with one factor and missing cells, by EM (Rubin and Thayer 1982).

    The noise variance of a series has a scaled inverse chi-squared prior, `NOISE_PRIOR`.

    Parameters
    ----------
    x : array, shape (n_models, n_series)
        NaN where missing. A series without a cell keeps a loading of 0.
    """
    row, column = np.nonzero(np.isfinite(x))  # one cell in 25 is known: sums over the cells, not over the matrix
    cells, (n_models, n_series) = x[row, column], x.shape

    def by_series(values: Vector) -> Vector:
        sums: Vector = np.bincount(column, values, n_series).astype(np.float64)
        return sums

    n, total, squares = by_series(np.ones(len(cells))), by_series(cells), by_series(cells**2)
    divisor = np.maximum(n, 1)
    intercepts = total / divisor
    # The start: every series is half factor, half noise, and all point the same way.
    spread = np.maximum(squares / divisor - intercepts**2, 0) / 2
    loadings, noise = np.sqrt(spread), np.maximum(spread, NOISE_PRIOR[1])
    scores, variances = np.zeros(n_models), np.ones(n_models)
    for _ in range(ITERATIONS):
        before, slope = scores, loadings / noise
        variances = 1 / (1 + np.bincount(row, (loadings * slope)[column], n_models))
        scores = variances * np.bincount(row, slope[column] * (cells - intercepts[column]), n_models)
        # Every series is regressed on the factor: its 2 x 2 normal equations in closed form.
        first, second = by_series(scores[row]), by_series((scores**2 + variances)[row])
        product = by_series(cells * scores[row])
        determinant = n * second - first**2
        top = n * product - first * total
        loadings = np.divide(top, determinant, out=np.zeros(n_series), where=determinant > 1e-9)
        intercepts = (total - loadings * first) / divisor
        residual = np.maximum(squares - intercepts * total - loadings * product, 0)
        noise = (residual + NOISE_PRIOR[0] * NOISE_PRIOR[1]) / (n + NOISE_PRIOR[0])
        if np.abs(scores - before).max(initial=0.0) < TOLERANCE:
            break
    sign = -1.0 if loadings.sum() < 0 else 1.0
    return Factor(sign * scores, variances, intercepts, sign * loadings, noise)


def published_index(cards: Scorecards, names: Sequence[str], bases: Sequence[str] | None = None) -> Vector:
    """General ability by all published scores: the first factor of the series with at least ten models.

    Parameters
    ----------
    names : the models asked for
    bases : their names without effort; the names themselves if left out. A model without published scores of its exact
        name gets the mean over the settings of its base.

    Returns
    -------
    array, shape (n_names,)
        In standard deviations over the published models; NaN for a model nobody publishes scores of.
    """
    used = cards.without(cards.counts < LEAST_MODELS)
    scored = np.isfinite(used.logits).any(axis=1)
    factor = first_factor(used.logits[scored])
    exact: dict[str, float] = {}
    by_base: dict[str, list[float]] = {}
    for row, value in zip(np.flatnonzero(scored), factor.scores.tolist(), strict=True):
        exact[cards.models[row]] = value
        by_base.setdefault(cards.bases[row], []).append(value)
    found = [
        exact[name] if name in exact else float(np.mean(by_base.get(base, [np.nan])))
        for name, base in zip(names, names if bases is None else bases, strict=True)
    ]
    return np.array(found, np.float64)


def _file(root: Path) -> Path | None:
    paths = [root / f"scorecards{suffix}" for suffix in (".parquet", ".csv", ".jsonl")]
    return next((path for path in paths if path.exists()), None)


class _Run(NamedTuple):
    model: str
    base: str
    series: tuple[str, str, str]
    score: float
    grade: int


def _checked(row: Any, where: str) -> _Run:
    if not isinstance(row, Mapping) or any(name not in row for name in _COLUMNS):
        got = ", ".join(map(str, row)) if isinstance(row, Mapping) else type(row).__name__
        raise OutcomesError(f"{where}: not a published score", expected=f"columns {', '.join(_COLUMNS)}", got=got)
    texts = {name: text_in(row[name]) or "" for name in _COLUMNS if name != "score"}
    for name in ("model", "benchmark", "publisher"):
        if not texts[name]:
            raise OutcomesError(f"{where}: no {name}", expected="text", got=repr(row[name]))
    score = number_in(row["score"])
    if score is None or not 0 <= score <= 1:
        raise OutcomesError(
            f"{where}: bad score", expected="a number from 0 to 1, more being better", got=repr(row["score"])
        )
    if texts["grade"] not in GRADES:
        raise OutcomesError(f"{where}: bad grade", expected=", ".join(GRADES), got=repr(row["grade"]))
    series = texts["benchmark"], texts["publisher"], release_in(texts["benchmark"], texts["setting"])
    return _Run(texts["model"], texts["base"] or texts["model"], series, score, GRADES.index(texts["grade"]) + 1)
