"""Write the README's section on speed, its targets and its plots from a run of the benchmarks.

make bench                           # runs them, then this
python bench/report.py               # from bench/results/latest.json, the run
python bench/report.py --reference   # from bench/results/reference.json, what the section was last written from
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from measured import Entry, Results
from targets import exponent, targets

__all__ = ["section", "with_section"]

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- speed: begin -->\n", "<!-- speed: end -->"


def section(results: Results) -> str:
    """The section, as Markdown."""
    found = results.conditions
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items() if number)
    parts = [
        "## How fast it is",
        "One run, `make bench`, with the kernels warm. Where not said otherwise, 10,000 anchors, 20 models and prompts "
        "of 120 words, no two alike in a row; calls that are compared take turns, on one thread. Median / 99% "
        "quantile. On a shared machine: trust the ratios.",
        f"{found['cpu']}, {found['cores']} cores; Python {found['python']}, {versions}; commit {found['commit']}, "
        f"{found['date']}.",
        *_words(results),
        *_instead(results),
        *_lookup(results),
        "![Latency of the look-up against anchors](docs/plots/lookup.png)",
        *_growth(results),
        "![Latency against words](docs/plots/words.png)",
        *_threads(results),
        *_cold(results),
        "What was aimed at (`python bench/report.py` works it out of the same run):",
        _table(
            ("target", "reached", ""), [(t.aim, t.reached, "met" if t.met else "**missed**") for t in targets(results)]
        ),
    ]
    return "\n\n".join(parts) + "\n"


def with_section(readme: str, text: str) -> str:
    """A README with the section between its marks."""
    if BEGIN not in readme or END not in readme:
        raise SystemExit(f"README.md has no {BEGIN.strip()} and {END}: put them where the section belongs")
    before, rest = readme.split(BEGIN, 1)
    return before + BEGIN + text + END + rest.split(END, 1)[1]


def _words(results: Results) -> Iterable[str]:
    yield (
        "**By stage**, in milliseconds (`python -m pytest bench/test_words.py`). `encoder` begins with the text; "
        "`estimate`, `route` and `batch` include everything. Of a prompt above 3,072 characters, its first 2,048 and "
        "its last 1,024 are read; a megabyte costs a look for surrounding space beside that."
    )
    sizes = (20, 120, 2_000)
    rows = [
        (_label(stage, peer), *(_ms(results.one("words", stage=stage, peer=peer, words=n)) for n in sizes))
        for stage, peer in _kinds(results.of("words", words=120))
    ]
    megabyte = results.one("words", characters=1_000_000)
    yield _table(("", *(f"{n:,} words" for n in sizes), "1 MB"), [
        (*row, _ms(megabyte) if row[0] == "route" else "") for row in rows
    ])  # fmt: skip


def _instead(results: Results) -> Iterable[str]:
    yield (
        "**End to end, beside what else chooses a model**, in milliseconds (`python -m pytest bench/test_instead.py`, "
        "extra `peers`; see [bench/README.md](bench/README.md)). Only the first and the kNN rows predict anything per "
        "model."
    )
    yield _beside(results, "instead", "words", 120, _ms, " words")


def _lookup(results: Results) -> Iterable[str]:
    yield (
        "**The look-up** of the 80 nearest anchors, in microseconds (`python -m pytest bench/test_lookup.py`, extra "
        "`peers`). `reading the bytes` adds up the codes and scales, and nothing else. In brackets recall@10 against "
        "float32: of exact searches in int8 it tells the rounding, of graphs also what they miss."
    )
    yield _beside(results, "lookup", "anchors", 10_000, _us)


def _beside(
    results: Results, table: str, against: str, usual: int, cell: Callable[[Entry | None], str], unit: str = ""
) -> str:
    """A row for each peer that was timed at the usual size, a column for each size."""
    sizes = sorted({entry[against] for entry in results.of(table)})
    rows = [
        (peer, *(cell(results.one(table, peer=peer, **{against: n})) for n in sizes))
        for _, peer in _kinds(results.of(table, **{against: usual}))
    ]
    return _table(("", *(f"{n:,}{unit}" for n in sizes)), rows)


def _growth(results: Results) -> Iterable[str]:
    yield (
        "**Larger pools**, in milliseconds (`python -m pytest bench/test_pools.py`; without a graph). The exponent is "
        "the slope of log time over log size, over all sizes but the smallest. " + _step(results)
    )
    for what, other in (("anchors", {"models": 20}), ("models", {"anchors": 10_000})):
        sizes = sorted({entry[what] for entry in results.of("pools", **other)})
        yield _table((what, *(f"{n:,}" for n in sizes), "exponent"), [
            (
                stage,
                *(_ms(results.one("pools", stage=stage, **other, **{what: n})) for n in sizes),
                f"{exponent(results, stage, what, other):.2f}",
            )
            for stage in ("estimate", "route")
        ])  # fmt: skip


def _step(results: Results) -> str:
    """Where the anchors outgrow the processor's cache, all that reads them slows down."""

    def slope(table: str, **wanted: object) -> float | None:
        few, many = (results.one(table, anchors=n, **wanted) for n in (250_000, 1_000_000))
        return float(np.log(many.median / few.median) / np.log(4)) if few and many else None

    estimate, reading = slope("pools", stage="estimate", models=20), slope("lookup", peer="reading the bytes")
    if estimate is None or reading is None:
        return ""
    return (
        f"From 250,000 to 1,000,000 anchors alone it is {estimate:.2f} for `estimate`, and {reading:.2f} for reading "
        "the bytes: there they outgrow the processor's cache."
    )


def _threads(results: Results) -> Iterable[str]:
    yield (
        "**Threads that share a router**: prompts per second, as a multiple of what one thread decides, median of "
        "turns (`python -m pytest bench/test_threads.py`). The loop says what the machine gives. Single decisions hand "
        "the interpreter's lock over several times each, batches less."
    )
    rows = [
        (peer, *(f"{_ratio(results, peer, n):.2f}x" for n in (1, 2, 4)))
        for _, peer in _kinds(results.of("threads", threads=1))
    ]
    yield _table(("", "1 thread", "2 threads", "4 threads"), rows)


def _ratio(results: Results, peer: str, threads: int) -> float:
    entry = results.one("threads", peer=peer, threads=threads)
    return float(np.median(entry["ratios"])) if entry else float("nan")


def _cold(results: Results) -> Iterable[str]:
    yield "**Fresh processes**, from their start, medians (`python -m pytest bench/test_cold.py`)."
    rows = [
        (entry["peer"], f"{entry['seconds'] * 1e3:.0f} ms", f"{entry['peak_mb']:.0f} MB")
        for entry in results.of("cold")
    ]
    yield _table(("until", "time", "peak memory"), rows)


def _kinds(entries: Iterable[Entry]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((entry["stage"], entry["peer"]) for entry in entries))


def _label(stage: str, peer: str) -> str:
    name = f"{stage} of 64, per prompt" if stage == "batch" else stage
    return name if peer == "scope-edge" else f"{name}: {peer}"


def _ms(entry: Entry | None) -> str:
    per_call = (entry["prompts"] or 1) if entry else 1
    return _pair(entry, 1e3 / per_call)


def _us(entry: Entry | None) -> str:
    recall = f" ({entry['recall']:.2f})" if entry and (entry["recall"] or 1) < 0.9995 else ""
    return _pair(entry, 1e6) + recall


def _pair(entry: Entry | None, factor: float) -> str:
    return f"{_figure(entry.median * factor)} / {_figure(entry.p99 * factor)}" if entry else "-"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    if "--reference" in arguments:
        results = Results.read()
    else:
        results = Results.of_run(ROOT / "bench" / "results" / "latest.json")
        results.write()
    readme = ROOT / "README.md"
    readme.write_text(with_section(readme.read_text(encoding="utf-8"), section(results)), encoding="utf-8")
    from plots import plot_all

    plot_all(results, ROOT / "docs" / "plots")
    print(section(results))


if __name__ == "__main__":
    main(sys.argv[1:])
