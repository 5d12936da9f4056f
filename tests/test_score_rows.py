"""Published scores as users have them: every form says the same, and what means nothing is refused by name."""

from __future__ import annotations

import json
import math
from operator import attrgetter

import pytest

from scope_edge.benchmarks import Score
from scope_edge.errors import OutcomesError
from scope_edge.score_rows import read_scores

ROWS = [
    {"benchmark": "mmlu-pro", "score": 0.81, "publisher": "vals", "n_items": 500, "grade": "A", "note": "5-shot"},
    {"benchmark": "gpqa", "score": 0.6, "publisher": "maker", "n_items": None, "grade": "", "note": ""},
]
READ = [Score("mmlu-pro", 0.81, "vals", "", 500.0, "A"), Score("gpqa", 0.6, "maker")]


def csv_text() -> str:
    lines = [",".join("" if value is None else str(value) for value in row.values()) for row in ROWS]
    return "\n".join([",".join(ROWS[0]), *lines]) + "\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("scores.csv", csv_text()),
        ("scores.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS)),
        ("scores.json", json.dumps(ROWS)),
    ],
)
def test_files_and_lists_say_the_same(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert read_scores(path) == read_scores(str(path)) == read_scores(ROWS) == read_scores(tuple(ROWS)) == READ


def test_tables_say_the_same(tmp_path):
    polars = pytest.importorskip("polars")
    table = polars.DataFrame(ROWS)
    table.write_parquet(tmp_path / "scores.parquet")
    assert read_scores(table) == read_scores(tmp_path / "scores.parquet") == READ


@pytest.mark.parametrize(("module", "of_rows"), [("pyarrow", "Table.from_pylist"), ("pandas", "DataFrame")])
def test_tables_of_no_dependency_say_the_same(module, of_rows):
    found = pytest.importorskip(module, reason=f"{module} is no dependency: its tables are read if it is there")
    assert read_scores(attrgetter(of_rows)(found)(ROWS)) == READ


def test_a_dict_has_a_score_for_each_benchmark():
    assert read_scores({"mmlu-pro": 0.81, "gpqa": 1}) == [Score("mmlu-pro", 0.81), Score("gpqa", 1.0)]


def test_the_release_of_livebench_is_in_the_setting():
    rows = [
        {"benchmark": name, "score": 0.5, "setting": "release 2024_11_25, high"}
        for name in ("livebench", "livebench/math", "gpqa")
    ]
    assert [score.release for score in read_scores(rows)] == ["2024_11_25", "2024_11_25", ""]


def test_runs_of_one_benchmark_by_one_publisher_count_by_their_mean():
    runs = [
        {"benchmark": "gpqa", "score": 0.6, "publisher": "p", "n_items": 100, "grade": "A"},
        {"benchmark": "gpqa", "score": 0.7, "publisher": "q", "n_items": 100, "grade": "A"},
        {"benchmark": "gpqa", "score": 0.8, "publisher": "p", "n_items": 100, "grade": "C"},
        {"benchmark": "livebench", "score": 0.1, "setting": "release 2024_08_31"},
        {"benchmark": "livebench", "score": 0.2, "setting": "release 2024_11_25"},
    ]
    first, other, *live = read_scores(runs)
    assert first == Score("gpqa", pytest.approx(0.7), "p", "", 200.0, "C")
    assert other == Score("gpqa", 0.7, "q", "", 100.0, "A")
    assert [score.score for score in live] == [0.1, 0.2]
    del runs[2]["n_items"]
    assert read_scores(runs)[0].n_items is None


def test_one_of_several_models_is_named():
    rows = [{**row, "model": model} for model in ("a", "b") for row in ROWS]
    with pytest.raises(OutcomesError, match=r"The scores are of 2 models, got a, b\..*--only"):
        read_scores(rows)
    rows[3]["score"] = 0.9
    assert read_scores(rows, "b") == [READ[0], READ[1]._replace(score=0.9)]
    with pytest.raises(OutcomesError, match="not of 'c', got a, b"):
        read_scores(rows, "c")
    assert read_scores(ROWS, "c") == read_scores(ROWS)  # outcomes alone name models
    assert read_scores({"gpqa": 0.6}, "c") == [Score("gpqa", 0.6)]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({}, "The scores are empty"),
        ([], "The scores are empty"),
        (0.81, "These scores cannot be read.*got float"),
        ([0.81], r"scores, row 1: not a row, expected a mapping, got float"),
        ([{"score": 0.5}], "row 1: no benchmark, expected a column 'benchmark', got columns score"),
        ([{"benchmark": " ", "score": 0.5}], "row 1: no benchmark"),
        ([{"benchmark": "gpqa"}], "row 1: no score"),
        ([ROWS[0], {"benchmark": "gpqa", "score": None}], "row 2: bad score of gpqa.*got None"),
        ({"gpqa": 81}, "bad score of gpqa, expected a number from 0 to 1; 81 percent is 0.81, got 81"),
        ({"gpqa": "81%"}, "81 percent is 0.81, got '81%'"),
        ({"gpqa": -0.1}, "81 percent is 0.81, got -0.1"),
        ({"gpqa": math.nan}, "81 percent is 0.81, got nan"),
        ({"gpqa": math.inf}, "81 percent is 0.81, got inf"),
        ([{**ROWS[0], "n_items": 0}], "bad n_items, expected a count of questions, or nothing, got 0"),
        ([{**ROWS[0], "n_items": "many"}], "bad n_items"),
        ([{**ROWS[0], "grade": "D"}], "bad grade, expected A, B, C, got 'D'"),
    ],
)
def test_what_means_nothing_is_refused(scores, message):
    with pytest.raises(OutcomesError, match=message):
        read_scores(scores)


def test_errors_name_the_file_and_the_row(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("benchmark,score\ngpqa,0.5\nmmlu-pro,81\n", encoding="utf-8")
    with pytest.raises(OutcomesError, match=r"scores\.csv, row 2: bad score of mmlu-pro"):
        read_scores(path)
    with pytest.raises(OutcomesError, match="No such file"):
        read_scores(tmp_path / "none.csv")
