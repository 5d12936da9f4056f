from __future__ import annotations

from pathlib import Path

import numpy as np
import polars
import pytest

from scope_edge.errors import OutcomesError
from scope_edge.scorecards import (
    CLIP,
    OWN_SERIES,
    Scorecards,
    Series,
    first_factor,
    own_series,
    published_index,
    read_scorecards,
)

COLUMNS = ("model", "base", "benchmark", "setting", "score", "publisher", "grade")
ROWS = [
    ("a-high", "a", "gpqa", None, 0.5, "maker", "B"),
    ("a-high", "a", "gpqa", "5 shots", 0.7, "maker", "A"),
    ("a-high", "a", "gpqa", None, 0.4, "epoch", "A"),
    ("b", None, "gpqa", None, 1.0, "maker", "B"),
    ("b", None, "livebench/coding", "release 2024_06_24", 0.25, "livebench", "A"),
    ("b", None, "livebench/coding", "release 2024_11_25, mean of 2 tasks", 0.5, "livebench", "A"),
    ("a-high", "a", "livebench/coding", "release 2024_11_25 (via Epoch)", 0.75, "livebench", "C"),
    ("a-high", "a", "fiction-livebench/0", "release 2024_11_25", 0.75, "livebench", "A"),
]


def write(folder: Path, rows=ROWS, suffix: str = "parquet") -> Path:
    frame = polars.DataFrame(rows, schema=list(COLUMNS), orient="row")
    getattr(frame, {"parquet": "write_parquet", "csv": "write_csv", "jsonl": "write_ndjson"}[suffix])(
        folder / f"scorecards.{suffix}"
    )
    return folder


def logit(score: float) -> float:
    return float(np.log(score / (1 - score)))


def matrix(logits: np.ndarray, models: list[str], bases: list[str] | None = None) -> Scorecards:
    series = [Series(f"s{k}", "p") for k in range(logits.shape[1])]
    return Scorecards(models, bases or models, series, logits, np.isfinite(logits).astype(np.uint8))


def planted(n_models: int = 60, n_series: int = 25, missing: float = 0.6, seed: int = 0):
    """A factor, and a matrix that follows it with noise; two thirds of the cells are missing."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=n_models)
    loadings, noise = rng.uniform(0.6, 1.4, n_series), rng.uniform(0.1, 0.5, n_series)
    x = rng.normal(size=n_series) + factor[:, None] * loadings + rng.normal(size=(n_models, n_series)) * noise
    return factor, loadings, np.where(rng.random(x.shape) < missing, np.nan, x)


# --- reading ---


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_series_are_linked_on_benchmark_publisher_and_livebenchs_release(tmp_path, suffix):
    cards = read_scorecards(write(tmp_path, suffix=suffix))
    assert cards.models == ["a-high", "b"]
    assert cards.bases == ["a", "b"]
    assert cards.series == [
        Series("fiction-livebench/0", "livebench"),
        Series("gpqa", "epoch"),
        Series("gpqa", "maker"),
        Series("livebench/coding", "livebench", "2024_06_24"),
        Series("livebench/coding", "livebench", "2024_11_25"),
    ]
    expected = [[logit(0.75), logit(0.4), logit(0.6), np.nan, logit(0.75)]]
    expected += [[np.nan, np.nan, logit(1 - CLIP), logit(0.25), logit(0.5)]]
    assert cards.logits == pytest.approx(np.array(expected), nan_ok=True)
    assert cards.grades.tolist() == [[1, 1, 2, 0, 3], [0, 0, 2, 1, 1]]
    assert cards.counts.tolist() == [1, 1, 2, 1, 2]
    assert cards.series_grades.tolist() == ["A", "A", "B", "A", "A"]


def test_series_can_be_left_out(tmp_path):
    cards = read_scorecards(write(tmp_path))
    less = cards.without(np.array([series.benchmark == "gpqa" for series in cards.series]))
    assert {series.benchmark for series in less.series} == {"fiction-livebench/0", "livebench/coding"}
    assert less.models == cards.models
    assert less.logits.shape == less.grades.shape == (2, 3)


def test_without_the_file_there_are_no_scores(tmp_path):
    cards = read_scorecards(tmp_path)
    assert cards.models == cards.series == []
    assert cards.logits.shape == (0, 0)
    assert own_series("mmlu-pro", cards.series).shape == (0,)
    assert np.isnan(published_index(cards, ["a", "b"])).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": 1.2}, "row 1: bad score, expected a number from 0 to 1, more being better, got 1.2"),
        ({"score": None}, "row 1: bad score"),
        ({"grade": "D"}, "row 1: bad grade, expected A, B, C, got 'D'"),
        ({"benchmark": " "}, "row 1: no benchmark"),
        ({"publisher": None}, "row 1: no publisher"),
    ],
)
def test_what_means_nothing_is_refused(tmp_path, change, message):
    row = tuple({**dict(zip(COLUMNS, ROWS[0], strict=True)), **change}.values())
    with pytest.raises(OutcomesError, match=message):
        read_scorecards(write(tmp_path, [row]))


def test_a_missing_column_is_named(tmp_path):
    (tmp_path / "scorecards.csv").write_text("model,score\na,0.5\n", encoding="utf-8")
    with pytest.raises(OutcomesError, match=r"scorecards.csv, row 1: .*expected columns .*grade, got model, score"):
        read_scorecards(tmp_path)


# --- the factor ---


def test_a_planted_factor_is_found_with_missing_cells():
    factor, loadings, x = planted()
    found = first_factor(x)
    assert np.corrcoef(found.scores, factor)[0, 1] > 0.98
    assert np.corrcoef(found.loadings, loadings)[0, 1] > 0.7
    assert (found.noise > 0).all()


def test_the_uncertainty_of_the_factor_is_that_of_its_errors():
    factor, _, x = planted(400, 12, 0.7)
    found = first_factor(x)
    # The factor is known up to its mean and scale.
    slope, shift = np.polyfit(factor, found.scores, 1)
    z = (found.scores - slope * factor - shift) / np.sqrt(found.variances)
    assert 0.75 < z.std() < 1.25


def test_the_factor_points_upwards_and_forgets_no_model():
    factor, _, x = planted()
    x[:, :5] = -x[:, :5]  # less is better in some series
    x[7] = np.nan
    found = first_factor(x)
    others = np.arange(len(x)) != 7
    assert np.corrcoef(found.scores[others], factor[others])[0, 1] > 0.98
    assert (found.loadings[:5] < 0).all()
    assert (found.scores[7], found.variances[7]) == (0, 1)


def test_scores_of_a_model_do_not_depend_on_the_order_of_rows():
    _, _, x = planted()
    turn = np.random.default_rng(1).permutation(len(x))
    assert first_factor(x[turn]).scores == pytest.approx(first_factor(x).scores[turn], abs=1e-9)


def test_series_of_one_cell_or_none_are_harmless():
    _, _, x = planted()
    x = np.concatenate([x, np.full((len(x), 2), np.nan)], axis=1)
    x[0, -2] = 5.0
    found = first_factor(x)
    assert all(np.isfinite(part).all() for part in vars(found).values())
    assert found.loadings[-1] == 0


def test_the_index_falls_back_to_the_mean_of_the_base():
    factor, _, x = planted(missing=0.3)
    models = [f"m{i}" for i in range(60)]
    bases = ["m", "m", *models[2:]]
    found = published_index(matrix(x, models, bases), ["m0", "m-low", "m", "m5", "who"], ["m", "m", "m", "m5", "who"])
    assert found[1] == found[2]
    assert found[1] == pytest.approx((found[0] + published_index(matrix(x, models), ["m1"])[0]) / 2)
    assert found[3] == pytest.approx(factor[5], abs=0.5)
    assert np.isnan(found[4])


def test_small_series_are_not_in_the_index():
    _, _, x = planted()
    small = np.full((60, 1), np.nan)
    small[:9, 0] = 100.0
    models = [f"m{i}" for i in range(60)]
    with_small = published_index(matrix(np.concatenate([x, small], axis=1), models), models)
    assert np.array_equal(with_small, published_index(matrix(x, models), models))


# --- whose series ---


def test_own_series_are_of_the_same_questions_whoever_publishes_them():
    names = [
        "farel-bench",
        "farel-bench/child",
        "lineage-bench/64",
        "math",
        "mathvista",
        "mmlu",
        "mmlu-pro",
        "arc-agi-1",
    ]
    series = [Series(name, publisher) for name in names for publisher in ("one", "two")]

    def own(source: str) -> set[str]:
        mask = own_series(source, series)
        assert (mask[::2] == mask[1::2]).all()
        return {names[i] for i in np.flatnonzero(mask[::2])}

    assert own("farel-bench") == {"farel-bench", "farel-bench/child"}
    assert own("lineage-bench-a") == own("lineage-bench-b") == {"lineage-bench/64"}
    assert own("zeroeval-math-l5") == {"math"}
    assert own("mmlu-pro") == {"mmlu-pro"}
    assert own("routellm-mmlu") == {"mmlu"}
    assert own("routerbench-arc_challenge") == set()
    assert own("a user's own") == set()


@pytest.fixture(scope="module")
def everyday() -> Path:
    folder = Path(__file__).parents[2] / "shared" / "everyday"
    if not (folder / "scorecards.parquet").is_file():
        pytest.skip("no real scorecards: they are not part of the project")
    return folder


def test_every_real_source_is_in_the_table_and_every_pattern_matches(everyday):
    assert set(polars.read_parquet(everyday / "queries.parquet")["source"]) <= set(OWN_SERIES)
    series = read_scorecards(everyday).series
    for source, patterns in OWN_SERIES.items():
        assert own_series(source, series).any() == bool(patterns), source


def test_the_real_index_knows_old_from_new(everyday):
    order = published_index(read_scorecards(everyday), ["gpt-3.5-turbo-0125", "gpt-4o-2024-08-06", "gpt-5.1-high"])
    assert (np.diff(order) > 0.3).all()
