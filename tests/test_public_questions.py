"""The anchors, found again in files that have the forms of the public data sets."""

from __future__ import annotations

import json

import pytest

from scope_edge import Router
from scope_edge.errors import OutcomesError
from scope_edge.questions import grade
from scope_edge.questions.public import cached_datasets, public_questions

polars = pytest.importorskip("polars")

SUM = "A baker sells 24 rolls at 40 cents and 12 loaves at 3 euros. How many euros does she take?"
AREA = "What is the area of a circle whose circumference is $6\\pi$?"
RIVER = ("Which of these rivers flows into the Black Sea?", ["Rhine", "Danube", "Loire", "Ebro"])
METAL = ("Which metal is liquid at room temperature?", ["iron", "copper", "mercury"])
LIGHT = ("Why does a straw in a glass of water look bent?", ["Light is refracted.", "Water is warm.", "Straws bend."])


def listed(asked, mark):
    question, choices = asked
    return "\n".join([question, *(f"{letter}{mark}{text}" for letter, text in zip("ABCD", choices, strict=False))])


@pytest.fixture(scope="module")
def router(small_bundle, tmp_path_factory):
    """Its anchors ask the five questions, each as the shipped bundle would."""
    known = Router.load(small_bundle)
    for prompt in (SUM, AREA, listed(RIVER, ". "), listed(METAL, ". "), listed(LIGHT, ") ")):
        known.record(prompt, known.models[0], score=1.0)
    target = tmp_path_factory.mktemp("public") / "bundle"
    known.compact(target)
    return Router.load(target)


def gsm8k(folder):
    rows = [{"question": SUM, "answer": "24 * 0.4 = 9.6 and 12 * 3 = 36.\n#### 1,045.6"}]
    rows += [{"question": "What is another question?", "answer": "#### 1"}, {"question": "No end?", "answer": "none"}]
    (folder / "test.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def competition(folder):
    solution = "The radius is 3, so the area is $\\boxed{9\\pi}$."
    polars.DataFrame({"problem": [AREA], "solution": [solution], "level": ["Level 5"]}).write_parquet(
        folder / "t.parquet"
    )


def mmlu(folder):
    rows = {"question": [RIVER[0], "Blank?"], "choices": [RIVER[1], []], "answer": [1, 3]}
    polars.DataFrame(rows).write_ipc_stream(folder / "mmlu-test.arrow")


def mmlu_pro(folder):
    rows = {"question_id": [7], "question": [METAL[0]], "options": [METAL[1]], "answer": ["C"], "answer_index": [2]}
    polars.DataFrame(rows).write_parquet(folder / "test-00000-of-00001.parquet")


def arc(folder):
    choices = {"text": LIGHT[1], "label": ["1", "2", "3"]}
    rows = {"id": ["a"], "question": [LIGHT[0]], "choices": [choices], "answerKey": ["1"]}
    polars.DataFrame(rows).write_parquet(folder / "arc.parquet")


@pytest.mark.parametrize(
    ("written", "prompt", "answer", "right", "wrong"),
    [
        (gsm8k, SUM, "1045.6", "She takes 1045.6 euros", "She takes 45.6 euros"),
        (competition, AREA, "9\\pi", "\\boxed{9\\pi}", "\\boxed{6\\pi}"),
        (mmlu, listed(RIVER, ". "), "B", "The answer is (B).", "The answer is (A)."),
        (mmlu_pro, listed(METAL, ". "), "C", "mercury", "iron"),
        (arc, listed(LIGHT, ") "), "A", "A) Light is refracted.", "B"),
    ],
)
def test_a_data_set_is_known_by_its_columns(router, tmp_path, written, prompt, answer, right, wrong):
    deep = tmp_path / "some" / "snapshot"
    deep.mkdir(parents=True)
    written(deep)
    (tmp_path / "README.md").write_text("not read", encoding="utf-8")
    polars.DataFrame({"text": ["of another form"]}).write_parquet(tmp_path / "other.parquet")
    (found,) = public_questions(router, [tmp_path])
    assert (found.prompt, found.answer) == (prompt, answer)
    assert found.id in router.estimator.anchors.ids
    assert (grade(found, right).score, grade(found, wrong).score) == (1.0, 0.0)


def test_all_of_them_stand_in_the_order_of_the_anchors_and_none_twice(router, tmp_path):
    for written in (arc, mmlu_pro, mmlu, competition, gsm8k):
        for copy in ("first", "second"):
            folder = tmp_path / copy / written.__name__
            folder.mkdir(parents=True)
            written(folder)
    found = public_questions(router, [tmp_path / "first", tmp_path / "second"])
    places = [router.estimator.anchors.ids.index(question.id) for question in found]
    assert len(found) == 5
    assert places == sorted(places)


def test_what_is_not_there_or_cannot_be_read_is_said(router, tmp_path):
    with pytest.raises(OutcomesError, match=r"no such file.*--data"):
        public_questions(router, [tmp_path])
    (tmp_path / "test.jsonl").write_text('{"question": "Who?", "answer": "#### 3"}', encoding="utf-8")
    with pytest.raises(OutcomesError, match="1 such file with 1 question of others"):
        public_questions(router, [tmp_path])
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(OutcomesError, match=r"3 such files .*Cannot read .*broken\.parquet"):
        public_questions(router, [tmp_path])


def test_what_cannot_be_read_is_passed_over_where_anchors_are_found(router, tmp_path, caplog):
    gsm8k(tmp_path)
    (tmp_path / "an empty one.jsonl").touch()
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing")
    (tmp_path / "torn.jsonl").write_text('{"question": "Who', encoding="utf-8")
    assert [found.prompt for found in public_questions(router, [tmp_path])] == [SUM]
    assert [record.args[0].partition(",")[0] for record in caplog.records] == [
        f"Cannot read {tmp_path / name}" for name in ("broken.parquet", "torn.jsonl")
    ]


def test_a_cache_is_looked_through_for_data_sets_of_these_names(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_DATASETS_CACHE", raising=False)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert cached_datasets() == []
    wanted = [tmp_path / "datasets" / "openai___gsm8k", tmp_path / "hub" / "datasets--TIGER-Lab--MMLU-Pro"]
    for folder in (*wanted, tmp_path / "hub" / "models--some--thing", tmp_path / "datasets" / "wikipedia"):
        folder.mkdir(parents=True)
    assert cached_datasets() == wanted
