"""Print a result of `make bench` as Markdown. Run: python bench/table.py bench/results/latest.json"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path


def main(path: str) -> None:
    result = json.loads(Path(path).read_text(encoding="utf-8"))
    info, commit = result["machine_info"], result["commit_info"]
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for entry in result["benchmarks"]:
        name, _, parameter = entry["name"].removeprefix("test_").partition("[")
        parameter = parameter.rstrip("]")
        words = re.fullmatch(r"(\d+)-words", parameter)
        label = name if words or not parameter else f"{name} ({parameter})"
        cell = f"{_ms(entry['stats']['median'])} / {_ms(entry['extra_info']['p99'])}"
        rows.setdefault((entry["group"], label), {})[words.group(1) if words else "any"] = cell
    print("| stage | 20 words | 120 words | 2,000 words |\n|---|---|---|---|")
    for (group, label), cells in rows.items():
        shown = [cells.get(words, cells.get("any", "")) for words in ("20", "120", "2000")]
        print(f"| {label if group in ('end to end', label) else f'{group}: {label}'} | {' | '.join(shown)} |")
    cpu = info["cpu"]
    versions = ", ".join(f"{name} {version}" for name, version in info["versions"].items())
    print(
        f"\nMedian / p99 in milliseconds; {cpu['brand_raw']}, {cpu['count']} cores; Python {info['python_version']}, ",
        end="",
    )
    print(f"{versions}; commit {commit['id'][:10]}.")


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g}"


if __name__ == "__main__":
    main(sys.argv[1])
