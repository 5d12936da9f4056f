"""Print an evaluation as the README's Markdown. Run: python bench/quality.py .train/evaluation/report.json"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from scope_edge.evaluate.markdown import markdown


def main(path: str) -> None:
    report = json.loads(Path(path).read_text(encoding="utf-8"))
    print("\n\n".join(markdown(report)), end="\n\n")
    machine = report["machine"]
    print(f"{machine['seconds'] / 60:.1f} minutes, Python {machine['python']}; encoder {report['encoder']}.")


if __name__ == "__main__":
    main(sys.argv[1])
