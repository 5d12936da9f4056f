"""An evaluation as Markdown: for a README, and for the card of the bundle that was judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scope_edge.anchors import AnchorSet
from scope_edge.bundle import read_bundle, write_bundle
from scope_edge.evaluate.order_sheets import PARTS, ordering_section
from scope_edge.evaluate.promises import budget_sheets, floor_sheets, level_sheets
from scope_edge.evaluate.sheets import Sheet, joining_sheets, overall_sheets, pool_sheets

__all__ = ["levels", "markdown", "write_into_card"]

SHOWN = (
    "AUROC", "AUROC inside", "log loss", "Brier", "ECE", "log tokens", "80% interval", "area", "CostSave@98",
    "accuracy at alpha=1", "AUROC, chosen", "AUROC, random", "P inside, random", "P inside, chosen",
    "means inside, random",
)  # fmt: skip
"""The measures that a page of text has room for."""

_HEADING = "\n## Figures on held-out prompts\n"


def markdown(report: Mapping[str, Any]) -> list[str]:
    """The essential tables of a report of `evaluate`, each with its title; empty ones are left out."""
    sheets = overall_sheets(report)
    sheets += pool_sheets("the pools weighted equally", report.get("equal") or {}, brief=True)
    tables = [_table(sheet) for sheet in [*sheets, *joining_sheets(report.get("joining") or {})]]
    for key, where in PARTS.items():
        tables += [_table(sheet, whole=True) for sheet in ordering_section(report.get(key) or {}, where, brief=True)]
    control = report.get("control") or {}
    return tables + [_table(sheet, whole=True) for sheet in [*budget_sheets(control), *floor_sheets(control)]]


def levels(report: Mapping[str, Any]) -> list[str]:
    """Every budget of the report, one row each."""
    return [_table(sheet, whole=True) for sheet in level_sheets(report.get("control") or {})]


def write_into_card(report: Mapping[str, Any], bundle: Path) -> None:
    """Put the figures of a report at the end of a bundle's card, in the place of earlier ones.

    Raises
    ------
    BundleError
        The bundle cannot be read or written; it is left as it was.
    """
    read = read_bundle(bundle)
    path = bundle / "README.md"
    card = path.read_text(encoding="utf-8") if path.exists() else "# A scope-edge bundle\n"
    figures = "\n\n".join(markdown(report))
    write_bundle(
        bundle,
        config=read.config, encoder=bundle, manifest=read.manifest, fingerprints=read.fingerprints, models=read.models,
        anchors=read.anchors, anchor_labels=read.anchor_labels,
        index=AnchorSet.from_tensors(read.anchors, read.anchor_labels, read.index_file).index,
        card=f"{card.split(_HEADING)[0]}{_HEADING}\nBy `scope-edge evaluate`.\n\n{figures}\n",
    )  # fmt: skip


def _table(sheet: Sheet, whole: bool = False) -> str:
    kept = [index for index, heading in enumerate(sheet.headings[1:]) if whole or heading in SHOWN]
    lines = [f"{sheet.title}. {sheet.note}", ""]
    lines.append(_row([sheet.headings[0], *(sheet.headings[index + 1] for index in kept)]))
    lines.append("|---" * (len(kept) + 1) + "|")
    for name, cells in sheet.rows:
        texts = [f"**{cells[i].text}**" if cells[i].mark in ("best", "loss") else cells[i].text for i in kept]
        lines.append(_row([name, *texts]))
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
