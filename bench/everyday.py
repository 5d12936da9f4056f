"""What a bundle says of everyday prompts, beside what the public says of its models.

Run: python bench/everyday.py BUNDLE [--data DIR]

Prints how far the order of the models by P follows the arena's overall text score, which newer models it puts below
their older ones, the best ten models by P for each of a few prompts with what is chosen along the dial, and the best
models of each language. The prompts and pairs are those of the tests. Under a minute.

A bundle is fitted to the arena's scores, too. The honest figure is that of a bundle built without them:

    scope-edge build --outcomes DIR --out without --without-benchmark "arena*" && python bench/everyday.py without

With --data the arena's scores are read from DIR/scorecards.parquet, else those that the tests keep are taken.
`python bench/everyday.py --data DIR --write` writes what the tests keep of the published scores:
tests/arena_overall.json and tests/public_strength.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scope_edge import Estimates, Router
from scope_edge.catalogue import read_catalogue
from scope_edge.evaluate.ordering import spearman
from scope_edge.rows import read_file_rows
from scope_edge.scorecards import published_index, read_scorecards

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))  # before this folder, which has a `generations` of its own

from everyday_prompts import EVERYDAY, HARD_PROOF, HELLO, SMOKE  # noqa: E402
from generations import PAIRS  # noqa: E402

ALPHAS = (0.2, 0.5, 0.8)
TOP = 10
ARENA, STRENGTH = TESTS / "arena_overall.json", TESTS / "public_strength.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?", help="a bundle folder; the shipped one if left out")
    parser.add_argument("--data", type=Path, help="the folder of the published scores")
    parser.add_argument("--write", action="store_true", help="write what the tests keep of them, and nothing else")
    asked = parser.parse_args()
    if asked.write:
        if asked.data is None:
            parser.error("--write needs --data")
        write(ARENA, arena_scores(asked.data))
        write(STRENGTH, strengths(asked.data))
        return
    arena = arena_scores(asked.data) if asked.data else json.loads(ARENA.read_text(encoding="utf-8"))
    everyone, current = Router.load(asked.bundle, pool="all"), Router.load(asked.bundle)
    of_all = everyone.estimate_batch([prompt for _, _, prompt in EVERYDAY])
    print(f"{len(current.models)} current models of {len(everyone.models)}, {len(EVERYDAY)} everyday prompts\n")
    show_order(of_all, arena, set(current.models))
    show_generations(of_all)
    show_lengths(current)
    strength = strengths(asked.data) if asked.data else json.loads(STRENGTH.read_text(encoding="utf-8"))
    show_smoke(current, strength)
    show_languages(current)


def show_order(of_all: Estimates, arena: Mapping[str, float], current: set[str]) -> None:
    mean = mean_p(of_all)
    print("| Spearman of mean P and the arena's overall text score | models | rho |\n|---|---|---|")
    for what, pool in (("all models", set(mean)), ("current ones", current)):
        names = sorted(pool & arena.keys())
        rho = spearman(np.array([mean[name] for name in names]), np.array([arena[name] for name in names]))
        print(f"| {what} | {len(names)} | {rho:.3f} |")


def show_generations(of_all: Estimates) -> None:
    mean = mean_p(of_all)
    known = [pair for pair in PAIRS if set(pair) <= mean.keys()]
    wrong = [(older, newer) for older, newer in known if mean[older] > mean[newer]]
    share = len(wrong) / len(known) if known else float("nan")
    print(f"\n{len(known)} of {len(PAIRS)} pairs of generations known, {len(wrong)} ({share:.1%}) upside down")
    if wrong:
        print("\n| older | P | newer | P |\n|---|---|---|---|")
        for older, newer in wrong:
            print(f"| {older} | {mean[older]:.3f} | {newer} | {mean[newer]:.3f} |")


def show_lengths(current: Router) -> None:
    """Lengths follow the prompt: what a greeting costs of what a hard proof costs."""
    cost = current.estimate_batch([HELLO, HARD_PROOF]).cost_usd.astype(np.float64)
    ratio = cost[0] / cost[1]
    thinks = np.array([card.thinks is True for card in current.cards])
    own = np.array([card.length_source == "own" for card in current.cards])
    print("\n| cost of a greeting, of that of a hard proof | models | median |\n|---|---|---|")
    for what, which in (("reasoning models", thinks), ("with own lengths", thinks & own), ("other models", ~thinks)):
        middle = f"{np.median(ratio[which]):.3f}" if which.any() else ""
        print(f"| {what} | {which.sum()} | {middle} |")


def show_smoke(current: Router, strength: Mapping[str, float]) -> None:
    """The best by P; a star marks those that are not among the strongest quarter of the pool by published scores."""
    index = np.array([strength.get(card.model, strength.get(card.base or "", np.nan)) for card in current.cards])
    is_strong = index >= np.nanquantile(index, 0.75)
    estimates = current.estimate_batch(SMOKE)
    choices = {alpha: current.route_batch(SMOKE, alpha=alpha).models for alpha in (*ALPHAS, 1.0)}
    share = np.mean([is_strong[best_first(estimates, row)[:TOP]].mean() for row in range(len(SMOKE))])
    print(f"\n{TOP * share:.1f} of the best {TOP} by P are among the strongest quarter by published scores")
    for row, prompt in enumerate(SMOKE):
        p, cost = estimates.p_correct[row], estimates.cost_usd[row]
        order = best_first(estimates, row)
        print(f"\n**{shortened(prompt)}**\n\n| model | P | USD |\n|---|---|---|")
        for column in order[:TOP]:
            name = estimates.models[column] + ("" if is_strong[column] else " *")
            print(f"| {name} | {p[column]:.3f} | {cost[column]:.2g} |")
        print("\nchosen: " + ", ".join(f"{models[row]} at {alpha:g}" for alpha, models in choices.items()))


def show_languages(current: Router) -> None:
    """The best models of a language by mean P, and how they are ranked over all prompts."""
    estimates = current.estimate_batch([prompt for _, _, prompt in EVERYDAY])
    languages = Counter(language for language, _, _ in EVERYDAY)
    overall = ranks(estimates.p_correct.mean(axis=0))
    print("\n| language | prompts | mean P of the best, of the middle | best by mean P (rank over all prompts) |")
    print("|---|---|---|---|")
    for language, n in languages.items():
        rows = np.array([other == language for other, _, _ in EVERYDAY])
        mean = estimates.p_correct[rows].mean(axis=0)
        best = np.argsort(-mean, kind="stable")[:5]
        names = ", ".join(f"{estimates.models[column]} ({overall[column]})" for column in best)
        print(f"| {language} | {n} | {mean.max():.3f}, {np.median(mean):.3f} | {names} |")


def mean_p(estimates: Estimates) -> dict[str, float]:
    means = estimates.p_correct.astype(np.float64).mean(axis=0)
    return dict(zip(estimates.models, means.tolist(), strict=True))


def best_first(estimates: Estimates, row: int) -> NDArray[np.intp]:
    """Columns by falling P; of equals the cheaper first."""
    return np.lexsort((estimates.cost_usd[row], -estimates.p_correct[row]))


def ranks(values: NDArray[np.float32]) -> NDArray[np.intp]:
    """1 is the highest."""
    found = np.empty(len(values), np.intp)
    found[np.argsort(-values, kind="stable")] = np.arange(1, len(values) + 1)
    return found


def shortened(prompt: str) -> str:
    line = " ".join(prompt.split())
    return line if len(line) <= 80 else f"{line[:79]}…"


def arena_scores(folder: Path) -> dict[str, float]:
    """The overall text score of each model in the arena; the mean where a model is listed twice."""
    found: dict[str, list[float]] = {}
    for row in read_file_rows(folder / "scorecards.parquet", "scorecards"):
        if row["benchmark"] == "arena/text/overall" and row["publisher"] == "arena":
            found.setdefault(row["model"], []).append(row["score"])
    return {model: round(float(np.mean(scores)), 5) for model, scores in sorted(found.items())}


def strengths(folder: Path) -> dict[str, float]:
    """General ability by all published scores, of each model, and of each base as the mean over its settings."""
    cards, catalogue = read_scorecards(folder), read_catalogue(folder)
    bases = dict(zip(cards.models, cards.bases, strict=True))
    bases = {base: base for base in cards.bases} | catalogue.bases | bases
    names = sorted(bases)
    index = published_index(cards, names, [bases[name] for name in names])
    return {name: round(value, 3) for name, value in zip(names, index.tolist(), strict=True) if np.isfinite(value)}


def write(path: Path, values: Mapping[str, float]) -> None:
    path.write_text(json.dumps(values, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{path}: {len(values)} models")


if __name__ == "__main__":
    main()
