"""An evaluation as one HTML file that needs nothing else: no server, no network, no script."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_edge.evaluate.columns import COLUMNS
from scope_edge.evaluate.names import OURS
from scope_edge.evaluate.order_sheets import PARTS, ordering_section
from scope_edge.evaluate.plots import frontier_models, plots
from scope_edge.evaluate.promises import budget_sheets, floor_sheets, level_sheets
from scope_edge.evaluate.sheets import (
    Cell,
    Sheet,
    joining_sheets,
    novelty_sheets,
    overall_sheets,
    pool_sheets,
    source_sheets,
)
from scope_edge.evaluate.summary import summary
from scope_edge.names import counted, listed, shown
from scope_edge.plots.canvas import png
from scope_edge.whole_file import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["write_page"]

_CSS = """
:root { color-scheme: light dark; --ink: #1b1b1b; --soft: #5a5a5a; --paper: #ffffff; --line: #d6d6d6;
  --own: #fbeee4; --win: #00603f; --loss: #a32a00; --link: #00538a; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #ececec; --soft: #b4b4b4; --paper: #16181b; --line: #3b3f45; --own: #38291d; --win: #5fd0a3;
    --loss: #ff9a6c; --link: #8cc8f5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 72rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.8rem; margin: 0 0 .3rem; }
h2 { font-size: 1.35rem; margin: 2.6rem 0 .6rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
a { color: var(--link); }
.soft, caption, figcaption { color: var(--soft); font-size: .87rem; }
.summary { font-size: 1.08rem; max-width: 62rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; padding: 0; }
.scroll { overflow-x: auto; margin: 1.1rem 0 1.6rem; }
.scroll:focus-visible { outline: 2px solid var(--link); }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .45rem; max-width: 62rem; }
caption strong { color: var(--ink); font-size: .98rem; display: block; }
th, td { padding: .28rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { vertical-align: bottom; white-space: normal; line-height: 1.25; border-bottom: 2px solid var(--soft); }
th:first-child { text-align: left; }
tbody th { font-weight: 400; }
tr.own th, tr.own td { background: var(--own); }
tr.own th, td.best { font-weight: 700; }
td.win { color: var(--win); } td.loss { color: var(--loss); }
figure { margin: 1.2rem 0 1.8rem; }
img { display: block; max-width: 100%; height: auto; background: #ffffff; padding: .5rem; border-radius: .4rem;
  border: 1px solid var(--line); }
figcaption { margin-top: .4rem; max-width: 62rem; }
dt { font-weight: 700; } dd { margin: 0 0 .5rem; }
@page { size: A4 landscape; margin: 12mm; }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  .scroll { overflow: visible; break-inside: avoid; } table { font-size: 7.5pt; } th, td { padding: .15rem .35rem; }
  h2, p { break-after: avoid; } figure, tr { break-inside: avoid; }
  img { max-height: 138mm; width: auto; border: 0; padding: 0; } }
"""

_ARROWS = {"": ""} | {
    way: f'&nbsp;<span aria-hidden="true">{arrow}</span>' for way, arrow in (("up", "&uarr;"), ("down", "&darr;"))
}
_SIGNS = {"": "", "best": "", "win": " &#10003;", "loss": " &#10007;"}


def write_page(report: Mapping[str, Any], path: Path) -> None:
    """Write the report with its pictures as one HTML file, whole or not at all.

    Raises
    ------
    UsageError
        The file cannot be written.
    MissingExtraError
        matplotlib is not installed.
    """
    text = _page(report)
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _page(report: Mapping[str, Any]) -> str:
    sections = [(title, body) for title, body in _sections(report) if body]
    links = "".join(f'<li><a href="#s{index}">{escape(title)}</a></li>' for index, (title, _) in enumerate(sections))
    bodies = "".join(
        f'<section id="s{index}" aria-labelledby="h{index}"><h2 id="h{index}">{escape(title)}</h2>{body}</section>\n'
        for index, (title, body) in enumerate(sections)
    )
    skipped = ", ".join(map(shown, report.get("skipped") or {}))
    note = f'<p class="soft">Could not run, see the end: {escape(skipped)}.</p>' if skipped else ""
    origin = [f"bundle {report['bundle']}"] if report.get("bundle") else []
    origin += [f"encoder {report['encoder']}"] if report.get("encoder") else []
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{OURS}: evaluation</title>\n<style>{_CSS}</style>\n</head>\n<body>\n<header>\n"
        f'<h1>{OURS}: evaluation</h1>\n<p class="soft">{escape(shown(", ".join(origin))) if origin else ""}</p>\n'
        f'<p class="summary">{escape(" ".join(summary(report)))}</p>{note}\n</header>\n'
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n<main>\n{bodies}</main>\n</body>\n</html>\n'
    )


def _sections(report: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Titles and HTML, in order; empty where the report has nothing."""
    figures = plots(report)
    equal, joining, novelty = (report.get(key) or {} for key in ("equal", "joining", "novelty"))
    yield (
        "All prompts",
        _tables(overall_sheets(report))
        + _picture(
            figures.get("reliability"),
            "Reliability diagram: the observed share of right answers against the predicted probability",
            "The nearer to the diagonal, the better calibrated. Below: outcomes per bin.",
        )
        + _picture(
            figures.get("token-quantiles"),
            _coverage_text(report.get("token_quantiles") or {}),
            "Left: the nearer to the diagonal, the better. Right: 80% is right; less is overconfident.",
        ),
    )
    yield "Pools weighted equally", _tables(pool_sheets("the pools weighted equally", equal))
    for name, pool in (report.get("pools") or {}).items():
        yield f"Pool {shown(name)}", _pool(name, pool, figures)
    control = report.get("control") or {}
    promises = [*budget_sheets(control), *level_sheets(control), *floor_sheets(control)]
    yield "Budgets and floors", _tables(promises)
    yield "By source", _tables(source_sheets(report))
    orders = [sheet for key, where in PARTS.items() for sheet in ordering_section(report.get(key) or {}, where)]
    yield "Order of models by source", _tables(orders)
    yield (
        "Models that join later",
        _tables(joining_sheets(joining))
        + _picture(
            figures.get("joining"),
            _joining_text(joining),
            "Higher AUROC is better; the dashed line is what all outcomes give. 80% intervals should hold about 80%.",
        )
        + _joined(joining),
    )
    yield (
        "Novel prompts",
        _tables(novelty_sheets(novelty))
        + _picture(
            figures.get("novelty"),
            "Error against novelty, and the log loss of every predictor on each source",
            "Lower error is better; the width of the interval should rise with the error.",
        ),
    )
    yield "The run", _run(report)
    yield (
        "The measures",
        "<dl>"
        + "".join(f"<dt>{escape(c.heading)}</dt><dd>{escape(c.meaning)}</dd>" for c in COLUMNS.values())
        + "</dl>",
    )


def _pool(name: str, pool: Mapping[str, Any], figures: Mapping[str, Figure]) -> str:
    models, sources = pool.get("models") or [], pool.get("sources") or []
    about = f"{counted(pool.get('n_prompts') or 0, 'prompt')}, {counted(len(models), 'model')}; sources: "
    about += ", ".join(shown(source) for source in sources) or "none named"
    if pool.get("best_single") is not None:
        about += f". Best Single: {shown(pool['best_single'])}"
    areas = {key: (row or {}).get("area") for key, row in (pool.get("routing") or {}).items()}
    listed = ", ".join(f"{shown(key)} {area:.4f}" for key, area in areas.items() if area is not None)
    picture = _picture(
        figures.get(f"frontier-{name}"),
        f"Accuracy against cost in the pool {shown(name)}. Area under the frontier: {listed or 'not given'}",
        "Up and to the left is better. A curve is one predictor over its dial; the oracle, which knows every answer, "
        "is grey, and nothing reaches into the band above it. Dashed curves do not read the prompt.",
    )
    frontier = [
        (model["model"], [Cell(f"{1000 * model['cost_usd']:.4g}"), Cell(f"{model['accuracy']:.3f}")])
        for model in frontier_models(pool)
    ]
    headings = ["model", "USD per 1,000 prompts", "accuracy"]
    note = "Lower cost and higher accuracy are better; no other single model beats these in both."
    sheet = Sheet(f"Single models, {shown(name)}", note, headings, ["down", "up"], frontier)
    intro = f'<p class="soft">{escape(about)}.</p>'
    return intro + picture + _tables([*pool_sheets(shown(name), pool), *([sheet] if frontier else [])])


def _joined(joining: Mapping[str, Any]) -> str:
    models = joining.get("models") or {}
    rows = []
    for name, model in models.items():
        figures = [f"{model.get('n_train') or 0:,}", COLUMNS["auroc"].text(model.get("auroc_all"))]
        rows.append((name, [*map(Cell, figures), Cell("yes" if model.get("averaged", True) else "no: too few")]))
    headings = ["model", "train outcomes", "AUROC from all", "in the averages"]
    sheet = Sheet("The joined models", "Higher is better: AUROC.", headings, ["", "up", ""], rows)
    return _tables([sheet] if rows else [])


def _run(report: Mapping[str, Any]) -> str:
    machine = report.get("machine") or {}
    lines = [f"{key}: {value}" for key, value in machine.items() if value is not None and key != "seconds"]
    if machine.get("seconds") is not None:
        lines.append(f"{machine['seconds']:,.0f} seconds")
    error = (report.get("input_tokens") or {}).get("median_relative_error")
    if error is not None:
        lines.append(f"input tokens: median relative error {error:.1%} (lower is better)")
    lines += [
        f"not judged, for only the {place} has them: {listed(names)}"
        for place, names in (report.get("unmatched") or {}).items()
        if names
    ]
    lines += [f"skipped {shown(name)}: {reason}" for name, reason in (report.get("skipped") or {}).items()]
    return f"<ul>{''.join(f'<li>{escape(shown(line))}</li>' for line in lines)}</ul>" if lines else ""


# --- parts ---


def _tables(sheets: Iterable[Sheet]) -> str:
    return "".join(map(_table, sheets))


def _table(sheet: Sheet) -> str:
    marks = {cell.mark for _, cells in sheet.rows for cell in cells}
    legend = (
        " &#10003; clearly better, &#10007; clearly worse: the interval leaves out zero."
        if "win" in marks or "loss" in marks
        else ""
    )
    legend += " Bold: the best of its column." if "best" in marks else ""
    arrows = ["", *(_ARROWS[way] for way in sheet.better)]
    head = "".join(f'<th scope="col">{escape(h)}{a}</th>' for h, a in zip(sheet.headings, arrows, strict=True))
    rows = []
    for name, cells in sheet.rows:
        figures = "".join(
            f"<td{f' class={cell.mark}' if cell.mark else ''}>{escape(cell.text)}{_SIGNS[cell.mark]}</td>"
            for cell in cells
        )
        own = ' class="own"' if name == OURS else ""
        rows.append(f'<tr{own}><th scope="row">{escape(shown(name))}</th>{figures}</tr>\n')
    title = escape(sheet.title)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{title}"><table>\n'
        f"<caption><strong>{title}</strong>{escape(sheet.note)}{legend}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody></table></div>\n"
    )


def _picture(figure: Figure | None, alt: str, caption: str) -> str:
    if figure is None:
        return ""
    data = base64.b64encode(png(figure)).decode("ascii")
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{escape(alt)}" width="{width}" height="{height}">\n'
        f"<figcaption>{escape(caption)}</figcaption></figure>\n"
    )


def _coverage_text(quantiles: Mapping[str, Any]) -> str:
    shares = [(shown(name), value) for name, value in (quantiles.get("by_source") or {}).items() if value is not None]
    listed = ", ".join(f"{name} {value:.0%}" for name, value in shares)
    return (
        f"Predicted against observed quantiles of output tokens. Coverage of the 80% interval: {listed or 'not given'}"
    )


def _joining_text(joining: Mapping[str, Any]) -> str:
    values = (joining.get("chosen") or joining.get("random") or {}).get("auroc") or []
    pairs = zip(joining.get("counts") or [], values, strict=False)
    listed = ", ".join(f"{count}: {value:.4f}" for count, value in pairs if value is not None)
    return f"AUROC of joined models by the number of outcomes they join with: {listed or 'not given'}"
