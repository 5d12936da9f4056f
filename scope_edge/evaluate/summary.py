"""What an evaluation says in sentences: how we stand to the best baseline, and where we do not win."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scope_edge.evaluate.bootstrap import FEWEST_PROMPTS
from scope_edge.evaluate.columns import COLUMNS, Column, finite
from scope_edge.evaluate.names import ORACLE, OURS
from scope_edge.evaluate.pools import MIN_COVERAGE, MIN_MODELS
from scope_edge.names import counted, shown

__all__ = ["summary"]

_PHRASES = {
    "log_loss": "log loss",
    "brier": "Brier score",
    "auroc": "AUROC",
    "auroc_inside": "AUROC inside a source",
    "area": "area under the frontier",
    "cost_save_98": "CostSave at 98%",
}


@dataclass(frozen=True)
class _Rival:
    """A baseline, how bad it is, and by how much we are ahead of it, more being better for us; 0 if that shows as 0."""

    name: str
    loss: float
    gain: float
    low: float | None
    high: float | None

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def summary(report: Mapping[str, Any]) -> list[str]:
    """A few sentences: how we stand to the best baseline, where we do not win, and what the prompts cannot show."""
    overall, equal = (report.get(key) or {} for key in ("overall", "equal"))
    n_prompts, n_models = (report.get(key) or 0 for key in ("n_prompts", "n_models"))
    split = report.get("split") or "test"
    over = "the one" if n_prompts == 1 else f"all {n_prompts:,}"
    where = f"Over {over} {split} prompt{'' if n_prompts == 1 else 's'} and {counted(n_models, 'model')}"
    routing = equal.get("routing")
    saved = finite(((routing or {}).get(OURS) or {}).get("cost_save_98"))
    save = "" if saved is None else f"; at 98% of Best Single's accuracy it {_cost(saved)}"
    sentences = [
        _standing(where, "log_loss", overall, report.get("differences")),
        _standing("With the pools weighted equally", "log_loss", equal.get("predictions"), equal.get("differences")),
        _standing("Routing those pools", "area", routing, equal.get("routing_differences"), save),
        _behind(report),
        _not_routed(report),
        _unlike_new_ones(split, n_prompts),
    ]
    return [sentence for sentence in sentences if sentence]


def _cost(saved: float) -> str:
    if not round(saved, 3):
        return "costs the same as Best Single"
    return f"saves {saved:.1%} of Best Single's cost" if saved > 0 else f"costs {-saved:.1%} more than Best Single"


def _not_routed(report: Mapping[str, Any]) -> str:
    """Why nothing is said of routing, if no pool was found."""
    if report.get("pools") != {}:
        return ""
    return (
        f"Routing is not judged: no source has {MIN_MODELS} models with outcomes for {MIN_COVERAGE:.0%} of its prompts."
    )


def _unlike_new_ones(split: str, n_prompts: int) -> str:
    """Why figures of these prompts say little of new ones, if so."""
    why = []
    if split == "train":
        why.append("Bundles and baselines are fitted on split=train: on new prompts, figures are worse than these.")
    if 0 < n_prompts < FEWEST_PROMPTS:
        small = f"A set of {counted(n_prompts, 'prompt')} is too small to tell a difference from chance"
        why.append(f"{small}, which takes {FEWEST_PROMPTS} or more.")
    return " ".join(why)


def _standing(
    where: str, key: str, rows: Mapping[str, Any] | None, differences: Mapping[str, Any] | None, more: str = ""
) -> str:
    own = finite(((rows or {}).get(OURS) or {}).get(key))
    rivals = _rivals(key, rows, differences)
    if own is None or not rivals:
        return ""
    best = min(rivals, key=lambda rival: rival.loss)
    which = f"the best of {len(rivals)} baselines" if len(rivals) > 1 else "the only baseline"
    start = f"{where}, {OURS}'s {_PHRASES[key]} is {COLUMNS[key].text(own)}"
    if not best.gain:
        return f"{start}: the same as that of {which}, {shown(best.name)}{more}."
    how = "worse" if best.gain < 0 else "better"
    noise = "" if best.clear or best.low is None else ", which is within the noise"
    return f"{start}: {how} than that of {which}, {shown(best.name)}, by {_extent(best, COLUMNS[key])}{noise}{more}."


def _behind(report: Mapping[str, Any]) -> str:
    """Where a baseline is ahead: those with a clear interval one by one, the others by name."""
    judged = [(where, key, rivals) for where, key, rivals in _cases(report) if rivals]
    if not judged:
        return ""
    clear: list[str] = []
    noisy: dict[str, list[str]] = {}
    for where, key, rivals in judged:
        worst = min(rivals, key=lambda rival: (not (rival.clear and rival.gain < 0), rival.gain))
        if worst.gain >= 0:
            continue
        if worst.clear:
            clear.append(
                f"{where} {shown(worst.name)} has the better {_PHRASES[key]} by {_extent(worst, COLUMNS[key])}"
            )
        else:
            noisy.setdefault(_PHRASES[key], []).append(where)
    if not clear and not noisy:
        measures = ", ".join(dict.fromkeys(_PHRASES[key] for _, key, _ in judged))
        return f"Nowhere, over all prompts or in any pool, is a baseline ahead of it in {measures}."
    texts = clear[:4] + ([f"so it is in {len(clear) - 4} more cases"] if len(clear) > 4 else [])
    if noisy:
        listed = ", ".join(f"in {phrase} {', '.join(wheres)}" for phrase, wheres in noisy.items())
        texts.append(f"{'also ' if clear else ''}a baseline is ahead, within the noise, {listed}")
    return f"It does not win everywhere: {'; '.join(texts)}."


def _cases(report: Mapping[str, Any]) -> Iterator[tuple[str, str, list[_Rival]]]:
    """Every place and measure in which we can be behind, with the rivals there."""
    equal, pools = (report.get(key) or {} for key in ("equal", "pools"))
    everywhere, equally = "over all prompts", "with the pools weighted equally"
    all_keys, losses = ("log_loss", "brier", "auroc", "auroc_inside"), ("log_loss", "brier")
    places = [
        (everywhere, all_keys, report.get("overall"), report.get("differences")),
        (equally, losses, equal.get("predictions"), equal.get("differences")),
        (equally, ("area", "cost_save_98"), equal.get("routing"), equal.get("routing_differences")),
    ]
    for name, entry in pools.items():
        where = f"in {shown(name)} ({counted(entry.get('n_prompts') or 0, 'prompt')})"
        places.append((where, losses, entry.get("predictions"), entry.get("differences")))
        places.append((where, ("area",), entry.get("routing"), entry.get("routing_differences")))
    for where, keys, rows, differences in places:
        for key in keys:
            yield where, key, _rivals(key, rows, differences)


def _rivals(key: str, rows: Mapping[str, Any] | None, differences: Mapping[str, Any] | None) -> list[_Rival]:
    column = COLUMNS[key]
    own = finite(((rows or {}).get(OURS) or {}).get(key))
    rivals = []
    for name, row in (rows or {}).items():
        theirs = finite((row or {}).get(key))
        if name in (OURS, ORACLE) or own is None or theirs is None:
            continue
        gain, low, high = column.gain(((differences or {}).get(name) or {}).get(key))
        loss = column.loss(theirs)
        gain = loss - column.loss(own) if gain is None else gain
        rivals.append(_Rival(name, loss, round(gain, 3 if _form(column).endswith("%") else 4), low, high))
    return rivals


def _extent(rival: _Rival, column: Column) -> str:
    """How far apart, turned so that the difference has no sign."""
    form = _form(column)
    if rival.low is None or rival.high is None:
        return format(abs(rival.gain), form)
    low, high = (rival.low, rival.high) if rival.gain >= 0 else (-rival.high, -rival.low)
    return f"{abs(rival.gain):{form}} (95% interval {low:z{form}} to {high:z{form}})"


def _form(column: Column) -> str:
    """How differences are written."""
    return ".1%" if column.form.endswith("%") else ".4f"
