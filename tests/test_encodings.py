"""Files as PowerShell 5.1, Notepad and Excel write them."""

from __future__ import annotations

import gzip

import pytest
from commands import refused
from imports import imported, outcomes

from scope_edge.errors import ScopeEdgeError
from scope_edge.outcome_rows import read_prompts, read_rows
from scope_edge.outcomes import read_table
from scope_edge.price_list import PriceList
from scope_edge.questions import read_questions
from scope_edge.serve.config import read_config

CSV = "prompt,model,score\nOne?,a,1\nTwo?,a,0\n"
JSONL = '{"prompt": "One?", "model": "a", "score": 1}\n{"prompt": "Two?", "model": "a", "score": 0}\n'


def import_beside(path):
    return imported(path.parent / "out", path)


READERS = [
    (read_rows, "log.csv", CSV),
    (read_rows, "log.jsonl", JSONL),
    (read_rows, "log.json", "[]"),
    (read_prompts, "prompts.txt", "One?\nTwo?\n"),
    (read_questions, "mine.jsonl", JSONL),
    (PriceList.read, "prices.json", "{}"),
    (read_config, "scope.toml", "# nothing\n"),
    (import_beside, "log.csv", CSV),
    (import_beside, "log.jsonl", JSONL),
    (import_beside, "log.json", "[]"),
    (lambda path: read_table(path.parent), "queries.csv", CSV),
    (lambda path: read_table(path.parent), "queries.jsonl", JSONL),
]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(("read", "name", "text"), READERS)
def test_utf_16_is_named_with_the_remedy(tmp_path, read, name, text, encoding):
    (tmp_path / name).write_bytes(f"\ufeff{text}".encode(encoding))
    with pytest.raises(ScopeEdgeError, match=rf"{name}, expected text in UTF-8, got UTF-16\. Save it as UTF-8: "):
        read(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_utf_16_is_named_though_it_is_packed(tmp_path):
    (tmp_path / "log.jsonl.gz").write_bytes(gzip.compress(JSONL.encode("utf-16")))
    with pytest.raises(ScopeEdgeError, match=r"log\.jsonl\.gz, expected text in UTF-8, got UTF-16"):
        import_beside(tmp_path / "log.jsonl.gz")


def test_bytes_of_a_code_page_are_named(tmp_path):
    (tmp_path / "log.csv").write_bytes(CSV.replace("One", "Où").encode("cp1252"))
    with pytest.raises(ScopeEdgeError, match=r"got byte 0xf9, which is not UTF-8\. `iconv -f CP1252 "):
        read_rows(tmp_path / "log.csv")


@pytest.mark.parametrize(("stdin", "got"), [(b"caf\xe9", "byte 0xe9, which"), ("One?".encode("utf-16"), "UTF-16. ")])
def test_standard_input_is_utf_8(cli, small_bundle, tmp_path, stdin, got):
    said = f"expected text in UTF-8, got {got}"
    refused(cli("route", "-", "-b", small_bundle, stdin=stdin), "The prompt is not valid Unicode, ", said)
    options = ("--price-in", "0", "--price-out", "0", "--out", tmp_path / "out", "--bundle", small_bundle)
    refused(cli("add-model", "guest", "-", *options, stdin=stdin), "Cannot read standard input, ", said)


def test_an_argument_is_utf_8(cli, small_bundle):
    refused(cli("route", "caf\udce9", "-b", small_bundle), "on the command line, give it in UTF-8")


@pytest.mark.parametrize("name", ["OUTCOMES.CSV", "Outcomes.Jsonl"])
def test_a_suffix_may_be_in_capitals(tmp_path, name):
    (tmp_path / name).write_text(CSV if name.endswith("CSV") else JSONL, encoding="utf-8")
    assert [row.prompt for row in read_rows(tmp_path / name)] == ["One?", "Two?"]
    import_beside(tmp_path / name)
    assert [row[0] for row in outcomes(tmp_path / "out")] == ["One?", "Two?"]


def test_questions_of_a_folder_may_be_in_capitals(tmp_path):
    question = '{"id": "1", "prompt": "What is 2 + 3?", "answer": "5", "grader": "numeric"}'
    (tmp_path / "MINE.JSONL").write_text(question, encoding="utf-8")
    assert [question.id for question in read_questions(tmp_path)] == ["1"]


def test_prompts_may_be_in_capitals_and_with_the_line_ends_of_windows(tmp_path):
    (tmp_path / "PROMPTS.TXT").write_bytes(b"\xef\xbb\xbfOne?\r\nTwo?\r\n")
    assert read_prompts(tmp_path / "PROMPTS.TXT") == ["One?", "Two?"]


@pytest.mark.parametrize("read", [read_rows, import_beside, lambda path: read_table(path.parent)])
def test_semicolons_between_columns_are_named(tmp_path, read):
    path = tmp_path / "queries.csv"
    path.write_text("query_id;prompt;score\n1;One, two?;1\n", encoding="utf-8-sig")
    with pytest.raises(ScopeEdgeError, match=r"queries\.csv: the columns are separated by semicolons, expected commas"):
        read(path)
