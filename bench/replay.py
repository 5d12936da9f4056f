"""Learning on the device, replayed: sources that the bundle does not know, and a stream like those it was built on.

Every outcome is predicted before it is recorded, beside the bundle as it was. Prints a table as Markdown and draws
docs/plots/learning.png. Needs the extra 'evaluate'. Run: python bench/replay.py --data DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge.evaluate.gathering import Gatherer
from scope_edge.learning import Learner, outcome_of

WINDOWS = ((0, 100), (100, 200), (200, 500), (500, 1000))
LENGTH, SEEDS, TOGETHER = 1000, 5, 5
PLOT = Path(__file__).parent.parent / "docs" / "plots" / "learning.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the outcome table")
    parser.add_argument("--bundle", type=Path, help="a bundle folder; the shipped one if left out")
    asked = parser.parse_args()
    with Progress() as bars:
        gatherer = Gatherer(asked.data, asked.bundle, None, bars)
        gatherer.router.warmup()
        streams = {
            f"{source} (unknown)": np.flatnonzero((gatherer.table.sources == source) & (gatherer.table.splits == "ood"))
            for source in sorted(set(gatherer.table.sources[gatherer.table.rows("ood")].tolist()))
        }
        streams["split=test (known kinds)"] = gatherer.table.rows("test")
        losses = {}
        for name, rows in streams.items():
            task = bars.add_task(f"replay {name}", total=SEEDS)
            runs = []
            for seed in range(SEEDS):
                runs.append(replay(gatherer, rows, seed))
                bars.advance(task)
            losses[name] = np.array([run[: min(map(len, runs))] for run in runs])
    heading = " | ".join(f"{low}-{high}" for low, high in WINDOWS)
    print(
        f"Log loss of the bundle as it was, and what learning changes, by outcomes recorded before ({SEEDS} orders):\n"
    )
    print(f"| stream | {heading} |\n|{'---|' * (len(WINDOWS) + 1)}")
    for name, runs in losses.items():
        cells = []
        for low, high in WINDOWS:
            part = runs[:, low:high]
            change = (part[..., 1] - part[..., 0]).mean(axis=1)
            spread = change.std(ddof=1) / np.sqrt(len(change))
            cells.append(f"{part[..., 0].mean():.3f} {change.mean():+.3f} ± {spread:.3f}")
        print(f"| {name} | {' | '.join(cells)} |")
    draw(losses)


def replay(gatherer: Gatherer, rows: NDArray[np.intp], seed: int) -> NDArray[np.float64]:
    """Log loss of every outcome, (n, 2): of the bundle, and of what had been learned before it."""
    router, table = gatherer.router, gatherer.table
    cells = np.argwhere(np.isfinite(table.scores[np.ix_(rows, gatherer.columns)]))
    cells = cells[np.random.default_rng(seed).permutation(len(cells))[:LENGTH]]
    learner, found, number = Learner(router.estimator), [], 0
    for begin in range(0, len(cells), TOGETHER):
        part = cells[begin : begin + TOGETHER]
        encodings = router.encoder.encode_batch([table.prompts[rows[row]] for row, _ in part])
        before, after = (e.estimate_batch(encodings) for e in (router.estimator, learner.estimator))
        outcomes = []
        for index, (row, column) in enumerate(part.tolist()):
            name = gatherer.names[column]
            at = router.models.index(name)
            score = float(table.scores[rows[row], gatherer.columns[column]])
            tokens = float(table.output_tokens[rows[row], gatherer.columns[column]])
            found.append([log_loss(float(e.p_correct[index, at]), score) for e in (before, after)])
            number += 1
            counted = None if np.isnan(tokens) else tokens
            outcomes.append((number, outcome_of(encodings[index], name, 0.0, score, counted, None)))
        learner.fold(outcomes)
    return np.array(found)


def log_loss(p: float, score: float) -> float:
    p = min(max(p, 1e-6), 1 - 1e-6)
    return -(score * np.log(p) + (1 - score) * np.log(1 - p))


def draw(losses: dict[str, NDArray[np.float64]]) -> None:
    from scope_edge.plots import write_figure
    from scope_edge.plots.canvas import GREY, ORANGE, drawing, new_figure

    with drawing():
        figure, axes = new_figure(3.4 * len(losses), 3.4, 1, len(losses), sharex=True)
        for axis, (name, runs) in zip(axes, losses.items(), strict=True):
            window = np.ones(100) / 100
            for column, color, label in ((0, GREY, "the bundle as it was"), (1, ORANGE, "with what was recorded")):
                mean = np.convolve(runs[..., column].mean(axis=0), window, "valid")
                axis.plot(np.arange(len(mean)) + 100, mean, color=color, linewidth=2, label=label)
            axis.set_title(name, loc="left", fontsize=10)
            axis.set_xlabel("outcomes recorded")
        axes[0].set_ylabel("log loss of the last 100")
        axes[0].legend(loc="best")
    write_figure(figure, PLOT)


if __name__ == "__main__":
    main()
