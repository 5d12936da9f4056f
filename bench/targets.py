"""What was aimed at, beside what a run reached; nothing here is typed in but the aims."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from measured import Results

__all__ = ["Target", "exponent", "targets"]

OURS = "scope-edge"


class Target(NamedTuple):
    """An aim, the figure reached, and whether it is within."""

    aim: str
    reached: str
    met: bool


def targets(results: Results) -> Iterator[Target]:
    """All that can be judged from what the run holds."""
    yield from _lookup(results)
    yield from _end_to_end(results)
    for what, other in (("anchors", {"models": 20}), ("models", {"anchors": 10_000})):
        slopes = {stage: exponent(results, stage, what, other) for stage in ("estimate", "route")}
        shown = ", ".join(f"{stage} {slope:.2f}" for stage, slope in slopes.items())
        yield Target(f"exponent of the cost in {what} at most 1.1", shown, max(slopes.values()) <= 1.1)
    for peer in ("route", "route_batch of 64"):
        entry = results.one("threads", peer=peer, threads=4)
        if entry:
            ratio = float(np.median(entry["ratios"]))
            yield Target(f"4 threads at least 1.5x of one, {peer}", f"{ratio:.2f}x", ratio >= 1.5)
    first = results.one("cold", peer="first decision")
    imports = next((entry for entry in results.of("cold") if entry is not first), None)
    if first and imports:
        time, memory = first["seconds"] / imports["seconds"], first["peak_mb"] / imports["peak_mb"]
        yield Target("first decision at most 2.0x of the imports", f"{time:.2f}x", time <= 2.0)
        yield Target("its peak memory at most 1.6x of theirs", f"{memory:.2f}x", memory <= 1.6)


def exponent(results: Results, stage: str, what: str, other: dict[str, int]) -> float:
    """How the median grows over all sizes but the smallest: the slope of a line through the logarithms."""
    points = sorted((entry[what], entry.median) for entry in results.of("pools", stage=stage, **other))
    sizes, medians = np.log(points[1:]).T
    return float(np.polyfit(sizes, medians, 1)[0])


def _lookup(results: Results) -> Iterator[Target]:
    for peer, least in (
        ("usearch exact", {2_500: 5.0}),
        ("numpy", {2_500: 2.0, 25_000: 5.0}),
        ("faiss flat", {250: 1.0}),
    ):
        ratios = {
            entry["anchors"]: entry.median / ours.median
            for entry in results.of("lookup", peer=peer)
            if (ours := results.one("lookup", peer=OURS, anchors=entry["anchors"]))
        }
        for start, factor in least.items():
            later = [n for n in least if n > start]
            judged = {n: ratio for n, ratio in ratios.items() if n >= start and (not later or n < min(later))}
            if not judged:
                continue
            shown = ", ".join(f"{ratio:.1f}x at {n:,}" for n, ratio in judged.items())
            aim = f"look-up at least {factor:g}x as fast as {peer} from {start:,} anchors on"
            yield Target(aim, shown, all(ratio >= factor for ratio in judged.values()))
    ratios = {
        entry["anchors"]: results.one("lookup", peer=OURS, anchors=entry["anchors"]).median / entry.median
        for entry in results.of("lookup", peer="reading the bytes")
        if entry["anchors"] >= 250_000
    }
    if ratios:
        shown = ", ".join(f"{ratio:.2f}x at {n:,}" for n, ratio in ratios.items())
        yield Target("look-up at most 1.3x of reading the bytes from 250,000 on", shown, max(ratios.values()) <= 1.3)


def _end_to_end(results: Results) -> Iterator[Target]:
    route = results.one("words", stage="route", words=120)
    same = results.one("words", peer="tokenizers library, same vocabulary", words=120)
    bert = results.one("words", peer="tokenizers library, bert-base-uncased", words=120)
    ratio = route.median / same.median
    yield Target("route at 120 words at most 1.6x of the bare tokenizer", f"{ratio:.2f}x", ratio <= 1.6)
    if bert:
        ratio = same.median / bert.median
        yield Target("that tokenizer no slower than bert-base-uncased's", f"{ratio:.2f}x", ratio <= 1.0)
    for aim, wanted in (("2,000 words", {"words": 2_000}), ("1 MB", {"characters": 1_000_000})):
        p99 = results.one("words", stage="route", **wanted).p99 * 1e3
        yield Target(f"route of {aim} under 10 ms at 99%", f"{p99:.2f} ms", p99 < 10)
    knn = results.one("instead", peer="MiniLM float + scikit-learn kNN", words=120)
    ours = results.one("instead", peer=OURS, words=120)
    if knn and ours:
        ratio = knn.median / ours.median
        yield Target("100x as fast as MiniLM float + scikit-learn kNN", f"{ratio:.0f}x", ratio >= 100)
