"""`scope-edge questions` and `scope-edge grade`."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import sys

import polars
import pytest

from scope_edge import Router
from scope_edge.cli import main
from scope_edge.questions import read_questions
from scope_edge.questions.graders import GRADERS
from scope_edge.questions.probe import probe_questions
from scope_edge.questions.probe.generating import probe_items

MINE = [
    {"id": "sum", "prompt": "How much is 2 + 3?", "answer": 5, "grader": "numeric",
     "source": "mine", "category": "sums"},
    {"id": "more", "prompt": "How much is 2 + 4?", "answer": 6, "grader": "numeric",
     "source": "mine", "category": "sums"},
    {"id": "city", "prompt": "Capital of Italy? A Oslo B Rome", "answer": "B", "grader": "choice",
     "choices": ["Oslo", "Rome"], "source": "mine", "category": "towns"},
]  # fmt: skip
OUTPUTS = [
    {"id": "sum", "output": "It is **5**.", "output_tokens": 7, "input_tokens": 9},
    {"id": "more", "output": "Answer: 7", "output_tokens": 8},
    {"id": "city", "output": "Rome"},
    {"id": "other", "output": "?"},
]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command in a folder with mine.jsonl and outputs.jsonl; gives its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "no cache"))
    monkeypatch.setenv("COLUMNS", "120")
    written("mine.jsonl", MINE)
    written("outputs.jsonl", OUTPUTS)

    def command(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["scope-edge", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return command


def written(name: str, rows: list) -> None:
    with open(name, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def loaded(name: str) -> list:
    with open(name, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


# --- questions ---


def test_the_help_has_the_file_format_and_every_grader(run):
    code, out, _ = run("questions", "--help")
    assert code == 0
    assert all(f"{grader}: " in out for grader in GRADERS)
    example = next(line.strip() for line in out.splitlines() if line.strip().startswith('{"id"'))
    written("example.jsonl", [json.loads(example)])
    assert run("questions", "example.jsonl")[0] == 0


def test_a_file_is_checked_and_counted(run):
    code, out, err = run("questions", "mine.jsonl", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "questions": 3, "out": None,
        "by": [
            {"source": "mine", "category": "sums", "grader": "numeric", "questions": 2},
            {"source": "mine", "category": "towns", "grader": "choice", "questions": 1},
        ],
    }  # fmt: skip
    assert "3 questions" in run("questions", "mine.jsonl")[1]


def test_generated_questions_are_written_as_any_others(run):
    code, out, _ = run("questions", "--probe", "--out", "probe.jsonl", "--json")
    assert code == 0
    assert sum(row["questions"] for row in json.loads(out)["by"]) == len(probe_questions())
    assert read_questions("probe.jsonl") == probe_questions()
    run("questions", "--probe", "--seed", 3, "--per-family", 2, "--out", "few.jsonl")
    assert read_questions("few.jsonl") == probe_questions(3, 2)


def test_the_anchors_are_written_where_their_texts_are(run, small_bundle, tmp_path):
    ids = Router.load(small_bundle).estimator.anchors.ids[:5]
    polars.DataFrame({"query_id": ids, "prompt": [f"What is {i}?" for i in ids]}).write_parquet("queries.parquet")
    polars.DataFrame({"query_id": ids, "answer": ["1"] * 5, "grader": ["numeric"] * 5}).write_parquet("answers.parquet")
    code, _, err = run("questions", "--anchors", "--data", tmp_path, "-b", small_bundle, "--out", "anchors.jsonl")
    assert (code, err) == (0, "")
    assert sorted(question.id for question in read_questions("anchors.jsonl")) == sorted(ids)


# --- grade ---


def test_outputs_are_graded_by_category_and_rows_of_no_question_are_named(run):
    code, out, err = run("grade", "mine.jsonl", "outputs.jsonl", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "graded": 3, "right": 2.0, "accuracy": 2 / 3, "without_answer": 0, "without_output": [], "unanswered": [],
        "unmatched": [{"row": 4, "id": "other"}], "out": None,
        "by": [
            {"source": "mine", "category": "sums", "graded": 2, "right": 1.0, "accuracy": 0.5, "without_answer": 0},
            {"source": "mine", "category": "towns", "graded": 1, "right": 1.0, "accuracy": 1.0, "without_answer": 0},
        ],
    }  # fmt: skip
    out = run("grade", "mine.jsonl", "outputs.jsonl")[1]
    assert "2 of 3 right (66.7%)" in out
    assert "row 4: other" in out


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json", ".jsonl"])
def test_every_kind_of_file_is_read_alike(run, suffix):
    name = f"kind{suffix}"
    rows = [{"query_id": row["id"], "output": row["output"]} for row in OUTPUTS[:3]]
    if suffix == ".csv":
        with open(name, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["query_id", "output"])
            writer.writeheader()
            writer.writerows(rows)
    elif suffix == ".parquet":
        polars.DataFrame(rows).write_parquet(name)
    elif suffix == ".json":
        with open(name, "w", encoding="utf-8") as file:
            json.dump(rows, file)
    else:
        written(name, rows)
    code, out, err = run("grade", "mine.jsonl", name, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["right"] == 2


def test_outputs_are_read_from_standard_input(run, monkeypatch):
    lines = "".join(json.dumps(row) + "\n" for row in OUTPUTS)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode()), encoding="utf-8"))
    assert json.loads(run("grade", "mine.jsonl", "-", "--json")[1])["right"] == 2


@pytest.mark.parametrize("nothing", [None, "", "\n", "   "])
def test_a_row_without_text_is_missing_not_wrong(run, nothing):
    written("outputs.jsonl", [*OUTPUTS[:1], {"id": "more", "output": nothing}])
    summary = json.loads(run("grade", "mine.jsonl", "outputs.jsonl", "--out", "outcomes.jsonl", "--json")[1])
    assert (summary["graded"], summary["right"]) == (1, 1)
    assert (summary["without_output"], summary["unanswered"]) == (["more"], ["city"])
    assert [row["query_id"] for row in loaded("outcomes.jsonl")] == ["sum"]


def test_tokens_that_are_not_a_number_are_left_out(run):
    written("outputs.jsonl", [{"id": "sum", "output": "5", "output_tokens": float("nan"), "tokens_kind": float("nan")}])
    assert run("grade", "mine.jsonl", "outputs.jsonl", "--out", "outcomes.jsonl")[0] == 0
    assert set(loaded("outcomes.jsonl")[0]) == {"query_id", "prompt", "score", "weight", "found"}


def test_outcomes_feed_add_model(run, small_bundle):
    run("grade", "mine.jsonl", "outputs.jsonl", "--out", "outcomes.jsonl")
    assert loaded("outcomes.jsonl")[0] == {
        "query_id": "sum", "prompt": "How much is 2 + 3?", "score": 1.0, "output_tokens": 7, "input_tokens": 9,
        "weight": 1.0, "found": "5",
    }  # fmt: skip
    free = ("--price-in", 0, "--price-out", 0, "-b", small_bundle)
    code, _, err = run("add-model", "graded", "outcomes.jsonl", *free, "--out", "larger")
    assert (code, err) == (0, "")
    assert [card.n_outcomes for card in Router.load("larger").cards if card.model == "graded"] == [3]


def test_outcomes_on_generated_questions_keep_their_weight(run):
    items = probe_items()
    written("outputs.jsonl", [{"id": name, "output": item.solution} for name, item in items.items()])
    code, out, _ = run("grade", "probe", "outputs.jsonl", "--out", "outcomes.jsonl", "--json")
    assert code == 0
    summary = json.loads(out)
    assert summary["right"] == summary["graded"] == len(items) == 480
    assert {row["category"]: row["graded"] for row in summary["by"]}["dates"] == 40
    assert {row["weight"] for row in loaded("outcomes.jsonl")} == {0.56}


def test_one_of_several_models_is_graded(run):
    written(
        "outputs.jsonl", [row | {"model": name} for name in ("a", "b") for row in OUTPUTS[: 3 if name == "a" else 1]]
    )
    summaries = [
        json.loads(run("grade", "mine.jsonl", "outputs.jsonl", "--model", name, "--json")[1]) for name in ("a", "b")
    ]
    assert [summary["graded"] for summary in summaries] == [3, 1]


# --- what cannot be done ---


@pytest.mark.parametrize("words", [("questions", "--probe"), ("grade", "mine.jsonl", "outputs.jsonl")])
def test_a_full_disk_leaves_what_was_there_and_nothing_else(run, tmp_path, monkeypatch, words):
    written("out.jsonl", MINE)
    before = sorted(tmp_path.iterdir())

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    code, _, err = run(*words, "--out", "out.jsonl")
    assert (code, "Cannot write out.jsonl, got" in err) == (2, True)
    assert loaded("out.jsonl") == MINE
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "rows", "said"),
    [
        (("questions",), None, "one of FILE, --probe and --anchors"),
        (("questions", "mine.jsonl", "--probe"), None, "one of FILE, --probe and --anchors"),
        (("questions", "--anchors"), None, "Give the folder that has them with --data"),
        (("questions", "mine.jsonl", "--seed", 1), None, "Give them with --probe"),
        (("questions", "--probe", "--per-family", 0), None, "Invalid value for '--per-family'"),
        (("questions", "--probe", "--out", "probe.csv"), None, "ends in .jsonl"),
        (("questions", "--probe", "--out", "nowhere/probe.jsonl"), None, "Cannot write"),
        (("questions", "absent.jsonl"), None, "No such file: absent.jsonl, expected questions"),
        (("grade", "absent.jsonl", "outputs.jsonl"), None, "No such file: absent.jsonl, expected questions"),
        (("grade", "mine.jsonl", "absent.jsonl"), None, "No such file: absent.jsonl, expected outputs"),
        (("grade", "mine.jsonl", "outputs.jsonl"), [{"id": "x", "output": "1"}], "No row of outputs.jsonl is of these"),
        (("grade", "mine.jsonl", "outputs.jsonl"), [{"id": "sum", "text": "1"}], "row 1: not an output"),
        (("grade", "mine.jsonl", "outputs.jsonl"), [{"output": "1"}], "row 1: not an output"),
        (("grade", "mine.jsonl", "outputs.jsonl"), [[1]], "row 1: not an output, expected"),
        (("grade", "mine.jsonl", "outputs.jsonl"), [{"id": "sum", "output": 5}], "row 1: bad output"),
        (
            ("grade", "mine.jsonl", "outputs.jsonl"),
            [OUTPUTS[2], {"id": "sum", "output": "5", "output_tokens": -7}],
            "outputs.jsonl, row 2: bad output_tokens, expected a count of tokens, or nothing, got -7",
        ),
        (("grade", "mine.jsonl", "outputs.jsonl"), [], "No row of outputs.jsonl is of these"),
        (
            ("grade", "mine.jsonl", "outputs.jsonl"),
            [{"id": "sum", "output": "5", "model": name} for name in "ab"],
            "outputs in outputs.jsonl are of 2 models, got a, b. Name the one to take with model=, on the",
        ),
        (("grade", "mine.jsonl", "outputs.jsonl", "--model", "z"), None, "outputs in outputs.jsonl are not of 'z'"),
    ],
)
def test_it_is_said_in_one_line(run, words, rows, said):
    if rows is not None:
        written("outputs.jsonl", rows)
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_file_is_written_whole_or_not_at_all(run, tmp_path):
    run("grade", "mine.jsonl", "outputs.jsonl", "--out", "outcomes.jsonl")
    before = (tmp_path / "outcomes.jsonl").read_text(encoding="utf-8")
    written("outputs.jsonl", [{"id": "sum", "output": 5}])
    assert run("grade", "mine.jsonl", "outputs.jsonl", "--out", "outcomes.jsonl")[0] == 2
    assert (tmp_path / "outcomes.jsonl").read_text(encoding="utf-8") == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine.jsonl", "outcomes.jsonl", "outputs.jsonl"]
