from __future__ import annotations

import csv
import gzip
import json
import tracemalloc
from pathlib import Path

import polars
import pytest
from imports import imported, jsonl, outcomes, reasons, table
from tables import MODELS, OUTCOMES, QUERIES, write

from scope_edge.errors import OutcomesError, UsageError
from scope_edge.importing.formats import FORMATS, detect, named
from scope_edge.importing.questions import digest
from scope_edge.importing.records import read_records
from scope_edge.messages import prompt_of
from scope_edge.outcomes import read_table
from scope_edge.price_source import PriceSource

REQUEST = {"model": "a", "messages": [{"role": "user", "content": "Hi?"}], "score": 1}
USAGE = {"prompt_tokens": 7, "completion_tokens": 30}


# --- our own ---


def test_long_rows(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(
        "prompt,model,score,output_tokens,input_tokens,source,category\nOne?,a,1,10,3,s,c\nOne?,b,0.5,,,,\nTwo?,a,0,20,4,,\n",
        encoding="utf-8",
    )
    imported(tmp_path / "out", log)
    assert outcomes(tmp_path / "out") == [
        ("One?", "a", 1.0, 10.0, 3.0), ("One?", "b", 0.5, None, None), ("Two?", "a", 0.0, 20.0, 4.0),
    ]  # fmt: skip
    labels = [(row["source"], row["category"]) for row in table(tmp_path / "out", "queries")]
    assert labels == [("s", "c"), ("log", "")]


def test_a_query_id_stands_for_the_prompt_it_came_with(tmp_path):
    log = jsonl(
        tmp_path / "log.jsonl",
        {"query_id": "q1", "model": "a", "score": 1},
        {"query_id": "q1", "prompt": "One?", "model": "a", "score": 1},
        {"query_id": "q1", "model": "b", "score": 0},
        {"query_id": "q1", "prompt": "Another?", "model": "b", "score": 0},
    )
    imported(tmp_path / "out", log)
    assert [row[:3] for row in outcomes(tmp_path / "out")] == [("One?", "a", 1.0), ("One?", "b", 0.0)]
    assert table(tmp_path / "out", "queries")[0]["query_id"] == "q1"
    assert reasons(tmp_path / "out") == [(1, "query_id without a prompt before it"), (4, "query_id of another prompt")]


def test_a_table_folder_keeps_its_splits_models_and_prices(tmp_path):
    before = write(tmp_path / "table", queries=QUERIES, outcomes=OUTCOMES, models=MODELS)
    report = imported(tmp_path / "out", before, prices=PriceSource())
    assert report["n_rejected"] == 0
    old, new = read_table(before), read_table(tmp_path / "out")
    assert new.models == old.models
    assert (new.query_ids, new.prompts, new.splits.tolist()) == (old.query_ids, old.prompts, old.splits.tolist())
    assert new.scores.tobytes() == old.scores.tobytes()
    assert new.output_tokens.tobytes() == old.output_tokens.tobytes()


def test_an_import_of_an_import_is_the_same(tmp_path):
    log = jsonl(tmp_path / "log.jsonl", *({"prompt": f"{i}?", "model": "a", "score": 1} for i in range(20)))
    imported(tmp_path / "out", log)
    imported(tmp_path / "again", tmp_path / "out")
    for name in ("queries", "outcomes"):
        assert table(tmp_path / "again", name) == table(tmp_path / "out", name)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("ids", [{}, {"query_id": "q{}"}])
def test_a_prompt_of_an_earlier_import_and_of_a_new_log_is_one_query(tmp_path, ids, order):
    def rows(model: str, ids: dict[str, str]) -> list[dict]:
        given = [{name: text.format(i) for name, text in ids.items()} for i in range(20)]
        return [{"prompt": f"{i}?", "model": model, "score": 1, **given[i]} for i in range(20)]

    imported(tmp_path / "before", jsonl(tmp_path / "old.jsonl", *rows("a", ids)))
    both = [tmp_path / "before", jsonl(tmp_path / "new.jsonl", *rows("a", {}), *rows("b", {}))]
    report = imported(tmp_path / "out", *both[::order])
    assert (report["n_queries"], report["n_outcomes"], report["n_repeated"]) == (20, 40, 20)
    merged = read_table(tmp_path / "out")
    assert merged.scores.tolist() == [[1, 1]] * 20
    assert (merged.query_ids[0] == "q0") is (bool(ids) and order == 1)


def test_the_hash_of_another_prompt_is_no_id(tmp_path):
    of_one = digest("One?").hex()
    log = jsonl(
        tmp_path / "log.jsonl",
        {"prompt": "One?", "model": "a", "score": 1},
        {"query_id": of_one, "prompt": "Two?", "model": "a", "score": 1},
        {"query_id": of_one, "model": "b", "score": 1},
    )
    imported(tmp_path / "out", log)
    assert [row[:2] for row in outcomes(tmp_path / "out")] == [("One?", "a"), ("One?", "b")]
    assert reasons(tmp_path / "out") == [(2, "query_id of another prompt")]


def test_a_folder_of_logs_is_read_in_order(tmp_path):
    folder = tmp_path / "logs"
    (folder / "deep").mkdir(parents=True)
    jsonl(folder / "b.jsonl", {"prompt": "Two?", "model": "a", "score": 1})
    jsonl(folder / "deep" / "a.jsonl", REQUEST)
    (folder / "notes.txt").write_text("not a log", encoding="utf-8")
    report = imported(tmp_path / "out", folder)
    assert [row[0] for row in outcomes(tmp_path / "out")] == ["Two?", "Hi?"]
    assert list(report["files"].values()) == ["own", "requests"]
    assert report["not_read"] == [str(folder / "notes.txt")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(OutcomesError, match=r"No logs in .*got none"):
        imported(tmp_path / "none", tmp_path / "empty")
    (tmp_path / "empty" / "log.csv.xz").write_bytes(b"x")
    with pytest.raises(OutcomesError, match=r"No logs in .*got log\.csv\.xz"):
        imported(tmp_path / "none", tmp_path / "empty")


def test_suffixes_may_be_in_capitals_and_what_is_not_read_is_named(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.CSV").write_text("prompt,model,score\nOne?,a,1\n,a,1\n", encoding="utf-8")
    jsonl(folder / "b.ndjson", {"prompt": "Two?", "model": "a", "score": 1})
    polars.DataFrame([{"prompt": "Three?", "model": "a", "score": 1}]).write_parquet(folder / "c.Parquet")
    for name in ("d.jsonl.xz", ".hidden"):
        (folder / name).write_bytes(b"x")
    report = imported(tmp_path / "out", folder)
    assert [row[0] for row in outcomes(tmp_path / "out")] == ["One?", "Two?", "Three?"]
    assert reasons(tmp_path / "out") == [(3, "no prompt")]
    assert report["not_read"] == [str(folder / "d.jsonl.xz")]
    jsonl(tmp_path / "out" / "more.jsonl", REQUEST)
    assert imported(tmp_path / "again", tmp_path / "out")["not_read"] == [str(tmp_path / "out" / "more.jsonl")]


def packed(path: Path) -> Path:
    """The same file packed, in its place."""
    into = path.with_name(f"{path.name}.gz")
    into.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return into


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv", "log.ndjson", "log.2026.CSV"])
def test_packed_logs_are_read_as_others(tmp_path, name):
    folder = tmp_path / "logs"
    folder.mkdir()
    rows = [{"prompt": "One?", "model": "a", "score": 1}, {"prompt": "Two?", "model": "a", "score": 3}]
    log = jsonl(folder / name, *rows)
    if name.lower().endswith(".csv"):
        polars.DataFrame(rows).write_csv(log)
    unpacked = imported(tmp_path / "unpacked", folder)
    log = packed(log)
    jsonl(folder / "more.jsonl", {"prompt": "Three?", "model": "a", "score": 1})
    packed(jsonl(folder / "none.jsonl")).write_bytes(gzip.compress(b""))
    report = imported(tmp_path / "out", folder)
    assert list(report["files"]) == [str(log), str(folder / "more.jsonl")]
    assert (report["empty"], report["not_read"]) == ([str(folder / "none.jsonl.gz")], [])
    assert [row[0] for row in outcomes(tmp_path / "out")] == ["One?", "Three?"]
    assert reasons(tmp_path / "out") == reasons(tmp_path / "unpacked")
    assert unpacked["n_rejected"] == 1
    assert [row["source"] for row in table(tmp_path / "out", "queries")] == [Path(name).stem, "more"]


def test_packed_tables_are_a_table_folder(tmp_path):
    folder = write(tmp_path / "tables")
    imported(tmp_path / "unpacked", folder, prices=PriceSource())
    for name in ("queries", "outcomes", "models"):
        packed(folder / f"{name}.csv")
    imported(tmp_path / "out", folder, prices=PriceSource())
    for name in ("queries", "outcomes", "models"):
        assert table(tmp_path / "out", name) == table(tmp_path / "unpacked", name)


def test_what_stands_beside_itself_packed_is_read_once(tmp_path):
    tables, logs = write(tmp_path / "tables"), tmp_path / "logs"
    imported(tmp_path / "alone", tables, prices=PriceSource())
    wrong = (tables / "outcomes.csv").read_text(encoding="utf-8").replace(",1,", ",0,")
    (tables / "outcomes.csv.gz").write_bytes(gzip.compress(wrong.encode()))
    imported(tmp_path / "beside", tables, prices=PriceSource())
    assert outcomes(tmp_path / "beside") == outcomes(tmp_path / "alone")
    logs.mkdir()
    log = jsonl(logs / "log.jsonl", {"prompt": "One?", "model": "a", "score": 1})
    (logs / "log.jsonl.gz").write_bytes(gzip.compress(log.read_bytes()))
    report = imported(tmp_path / "out", logs)
    assert (report["n_repeated"], report["not_read"]) == (0, [str(logs / "log.jsonl.gz")])


def damaged(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes(8) + data[len(data) // 2 + 8 :]


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv"])
@pytest.mark.parametrize(
    ("spoiled", "got"),
    [
        (lambda data: data[: len(data) // 2], "got one that is cut off"),
        (lambda data: data[:-3], "got one that is cut off"),
        (lambda data: data[:5], "got one that is cut off"),
        (damaged, "got "),
        (lambda data: data[:-8] + bytes(8), "got CRC check failed"),
        (lambda _: b"prompt,model,score", r"got Not a gzipped file \(b'pr'\)"),
    ],
)
def test_a_packed_log_that_is_damaged_is_one_error_with_the_remedy(tmp_path, name, spoiled, got):
    rows = [{"prompt": f"{digest(str(i)).hex()}?", "model": "a", "score": 1} for i in range(3000)]
    log = jsonl(tmp_path / name, *rows)
    if name == "log.csv":
        polars.DataFrame(rows).write_csv(log)
    log = packed(log)
    log.write_bytes(spoiled(log.read_bytes()))
    with pytest.raises(OutcomesError, match=rf"^Cannot unpack .*\.gz, expected a whole gzip file, {got}.*gzip -dc"):
        imported(tmp_path / "out", log)
    assert not (tmp_path / "out").exists()


def test_a_packed_log_is_never_unpacked_at_once(tmp_path):
    text = json.dumps({"prompt": "One?", "model": "a", "score": 1, "answer": "x" * 10_000}) + "\n"
    log = tmp_path / "log.jsonl.gz"
    log.write_bytes(gzip.compress(text.encode() * 2000))
    tracemalloc.start()
    try:
        rows, told = 0, list[float]()
        for _ in read_records(log, told.append):
            rows += 1
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert rows == 2000
    assert max(told) == told[-1] == log.stat().st_size


@pytest.mark.parametrize("form", [None, "own"])
def test_empty_files_are_passed_over(tmp_path, form):
    texts = {"1.csv": "", "2.csv": "prompt,model,score\n", "3.jsonl": "\n\n", "4.json": "[]", "5.parquet": ""}
    empty = [tmp_path / name for name in texts]
    for path in empty:
        path.write_text(texts[path.name], encoding="utf-8")
    full = jsonl(tmp_path / "0.jsonl", {"prompt": "Hi?", "model": "a", "score": 1})
    report = imported(tmp_path / "out", *empty, full, format=form)
    assert (report["empty"], list(report["files"])) == (list(map(str, empty)), [str(full)])
    assert report["n_outcomes"] == 1
    with pytest.raises(
        OutcomesError, match=r"^Nothing to import: 2\.csv is empty, expected a log with at least one row"
    ):
        imported(tmp_path / "none", tmp_path / "2.csv", format=form)
    with pytest.raises(OutcomesError, match=r"1\.csv, 2\.csv, 3\.jsonl, 4\.json, 5\.parquet are empty"):
        imported(tmp_path / "none", *empty, format=form)


# --- public forms ---

WIDE = {
    "sample_id": "gsm.1", "prompt": "['One?', 'And then?']", "eval_name": "gsm", "a": 1.0, "maker/c": 0.25,
    "a|model_response": "...", "maker/c|model_response": "...", "a|total_cost": 0.1, "maker/c|total_cost": 0.2,
    "oracle_model_to_route_to": "a",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_routerbench(tmp_path, kind):
    log = tmp_path / f"wide.{kind}"
    rows = [WIDE, {**WIDE, "sample_id": "gsm.2", "prompt": "[not a list", "maker/c": None}]
    if kind == "parquet":
        polars.DataFrame(rows).write_parquet(log)
    elif kind == "csv":
        polars.DataFrame(rows).write_csv(log)
    else:
        jsonl(log, *rows)
    imported(tmp_path / "out", log)
    first, second = "One?\n\nAnd then?", "[not a list"
    assert outcomes(tmp_path / "out") == [
        (first, "a", 1.0, None, None), (first, "maker/c", 0.25, None, None), (second, "a", 1.0, None, None),
    ]  # fmt: skip
    assert {row["source"] for row in table(tmp_path / "out", "queries")} == {"gsm"}
    # The header is a line of a .csv.
    assert reasons(tmp_path / "out") == [(3 if kind == "csv" else 2, "no score")]


RECORD = {
    "index": 1, "origin_query": "2+2?", "prompt": "Question: 2+2?\nAnswer:", "prompt_tokens": 15,
    "completion_tokens": 5, "cost": 0.1, "score": 1.0, "prediction": "4", "ground_truth": "4", "raw_output": "4",
    "extra_fields": {},
}  # fmt: skip


def test_llmrouterbench(tmp_path):
    document = {
        "performance": 0.5, "prompt_tokens": 5000, "cost": 9.0, "counts": 2, "model_name": "maker/c",
        "dataset_name": "aime", "split": "test", "demo": False,
        "records": [RECORD, {**RECORD, "score": None}, {**RECORD, "prompt": "", "score": 0}],
    }  # fmt: skip
    log = tmp_path / "aime-test-c-20260101_000000.json"
    log.write_text(json.dumps(document), encoding="utf-8")
    imported(tmp_path / "out", log)
    assert outcomes(tmp_path / "out") == [
        ("Question: 2+2?\nAnswer:", "maker/c", 1.0, 5.0, 15.0), ("2+2?", "maker/c", 0.0, 5.0, 15.0),
    ]  # fmt: skip
    assert {row["source"] for row in table(tmp_path / "out", "queries")} == {"aime"}
    assert reasons(tmp_path / "out") == [(2, "no score")]
    log.write_text(json.dumps({**document, "demo": True}), encoding="utf-8")
    with pytest.raises(OutcomesError, match="demo run 3"):
        imported(tmp_path / "demo", log)


def test_records_of_llmrouterbench_one_a_line(tmp_path):
    log = jsonl(tmp_path / "log.jsonl", {**RECORD, "model_name": "a", "dataset": "aime"})
    assert detect(log).name == "llmrouterbench"
    imported(tmp_path / "out", log)
    assert outcomes(tmp_path / "out") == [("Question: 2+2?\nAnswer:", "a", 1.0, 5.0, 15.0)]


def test_scope(tmp_path):
    row = {"id": "x1", "prompt": "2+2?", "model_name": "a", "is_correct": True, "gt": "4", "category": "maths"}
    log = jsonl(
        tmp_path / "log.jsonl",
        {**row, "usage_prompt_tokens": 9, "usage_completion_tokens": 80},
        {**row, "model_name": "b", "is_correct": False, "usage_prompt_tokens": 9, "usage_completion_tokens": 0},
        {"question": "3+3?", "model": "b", "is_correct": "yes", "usage": {"prompt_tokens": 8, "completion_tokens": 7}},
    )
    imported(tmp_path / "out", log)
    assert outcomes(tmp_path / "out") == [
        ("2+2?", "a", 1.0, 80.0, 9.0), ("2+2?", "b", 0.0, None, 9.0), ("3+3?", "b", 1.0, 7.0, 8.0),
    ]  # fmt: skip
    labels = [(row["source"], row["category"]) for row in table(tmp_path / "out", "queries")]
    assert labels == [("maths", "maths"), ("log", "")]


# --- requests ---


@pytest.mark.parametrize(
    ("row", "tokens"),
    [
        ({**REQUEST, "usage": USAGE}, (30.0, 7.0)),
        ({**REQUEST, "response": {"usage": USAGE}}, (30.0, 7.0)),
        ({**REQUEST, **USAGE}, (30.0, 7.0)),
        ({"request": {"model": "a", "messages": REQUEST["messages"]}, "score": 1, "usage": USAGE}, (30.0, 7.0)),
        ({"input": "Hi?", "response": {"model": "a", "usage": USAGE}, "score": 1}, (30.0, 7.0)),
        (REQUEST, (None, None)),
        ({**REQUEST, "usage": {"input_tokens": 7, "output_tokens": 30}}, (30.0, 7.0)),
        ({**REQUEST, "usage": {"input_tokens": 7, "output_tokens": 30, "cache_read_input_tokens": 5}}, (30.0, 12.0)),
        ({**REQUEST, "usage": {**USAGE, "prompt_tokens_details": {"cached_tokens": 5}}}, (30.0, 7.0)),
        ({**REQUEST, "usage": {**USAGE, "completion_tokens_details": {"reasoning_tokens": 20}}}, (30.0, 7.0)),
        ({**REQUEST, "usage": {**USAGE, "completion_tokens_details": {"reasoning_tokens": 50}}}, (80.0, 7.0)),
    ],
)
def test_requests(tmp_path, row, tokens):
    log = jsonl(tmp_path / "log.jsonl", row)
    assert detect(log).name == "requests"
    imported(tmp_path / "out", log)
    assert outcomes(tmp_path / "out") == [("Hi?", "a", 1.0, *tokens)]
    reasons = "reasoning_tokens" in json.dumps(row)
    assert table(tmp_path / "out", "models")[0]["thinks"] is reasons


def test_the_prompt_is_what_a_router_is_given(tmp_path):
    messages = [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "First?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {}},
                                     {"type": "text", "text": "what is it?"}]},
        {"role": "tool", "content": "42"}, {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
    ]  # fmt: skip
    log = jsonl(
        tmp_path / "log.jsonl", {**REQUEST, "messages": messages}, {**REQUEST, "messages": messages[-1:]},
        {**REQUEST, "messages": messages[:1]}, {**REQUEST, "messages": "plain"}, {**REQUEST, "status": "failure"},
    )  # fmt: skip
    imported(tmp_path / "out", log)
    assert [row[0] for row in outcomes(tmp_path / "out")] == [prompt_of(messages).text, "Be brief.", "plain"]
    assert prompt_of(messages).text == "First?\nLook:\nwhat is it?"
    assert reasons(tmp_path / "out") == [(2, "no prompt"), (5, "failed request")]


def test_requests_in_a_csv_hold_json(tmp_path):
    log = tmp_path / "log.csv"
    with log.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["model", "messages", "usage", "score"])
        rows.writerow(["a", json.dumps(REQUEST["messages"]), json.dumps(USAGE), "1"])
    imported(tmp_path / "out", log)
    assert outcomes(tmp_path / "out") == [("Hi?", "a", 1.0, 30.0, 7.0)]


ANTHROPIC = {"input_tokens": 36, "cache_read_input_tokens": 1000, "output_tokens": 50}
REASONING = {"prompt_tokens": 36, "completion_tokens": 50, "completion_tokens_details": {"reasoning_tokens": 500}}


@pytest.mark.parametrize("usage", [ANTHROPIC, REASONING, {**ANTHROPIC, "input_tokens": 0}, {**REASONING, **ANTHROPIC}])
def test_tokens_of_a_csv_count_as_those_of_a_jsonl(tmp_path, usage):
    row = {**REQUEST, **usage}
    imported(tmp_path / "jsonl", jsonl(tmp_path / "log.jsonl", row))
    sheet = tmp_path / "log.csv"
    with sheet.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(row)
        rows.writerow([value if isinstance(value, str) else json.dumps(value) for value in row.values()])
    imported(tmp_path / "csv", sheet)
    assert outcomes(tmp_path / "csv") == outcomes(tmp_path / "jsonl")
    assert table(tmp_path / "csv", "models") == table(tmp_path / "jsonl", "models")


@pytest.mark.parametrize("said", ['["a", "b"]', '{"a": 1}', '[{"a": 1}]', "[1]", "[not JSON", '{"messages": []}'])
@pytest.mark.parametrize("field", ["input", "prompt"])
def test_a_prompt_may_be_json_itself(tmp_path, said, field):
    log = jsonl(tmp_path / "log.jsonl", {"model": "a", field: said, "score": 1})
    imported(tmp_path / "out", log, format="requests")
    assert outcomes(tmp_path / "out")[0][0] == said


def test_messages_that_are_none_are_no_prompt(tmp_path):
    odd = [
        "[]", "{}", json.dumps([{"role": "system", "content": " "}]), [None, {"role": "user", "content": "Hi?"}],
        ["Hi?"], [{"role": "user", "content": {"text": "Hi?"}}],
    ]  # fmt: skip
    log = jsonl(tmp_path / "log.jsonl", REQUEST, *({**REQUEST, "messages": said} for said in odd))
    imported(tmp_path / "out", log)
    assert reasons(tmp_path / "out") == [(line, "no prompt") for line in range(2, 8)]


# --- detection ---


def test_a_field_may_be_missing_from_the_first_rows(tmp_path):
    rows = [{"model": "a", "messages": REQUEST["messages"]}] * 30 + [REQUEST]
    assert detect(jsonl(tmp_path / "log.jsonl", "not json", *rows)).name == "requests"


def test_what_could_be_two_forms_is_an_error_unless_named(tmp_path):
    log = jsonl(tmp_path / "log.jsonl", {**REQUEST, "prompt": "Own?"})
    with pytest.raises(OutcomesError, match=r"could be own or requests.*got messages, model, prompt, score.*--format"):
        detect(log)
    imported(tmp_path / "own", log, format="own")
    imported(tmp_path / "requests", log, format="requests")
    assert [outcomes(tmp_path / name)[0][0] for name in ("own", "requests")] == ["Own?", "Hi?"]


@pytest.mark.parametrize("text", ["", "\n\n", '{"text": "Hi?", "label": 1}\n'])
def test_an_unknown_form(tmp_path, text):
    log = tmp_path / "log.jsonl"
    log.write_text(text, encoding="utf-8")
    with pytest.raises(OutcomesError, match="is not known, expected the columns of one of own, routerbench"):
        detect(log)


def test_formats_have_names():
    assert [named(form.name) for form in FORMATS] == list(FORMATS)
    with pytest.raises(UsageError, match="No such format, expected own, routerbench"):
        named("excel")
