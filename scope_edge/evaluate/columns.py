"""The measures of a report: what each is called, which way is better, and how a figure is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["COLUMNS", "Column", "finite"]


@dataclass(frozen=True)
class Column:
    """A measure: its heading, which way is better (or the value to come near to), its format and meaning."""

    heading: str
    better: Literal["up", "down"] | float
    form: str
    meaning: str

    def text(self, value: Any) -> str:
        """The figure, or a dash where there is none."""
        number = finite(value)
        return "-" if number is None else format(number, f"z{self.form}")

    def interval(self, entry: Mapping[str, Any] | None) -> str:
        """A difference with its 95% interval."""
        values = [finite((entry or {}).get(key)) for key in ("difference", "low", "high")]
        form = "+z.1%" if self.form.endswith("%") else "+z.4f"
        texts = ["-" if value is None else format(value, form) for value in values]
        return texts[0] if None in values else f"{texts[0]} [{texts[1]}, {texts[2]}]"

    def loss(self, value: float) -> float:
        """How bad a value is: less is better."""
        if self.better == "up":
            return -value
        return value if self.better == "down" else abs(value - self.better)

    def gain(self, entry: Mapping[str, Any] | None) -> tuple[float | None, float | None, float | None]:
        """Ours minus theirs with its interval, turned so that more is better for us."""
        ends = ("low", "high") if self.better == "up" else ("high", "low")
        sign = 1 if self.better == "up" else -1
        values = [finite((entry or {}).get(key)) for key in ("difference", *ends)]
        difference, low, high = (None if value is None else sign * value for value in values)
        return difference, low, high


COLUMNS = {
    "auroc": Column("AUROC", "up", ".3f", "The chance that a right answer had the higher P than a wrong one."),
    "auroc_per_model": Column("AUROC per model", "up", ".3f", "AUROC within each model, averaged over models."),
    "auroc_inside": Column(
        "AUROC inside", "up", ".3f", "AUROC within one model and one source, averaged: .5 for whoever does not read."
    ),
    "log_loss": Column("log loss", "down", ".3f", "Minus the log of the probability given to what happened, averaged."),
    "brier": Column("Brier", "down", ".3f", "Squared error of P, averaged."),
    "ece": Column("ECE", "down", ".3f", "Expected calibration error: how far P is from the observed share, 15 bins."),
    "median_abs_log_error": Column("log tokens", "down", ".3f", "Median absolute error of log output tokens."),
    "pinball": Column("pinball", "down", ".3f", "Pinball loss of the quantiles of log output tokens."),
    "coverage_80": Column("80% interval", 0.8, ".1%", "Share of answers whose tokens lie in the 80% interval."),
    "cost_relative_error": Column("cost error", 0.0, ".1%", "Relative error of the cost of the whole pool."),
    "area": Column("area", "up", ".4f", "Area under the frontier: mean accuracy over the log-cost axis."),
    "cost_save_100": Column("CostSave@100", "up", ".1%", "Cost saved, against Best Single, at its accuracy."),
    "cost_save_98": Column("CostSave@98", "up", ".1%", "Cost saved at 98% of Best Single's accuracy."),
    "cost_save_95": Column("CostSave@95", "up", ".1%", "Cost saved at 95% of Best Single's accuracy."),
    "perf_gain": Column("PerfGain", "up", ".1%", "Highest accuracy on the dial over Best Single's, minus 1."),
    "apgr": Column("APGR", "up", ".3f", "Gap between cheapest and Best Single recovered, averaged over the budget."),
    "pgr": Column("PGR", "up", ".3f", "Gap recovered at Best Single's cost; 1 is Best Single itself."),
    "oracle_gap": Column("oracle gap", "down", ".3f", "Accuracy of the oracle minus the highest on the dial."),
    "qnc": Column("QNC", "down", ".3f", "Least cost that reaches Best Single's accuracy, relative to its cost."),
    "aiq": Column("AIQ", "up", ".4f", "Mean height of the convex hull of the curve over the (linear) cost axis."),
    "router_arena": Column("RouterArena", "up", ".3f", "RouterArena's score of accuracy and cost, best on the dial."),
    "accuracy_alpha_1": Column("accuracy at alpha=1", "up", ".3f", "Accuracy of the highest P, whatever the cost."),
}
"""Every measure of a report by its key."""


def finite(value: Any) -> float | None:
    """A figure of a report, or None where there is none: JSON holds null, and may hold anything."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
