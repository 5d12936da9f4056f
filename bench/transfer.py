"""How well a bundle orders models on kinds of work that not even its encoder has seen.

    python bench/transfer.py DATA [--work DIR] [--folds 4] [--out FILE]

The sources of a table are dealt into folds. For each fold an encoder is trained on the others alone, by the recipe of
the shipped one, and the fold's sources are judged by pools that are fitted without them, one by one, as `scope-edge
evaluate --leave-source-out` does with the bundle's encoder. A fold takes a training, some forty minutes on two cores
once the teachers' embeddings are kept (--work, as of `scope-edge train`).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import polars
from rich.console import Console

from scope_edge.build import BuildOptions, build
from scope_edge.bundle import default_bundle, read_bundle
from scope_edge.cli.options import progress_bars
from scope_edge.evaluate.left_out import left_out_cells
from scope_edge.evaluate.order_sheets import ordering_section
from scope_edge.evaluate.ordering import ordering
from scope_edge.evaluate.sources import read_sources
from scope_edge.train import Recipe, train

TOGETHER = (("shaberi-", "shaberi"), ("lineage-bench-", "lineage"), ("textclass", "textclass"), ("mmlu", "mmlu"))
"""Sources with the same prompts, or of one generator, share a fold: a part of their name, and what they are called."""


def folds_of(sources: list[str], n_folds: int) -> list[list[str]]:
    """The sources by fold; those that belong together stay so."""
    groups: dict[str, list[str]] = {}
    for source in sorted(sources):
        group = next((name for part, name in TOGETHER if part in source), source)
        groups.setdefault(group, []).append(source)
    names = np.random.default_rng(0).permutation(sorted(groups)).tolist()
    return [[source for name in names[fold::n_folds] for source in groups[name]] for fold in range(n_folds)]


def without_sources(data: Path, left_out: list[str], folder: Path) -> None:
    """A copy of a table folder without some sources, their prompts in the corpus included."""
    for file in data.glob("*.parquet"):
        frame = polars.read_parquet(file)
        if file.stem == "queries":
            frame = frame.filter(~polars.col("source").is_in(left_out))
        if file.stem == "outcomes":
            kept = polars.read_parquet(data / "queries.parquet").filter(~polars.col("source").is_in(left_out))
            frame = frame.join(kept.select("query_id"), on="query_id", how="semi")
        if file.stem == "corpus":
            frame = frame.filter(~polars.col("source").is_in([f"outcomes:{source}" for source in left_out]))
        frame.write_parquet(folder / file.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, default=Path(".train"))
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("bench/results/transfer.json"))
    arguments = parser.parse_args()
    stated = read_bundle(default_bundle()).config["encoder"]["training"]["recipe"]
    sources = polars.read_parquet(arguments.data / "queries.parquet")["source"].unique().to_list()
    cells = []
    with progress_bars() as bars:
        for number, fold in enumerate(folds_of(sources, arguments.folds)):
            encoder, bundle = (arguments.work / f"transfer-{number}-{kind}" for kind in ("encoder", "bundle"))
            if not encoder.exists():  # a stopped run goes on with the fold that it was at
                with tempfile.TemporaryDirectory() as folder:
                    without_sources(arguments.data, fold, Path(folder))
                    rest = tuple(name for name in stated["correctness_only"] if name not in fold)
                    recipe = Recipe(**{**stated, "correctness_only": rest})
                    train(Path(folder), encoder, arguments.work, recipe, bars)
            if not bundle.exists():
                options = BuildOptions(correctness_only=tuple(stated["correctness_only"]))
                build(arguments.data, bundle, encoder, options, bars)
            cells += left_out_cells(arguments.data, bundle, encoder, sources=fold, progress=bars)
    report = ordering(cells, read_sources(arguments.data))
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    Console().print(*ordering_section(report, "sources that the encoder has not seen", brief=True), sep="\n")


if __name__ == "__main__":
    main()
