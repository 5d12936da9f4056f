"""Commands that make and judge bundles: train, build, evaluate."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from scope_edge.cli.options import (
    Aliases,
    BundlePath,
    Free,
    Json,
    PricesDate,
    PricesFile,
    console,
    destination,
    price_source,
    print_json,
    progress_bars,
    split_names,
)
from scope_edge.errors import MissingExtraError, UsageError
from scope_edge.fingerprints import OWN_LENGTHS_FROM
from scope_edge.names import counted
from scope_edge.plots.canvas import drawing

__all__ = ["register"]

CorrectnessOnly = Annotated[
    list[str] | None,
    typer.Option(
        "--correctness-only",
        metavar="SOURCE",
        help="Ignore the output tokens of this source (wildcards, repeatable); for answer-only prompts.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(train)
    app.command()(build)
    app.command()(evaluate)


def train(
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Table folder, with corpus.parquet if there is one.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="PATH", help="Where the encoder bundle is written.")],
    work: Annotated[
        Path, typer.Option("--work", metavar="DIR", help="What the teachers say is kept here; a stopped run goes on.")
    ] = Path(".train"),
    seed: Annotated[int, typer.Option("--seed", help="Seed of every random choice.")] = 0,
    max_corpus: Annotated[
        int, typer.Option("--max-corpus", min=0, help="Unlabelled texts that are used at most, drawn evenly by source.")
    ] = 30_000,
    smoke: Annotated[bool, typer.Option("--smoke", help="A tiny student in seconds, to try the pipeline.")] = False,
    correctness_only: CorrectnessOnly = None,
    as_json: Json = False,
) -> None:
    """Distil a student encoder from MiniLM, multilingual-e5 and an outcome table (needs the extra 'train').

    About an hour on two CPU cores for 60k texts, most of it the teachers' embeddings.

    [dim]scope-edge train --data DIR --out encoder[/dim]
    """
    try:
        from scope_edge.train import Recipe, smoke_recipe
        from scope_edge.train import train as run
    except ImportError as error:
        raise MissingExtraError("Training", error.name or "torch", "train") from error
    recipe = smoke_recipe() if smoke else Recipe()
    if not smoke:
        recipe = replace(recipe, max_corpus=max_corpus)
    recipe = replace(recipe, seed=seed, correctness_only=tuple(correctness_only or ()))
    place = destination(out)
    with progress_bars() as bars:
        report = run(data, out, work, recipe, bars)
    if as_json:
        print_json({"bundle": str(out), **report})
    else:
        console.print(
            f"Trained on {counted(report['n_texts'], 'text')} in {report['minutes']} minutes; encoder in {place}"
        )


def build(
    outcomes: Annotated[
        Path, typer.Option("--outcomes", metavar="DIR", help="Folder with queries, outcomes and models tables.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="PATH", help="Where the bundle is written.")],
    encoder: Annotated[
        Path | None,
        typer.Option("--encoder", metavar="BUNDLE", help="Bundle whose encoder is used; the shipped one if left out."),
    ] = None,
    anchors: Annotated[int, typer.Option("--anchors", min=1, help="How many prompts become anchors.")] = 8192,
    method: Annotated[
        str, typer.Option("--method", help="How they are chosen: kmeans, random or facility.")
    ] = "kmeans",
    index: Annotated[
        bool | None,
        typer.Option(
            "--index/--no-index",
            help="Store a graph for the look-up (usearch), which may miss a neighbour; by default from 500,000 "
            "anchors on, where it is faster than reading them all.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the choice.")] = 0,
    correctness_only: CorrectnessOnly = None,
    without_benchmark: Annotated[
        list[str] | None,
        typer.Option(
            "--without-benchmark",
            metavar="NAME",
            help="A published benchmark, name or wildcard, whose scores are not used (repeatable).",
        ),
    ] = None,
    prices: PricesFile = None,
    prices_date: PricesDate = None,
    aliases: Aliases = None,
    free: Free = None,
    as_json: Json = False,
) -> None:
    """Build a bundle from outcomes: anchors, fingerprints, calibration (needs the extra 'build').

    Logs in other forms become such a folder by `scope-edge import`. Prices of a list go before those of the table.

    [dim]scope-edge build --outcomes DIR --out my-bundle[/dim]
    [dim]scope-edge build --outcomes DIR --prices prices.json --out my-bundle[/dim]
    """
    from scope_edge.build import BuildOptions
    from scope_edge.build import build as run

    options = BuildOptions(
        n_anchors=anchors,
        method=method,
        seed=seed,
        index=index,
        correctness_only=tuple(correctness_only or ()),
        without_benchmarks=tuple(without_benchmark or ()),
        prices=price_source(prices, prices_date, aliases, free),
    )
    place = destination(out)
    with progress_bars() as bars:
        report = run(outcomes, out, encoder, options, bars)
    if as_json:
        print_json({"bundle": str(out), **report})
    else:
        console.print(
            f"{counted(report['n_models'], 'model')} over {counted(report['n_anchors'], 'anchor')} in {place}"
        )
        if report["n_by_scores_alone"]:
            console.print(
                f"{counted(report['n_by_scores_alone'], 'model')} by published scores alone, {report['n_current']:,} "
                f"that can be bought or downloaded today (prices of {report['prices_of']})"
            )
        if report["unpriced"]:
            n = counted(len(report["unpriced"]), "model")
            console.print(f"[yellow]Left out[/], {n} that have no price: their outcomes are evidence for the others")
        if report["left_out"]:
            names = ", ".join(f"{escape(name)} ({n:,})" for name, n in report["left_out"].items())
            console.print(
                f"[yellow]Left out[/] with fewer than {report['min_outcomes']} outcomes to fit on: {names}",
                soft_wrap=True,
            )
        if report["val_from"] == "train":
            console.print("A seventh of split=train was held out as val, for split=val has no outcomes of these models")
        if report["guessed_lengths"]:
            whose = ", ".join(map(escape, report["guessed_lengths"]))
            console.print(
                f"[yellow]Lengths and costs are guessed[/], for want of {OWN_LENGTHS_FROM} counted outputs: {whose}",
                soft_wrap=True,
            )
        for name, value in report["val"].items():
            console.print(f"  {name} on val: {value}")


def evaluate(
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Folder with queries, outcomes and models tables.")
    ],
    split: Annotated[str, typer.Option("--split", help="The split to judge on.")] = "test",
    sources: Annotated[
        list[str] | None, typer.Option("--sources", metavar="NAMES", help="Only these sources: names or wildcards.")
    ] = None,
    pool: Annotated[
        list[str] | None,
        typer.Option(
            "--pool",
            metavar="[NAME=]SOURCES",
            help="Judge routing on these sources, names or wildcards with commas between (repeatable); "
            "left out, pools are found in the table.",
        ),
    ] = None,
    leave_source_out: Annotated[
        bool,
        typer.Option(
            "--leave-source-out",
            help="Also judge each source by a pool that is fitted without it; --sources says which. Some minutes.",
        ),
    ] = False,
    encoder: Annotated[
        Path | None,
        typer.Option(
            "--encoder",
            metavar="BUNDLE",
            help="For --leave-source-out: what `train` wrote, with its out-of-fold loadings; the bundle's own if "
            "left out.",
        ),
    ] = None,
    joining: Annotated[
        bool, typer.Option("--joining/--no-joining", help="Let the role=join models join from 8 to 250 anchors.")
    ] = True,
    work: Annotated[
        Path,
        typer.Option("--work", metavar="DIR", help="MiniLM embeddings for the baselines are kept here, as by train."),
    ] = Path(".train"),
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Also write the JSON here.")] = None,
    page: Annotated[
        Path | None,
        typer.Option("--report", metavar="DIR", help="Also write report.html, the plots as PNG and the JSON here."),
    ] = None,
    card: Annotated[bool, typer.Option("--card", help="Also write the figures into the bundle's card.")] = False,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """Judge a bundle's predictions and decisions on held-out prompts (needs the extra 'evaluate').

    Beside the hardest baselines, with paired bootstrap intervals: kNN, means by source, logistic
    regression, MLP, clusters, matrix factorisation, SCOPE's retrieval. Those on MiniLM also need the
    extra 'train'; their embeddings take some minutes once.

    [dim]scope-edge evaluate --data DIR --report evaluation[/dim]
    [dim]scope-edge evaluate --data DIR --sources "zeroeval-*,mmlu-pro"[/dim]
    [dim]scope-edge evaluate --data DIR --leave-source-out --encoder .train/encoder[/dim]
    """
    try:
        from scope_edge import evaluate as harness
    except ImportError as error:
        raise MissingExtraError("Evaluating", error.name or "scikit-learn", "evaluate") from error
    _check_places(out, page)
    if page is not None:
        with drawing():  # before the work, for it may be missing
            pass
    with progress_bars() as bars:
        report = harness.evaluate(
            data, bundle, split=split, sources=split_names(sources), pools=pool, work=work / "minilm",
            with_joining=joining, progress=bars,
        )  # fmt: skip
        if leave_source_out:
            report["ordering_left_out"] = harness.leave_source_out(
                data, bundle, encoder, sources=split_names(sources), progress=bars
            )
    try:  # the figures must not be lost where they cannot be written, nor the files where nothing can be printed
        for file in filter(None, (out, page and page / "report.json")):
            _write(file, json.dumps(report, indent=1) + "\n")
        if page is not None:
            harness.write_plots(report, page)
            harness.write_page(report, page / "report.html")
        if card:
            harness.write_into_card(report, Path(report["bundle"]))
    finally:
        if as_json:
            print_json(report)
        else:
            harness.show(report, console)
    if page is not None and not as_json:
        console.print(f"The report is in {escape(str(page / 'report.html'))}")


def _check_places(out: Path | None, page: Path | None) -> None:
    """Refuse what cannot be written before the work rather than after it."""
    if out is not None:
        written = out if out.exists() else out.parent
        wrong = "a folder" if out.is_dir() else "" if out.parent.is_dir() else f"no folder {out.parent}"
        wrong = wrong or ("" if os.access(written, os.W_OK) else f"{written}, which may not be written")
        if wrong:
            raise UsageError(
                f"Cannot write {out}",
                expected="a file in a folder that is there and may be written",
                got=wrong,
                remedy="Give another place with --out.",
            )
    if page is not None:
        try:
            page.mkdir(parents=True, exist_ok=True)
            wrong = "" if os.access(page, os.W_OK | os.X_OK) else "one that may not"
        except FileExistsError:
            wrong = "a file"
        except OSError as error:
            wrong = error.strerror or str(error)
        if wrong:
            raise UsageError(
                f"Cannot write {page}",
                expected="a folder, new or there, that may be written",
                got=wrong,
                remedy="Give another place with --report.",
            )


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Cannot write {file}", got=error.strerror or str(error)) from error
