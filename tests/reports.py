"""A small report in which every part is filled, as from a file; no numbers of a real run."""

from __future__ import annotations

import copy
import json
from typing import Any

KNN, MEAN, NASTY = "kNN on MiniLM", "model mean", "[bold]x[/] <b>&\"'"
PREDICTORS = ("scope-edge", MEAN, KNN, NASTY)
POOL = "_pool$a$/[red] <i>"


def interval(difference: float, low: float, high: float) -> dict[str, float]:
    return {"difference": difference, "low": low, "high": high, "se": (high - low) / 3.92}


def differences(**entries: dict[str, float]) -> dict[str, dict[str, dict[str, float]]]:
    """The same differences from every baseline."""
    return {name: copy.deepcopy(entries) for name in PREDICTORS[1:]}


def predictions(**columns: tuple[float | None, ...]) -> dict[str, dict[str, float | None]]:
    return {name: {key: values[row] for key, values in columns.items()} for row, name in enumerate(PREDICTORS)}


def level(fixed: str | None, gain: float | None = None, error: float | None = None) -> dict[str, Any]:
    """A budget that was kept."""
    figures = {"budget_usd": 0.5, "accuracy": 0.7, "spent": 0.9, "exceeded": 0.03, "minus_blind": 0.04}
    return {**figures, "met": True, "fixed_model": fixed, "minus_fixed": gain, "error": error}


def synthetic_report() -> dict[str, Any]:
    """Through JSON and back. Ours wins but in the first pool's Brier score and area; only the mean is blind."""
    overall = predictions(
        auroc=(0.82, 0.68, 0.8, 0.79),
        auroc_inside=(0.7, 0.5, 0.66, 0.65),
        log_loss=(0.5, 0.62, 0.53, 0.54),
        brier=(0.17, 0.21, 0.18, 0.18),
        ece=(0.02, 0.001, 0.03, 0.04),
    )
    area = predictions(
        area=(0.69, 0.7, 0.68, 0.66), cost_save_98=(0.5, 0.2, 0.4, 0.3), oracle_gap=(0.1, 0.2, 0.15, 0.1)
    )
    curve = {"cost_usd": [0.0001, 0.001, 0.01], "accuracy": [0.5, 0.65, 0.74]}
    pool = {
        "sources": ["", "b[0]"],
        "models": ["cheap", "", "[red]best[/]", "dear"],
        "n_prompts": 160,
        "predictions": predictions(log_loss=(0.5, 0.6, 0.52, 0.53), brier=(0.2, 0.19, 0.21, 0.22)),
        "differences": {
            MEAN: {"log_loss": interval(-0.1, -0.2, -0.05), "brier": interval(0.01, 0.004, 0.016)},
            KNN: {"log_loss": interval(-0.02, -0.04, 0.01), "brier": interval(-0.01, -0.03, 0.01)},
        },
        "routing": {**area, "oracle": {"area": 0.9}},
        "routing_differences": {MEAN: {"area": interval(-0.01, -0.03, 0.01), "cost_save_98": interval(0.3, 0.1, 0.5)}},
        "best_single": "[red]best[/]",
        "fixed_models": [
            {"model": "cheap", "cost_usd": 0.0001, "accuracy": 0.5},
            {"model": "", "cost_usd": 0.001, "accuracy": 0.45},
            {"model": "[red]best[/]", "cost_usd": 0.003, "accuracy": 0.72},
            {"model": "dear", "cost_usd": 0.02, "accuracy": 0.7},
        ],
        "curves": dict.fromkeys(PREDICTORS, curve) | {"oracle": {"cost_usd": [0.0001, 0.002], "accuracy": [0.55, 0.9]}},
    }
    bare = {"sources": ["c"], "models": ["m"] * 3, "n_prompts": 30, "routing": None} | {
        key: {} for key in ("differences", "routing_differences", "curves")
    }
    bare["predictions"] = predictions(log_loss=(0.4, 0.5, 0.45, None), brier=(0.1, 0.2, 0.15, None))
    bins = {"p": [None, 0.3, 0.8], "observed": [None, 0.25, 0.85], "n": [0, 50, 70]}
    auroc = {"auroc": [0.78, 0.82], "low": [0.77, 0.81], "high": [0.79, None]}
    report = {
        "bundle": "bundles/<x>",
        "encoder": "abcdef",
        "split": "test",
        "n_prompts": 1200,
        "n_models": 4,
        "n_outcomes": 4321,
        "machine": {"cpu": "A & B", "python": "3.12", "seconds": 61.4},
        "blind": [MEAN],
        "skipped": {"MLP": "needs <MiniLM>"},
        "overall": overall,
        "differences": differences(
            auroc=interval(0.02, 0.01, 0.03),
            auroc_inside=interval(0.04, 0.02, 0.06),
            log_loss=interval(-0.03, -0.04, -0.02),
            brier=interval(-0.01, -0.02, 0.001),
        ),
        "by_source": {name: {"n_prompts": 9, "predictors": overall} for name in ("", "b[0]", "c")},
        "tokens": {"scope-edge": {"median_abs_log_error": 0.4, "pinball": 0.1, "coverage_80": 0.78}}
        | {KNN: {"median_abs_log_error": 0.5, "pinball": None, "coverage_80": 0.85}},
        "input_tokens": {"median_relative_error": 0.051},
        "pools": {POOL: pool, "bare": bare},
        "equal": {
            "predictions": predictions(log_loss=(0.45, 0.55, 0.46, 0.5), brier=(0.15, 0.2, 0.16, 0.17)),
            "differences": differences(log_loss=interval(-0.01, -0.021, 0.001), brier=interval(-0.01, -0.02, -0.001)),
            "routing": area,
            "routing_differences": differences(area=interval(-0.01, -0.02, -0.005), cost_save_98=interval(0.1, 0, 0.2)),
        },
        "reliability": dict.fromkeys(PREDICTORS, bins),
        "token_quantiles": {
            "nominal": [0.1, 0.5, 0.9],
            "observed": [0.12, 0.5, 0.88],
            "by_source": {"": 0.7, "c": 0.05},
        },
        "control": {
            "risk": 0.05,
            "budgets": {
                "pools": {POOL: {"n_prompts": 160, "n_models": 4, "levels": [level("cheap", 0.1, 0.02), level(None)]}},
                "n_levels": 2,
                "exceeded": 0.03,
                "minus_fixed": 0.1,
                "n_fixed": 1,
                "n_below": 0,
                "minus_blind": 0.04,
            },
            "floors": {
                "pools": {POOL: {"0.8": {"n": 80, "met": 0.5, "accuracy": 0.85, "error": 0.04}}},
                "together": {"0.8": {"n": 80, "met": 0.5, "accuracy": 0.85}},
            },
        },
        "joining": {
            "counts": ["64", "all"],
            "chosen": auroc,
            "random": auroc,
            "models": {
                "new[1]": {"n_train": 400, "auroc_all": 0.82, "averaged": True},
                "few": {"n_train": 40, "auroc_all": None, "averaged": False},
            },
            "coverage": {"64": 0.8, "all": 1.0},
            "mean_coverage": {"64": 0.79, "all": None},
        },
        "novelty": {
            "bins": [{"novelty_low": 0.0, "novelty_high": 0.5, "n": 10, "log_loss": 0.4, "brier": 0.1, "width": 0.2}],
            "sources": {"c": {"n_prompts": 9, "mean_novelty": 0.4, "predictors": overall}},
        },
    }
    made: dict[str, Any] = json.loads(json.dumps(report, allow_nan=False))
    return made


def report_without(part: str) -> dict[str, Any]:
    """One part is null, or "everything" is gone."""
    return {} if part == "everything" else synthetic_report() | {part: None}


def report_without_figures() -> dict[str, Any]:
    """All names are there, and null stands for every figure, as for metrics that are not defined."""
    report = synthetic_report()
    for key in (
        "overall",
        "differences",
        "equal",
        "tokens",
        "reliability",
        "novelty",
        "by_source",
        "joining",
        "control",
    ):
        report[key] = _without_figures(report[key])
    for key in ("predictions", "differences", "routing", "routing_differences", "fixed_models"):
        report["pools"][POOL][key] = _without_figures(report["pools"][POOL][key])
    return report


def _without_figures(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_figures(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_figures(item) for item in value]
    return None if isinstance(value, float) else value
