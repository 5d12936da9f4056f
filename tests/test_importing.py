from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imports import imported, jsonl, outcomes, reasons, rejected, table

from scope_edge.errors import OutcomesError, PriceError, UsageError
from scope_edge.importing import records
from scope_edge.importing.pipeline import FILES
from scope_edge.importing.questions import digest, normalised, split_of, stem
from scope_edge.outcomes import read_table
from scope_edge.price_source import PriceSource

ROW = {"prompt": "One?", "model": "a", "score": 1}
GOOD = {"prompt": "Good?", "model": "b", "score": 0.5, "output_tokens": 9}


# --- what is rejected ---


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**ROW, "prompt": None}, "no prompt"),
        ({**ROW, "prompt": ""}, "no prompt"),
        ({**ROW, "prompt": math.nan}, "no prompt"),
        ({**ROW, "prompt": " \n\t"}, "blank prompt"),
        ({**ROW, "prompt": 7}, "prompt that is not text"),
        ({**ROW, "prompt": "half \ud83d of a pair"}, "text that is not Unicode"),
        ({**ROW, "source": "\udcff"}, "text that is not Unicode"),
        ({**ROW, "model": None}, "no model"),
        ({**ROW, "model": math.nan}, "no model"),
        ({**ROW, "model": "\ud83d"}, "text that is not Unicode"),
        ({**ROW, "model": "gpt-*"}, "bad model name"),
        ({**ROW, "model": 4}, "bad model name"),
        ({**ROW, "model": "a\x1bb"}, "bad model name"),
        ({**ROW, "model": "a\n"}, "bad model name"),
        ({**ROW, "score": None}, "no score"),
        ({**ROW, "score": ""}, "no score"),
        ({**ROW, "score": math.nan}, "no score"),
        ({**ROW, "score": "good"}, "score that is no number"),
        ({**ROW, "score": 1.01}, "score outside [0, 1]"),
        ({**ROW, "score": -0.1}, "score outside [0, 1]"),
        ({**ROW, "score": 5}, "score outside [0, 1]"),
        ({**ROW, "score": math.inf}, "score outside [0, 1]"),
        ({**ROW, "score": 10**400}, "score that is no number"),
        ({**ROW, "output_tokens": -1}, "tokens out of range"),
        ({**ROW, "output_tokens": 1e10}, "tokens out of range"),
        ({**ROW, "input_tokens": "many"}, "tokens out of range"),
        ({**ROW, "query_id": "a\nb"}, "query_id over several lines, or blank"),
        ({**ROW, "split": "validation"}, "unknown split"),
        ({**ROW, "split": "Train"}, "unknown split"),
        ({**ROW, "usd_per_mtok_in": -1}, "number out of range"),
        ({**ROW, "usd_per_mtok_in": 2_000_000}, "number out of range"),
        ({**ROW, "thinks": "perhaps"}, "neither true nor false"),
        ({**ROW, "price_date": "yesterday"}, "bad date"),
        ({**ROW, "context_window": 0.5}, "tokens out of range"),
        ({**ROW, "model": "stranger"}, "no price for the model"),
        ('{"prompt": "One?", "model": "a", "sco', "malformed JSON"),
        ("[1, 2]", "malformed JSON"),
        ("[" * 5000, "malformed JSON"),
    ],
)
def test_a_row_that_cannot_be_used(tmp_path, row, reason):
    log = jsonl(tmp_path / "log.jsonl", GOOD, row, {**GOOD, "prompt": "Also good?"})
    report = imported(tmp_path / "out", log)
    assert reasons(tmp_path / "out") == [(2, reason)]
    assert report["rejected"] == {reason: 1}
    assert (report["n_records"], report["n_rejected"], report["n_outcomes"]) == (3, 1, 2)
    # It left nothing in the tables.
    assert [row["prompt"] for row in table(tmp_path / "out", "queries")] == ["Good?", "Also good?"]
    assert [row["model"] for row in table(tmp_path / "out", "models")] == ["b"]
    read_table(tmp_path / "out")


def test_a_rejection_names_the_row_and_not_its_text(tmp_path):
    secret = "my secret " * 20
    log = jsonl(
        tmp_path / "log.jsonl", GOOD, {"id": 77, "prompt": secret, "model": "a", "score": secret},
        {"query_id": "q9", "prompt": secret, "model": secret[:150], "score": 3},
    )  # fmt: skip
    imported(tmp_path / "out", log)
    first, second = rejected(tmp_path / "out")
    assert (first["file"], first["line"], first["id"], first["model"]) == (str(log), 2, "77", "a")
    assert first["detail"] == "str of 202 characters"
    assert (second["id"], second["detail"]) == ("q9", "3")
    assert secret not in (tmp_path / "out" / "rejected.jsonl").read_text(encoding="utf-8")


def test_lines_count_records_of_several_lines_and_broken_ones(tmp_path):
    log = tmp_path / "log.csv"
    log.write_bytes(
        b"\xef\xbb\xbfprompt,model,score\r\n"  # 1
        b'"Two\nlines, ""quoted"" and a comma?",a,1\r\n'  # 2, 3
        b"Plain?,a,2\r\n"  # 4
        b"\r\n"
        b"too,many,cells,here\r\n"  # 6
        b'"Three\n\nlines?",a,\r\n'  # 7, 8, 9
        b"caf\xe9?,a,1\r\n"  # 10, not UTF-8
        b'"closed"too early,a,1\r\n'  # 11
        b"Good?,a,0\r\n"  # 12
        b'"never closed,a,1\r\nlost?,a,1\r\n'  # 13, 14
    )
    report = imported(tmp_path / "out", log)
    assert [row[0] for row in outcomes(tmp_path / "out")] == ['Two\nlines, "quoted" and a comma?', "Good?"]
    assert reasons(tmp_path / "out") == [
        (4, "score outside [0, 1]"), (6, "malformed CSV"), (7, "no score"), (10, "text that is not Unicode"),
        (11, "malformed CSV"), (13, "malformed CSV"),
    ]  # fmt: skip
    assert rejected(tmp_path / "out")[-1]["detail"].endswith("read up to line 14")
    assert report["n_records"] == 8


def test_lines_of_a_jsonl(tmp_path):
    log = tmp_path / "log.jsonl"
    good = json.dumps(GOOD).encode()
    log.write_bytes(b"\xef\xbb\xbf" + good + b"\r\n\n  \nbroken\n" + good.replace(b"Good", b"G\xff") + b"\n" + good)
    imported(tmp_path / "out", log)
    assert reasons(tmp_path / "out") == [(4, "malformed JSON"), (5, "malformed JSON")]
    assert table(tmp_path / "out", "outcomes")[0]["score"] == 0.5


def test_a_line_without_an_end_is_not_read_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MAX_CHARS", 200)
    long = {**GOOD, "prompt": "x" * 1000}
    log = jsonl(tmp_path / "log.jsonl", GOOD, long, {**GOOD, "prompt": "After?"})
    imported(tmp_path / "out", log)
    assert reasons(tmp_path / "out") == [(2, "line too long")]
    assert [row[0] for row in outcomes(tmp_path / "out")] == ["Good?", "After?"]
    sheet = tmp_path / "log.csv"
    sheet.write_text('prompt,model,score\nGood?,a,1\n"' + "x\n" * 300 + '",a,1\n', encoding="utf-8")
    imported(tmp_path / "sheet", sheet)
    assert reasons(tmp_path / "sheet")[0] == (3, "malformed CSV")
    assert "field larger than field limit" in rejected(tmp_path / "sheet")[0]["detail"]


def test_rows_of_a_parquet_are_numbered(tmp_path):
    log = tmp_path / "log.parquet"
    polars.DataFrame(
        {"prompt": [f"{i}?" for i in range(10)], "model": "a", "score": [1.0] * 8 + [2.0, None]}
    ).write_parquet(log)
    imported(tmp_path / "out", log, batch=3)
    assert [(row["row"], row["reason"]) for row in rejected(tmp_path / "out")] == [
        (9, "score outside [0, 1]"), (10, "no score"),
    ]  # fmt: skip


def test_strict_makes_a_rejection_an_error_and_keeps_the_list(tmp_path):
    log = jsonl(tmp_path / "log.jsonl", GOOD, {**ROW, "score": 7}, {**ROW, "score": None})
    with pytest.raises(OutcomesError, match=r"2 rows rejected.*score outside \[0, 1\] 1, no score 1.*line 2"):
        imported(tmp_path / "out", log, strict=True)
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["rejected.jsonl"]
    assert len(rejected(tmp_path / "out")) == 2
    imported(tmp_path / "good", jsonl(tmp_path / "good.jsonl", GOOD), strict=True)


def test_nothing_that_can_be_used_is_an_error(tmp_path):
    log = jsonl(tmp_path / "log.jsonl", {**ROW, "score": 7})
    with pytest.raises(OutcomesError, match=r"No row could be imported.*score outside.*rejected\.jsonl"):
        imported(tmp_path / "out", log)
    assert reasons(tmp_path / "out") == [(1, "score outside [0, 1]")]


# --- files that cannot be read at all ---


def test_a_truncated_parquet(tmp_path):
    log = tmp_path / "log.parquet"
    polars.DataFrame([GOOD] * 1000).write_parquet(log)
    log.write_bytes(log.read_bytes()[:-20])
    with pytest.raises(OutcomesError, match=r"Cannot read .*log\.parquet"):
        imported(tmp_path / "out", log)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", [None, "own"])
def test_no_such_file(tmp_path, form):
    with pytest.raises(OutcomesError, match=r"Cannot read .*log\.jsonl"):
        imported(tmp_path / "out", tmp_path / "log.jsonl", format=form)
    assert list(tmp_path.iterdir()) == []


def test_a_column_that_stands_twice(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("prompt,model,score,score\nOne?,a,1,0\n", encoding="utf-8")
    with pytest.raises(OutcomesError, match=r"log\.csv: a column stands twice, got 'score'"):
        imported(tmp_path / "out", log)


def test_files_of_other_kinds(tmp_path):
    (tmp_path / "log.xlsx").write_bytes(b"PK")
    with pytest.raises(OutcomesError, match=r"Unknown kind of log, expected \.parquet, \.csv, \.jsonl, "):
        imported(tmp_path / "out", tmp_path / "log.xlsx")
    (tmp_path / "log.json").write_text("{", encoding="utf-8")
    with pytest.raises(OutcomesError, match="expected one JSON document"):
        imported(tmp_path / "out", tmp_path / "log.json")


# --- streaming ---


def test_batches_change_nothing(tmp_path):
    rows = [
        {"prompt": f"{i % 40}?", "model": "ab"[i % 2], "score": (i % 5) / 4, "output_tokens": i} for i in range(101)
    ]
    rows[50]["score"] = 9.0
    log = tmp_path / "log.parquet"
    polars.DataFrame(rows).write_parquet(log, row_group_size=13)
    whole = imported(tmp_path / "whole", log, batch=1000)
    parts = imported(tmp_path / "parts", log, batch=7)
    assert {**parts, "files": None} == {**whole, "files": None}
    for name in ("queries.parquet", "outcomes.parquet", "models.parquet", "rejected.jsonl"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_prompts_written_in_parts_are_the_same_table(tmp_path, monkeypatch):
    rows = [{"prompt": f"{i % 40}?", "model": "ab"[i // 40], "score": 1, "output_tokens": i} for i in range(80)]
    log = jsonl(tmp_path / "log.jsonl", *rows)
    imported(tmp_path / "whole", log)
    monkeypatch.setattr("scope_edge.importing.tables._PART_ROWS", 7)
    imported(tmp_path / "parts", log)
    assert outcomes(tmp_path / "parts") == outcomes(tmp_path / "whole")
    assert table(tmp_path / "parts", "queries") == table(tmp_path / "whole", "queries")
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


# --- queries and splits ---


def test_the_same_prompt_is_one_query(tmp_path):
    same = ["Caf\u00e9 au lait?", "Cafe\u0301 au lait?", "  Caf\u00e9 au lait?\r\n"]
    log = jsonl(tmp_path / "log.jsonl", *({**ROW, "prompt": prompt} for prompt in [*same, "caf\u00e9 au lait?"]))
    report = imported(tmp_path / "out", log)
    assert (report["n_queries"], report["n_outcomes"], report["n_repeated"]) == (2, 2, 2)


def test_ids_are_the_same_on_every_machine(tmp_path):
    imported(tmp_path / "out", jsonl(tmp_path / "log.jsonl", ROW))
    assert table(tmp_path / "out", "queries")[0]["query_id"] == "ee31147eb0b65c79a2a49916b13976e2"  # b2sum -l 128


FORMS = ("What is {} + 1?", "WHAT  is {} +\n1?", " what is\t{} + 1?")


def test_near_identical_prompts_share_a_split(tmp_path):
    variants = [
        form.format(i) for i in range(150) for form in ("What is {} + 1?", "WHAT  is {} +\n1?", " what is\t{} + 1?")
    ]
    log = jsonl(tmp_path / "log.jsonl", *({**ROW, "prompt": prompt} for prompt in variants))
    imported(tmp_path / "out", log)
    rows = table(tmp_path / "out", "queries")
    assert len(rows) == 450
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(" ".join(row["prompt"].lower().split()), set()).add(row["split"])
    assert {len(found) for found in splits.values()} == {1}
    assert set.union(*splits.values()) == {"train", "val", "test"}


def test_a_split_that_the_log_gives_is_kept_and_never_split_again(tmp_path):
    log = jsonl(
        tmp_path / "log.jsonl", {**ROW, "split": "ood"}, {**ROW, "prompt": "ONE?"},
        {**ROW, "prompt": "one?", "split": "train"}, {**ROW, "prompt": "Two?", "split": "ood"},
        {**ROW, "model": "b", "split": "test"}, {**ROW, "model": "b", "query_id": "other", "split": "test"},
    )  # fmt: skip
    imported(tmp_path / "out", log)
    assert [(row["prompt"], row["split"]) for row in table(tmp_path / "out", "queries")] == [
        ("One?", "ood"), ("ONE?", "ood"), ("Two?", "ood"),
    ]  # fmt: skip
    assert reasons(tmp_path / "out") == [(line, "prompt of another split") for line in (3, 5, 6)]


@given(st.text(), st.tuples(st.integers(1, 100), st.integers(0, 100)))
def test_a_split_is_one_of_those_that_have_a_share(prompt, shares):
    train, val = shares[0], min(shares[1], 100 - shares[0])
    split = split_of(digest(stem(prompt)), (train, val, 100 - train - val))
    assert {"train": train, "val": val, "test": 100 - train - val}[split] > 0
    assert stem(prompt.upper().lower()) == stem(f" \n{normalised(prompt.upper().lower())}\t")


def test_the_shares_are_kept_to():
    splits = [split_of(digest(str(i)), (70, 10, 20)) for i in range(10_000)]
    for name, share in (("train", 70), ("val", 10), ("test", 20)):
        assert abs(splits.count(name) / 100 - share) < 1.5


@pytest.mark.parametrize("shares", [(80, 10, 11), (0, 50, 50), (110, -10, 0), (50, 50)])
def test_bad_shares(tmp_path, shares):
    with pytest.raises(UsageError, match="Bad shares"):
        imported(tmp_path / "out", jsonl(tmp_path / "log.jsonl", ROW), shares=shares)


# --- several outcomes of one cell ---

TWICE = (
    {**ROW, "output_tokens": 10, "input_tokens": 4},
    GOOD,
    {**ROW, "score": 0, "output_tokens": 30},
    {**ROW, "score": 0.5, "output_tokens": 900, "tokens_kind": "bpe-visible"},
)


def test_repeated_outcomes_are_averaged_and_counted(tmp_path):
    report = imported(tmp_path / "out", jsonl(tmp_path / "log.jsonl", *TWICE))
    assert report["n_repeated"] == 2
    # Counts that leave the reasoning out do not enter the mean of those that hold it.
    assert outcomes(tmp_path / "out") == [("One?", "a", 0.5, 20.0, 4.0), ("Good?", "b", 0.5, 9.0, None)]
    assert [row["tokens_kind"] for row in table(tmp_path / "out", "outcomes")] == ["usage", "usage"]


def test_or_the_first_is_kept(tmp_path):
    report = imported(tmp_path / "out", jsonl(tmp_path / "log.jsonl", *TWICE), duplicates="first")
    assert report["n_repeated"] == 2
    assert outcomes(tmp_path / "out") == [("One?", "a", 1.0, 10.0, 4.0), ("Good?", "b", 0.5, 9.0, None)]


def test_or_they_are_an_error(tmp_path):
    log = jsonl(tmp_path / "log.jsonl", GOOD, *TWICE[0:1], *TWICE[2:])
    with pytest.raises(OutcomesError, match=rf"3 outcomes share.*{digest('One?').hex()}' with 'a'.*--duplicates mean"):
        imported(tmp_path / "out", log, duplicates="error")
    with pytest.raises(UsageError, match="Bad duplicates, expected mean, first, error"):
        imported(tmp_path / "out", log, duplicates="last")
    assert not (tmp_path / "out").exists()


def test_lengths_of_other_kinds_alone_stay_what_they_are(tmp_path):
    rows = [{**ROW, "output_tokens": n, "tokens_kind": "bpe-visible"} for n in (10, 20)]
    imported(tmp_path / "out", jsonl(tmp_path / "log.jsonl", *rows))
    assert [(row["output_tokens"], row["tokens_kind"]) for row in table(tmp_path / "out", "outcomes")] == [
        (15.0, "bpe-visible")
    ]


# --- models and prices ---


def test_prices_come_from_the_log(tmp_path):
    rows = [
        {**ROW, "model": "x", "usd_per_mtok_in": 1, "usd_per_mtok_out": 4, "params_b": 8, "context_window": 8192},
        {**ROW, "prompt": "Two?", "model": "x", "thinks": "true"},
        {**ROW, "model": "y"},
        {**ROW, "prompt": "Two?", "model": "y", "usd_per_mtok_in": 0, "usd_per_mtok_out": 0, "role": "join"},
    ]
    report = imported(tmp_path / "out", jsonl(tmp_path / "log.jsonl", *rows), prices=PriceSource())
    # A price holds for the rows above it too.
    assert (reasons(tmp_path / "out"), report["unpriced"], report["n_outcomes"]) == ([], {}, 4)
    x, y = read_table(tmp_path / "out").models
    assert (x.usd_per_mtok_in, x.usd_per_mtok_out, x.params_b, x.context_window, x.thinks) == (1, 4, 8, 8192, True)
    assert (y.usd_per_mtok_in, y.usd_per_mtok_out, y.role) == (0, 0, "join")


def test_nan_is_missing_wherever_it_stands(tmp_path):
    nan = dict.fromkeys(
        ("query_id", "source", "category", "split", "output_tokens", "input_tokens", "tokens_kind", "price_date",
         "role", "thinks", "params_b", "context_window", "usd_per_mtok_cached_in"), math.nan,
    )  # fmt: skip
    imported(tmp_path / "plain", jsonl(tmp_path / "log.jsonl", GOOD, ROW))
    imported(tmp_path / "nan", jsonl(tmp_path / "log.jsonl", GOOD, {**nan, **ROW}))
    assert reasons(tmp_path / "nan") == []
    for name in ("queries", "outcomes", "models"):
        assert table(tmp_path / "nan", name) == table(tmp_path / "plain", name)


def test_a_size_in_parameters_is_rejected_and_not_left_to_those_who_read_the_table(tmp_path):
    imported(tmp_path / "out", jsonl(tmp_path / "log.jsonl", GOOD, {**ROW, "model": "x", "params_b": 7e9}))
    assert reasons(tmp_path / "out") == [(2, "number out of range")]


def test_a_price_that_comes_late_leaves_other_rejections_as_they_are(tmp_path):
    price = {"usd_per_mtok_in": 1, "usd_per_mtok_out": 4}
    rows = [{**ROW, "prompt": f"{i}?", "model": "m", **(price if i >= 10 else {})} for i in range(20)]
    log = jsonl(tmp_path / "log.jsonl", {**ROW, "score": 9}, {**ROW, "model": "stranger"}, *rows)
    report = imported(tmp_path / "late", log, prices=PriceSource())
    assert reasons(tmp_path / "late") == [(1, "score outside [0, 1]"), (2, "no price for the model")]
    assert (report["n_records"], report["n_rejected"], report["unpriced"]) == (22, 2, {"stranger": 1})
    imported(tmp_path / "early", jsonl(tmp_path / "early.jsonl", *rows[10:], *rows[:10]), prices=PriceSource())
    assert sorted(outcomes(tmp_path / "late")) == sorted(outcomes(tmp_path / "early"))


def test_several_prices_of_a_model_are_counted(tmp_path):
    rows = [
        {**ROW, "prompt": f"{i}?", "model": model, "usd_per_mtok_in": 1 + (i > 2), "usd_per_mtok_out": 4}
        for i in range(5)
        for model in ("a", "x")
    ]
    log = jsonl(tmp_path / "log.jsonl", {**ROW, "model": "x"}, *rows)
    report = imported(tmp_path / "out", log)
    assert report["repriced"] == {"x": 2}  # a has a price that goes before the log's
    assert read_table(tmp_path / "out").models[0].usd_per_mtok_in == 1


def test_no_price_for_any_model_names_the_remedies(tmp_path):
    log = jsonl(tmp_path / "log.jsonl", ROW, {**ROW, "model": "other"})
    with pytest.raises(PriceError, match=r"No price is known for 'a', 'other'.*--prices FILE.*--alias.*--free"):
        imported(tmp_path / "out", log, prices=PriceSource())
    assert len(rejected(tmp_path / "out")) == 2


# --- where it is written ---


def test_an_earlier_import_is_replaced(tmp_path):
    imported(tmp_path / "out", jsonl(tmp_path / "log.jsonl", ROW, "broken"))
    imported(tmp_path / "out", jsonl(tmp_path / "log.jsonl", GOOD))
    assert [row[0] for row in outcomes(tmp_path / "out")] == ["Good?"]
    assert rejected(tmp_path / "out") == []


@pytest.mark.parametrize("step", range(1, 6))
def test_an_import_that_is_stopped_while_it_replaces_another_leaves_no_mixture(tmp_path, monkeypatch, step):
    imported(tmp_path / "out", jsonl(tmp_path / "log.jsonl", ROW))
    steps = []

    def stopping(change):
        def stopped(path, *arguments, **options):
            if path.name in FILES:
                steps.append(path)
                if len(steps) == step:
                    raise KeyboardInterrupt
            return change(path, *arguments, **options)

        return stopped

    log = jsonl(tmp_path / "log.jsonl", GOOD)
    with monkeypatch.context() as patch:
        for change in ("replace", "unlink"):
            patch.setattr(Path, change, stopping(getattr(Path, change)))
        with pytest.raises(KeyboardInterrupt):
            imported(tmp_path / "out", log)
    if step == 1:
        assert read_table(tmp_path / "out").prompts == ["One?"]
    else:
        with pytest.raises(OutcomesError, match=r"has no queries table, .* If an import into it was stopped, run that"):
            read_table(tmp_path / "out")
    imported(tmp_path / "out", log)
    assert read_table(tmp_path / "out").prompts == ["Good?"]


@pytest.mark.parametrize("before", ["queries", "outcomes", "models"])
def test_tables_that_an_import_replaces_while_they_are_read_are_no_mixture(tmp_path, monkeypatch, before):
    # The same models and ids in both, so that nothing but the files tells a mixture.
    imported(tmp_path / "out", jsonl(tmp_path / "log.jsonl", ROW))
    log = jsonl(tmp_path / "log.jsonl", {**ROW, "score": 0})
    read_parquet = polars.read_parquet

    def late(path, *arguments, **options):
        if Path(path) == tmp_path / "out" / f"{before}.parquet":
            monkeypatch.setattr(polars, "read_parquet", read_parquet)
            imported(tmp_path / "out", log)
        return read_parquet(path, *arguments, **options)

    monkeypatch.setattr(polars, "read_parquet", late)
    with pytest.raises(OutcomesError, match=r"The tables in .*out were replaced while they were read"):
        read_table(tmp_path / "out")
    assert read_table(tmp_path / "out").scores.tolist() == [[0]]


def test_other_folders_are_left_alone(tmp_path):
    log = jsonl(tmp_path / "log.jsonl", ROW)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear", encoding="utf-8")
    for taken in (tmp_path / "mine", log):
        with pytest.raises(UsageError, match="exists and is not an import"):
            imported(taken, log)
    imported(tmp_path / "out", log)
    with pytest.raises(UsageError, match="The log lies in"):
        imported(tmp_path / "out", tmp_path / "out")
    assert outcomes(tmp_path / "out")


def test_a_folder_that_cannot_be_moved_is_written_into(tmp_path, monkeypatch):
    # A mount point, such as a volume of Docker: neither it nor what lies beside it can be renamed into its place.
    imported(tmp_path / "out", jsonl(tmp_path / "log.jsonl", ROW))
    inode = (tmp_path / "out").stat().st_ino
    imported(tmp_path / "out", jsonl(tmp_path / "log.jsonl", GOOD))
    assert [row[0] for row in outcomes(tmp_path / "out")] == ["Good?"]
    assert (tmp_path / "out").stat().st_ino == inode
    monkeypatch.chdir(tmp_path / "out")
    imported(Path("."), Path("../log.jsonl"))
    assert sorted(entry.name for entry in Path(".").iterdir()) == sorted(FILES)


def full_disk(*_arguments, **_options):
    raise polars.exceptions.ComputeError("No space left on device (os error 28)\nand what polars was at")


@pytest.mark.parametrize("there", [False, True])
def test_a_full_disk_is_one_error_and_loses_nothing(tmp_path, monkeypatch, there):
    if there:
        imported(tmp_path / "out", jsonl(tmp_path / "log.jsonl", ROW))
    log = jsonl(tmp_path / "log.jsonl", GOOD)
    with monkeypatch.context() as patch:
        patch.setattr(polars.DataFrame, "write_parquet", full_disk)
        with pytest.raises(UsageError, match=r"^Cannot write .*out, got No space left on device \(os error 28\)$"):
            imported(tmp_path / "out", log)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["log.jsonl", "out"][: 1 + there]
    if there:
        assert sorted(entry.name for entry in (tmp_path / "out").iterdir()) == sorted(FILES)
        assert [row[0] for row in outcomes(tmp_path / "out")] == ["One?"]


@pytest.mark.parametrize("there", [False, True])
def test_what_a_killed_import_left_is_cleared(tmp_path, there):
    log = jsonl(tmp_path / "log.jsonl", ROW)
    if there:
        imported(tmp_path / "out", log)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    place = tmp_path / "out" if there else tmp_path
    dead, live = (place / f".out-import-{platform.node()}-{process}" for process in (gone.pid, os.getppid()))
    for left in (dead, live):
        (left / "made").mkdir(parents=True)
    imported(tmp_path / "out", log)
    assert [left.exists() for left in (dead, live)] == [False, True]


def test_a_folder_that_cannot_be_made(tmp_path):
    log = jsonl(tmp_path / "log.jsonl", ROW)
    with pytest.raises(UsageError, match="Cannot write"):
        imported(log / "below", log)
