"""The journal by itself: its numbers, how it is read, and what is forgotten."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scope_edge.learning.journal import Journal
from scope_edge.learning.outcome import Outcome


@pytest.fixture
def journal() -> Journal:
    return Journal(None, "an encoder", dim=2, n_loadings=3)


def outcome(model: str = "m", at: float = 0.0) -> Outcome:
    codes, loadings = np.array([1, -2], np.int8), np.array([0.5, 0, 1], np.float16)
    return Outcome(model, at, 1.0, math.nan, math.nan, 7.0, codes, np.float32(0.5), loadings)


def test_more_outcomes_than_are_read_at_once_are_all_read(journal):
    for at in range(2500):
        journal.append(outcome(at=at))
    read = list(journal.after(10))
    assert [number for number, _ in read] == list(range(11, 2501))
    assert [one.at for _, one in read] == list(range(10, 2500))


def test_a_number_is_never_given_twice(journal):
    journal.append(outcome())
    journal.append(outcome())
    assert journal.forget() == 2
    journal.append(outcome())
    assert [number for number, _ in journal.after(0)] == [3]


def test_what_is_forgotten_is_of_the_model_and_from_before_the_time(journal):
    for model in ("one", "two"):
        for at in (10.0, 20.0):
            journal.append(outcome(model, at))
    assert journal.forget("one", before=20.0) == 1
    assert journal.forget(before=10.0) == 0
    assert [(one.model, one.at) for _, one in journal.after(0)] == [("one", 20), ("two", 10), ("two", 20)]
    assert journal.forget(before=20.0) == 1
    assert journal.forget("two") == 1
    assert [(one.model, one.at) for _, one in journal.after(0)] == [("one", 20)]


def test_a_file_of_which_all_is_forgotten_is_small_again(tmp_path):
    path = tmp_path / "journal.db"
    journal = Journal(path, "an encoder", dim=2, n_loadings=3)
    for _ in range(20):
        journal.append(outcome()._replace(text="?" * 10_000))
    journal.forget()
    assert path.stat().st_size < 50_000
