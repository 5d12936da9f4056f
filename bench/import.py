"""How long an import of a large log takes, and the memory at its peak, in a process of its own.

Run: python bench/import.py [--rows 1000000] [--kind jsonl|csv|parquet]     # the log is made in a temporary folder

An invented log of requests: ten models answer each prompt, of about 800 characters, once.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

MODELS = [f"maker/model-{number}" for number in range(10)]
WORDS = ("river", "stone", "seven", "market", "garden", "theory", "winter", "engine", "letter", "colour", "bridge")


def rows(n: int) -> Iterator[dict]:
    random.seed(0)
    prompt = ""
    for number in range(n):
        if number % len(MODELS) == 0:
            prompt = f"Question {number}: " + " ".join(random.choices(WORDS, k=110))
        yield {
            "id": f"request-{number}",
            "model": MODELS[number % len(MODELS)],
            "messages": [{"role": "user", "content": prompt}],
            "usage": {"prompt_tokens": 120 + number % 50, "completion_tokens": random.randrange(20, 900)},
            "response_cost": 0.0004,
            "score": None if number % 1000 == 0 else random.randrange(2),
        }


def write(path: Path, n: int) -> None:
    if path.suffix == ".parquet":
        import polars

        parts = []
        for start, part in enumerate(batches(rows(n), 50_000)):
            parts.append(path.with_name(f"part-{start:04}.parquet"))
            polars.DataFrame(part).write_parquet(parts[-1])
        polars.scan_parquet(parts).sink_parquet(path)
        for part in parts:
            part.unlink()
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            for number, row in enumerate(rows(n)):
                if not number:
                    table.writerow(row)
                table.writerow(
                    [json.dumps(value) if isinstance(value, list | dict) else value for value in row.values()]
                )
    else:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows(n))


def batches(items: Iterator[dict], size: int) -> Iterator[list[dict]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kind", choices=("jsonl", "csv", "parquet"), default="jsonl")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / f"log.{asked.kind}"
        write(log, asked.rows)
        free = [word for model in MODELS for word in ("--free", model)]
        command = [
            "from scope_edge.cli import main; main()",
            "import",
            str(log),
            "--out",
            f"{folder}/table",
            "--json",
            *free,
        ]
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-c", *command], stdout=subprocess.PIPE)
        assert process.stdout is not None
        report = json.loads(process.stdout.read())
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        size_mb = log.stat().st_size / 1e6
    assert status == 0
    print(
        f"{asked.kind}: {report['n_records']:,} rows, {size_mb:,.0f} MB, {report['n_queries']:,} prompts, "
        f"{report['n_rejected']:,} rejected: {seconds:.0f} s ({report['n_records'] / seconds:,.0f} rows/s), "
        f"peak memory {used.ru_maxrss / 1024:,.0f} MB"
    )


if __name__ == "__main__":
    main()
