"""Lengths of models whose own were never counted: what models spend in general, and models like them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars
import pytest

from scope_edge.build.lengths import borrow_lengths, read_usage
from scope_edge.fingerprints import Evidence, Fingerprint, Population, fit_fingerprint

POPULATION = Population(
    theta_mean=np.zeros(2), theta_precision=np.eye(2), psi_mean=np.array([5.0, 0.0]), psi_precision=np.eye(2),
    length_noise=0.25, calibration=np.array([1.0, 0.0]), length_quantiles=np.array([-0.6, 0.0, 0.6]), smear=1.2,
)  # fmt: skip
UNKNOWN = fit_fingerprint(Evidence.none(POPULATION), POPULATION, 0.5)


# --- usage ---


def usage_rows(n: int = 14, seed: int = 0) -> tuple[list[dict], dict[str, float]]:
    """What planted models spent on two benchmarks, told as a mean and as a total; half of the second is unknown."""
    rng = np.random.default_rng(seed)
    spends = dict(zip((f"m{i:02d}" for i in range(n)), np.linspace(-1.5, 1.5, n), strict=True))
    rows = []
    for number, (model, level) in enumerate(spends.items()):
        mean = 500 * np.exp(level + rng.normal(0, 0.1))
        rows.append({"model": model, "benchmark": "exam", "mean_output_tokens": mean, "total_output_tokens": None})
        if number % 4:
            sum_ = 2e6 * np.exp(0.5 * level + rng.normal(0, 0.1))
            rows.append({"model": model, "benchmark": "board", "mean_output_tokens": None, "total_output_tokens": sum_})
    return rows, spends


def written(folder: Path, rows: list[dict], suffix: str = ".parquet") -> Path:
    frame = polars.DataFrame(rows, infer_schema_length=None)
    if suffix == ".parquet":
        frame.write_parquet(folder / "usage.parquet")
    elif suffix == ".csv":
        frame.write_csv(folder / "usage.csv")
    else:
        (folder / "usage.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_what_models_spend_is_found_from_all_benchmarks(tmp_path, suffix):
    rows, spends = usage_rows()
    usage = read_usage(written(tmp_path, rows, suffix))
    assert usage.keys() == spends.keys()
    found, true = (np.array([values[name] for name in spends]) for values in (usage, spends))
    assert np.corrcoef(found, true)[0, 1] > 0.98
    assert found.std() == pytest.approx(1, abs=0.15)
    assert abs(found.mean()) < 0.15


def test_runs_of_a_model_count_by_their_mean(tmp_path):
    rows, _ = usage_rows()
    (tmp_path / "once").mkdir()
    (tmp_path / "twice").mkdir()
    twice = [{**row, name: row[name] and row[name] * factor} for row in rows for factor in (0.5, 2.0) for name in
             ("mean_output_tokens", "total_output_tokens") if row[name]]  # fmt: skip
    once, again = read_usage(written(tmp_path / "once", rows)), read_usage(written(tmp_path / "twice", twice))
    assert again == pytest.approx(once)


def test_a_mean_and_a_total_of_one_benchmark_are_never_on_one_scale(tmp_path):
    rows, spends = usage_rows()
    shifted = [{**row, "total_output_tokens": row["mean_output_tokens"] and row["mean_output_tokens"] * 1e4} for row in
               rows if row["benchmark"] == "exam"]  # fmt: skip
    shifted[-1]["total_output_tokens"] = None
    shifted += [{**shifted[-1], "model": "more", "mean_output_tokens": None, "total_output_tokens": 500 * 1e4}]
    usage = read_usage(written(tmp_path, shifted))
    assert abs(usage["more"]) < 0.3  # 500 tokens is the middle of the exam's means, and this is its total
    assert usage.keys() == {*spends, "more"}


def test_benchmarks_of_few_models_and_rows_that_say_nothing_are_left_out(tmp_path):
    assert read_usage(tmp_path) == {}
    rows, _ = usage_rows(n=9)
    assert read_usage(written(tmp_path, rows)) == {}
    rows, spends = usage_rows()
    blank = {"mean_output_tokens": None, "total_output_tokens": None}
    nothing = [
        {"model": "silent", "benchmark": "exam", **blank},
        {"model": "zero", "benchmark": "exam", **blank, "mean_output_tokens": 0.0},
        {"model": None, "benchmark": "exam", **blank, "mean_output_tokens": 5.0},
        {"model": "elsewhere", "benchmark": "of one model", **blank, "mean_output_tokens": 5.0},
    ]
    assert read_usage(written(tmp_path, nothing + rows)).keys() == spends.keys()


# --- borrowing ---


def pool(n: int = 40, seed: int = 0):
    """Models whose level of length follows from reasoning and from what they spend; the last four have no lengths.

    They are: one that reasons, one that does not, one of unknown usage, and a spender.
    """
    rng = np.random.default_rng(seed)
    reasons = rng.random(n) < 0.5
    usage = rng.normal(0, 1, n)
    reasons[-4:], usage[-4:] = [True, False, False, False], [0.0, 0.0, np.nan, 2.0]
    level = 5.0 + 1.5 * reasons + 0.5 * np.nan_to_num(usage) + rng.normal(0, 0.1, n)
    parts = [
        replace(UNKNOWN, psi_mean=np.array([value, 0.3 * is_thinking]), smear=1.1 + 0.2 * is_thinking,
                length_quantiles=np.array([-0.5, 0.01, 0.5]) * (1 + is_thinking))
        for value, is_thinking in zip(level, reasons, strict=True)
    ]  # fmt: skip
    own = np.arange(n) < n - 4
    parts[-4:] = [UNKNOWN] * 4
    return parts, own, reasons, usage, [None] * n


def width(part: Fingerprint) -> float:
    return float(part.length_quantiles[2] - part.length_quantiles[0])


def test_a_model_without_lengths_gets_those_of_models_like_it():
    thinker, plain, unknown, spender = borrow_lengths(*pool())[-4:]
    assert thinker.psi_mean[0] == pytest.approx(6.5, abs=0.2)
    assert plain.psi_mean[0] == pytest.approx(5.0, abs=0.2)
    assert spender.psi_mean[0] == pytest.approx(6.0, abs=0.3)
    assert unknown.psi_mean[0] == pytest.approx(5.0, abs=0.3)
    assert (thinker.psi_mean[1], plain.psi_mean[1]) == (pytest.approx(0.3, abs=0.1), pytest.approx(0.0, abs=0.1))
    assert (thinker.smear, plain.smear) == (pytest.approx(1.3), pytest.approx(1.1))


def test_borrowed_lengths_are_less_certain_than_those_of_the_peers():
    parts, *rest = pool()
    thinker, plain, *_ = borrow_lengths(parts, *rest)[-4:]
    assert width(thinker) > 2.0
    assert width(plain) > 1.0
    assert plain.length_quantiles[1] == pytest.approx(0.01)
    # The more the peers differ from what is expected of them, the wider.
    rng = np.random.default_rng(1)
    scattered = [replace(part, psi_mean=part.psi_mean + np.array([rng.normal(0, 1), 0])) for part in parts]
    assert width(borrow_lengths(scattered, *rest)[-3]) > 2 * width(plain)


def test_what_is_known_of_a_model_itself_stays():
    parts, own, *rest = pool()
    borrowed = borrow_lengths(parts, own, *rest)
    assert all(after is before for after, before in zip(borrowed[:-4], parts[:-4], strict=True))
    for after in borrowed[-4:]:
        for name in ("theta_mean", "theta_precision", "psi_precision", "calibration", "reach", "general", "n_lengths"):
            assert getattr(after, name) is getattr(UNKNOWN, name), name


def test_without_any_length_nothing_is_borrowed():
    parts, _, *rest = pool()
    untouched = borrow_lengths(parts, np.zeros(len(parts), bool), *rest)
    assert all(after is before for after, before in zip(untouched, parts, strict=True))


def test_large_models_that_write_more_are_borrowed_from_by_size():
    parts, own, reasons, *_ = pool()
    sizes = np.exp(np.random.default_rng(2).normal(3.4, 1.0, len(parts)))
    parts = [replace(part, psi_mean=part.psi_mean + np.array([0.4 * np.log(size / 30), 0])) for part, size in
             zip(parts, sizes, strict=True)]  # fmt: skip
    sizes[-3:] = [3.0, 300.0, 30.0]
    small, large, _ = borrow_lengths(parts, own, reasons, np.full(len(parts), np.nan), sizes.tolist())[-3:]
    assert large.psi_mean[0] - small.psi_mean[0] > 0.4 * np.log(100) / 2


def test_a_kind_of_model_that_nobody_knows_is_guessed_widely_from_all():
    parts, own, reasons, usage, sizes = pool()
    own &= ~reasons
    thinker = borrow_lengths(parts, own, reasons, usage, sizes)[-4]
    assert np.isfinite(thinker.psi_mean).all()
    assert width(thinker) > 1.28 * 2  # a whole unit of log tokens, beside the peers' own scatter
