from __future__ import annotations

import pytest

from scope_edge import Router
from scope_edge.errors import OutcomesError
from scope_edge.questions.anchors import anchor_questions

polars = pytest.importorskip("polars")


@pytest.fixture
def anchors(small_bundle):
    return Router.load(small_bundle).estimator.anchors


def written(folder, ids, graded):
    polars.DataFrame({"query_id": ids, "prompt": [f"What is {i}?" for i in ids]}).write_parquet(
        folder / "queries.parquet"
    )
    rows = {"query_id": graded, "answer": ["B" for _ in graded], "grader": ["choice" for _ in graded]}
    choices = [["no", "yes"] for _ in graded]
    polars.DataFrame({**rows, "choices": choices}).write_parquet(folder / "answers.parquet")


def test_the_anchors_that_have_a_text_and_an_answer_are_questions(anchors, tmp_path):
    ids = anchors.ids
    written(tmp_path, [*ids[:6], "another"], [*ids[3:9], "another"])
    found = anchor_questions(anchors, tmp_path)
    assert [question.id for question in found] == ids[3:6]
    assert found[0].prompt == f"What is {ids[3]}?"
    assert (found[0].answer, found[0].grader, found[0].choices) == ("B", "choice", ("no", "yes"))
    assert found[0].source == anchors.sources[3]


def test_a_folder_without_any_of_them_is_an_error(anchors, tmp_path):
    written(tmp_path, ["another"], ["another"])
    with pytest.raises(OutcomesError, match=r"No anchor of the bundle.*Give the table that the bundle was built from"):
        anchor_questions(anchors, tmp_path)
    with pytest.raises(OutcomesError, match=r"Cannot read .*queries.parquet, got .*docs/fingerprint.md"):
        anchor_questions(anchors, tmp_path / "none")
    polars.DataFrame({"query_id": ["a"]}).write_parquet(tmp_path / "queries.parquet")
    with pytest.raises(OutcomesError, match=r"lacks columns, .*docs/fingerprint.md"):
        anchor_questions(anchors, tmp_path)
