"""The whole training in order: tokenizer, teachers, student, export. One call, one folder out."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars
from numpy.typing import NDArray
from rich.progress import Progress
from safetensors.numpy import load_file, save_file

from scope_edge import jit, multilingual
from scope_edge.build.linking import covariates
from scope_edge.bundle import FORMAT, check_target, encoder_hash, write_bundle
from scope_edge.encoder import check_prompt, slice_text
from scope_edge.errors import TrainingError
from scope_edge.fingerprints import Population
from scope_edge.heldout import HeldOut, project
from scope_edge.minilm import TEACHER_DIM, embed
from scope_edge.multilingual import is_foreign
from scope_edge.outcomes import ModelRow, OutcomeTable, read_table
from scope_edge.scorecards import read_scorecards
from scope_edge.surface import SURFACE_DIM, describe
from scope_edge.train.export import export_student, parity
from scope_edge.train.response import Labels, lexical_features, teach
from scope_edge.train.student import Lessons, StudentShape, distil
from scope_edge.train.tokenizer import train_tokenizer
from scope_edge.whole_file import whole_file

__all__ = ["Recipe", "smoke_recipe", "train"]

HEAD_CHARS, TAIL_CHARS = 2048, 1024
MIN_OUTCOMES = 30
PARITY_LIMITS = {"float": 1e-3, "int8": 0.1}
"""Largest difference to torch that an export may show in a loading; more is a defect."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result of a training, besides the data.

    label_weight: of the raw outcomes beside what the teachers say. A student memorises labels: with
    full weight, its training prompts look far easier than they are. source_balance: a source of n prompts
    counts as n to the power of 1 minus this, so that a few hundred prompts of real work are not drowned by
    ten thousand exam questions. bridge_share: of the English texts that the multilingual teacher embeds too,
    which keeps the languages in one space. foreign_chars: length of the longest text without a label that
    this teacher, the slowest of all, embeds.
    """

    seed: int = 0
    vocab_size: int = 16_384
    rank: int = 16
    length_rank: int = 6
    lexical_dim: int = 256
    trigram_bins: int = 2048
    folds: int = 4
    ensemble_seeds: int = 2
    ensemble_epochs: int = 14
    student_epochs: int = 14
    teacher_weight: float = 1.0
    label_weight: float = 0.3
    source_balance: float = 0.5
    bridge_share: float = 0.05
    foreign_chars: int = 150
    max_corpus: int | None = None
    correctness_only: tuple[str, ...] = ()


def smoke_recipe() -> Recipe:
    """Sizes that train in seconds on a few hundred prompts: for trying the pipeline, not for use."""
    return Recipe(
        vocab_size=800, rank=4, length_rank=3, lexical_dim=16, trigram_bins=256, folds=2, ensemble_seeds=1,
        ensemble_epochs=6, student_epochs=12, max_corpus=200,
    )  # fmt: skip


def train(
    data: Path, out: Path, work: Path, recipe: Recipe, progress: Progress, compare: Sequence[str] = ()
) -> dict[str, Any]:
    """Train an encoder on a table folder (with an optional corpus.parquet) and write its bundle.

    Parameters
    ----------
    data : Path
        Table folder; only split=train rows and role=train models are read. `corpus.parquet` with a
        column `text` adds unlabelled prompts.
    out : Path
        The encoder bundle: encoder.onnx, tokenizer.json, config.json and the population prior.
    work : Path
        What the teachers say is kept here, so a stopped run goes on where it was.
    compare : sequence of str
        Checked prompts that nothing is learnt from: what the teachers say of them is kept beside the
        held-out loadings, to tell how much of the teachers the student lost.

    Returns
    -------
    dict
        The training report, also stored in the bundle's config.
    """
    started = time.monotonic()
    check_target(out)
    table = read_table(data)
    table.check_sources(recipe.correctness_only)
    table = table.without_lengths(recipe.correctness_only)
    rows = table.rows("train")
    columns = table.columns(rows, MIN_OUTCOMES)
    rows = rows[np.isfinite(table.scores[np.ix_(rows, columns)]).any(axis=1)] if len(columns) else rows[:0]
    if not len(rows):
        raise TrainingError(
            f"{data} has nothing to train on",
            expected=f"a model with at least {MIN_OUTCOMES} outcomes in split=train and a role other than join",
            got=f"at most {_most_outcomes(table)}",
            remedy="Collect more outcomes, or build on the shipped encoder, which needs no training.",
        )
    prompts = [check_prompt(table.prompts[row]) for row in rows]
    texts = prompts + _corpus(data, prompts, recipe)
    n_taught = len(texts)
    texts += compare
    labels = Labels(
        scores=table.scores[np.ix_(rows, columns)],
        log_tokens=np.log1p(table.output_tokens[np.ix_(rows, columns)]),
        sources=table.sources[rows],
        covariates=_covariates(data, [table.models[column] for column in columns]),
    )
    weights = np.ones(len(texts), np.float32)
    weights[: len(rows)] = labels.row_weights(recipe.source_balance)

    task = progress.add_task("tokenizer", total=1)
    parts = [slice_text(text, HEAD_CHARS, TAIL_CHARS) for text in texts]
    tokenizer = train_tokenizer(parts[:n_taught], recipe.vocab_size)
    progress.advance(task)
    embeddings, foreign = _embeddings(texts, len(rows), recipe, work, progress)

    jit.warmup()
    task = progress.add_task("lexical features", total=2)
    surface = np.empty((len(texts), SURFACE_DIM), np.float32)
    trigrams = np.empty((len(texts), recipe.trigram_bins), np.float16)
    for row, (part, text) in enumerate(zip(parts, texts, strict=True)):
        surface[row], trigrams[row] = describe(part, len(text), recipe.trigram_bins)
    progress.advance(task)
    lexical = lexical_features(parts, n_taught, recipe.lexical_dim, recipe.seed)
    progress.advance(task)
    looks = _standardise(surface, n_taught)
    views = {
        "what is said": np.concatenate(
            [embeddings * np.float16(20), foreign * np.float16(20), lexical.astype(np.float16), looks], axis=1
        ),
        "how it is written": np.concatenate([_standardise(trigrams, n_taught), looks], axis=1),
    }
    del lexical
    logits, log_tokens = _teach_views(views, texts, labels, recipe, work / "ensembles", progress)
    del views

    encoded = tokenizer.encode_batch_fast([part.lower() for part in parts], add_special_tokens=False)
    ids = [np.array(item.ids or [1], np.int32) for item in encoded]
    shape = StudentShape(
        vocab_size=tokenizer.get_vocab_size(), trigram_bins=recipe.trigram_bins,
        rank=recipe.rank, length_rank=recipe.length_rank,
    )  # fmt: skip
    taught = slice(n_taught)
    lessons = Lessons(
        ids[taught], surface[taught], trigrams[taught], embeddings[taught], foreign[taught], logits[taught],
        log_tokens[taught], labels, weights[taught],
    )  # fmt: skip
    student, theta, psi = distil(
        shape, lessons, epochs=recipe.student_epochs, seed=recipe.seed,
        teacher_weight=recipe.teacher_weight, label_weight=recipe.label_weight, progress=progress,
    )  # fmt: skip

    task = progress.add_task("export", total=1)
    work.mkdir(parents=True, exist_ok=True)
    exported = work / "export"
    export_student(student, exported)
    tokenizer.save(str(exported / "tokenizer.json"))
    sample = np.linspace(0, n_taught - 1, min(200, n_taught)).astype(int)
    differences = parity(
        student, exported, [ids[i] for i in sample], surface[sample], trigrams[sample].astype(np.float32)
    )
    _check_parity(differences)
    report = {
        "recipe": asdict(recipe),
        "n_labelled": len(rows),
        "n_texts": n_taught,
        "n_models": len(columns),
        "parity": differences,
        "minutes": round((time.monotonic() - started) / 60, 1),
        "versions": {name: version(name) for name in ("torch", "optimum", "onnxruntime", "tokenizers")},
        "python": platform.python_version(),
    }
    encoder = {
        "hash": encoder_hash(exported),
        "kind": "token-table",
        "dim": shape.embedding_dim,
        "rank": shape.rank,
        "length_rank": shape.length_rank,
        "head_chars": HEAD_CHARS,
        "tail_chars": TAIL_CHARS,
        "lowercase": True,
        "trigram_bins": recipe.trigram_bins,
        "tokens_per_id": _tokens_per_id(table, rows, columns, ids, prompts, parts),
        "training": report,
    }
    config = {**FORMAT, "encoder": encoder}
    apart = np.r_[: len(rows), n_taught : len(texts)]
    held_out = HeldOut.of([texts[i] for i in apart], project(logits[apart], theta), project(log_tokens[apart], psi))
    population = _population(theta, psi, labels.log_tokens - held_out.log_tokens(psi)[: len(rows)])
    write_bundle(
        out, config=config, encoder=exported, fingerprints={**population.tensors(), **held_out.tensors()},
        card=f"# A scope-edge encoder\n\n```json\n{json.dumps(report, indent=1)}\n```\n",
    )  # fmt: skip
    progress.advance(task)
    return report


def _covariates(data: Path, models: Sequence[ModelRow]) -> NDArray[np.float32]:
    """What published scores say of the models, (n_models, r); r is 0 without any."""
    cards = read_scorecards(data)
    if not cards.series:
        return np.zeros((len(models), 0), np.float32)
    found = covariates(cards, [row.model for row in models], [row.base or row.model for row in models])
    return found.astype(np.float32)


def _embeddings(
    texts: Sequence[str], n_labelled: int, recipe: Recipe, work: Path, progress: Progress
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """What the English and the multilingual teacher say of the texts, zeros where a text is not for the teacher."""
    foreign = np.array([is_foreign(text) for text in texts])
    bridge = np.random.default_rng(recipe.seed).random(len(texts)) < recipe.bridge_share
    brief = np.array([len(text) <= recipe.foreign_chars for text in texts])
    labelled = np.arange(len(texts)) < n_labelled
    english = np.zeros((len(texts), TEACHER_DIM), np.float16)
    english[~foreign] = embed([texts[i] for i in np.flatnonzero(~foreign).tolist()], work / "minilm", progress)
    other = np.zeros((len(texts), multilingual.TEACHER_DIM), np.float16)
    if foreign.any():
        for_it = np.flatnonzero((foreign & (labelled | brief)) | (bridge & brief))
        other[for_it] = multilingual.embed([texts[i] for i in for_it.tolist()], work / "multilingual", progress)
    return english, other


def _most_outcomes(table: OutcomeTable) -> int:
    """Of a model that may be trained on, in split=train."""
    counts = np.isfinite(table.scores[table.rows("train")]).sum(axis=0).tolist()
    return max((count for count, row in zip(counts, table.models, strict=True) if row.role != "join"), default=0)


def _corpus(data: Path, prompts: Sequence[str], recipe: Recipe) -> list[str]:
    """Texts without labels that are not (the beginning of) a labelled prompt; a limited number, evenly by source."""
    path = data / "corpus.parquet"
    if not path.exists():
        return []
    frame = polars.read_parquet(path)
    sources = frame["source"].to_list() if "source" in frame.columns else [""] * len(frame)
    source_of: dict[str, str] = {}
    for text, source in zip(frame["text"].to_list(), sources, strict=True):
        if text and text.strip():
            source_of.setdefault(text.strip(), str(source))
    cut = max(map(len, source_of), default=0)
    labelled = {prompt[:cut].strip() for prompt in prompts}
    fresh = [text for text in source_of if text not in labelled]
    if recipe.max_corpus is None or len(fresh) <= recipe.max_corpus:
        return fresh
    rank_within: dict[str, int] = {}
    order = []
    for index in np.random.default_rng(recipe.seed).permutation(len(fresh)).tolist():
        source = source_of[fresh[index]]
        rank_within[source] = rank_within.get(source, 0) + 1
        order.append((rank_within[source], index))
    return [fresh[index] for index in sorted(index for _, index in sorted(order)[: recipe.max_corpus])]


def _teach_views(
    views: Mapping[str, NDArray[np.float16]],
    texts: Sequence[str],
    labels: Labels,
    recipe: Recipe,
    cache: Path,
    progress: Progress,
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """The mean over the views of what their ensembles say (see `response`), kept on disk per view."""
    said: list[dict[str, NDArray[np.float32]]] = []
    for name, features in views.items():
        path = cache / f"{_name_of(name, texts, labels, recipe)}.safetensors"
        if not path.exists():
            logits, log_tokens = teach(
                features, texts, labels,
                rank=recipe.rank, length_rank=recipe.length_rank, folds=recipe.folds, seeds=recipe.ensemble_seeds,
                epochs=recipe.ensemble_epochs, balance=recipe.source_balance, seed=recipe.seed,
                title=f"teachers: {name}", progress=progress,
            )  # fmt: skip
            cache.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as partial:
                save_file({"logits": logits, "log_tokens": log_tokens}, partial)
        said.append(load_file(path))
    logits, log_tokens = (np.mean([part[name] for part in said], axis=0) for name in ("logits", "log_tokens"))
    return logits.astype(np.float16), log_tokens.astype(np.float16)


def _name_of(view: str, texts: Sequence[str], labels: Labels, recipe: Recipe) -> str:
    """A name that changes with everything that an ensemble's answers depend on."""
    student = ("student_epochs", "teacher_weight", "label_weight", "vocab_size", "max_corpus")
    settings = {name: value for name, value in asdict(recipe).items() if name not in student}
    digest = hashlib.sha256(json.dumps([view, settings, len(texts)]).encode())
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    for known in (labels.scores, labels.log_tokens, labels.covariates):
        digest.update(known.tobytes())
    digest.update("\n".join(labels.sources.tolist()).encode())
    return digest.hexdigest()[:24]


def _standardise(values: NDArray[Any], n_taught: int) -> NDArray[np.float16]:
    taught = values[:n_taught]
    mean, scale = taught.mean(axis=0, dtype=np.float32), taught.std(axis=0, dtype=np.float32) + 1e-3
    result: NDArray[np.float16] = ((values - mean) / scale).astype(np.float16)
    return result


def _check_parity(differences: Any) -> None:
    for label, limit in PARITY_LIMITS.items():
        worst = differences[label]["loadings"]
        if worst > limit:
            raise TrainingError(
                f"The {label} export differs from the trained student", expected=f"at most {limit}", got=f"{worst:.4f}"
            )


def _tokens_per_id(
    table: OutcomeTable,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    ids: Sequence[NDArray[np.int32]],
    prompts: Sequence[str],
    parts: Sequence[str],
) -> float:
    """How many tokens a typical model counts per token of ours: median over models and prompts."""
    counted = table.input_tokens[np.ix_(rows, columns)]
    counted = np.where(counted > 0, counted, np.nan)
    if not np.isfinite(counted).any():
        return 1.0
    estimate = np.array([len(ids[i]) * len(prompts[i]) / len(parts[i]) for i in range(len(rows))])
    ratios = counted / estimate[:, None]
    return float(np.nanmedian(ratios))


def _population(theta: NDArray[np.float32], psi: NDArray[np.float32], length_errors: NDArray[np.float32]) -> Population:
    """The distribution of the trained models' latents, as the prior of every later model."""
    errors = length_errors[np.isfinite(length_errors)]
    if not len(errors):
        errors = np.array([-1.0, 0.0, 1.0])
    return Population(
        *_moments(theta),
        *_moments(psi),
        length_noise=float(max(errors.var(), 1e-2)),
        calibration=np.array([1.0, 0.0]),
        length_quantiles=np.quantile(errors, [0.1, 0.5, 0.9]),
        smear=float(np.exp(np.clip(errors, -3, 3)).mean()),
    )


def _moments(latents: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = latents.astype(np.float64)
    mean = values.mean(axis=0)
    off = values - mean
    n, k = values.shape
    # Shrunk towards its diagonal, as if k more models had been seen whose latents are uncorrelated.
    sample = off.T @ off
    diagonal = np.diag(np.diag(sample) / n + 1e-3)
    covariance = (sample + k * diagonal) / (n + k)
    return mean, np.linalg.inv(covariance)
