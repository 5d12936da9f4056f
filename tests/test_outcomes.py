from __future__ import annotations

import json
import sys

import generated
import numpy as np
import pytest
from tables import MODELS, OUTCOMES, QUERIES, write

from scope_edge.errors import MissingExtraError, OutcomesError
from scope_edge.outcome_rows import read_rows
from scope_edge.outcomes import read_table


def refused(folder) -> str:
    with pytest.raises(OutcomesError) as caught:
        read_table(folder)
    return str(caught.value)


# --- what is read ---


def test_a_table_becomes_matrices(tmp_path):
    table = read_table(write(tmp_path))
    assert table.query_ids == ["q1", "q2", "q3"]
    assert table.prompts == ["One?", "Two?", "Three?"]
    assert table.sources.tolist() == ["s", "s", "t"]
    assert table.categories.tolist() == ["c"] * 3
    assert table.splits.tolist() == ["train", "val", "test"]
    nan = np.nan
    np.testing.assert_array_equal(table.scores, np.array([[1, nan], [nan, 0.5], [nan, nan]], np.float32))
    np.testing.assert_array_equal(table.output_tokens, np.array([[10, nan], [nan, 20], [nan, nan]], np.float32))
    np.testing.assert_array_equal(table.input_tokens, np.array([[3, nan], [nan, 4], [nan, nan]], np.float32))


def test_models_keep_what_the_table_says_of_them(tmp_path):
    first, second = read_table(write(tmp_path)).models
    assert (first.model, first.usd_per_mtok_in, first.usd_per_mtok_out) == ("a", 0.1, 0.4)
    assert (first.params_b, first.thinks, first.role) == (8, False, "train")
    assert (second.params_b, second.thinks, second.role) == (None, True, "join")


def test_optional_columns_may_be_left_out(tmp_path):
    table = read_table(
        write(
            tmp_path,
            queries="query_id,prompt\nq1,One?\n",
            outcomes="query_id,model,score\nq1,a,1\n",
            models="model,usd_per_mtok_in,usd_per_mtok_out\na,0,0\n",
        )
    )
    assert table.splits.tolist() == ["train"]
    assert table.sources.tolist() == [""]
    assert np.isnan(table.output_tokens).all()
    assert (table.models[0].role, table.models[0].thinks) == ("train", False)


def test_csv_jsonl_and_parquet_say_the_same(tmp_path):
    import polars

    generated.write_table(tmp_path / "jsonl", n=40)
    (tmp_path / "csv").mkdir()
    (tmp_path / "parquet").mkdir()
    for name in ("queries", "outcomes", "models"):
        source = tmp_path / "jsonl" / name
        frame = polars.read_csv(f"{source}.csv") if name == "models" else polars.read_ndjson(f"{source}.jsonl")
        frame.write_csv(tmp_path / "csv" / f"{name}.csv")
        frame.write_parquet(tmp_path / "parquet" / f"{name}.parquet")
    first, *others = (read_table(tmp_path / kind) for kind in ("jsonl", "csv", "parquet"))
    for other in others:
        assert (other.query_ids, other.prompts, other.models) == (first.query_ids, first.prompts, first.models)
        for field in ("sources", "categories", "splits", "scores", "output_tokens", "input_tokens"):
            np.testing.assert_array_equal(getattr(other, field), getattr(first, field))


@pytest.mark.parametrize("kind", ["usage", "bpe", "bpe+thinking", ""])
def test_usable_lengths_count(tmp_path, kind):
    outcomes = f"query_id,model,score,output_tokens,tokens_kind\nq1,a,1,10,{kind}\nq2,a,1,11,usage\n"
    assert read_table(write(tmp_path, outcomes=outcomes)).output_tokens[0, 0] == 10


@pytest.mark.parametrize("kind", ["bpe-visible", "model-mean", "none", "anything"])
def test_lengths_that_leave_something_out_do_not_count(tmp_path, kind):
    outcomes = f"query_id,model,score,output_tokens,input_tokens,tokens_kind\nq1,a,1,10,3,{kind}\n"
    table = read_table(write(tmp_path, outcomes=outcomes))
    assert np.isnan(table.output_tokens).all()
    assert (table.scores[0, 0], table.input_tokens[0, 0]) == (1, 3)


def test_missing_lengths_are_missing(tmp_path):
    outcomes = "query_id,model,score,output_tokens\nq1,a,1,\nq2,a,1,NaN\nq3,a,1,0\n"
    tokens = read_table(write(tmp_path, outcomes=outcomes)).output_tokens[:, 0]
    assert np.isnan(tokens).tolist() == [True, True, False]


@pytest.mark.parametrize("tokens", ["-1", "inf", "1e300"])
def test_a_length_that_cannot_be_is_refused_with_its_row(tmp_path, tokens):
    message = refused(write(tmp_path, outcomes=f"query_id,model,score,output_tokens\nq1,a,1,5\nq2,a,1,{tokens}\n"))
    assert "output_tokens" in message
    assert "row 2" in message


def test_an_id_of_two_lines_is_refused(tmp_path):
    assert "query_id" in refused(write(tmp_path, queries=QUERIES + '"q9\nx",hi,s,c,train\n'))


def test_a_csv_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "rows.csv").write_text("prompt,score\nhi,1\n", encoding="utf-8-sig")
    assert [(row.prompt, row.score) for row in read_rows(tmp_path / "rows.csv")] == [("hi", 1.0)]


@pytest.mark.parametrize(
    ("patterns", "kept"), [([], [10, 20]), (["s"], []), (["s*"], []), (["t"], [10, 20]), (["?"], []), (["S"], [10, 20])]
)
def test_lengths_of_named_sources_are_left_out(tmp_path, patterns, kept):
    table = read_table(write(tmp_path))
    without = table.without_lengths(patterns)
    assert without.output_tokens[np.isfinite(without.output_tokens)].tolist() == kept
    assert np.isfinite(table.output_tokens).sum() == 2
    np.testing.assert_array_equal(without.scores, table.scores)


def test_rows_are_those_of_a_split(tmp_path):
    table = read_table(write(tmp_path))
    assert [table.rows(split).tolist() for split in ("train", "val", "test", "ood")] == [[0], [1], [2], []]


def test_columns_leaves_out_joining_models_and_those_with_few_outcomes(tmp_path):
    queries = "query_id,prompt,split\n" + "".join(f"q{i},P{i},train\n" for i in range(4)) + "v,V,val\n"
    outcomes = "query_id,model,score\n" + "".join(f"q{i},{m},1\n" for i in range(4) for m in "ab")
    outcomes += "q0,c,1\nq1,c,1\nv,c,1\n"
    models = MODELS + "c,1,1,1,false,train\n"
    table = read_table(write(tmp_path, queries=queries, outcomes=outcomes, models=models))
    assert [table.models[i].model for i in table.columns(table.rows("train"), 2)] == ["a", "c"]
    assert [table.models[i].model for i in table.columns(table.rows("train"), 3)] == ["a"]
    assert [table.models[i].model for i in table.columns(table.rows("val"), 1)] == ["c"]


def test_the_generated_table_is_what_the_other_tests_think_it_is(table_folder):
    table = read_table(table_folder)
    assert [row.model for row in table.models if row.role == "join"] == ["newcomer"]
    thinker = [row.model for row in table.models].index("thinker")
    assert np.isnan(table.output_tokens[:, thinker]).all()
    assert np.isfinite(table.scores[:, thinker]).all()


@pytest.mark.parametrize(
    ("word", "thinks"), [("true", True), ("yes", True), ("1", True), ("No", False), ("0", False), ("", False)]
)
def test_a_model_thinks_in_several_words(tmp_path, word, thinks):
    models = f"model,usd_per_mtok_in,usd_per_mtok_out,thinks\na,1,1,{word}\nb,1,1,\n"
    assert read_table(write(tmp_path, models=models)).models[0].thinks is thinks


def test_a_jsonl_with_a_byte_order_mark_is_read(tmp_path):
    plain = read_table(write(tmp_path))
    (tmp_path / "outcomes.csv").unlink()
    rows = [{"query_id": "q1", "model": "a", "score": 1}, {"query_id": "q2", "model": "b", "score": 0.5}]
    (tmp_path / "outcomes.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8-sig")
    np.testing.assert_array_equal(read_table(tmp_path).scores, plain.scores)


# --- values whose kind shows late or in part ---


def test_fractions_may_come_after_many_whole_scores(tmp_path):
    queries = "query_id,prompt\n" + "".join(f"q{i},P{i}\n" for i in range(1500))
    lines = [f"q{i},a,{1 if i < 1400 else 0.5}\n" for i in range(1500)]
    write(tmp_path, queries=queries, outcomes="query_id,model,score\n" + "".join(lines))
    assert read_table(tmp_path).scores[:, 0].sum() == 1450


def test_lengths_may_come_after_many_missing_ones(tmp_path):
    write(tmp_path, queries="query_id,prompt\n" + "".join(f"q{i},P{i}\n" for i in range(1500)), outcomes=None)
    rows = [
        {"query_id": f"q{i}", "model": "a", "score": i / 1500, "output_tokens": None if i < 1400 else i + 0.5}
        for i in range(1500)
    ]
    (tmp_path / "outcomes.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert np.isfinite(read_table(tmp_path).output_tokens).sum() == 100


def test_ids_that_look_like_numbers_stay_as_they_are(tmp_path):
    write(
        tmp_path,
        queries="query_id,prompt\n001,One\n1,Two\n1.0,Three\n",
        outcomes="query_id,model,score\n001,a,1\n1,a,0\n",
    )
    table = read_table(tmp_path)
    assert table.query_ids == ["001", "1", "1.0"]
    assert table.scores[:2, 0].tolist() == [1, 0]


def test_columns_that_nobody_asked_for_may_be_of_any_kind(tmp_path):
    import polars

    plain = read_table(write(tmp_path))
    for name in ("queries", "outcomes", "models"):
        frame = polars.read_csv(tmp_path / f"{name}.csv")
        n = len(frame)
        frame = frame.with_columns(
            polars.Series("tags", [["x", "y"]] * n),
            polars.Series("raw", [b"\xff"] * n),
            polars.Series("extra", [{"deep": 1}] * n),
            polars.Series("nothing", [None] * n),
        )
        frame.write_parquet(tmp_path / f"{name}.parquet")
    table = read_table(tmp_path)
    assert (table.query_ids, table.models) == (plain.query_ids, plain.models)
    np.testing.assert_array_equal(table.scores, plain.scores)


# --- what is refused ---


def test_no_folder(tmp_path):
    assert "No such outcome table" in refused(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    assert "No such outcome table" in refused(tmp_path / "file")


@pytest.mark.parametrize("name", ["queries", "outcomes", "models"])
def test_a_missing_table_is_named(tmp_path, name):
    assert f"no {name} table" in refused(write(tmp_path, **{name: None}))


@pytest.mark.parametrize(
    ("name", "text", "column"),
    [
        ("queries", QUERIES, "query_id"),
        ("queries", QUERIES, "prompt"),
        ("outcomes", OUTCOMES, "query_id"),
        ("outcomes", OUTCOMES, "model"),
        ("outcomes", OUTCOMES, "score"),
        ("models", MODELS, "model"),
        ("models", MODELS, "usd_per_mtok_in"),
        ("models", MODELS, "usd_per_mtok_out"),
    ],
)
def test_a_missing_column_is_named(tmp_path, name, text, column):
    message = refused(write(tmp_path, **{name: text.replace(column, "renamed", 1)}))
    assert f"{name}.csv" in message
    assert column in message
    assert "renamed" in message


@pytest.mark.parametrize("name", ["queries", "outcomes", "models"])
@pytest.mark.parametrize("text", ["", "\x00\x01\x02"])
def test_a_table_that_is_none_is_refused(tmp_path, name, text):
    assert name in refused(write(tmp_path, **{name: text}))


def test_a_broken_parquet_file_is_refused(tmp_path):
    (write(tmp_path) / "queries.parquet").write_bytes(b"PAR1 no more")
    assert "queries.parquet" in refused(tmp_path)


def test_a_query_that_stands_twice(tmp_path):
    assert "query_id stands twice" in refused(write(tmp_path, queries=QUERIES + "q1,Again?,s,c,train\n"))


def test_a_model_that_stands_twice(tmp_path):
    assert "model stands twice" in refused(write(tmp_path, models=MODELS + "a,1,1,1,false,train\n"))


def test_a_cell_that_is_filled_twice(tmp_path):
    assert "pair stands twice" in refused(write(tmp_path, outcomes=OUTCOMES + "q1,a,0,1,1,usage\n"))


def test_an_unknown_query(tmp_path):
    message = refused(write(tmp_path, outcomes=OUTCOMES + "q9,a,0,1,1,usage\n"))
    assert "unknown query_id" in message
    assert "'q9'" in message


@pytest.mark.parametrize(("split", "meant"), [("validation", "val"), ("Train", "train"), ("TEST", "test")])
def test_a_split_that_is_nearly_named_right_is_refused_with_its_row(tmp_path, split, meant):
    message = refused(write(tmp_path, queries=QUERIES + f"q4,Four?,s,c,ood\nq5,Five?,s,c,{split}\n"))
    assert f"unknown split, expected '{meant}', got '{split}' in row 5" in message


def test_a_table_may_have_splits_of_its_own(tmp_path):
    table = read_table(write(tmp_path, queries=QUERIES + "q4,Four?,s,c,ood\nq5,Five?,s,c,held-out\n"))
    assert table.rows("held-out").tolist() == [4]


@pytest.mark.parametrize("price", ["", "-1", "inf", "2000000"])
def test_a_price_that_means_nothing_is_refused_with_its_row(tmp_path, price):
    message = refused(write(tmp_path, models=f"model,usd_per_mtok_in,usd_per_mtok_out\na,0.1,0.4\nb,{price},4\n"))
    assert "models, row 2: 'b' has no usable price" in message
    assert "at most a million" in message
    assert "usd_per_mtok_out 4.0" in message


def test_a_model_that_thinks_perhaps_is_refused(tmp_path):
    models = "model,usd_per_mtok_in,usd_per_mtok_out,thinks\na,1,1,perhaps\n"
    assert "models, row 1: 'a' has a bad thinks, expected true or false, got 'perhaps'" in refused(
        write(tmp_path, models=models)
    )


@pytest.mark.parametrize("size", ["-1", "inf", "2e9"])
def test_a_size_that_means_nothing_is_refused_with_its_row(tmp_path, size):
    message = refused(write(tmp_path, models=MODELS + f"c,1,4,{size},false,train\n"))
    assert "models, row 3: 'c' has a bad params_b, expected billions of parameters, from 0 to 1e+09" in message
    assert f"got {float(size)!r}" in message


def test_tables_of_several_parquet_files_are_read(tmp_path):
    polars = pytest.importorskip("polars")
    folder = write(tmp_path)
    for name in ("queries", "outcomes", "models"):
        frame = polars.read_csv(folder / f"{name}.csv", infer_schema=False)
        (folder / f"{name}.csv").unlink()
        (folder / f"{name}.parquet").mkdir()
        frame[:1].write_parquet(folder / f"{name}.parquet" / "part-0.parquet")
        frame[1:].write_parquet(folder / f"{name}.parquet" / "part-1.parquet")
    assert len(read_table(folder).models) == 2


@pytest.mark.parametrize("size", ["big", "true"])
def test_a_size_that_is_no_number_is_refused_with_its_row(tmp_path, size):
    message = refused(write(tmp_path, models=MODELS + f"c,1,4,{size},false,train\n"))
    assert f"models.csv: bad params_b, expected a number, got {size!r} in row 3" in message


@pytest.mark.parametrize("name", ["params_b", "context_window", "usd_per_mtok_in"])
def test_yes_and_no_are_no_figures(tmp_path, name):
    folder = write(tmp_path, models=None)
    rows = [{"model": "a", "usd_per_mtok_in": 1, "usd_per_mtok_out": 4} | {name: True}]
    (folder / "models.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert f"models.jsonl: bad {name}, expected a number, got true or false" in refused(folder)


def test_an_unknown_model(tmp_path):
    message = refused(write(tmp_path, outcomes=OUTCOMES + "q3,nobody,0,1,1,usage\n"))
    assert "unknown model" in message
    assert "'nobody'" in message


@pytest.mark.parametrize("score", ["NaN", "", "1.01", "-0.5", "inf"])
def test_a_score_outside_its_range_is_refused_with_its_row(tmp_path, score):
    message = refused(write(tmp_path, outcomes=OUTCOMES + f"q3,a,{score},1,1,usage\n"))
    assert "[0, 1]" in message
    assert "row 3" in message


def test_a_score_that_is_no_number_is_refused(tmp_path):
    assert "score" in refused(write(tmp_path, outcomes=OUTCOMES + "q3,a,good,1,1,usage\n"))


def test_a_length_that_is_no_number_is_refused(tmp_path):
    assert "output_tokens" in refused(write(tmp_path, outcomes=OUTCOMES + "q3,a,1,many,1,usage\n"))


@pytest.mark.parametrize("price", ["", "-1", "NaN", "inf", "free"])
@pytest.mark.parametrize("place", [1, 2])
def test_a_model_without_a_price_is_refused(tmp_path, price, place):
    row = ["c", "1", "1", "1", "false", "train"]
    row[place] = price
    message = refused(write(tmp_path, models=MODELS + ",".join(row) + "\n"))
    assert "usd_per_mtok_" + ("in", "out")[place - 1] in message


@pytest.mark.parametrize("prompt", ["", '" "', '"\n"'])
def test_an_empty_prompt_is_refused_with_its_id(tmp_path, prompt):
    assert "'q9'" in refused(write(tmp_path, queries=QUERIES + f"q9,{prompt},s,c,train\n"))


def test_tables_without_polars_say_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtraError, match=r'pip install "scope-edge\[build\]"'):
        read_table(write(tmp_path))


def test_csv_and_json_rows_need_no_polars(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    (tmp_path / "rows.csv").write_text("prompt,score\nhi,1\n", encoding="utf-8")
    assert [(row.prompt, row.score) for row in read_rows(tmp_path / "rows.csv")] == [("hi", 1.0)]
    (tmp_path / "rows.parquet").touch()
    with pytest.raises(MissingExtraError):
        read_rows(tmp_path / "rows.parquet")


# --- the rows of one model ---


def test_rows_keep_what_is_known():
    (row,) = read_rows([{"prompt": "hi", "score": "0.5", "output_tokens": "12", "input_tokens": None, "query_id": 7}])
    assert (row.prompt, row.query_id, row.score, row.output_tokens, row.input_tokens) == ("hi", "7", 0.5, 12.0, None)


def test_a_verdict_may_be_a_bool():
    assert [row.score for row in read_rows([{"prompt": "a", "score": True}, {"prompt": "b", "score": False}])] == [1, 0]


@pytest.mark.parametrize("prompt", [{"a": 1}, ["a"], 5, True, b"bytes"], ids=repr)
def test_a_prompt_that_is_not_text_is_refused(prompt):
    with pytest.raises(OutcomesError, match=f"row 2: the prompt is not text, .*got {type(prompt).__name__}"):
        read_rows([{"prompt": "hi", "score": 1}, {"prompt": prompt, "query_id": "q1", "score": 1}])


def test_a_prompt_that_is_missing_in_a_table_is_none():
    (row,) = read_rows([{"prompt": np.nan, "query_id": "q1", "score": 1}])
    assert (row.prompt, row.query_id) == (None, "q1")


def test_a_column_that_stands_twice_is_refused(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("prompt,score,prompt\nhi,1,ho\n", encoding="utf-8")
    with pytest.raises(OutcomesError, match=r"rows\.csv: a column stands twice, got 'prompt'"):
        read_rows(file)
    file.write_text("prompt,score,,\nhi,1,,\n", encoding="utf-8")
    assert len(read_rows(file)) == 1


def test_a_missing_column_score_is_named_with_those_that_there_are(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("prompt,Score,output_tokens\nhi,1,5\n", encoding="utf-8")
    with pytest.raises(OutcomesError, match=r"row 1: no score, .*got columns prompt, Score, output_tokens"):
        read_rows(file)
