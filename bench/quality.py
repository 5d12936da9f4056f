"""Print an evaluation as the Markdown of the README and of docs/control.md.

Run: python bench/quality.py .train/evaluation/report.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from scope_edge.evaluate.markdown import levels, markdown


def main(path: str) -> None:
    report = json.loads(Path(path).read_text(encoding="utf-8"))
    print("\n\n".join([*markdown(report), *levels(report)]), end="\n\n")
    machine = report["machine"]
    print(f"{machine['seconds'] / 60:.1f} minutes, Python {machine['python']}; encoder {report['encoder']}.")


if __name__ == "__main__":
    main(sys.argv[1])
