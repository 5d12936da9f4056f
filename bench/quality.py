"""Print an evaluation as the README's Markdown. Run: python bench/quality.py .train/evaluation/report.json"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from scope_edge.evaluate.sheets import Sheet, joining_sheets, overall_sheets, pool_sheets

SHOWN = (
    "AUROC", "AUROC inside", "log loss", "Brier", "ECE", "log tokens", "80% interval", "area", "CostSave@98",
    "accuracy at alpha=1", "AUROC, chosen", "AUROC, random", "P inside its 80% interval", "means inside theirs",
)  # fmt: skip


def main(path: str) -> None:
    report = json.loads(Path(path).read_text(encoding="utf-8"))
    sheets = [*overall_sheets(report), *pool_sheets("the pools weighted equally", report["equal"], brief=True)]
    for sheet in [*sheets, *joining_sheets(report["joining"] or {})]:
        print("\n".join(markdown(sheet)), end="\n\n")
    machine = report["machine"]
    print(f"{machine['seconds'] / 60:.1f} minutes, Python {machine['python']}; encoder {report['encoder']}.")


def markdown(sheet: Sheet) -> list[str]:
    """The table with the columns that the README has room for."""
    kept = [index for index, heading in enumerate(sheet.headings[1:]) if heading in SHOWN]
    lines = [f"{sheet.title}. {sheet.note}", ""]
    lines.append(_row([sheet.headings[0], *(sheet.headings[index + 1] for index in kept)]))
    lines.append("|---" * (len(kept) + 1) + "|")
    for name, cells in sheet.rows:
        texts = [f"**{cells[i].text}**" if cells[i].mark in ("best", "loss") else cells[i].text for i in kept]
        lines.append(_row([name, *texts]))
    return lines


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main(sys.argv[1])
