"""What each part of the estimator is worth, on split=test and split=ood; prints Markdown.

Run: python bench/ablations.py --data DIR --work .train

Trains and builds what is not there yet under --work: over an hour on two cores from nothing, much less
after `make train`, whose embeddings are used again. Every variant is calibrated on split=val alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from scope_edge import Router
from scope_edge.build import BuildOptions, build
from scope_edge.build.pipeline import encode_prompts
from scope_edge.build.tuning import GRID, Tuned, tune
from scope_edge.bundle import read_bundle
from scope_edge.encoder import Encoder, Encoding, check_prompt
from scope_edge.estimator import Estimator, LookupSettings
from scope_edge.evaluate.bootstrap import resample_weights
from scope_edge.evaluate.cells import Known, Predictions
from scope_edge.evaluate.gathering import Gatherer
from scope_edge.evaluate.judging import Contest, compare, equally
from scope_edge.evaluate.metrics import correctness
from scope_edge.evaluate.pools import find_pools
from scope_edge.heldout import HeldOut
from scope_edge.outcomes import read_table
from scope_edge.train import Recipe, train

CORRECTNESS_ONLY = ("routerbench-arc_challenge", "routerbench-winograde")
STUDENTS = {
    "student (shipped form)": Recipe(correctness_only=CORRECTNESS_ONLY),
    "no distillation: outcomes alone": Recipe(correctness_only=CORRECTNESS_ONLY, teacher_weight=0.0, label_weight=1.0),
}
LARGE = ("zeroeval-", "mmlu-pro")  # the sources with large pools of models


@dataclass(frozen=True)
class Variant:
    """An estimator and the encodings that it is asked about, by split."""

    name: str
    estimator: Estimator
    encoded: dict[str, list[Encoding]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path(".train"))
    arguments = parser.parse_args()
    with Progress(console=Console(stderr=True)) as bars:
        bundles = {name: made(name, recipe, arguments.data, arguments.work, bars) for name, recipe in STUDENTS.items()}
        full, *others = bundles.items()
        gatherer = Gatherer(arguments.data, full[1], None, bars)
        rows = {split: gatherer.rows(split) for split in ("train", "val", "test", "ood")}
        known = {split: gatherer.known(rows[split], split) for split in rows}
        prompts = {split: [gatherer.table.prompts[row] for row in rows[split]] for split in ("val", "test", "ood")}
        variants = [*of_one_bundle(full, prompts, known["val"], bars), *whole(others, prompts, bars)]
    past = {"test": known["train"], "ood": known["train"]}
    for split in ("test", "ood"):
        print(f"\nsplit={split}\n")
        print("\n".join(table(variants, split, known[split], past[split])))


def made(name: str, recipe: Recipe, data: Path, work: Path, bars: Progress) -> Path:
    """The bundle of a recipe, with what the teachers say of all prompts beside its encoder."""
    folder = work / "ablations" / name.split(":")[0].split(" (")[0].replace(" ", "-")
    if not (folder / "encoder").exists():
        prompts = read_table(data)
        compare = [
            check_prompt(prompts.prompts[row]) for split in ("val", "test", "ood") for row in prompts.rows(split)
        ]
        train(data, folder / "encoder", work, recipe, bars, compare)
    if not (folder / "bundle").exists():
        build(data, folder / "bundle", folder / "encoder", BuildOptions(correctness_only=CORRECTNESS_ONLY), bars)
    return folder / "bundle"


def whole(bundles: Sequence[tuple[str, Path]], prompts: dict[str, list[str]], bars: Progress) -> Iterator[Variant]:
    """Other students, each with its own bundle."""
    for name, path in bundles:
        encoder = Encoder(path, read_bundle(path).config["encoder"])
        encoded = {split: encode_prompts(encoder, texts, bars, name) for split, texts in prompts.items()}
        yield Variant(name, Router.load(path).estimator, encoded)


def of_one_bundle(
    bundle: tuple[str, Path], prompts: dict[str, list[str]], val: Known, bars: Progress
) -> Iterator[Variant]:
    """The bundle itself, its teachers in its place, and its estimator without some of its parts."""
    (student,) = whole([bundle], prompts, bars)
    yield student
    estimator, path = student.estimator, bundle[1]
    held_out = HeldOut.from_tensors(read_bundle(path.parent / "encoder").fingerprints)
    assert held_out is not None
    taught = {
        split: held_out.replace([check_prompt(text) for text in texts], student.encoded[split])
        for split, texts in prompts.items()
    }

    def tuned(encoded: list[Encoding], grid: dict[str, Sequence[float]]) -> Estimator:
        scores, output_tokens = val.scores.astype(np.float32), val.output_tokens.astype(np.float32)
        found: Tuned = tune(
            estimator.anchors, estimator.fingerprints, estimator.reach, encoded, scores, output_tokens, val.sources,
            bars, grid,
        )  # fmt: skip
        return Estimator(estimator.anchors, found.fingerprints, found.settings, estimator.reach, [0.0, 1.0])

    yield Variant("teachers in its place", tuned(taught["val"], dict(GRID)), taught)
    yield Variant("no residual", tuned(student.encoded["val"], {**GRID, "shrinkage": (1e6,)}), student.encoded)
    yield Variant("no shrinkage", _without_shrinkage(estimator, student.encoded["val"], val), student.encoded)


def _without_shrinkage(estimator: Estimator, encoded: list[Encoding], val: Known) -> Estimator:
    """All weights 1, residuals hardly damped, one calibration for all models."""
    from sklearn.linear_model import LogisticRegression

    found = estimator.settings
    settings = LookupSettings(
        found.neighbours, found.power, 0.1, found.length_shrinkage, found.reach_shrinkage,
        length_weights=found.length_weights,
    )  # fmt: skip
    raw = np.tile(np.array([1.0, 0.0], np.float32), (len(estimator.fingerprints.names), 1))
    prints = replace(estimator.fingerprints, calibration=raw)
    p = Estimator(estimator.anchors, prints, settings, estimator.reach, [0.0, 1.0]).estimate_batch(encoded).p_correct
    there = np.isfinite(val.scores)
    logit = np.log(p[there] / (1 - p[there]))
    pooled = LogisticRegression(C=1e6).fit(logit[:, None], val.scores[there] > 0.5)
    prints = replace(prints, calibration=raw * 0 + np.array([pooled.coef_[0, 0], pooled.intercept_[0]], np.float32))
    return Estimator(estimator.anchors, prints, settings, estimator.reach, [0.0, 1.0])


def table(variants: Sequence[Variant], split: str, known: Known, past: Known) -> Iterator[str]:
    """One row per variant; differences are the first row minus this one."""
    everyone, inputs = [], None
    for variant in variants:
        estimates = variant.estimator.estimate_batch(variant.encoded[split])
        inputs = estimates.input_tokens.astype(np.float64) if inputs is None else inputs
        everyone.append(
            Predictions(
                variant.name, estimates.p_correct.astype(np.float64),
                np.log1p(estimates.output_tokens_p50).astype(np.float64), estimates.output_tokens.astype(np.float64),
            )
        )  # fmt: skip
    weights = resample_weights(len(known.scores), 500, 0).astype(np.float64)
    gaps = compare(everyone, known, weights)
    pools = find_pools(known.sources, np.isfinite(known.scores))
    routing = equally([Contest(pool, everyone, known, inputs, past, weights) for pool in pools])
    large = np.array([source.startswith(LARGE) for source in known.sources])
    headings = ("", "AUROC", "first minus this", "log loss", "first minus this")
    yield f"| {' | '.join(headings)} | large pools: AUROC, inside, log loss | routing area |"
    yield "|---" * 7 + "|"
    for item in everyone:
        figures = correctness(item.p, known.scores, known.sources)
        cells = [f"{figures['auroc']:.4f}", _gap(gaps, item.name, "auroc")]
        cells += [f"{figures['log_loss']:.4f}", _gap(gaps, item.name, "log_loss")]
        if large.any():
            there = correctness(item.p[large], known.scores[large], known.sources[large])
            cells.append(f"{there['auroc']:.4f}, {there['auroc_inside']:.4f}, {there['log_loss']:.4f}")
        else:
            cells.append("-")
        area = routing["routing"].get(item.name, {}).get("area")
        cells.append("-" if area is None else f"{area:.4f}")
        yield f"| {item.name} | {' | '.join(cells)} |"


def _gap(gaps: dict[str, dict[str, dict[str, float]]], name: str, metric: str) -> str:
    if name not in gaps:
        return ""
    gap = gaps[name][metric]
    return f"{gap['difference']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]"


if __name__ == "__main__":
    main()
