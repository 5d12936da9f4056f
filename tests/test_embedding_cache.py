"""A teacher's embeddings on disk: each text once in its life, whatever stops between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.progress import Progress

from scope_edge import embedding_cache
from scope_edge.embedding_cache import embed_cached
from scope_edge.errors import UsageError

DIM = 3


class Teacher:
    """Embeds a text as its length and its first letter, and remembers what it was asked."""

    def __init__(self, fails_at: str = "") -> None:
        self.loaded, self.asked, self.fails_at = 0, [], fails_at

    def load(self):
        self.loaded += 1
        return self.encode

    def encode(self, shard):
        if self.fails_at in shard:
            raise RuntimeError("power cut")
        self.asked.append(list(shard))
        return np.array([[len(text), ord(text[0]), 1] for text in shard], np.float16)


def embedded(texts, cache: Path, teacher: Teacher, name: str = "one", progress: Progress | None = None):
    return embed_cached(texts, cache, teacher=name, dim=DIM, load=teacher.load, title="embed", progress=progress)


def test_rows_are_in_the_order_of_the_texts_and_repeats_are_embedded_once(tmp_path):
    teacher = Teacher()
    found = embedded(["bbb", "a", "bbb", "cc"], tmp_path / "new" / "cache", teacher)
    assert found[:, 0].tolist() == [3, 1, 3, 2]
    assert found.dtype == np.float16
    assert teacher.asked == [["a", "cc", "bbb"]]  # short ones first


def test_what_is_on_disk_is_not_asked_again(tmp_path):
    first, again = Teacher(), Teacher()
    before = embedded(["a", "bb"], tmp_path, first)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    np.testing.assert_array_equal(embedded(["bb", "a", "a"], tmp_path, again), before[[1, 0, 0]])
    assert again.loaded == 0
    more = embedded(["a", "ccc"], tmp_path, again)
    assert again.asked == [["ccc"]]
    assert more[:, 0].tolist() == [1, 3]
    assert files.items() <= {path.name: path.read_bytes() for path in tmp_path.iterdir()}.items()


def test_every_teacher_has_its_own(tmp_path):
    one, two = Teacher(), Teacher()
    embedded(["a"], tmp_path, one, "one")
    embedded(["a"], tmp_path, two, "two")
    assert two.asked == [["a"]]


def test_no_texts_need_no_teacher(tmp_path):
    teacher = Teacher()
    assert embedded([], tmp_path / "cache", teacher).shape == (0, DIM)
    assert teacher.loaded == 0
    assert not (tmp_path / "cache").exists()


def test_a_run_that_is_stopped_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(embedding_cache, "SHARD", 2)
    texts = ["a", "bb", "ccc", "dddd", "eeeee"]
    stopped, later = Teacher(fails_at="ccc"), Teacher()
    with pytest.raises(RuntimeError, match="power cut"):
        embedded(texts, tmp_path, stopped)
    assert stopped.asked == [["a", "bb"]]
    assert embedded(texts, tmp_path, later)[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert later.asked == [["ccc", "dddd"], ["eeeee"]]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_shard_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError("No space left on device")

    monkeypatch.setattr(embedding_cache, "save_file", full)
    with pytest.raises(UsageError, match="No space left on device"):
        embedded(["a"], tmp_path, Teacher())
    assert list(tmp_path.iterdir()) == []


def test_the_bar_counts_what_is_missing(tmp_path):
    embedded(["a", "bb"], tmp_path, Teacher())
    with Progress(disable=True) as progress:
        embedded(["a", "bb", "ccc", "dddd"], tmp_path, Teacher(), progress=progress)
        (task,) = progress.tasks
        assert (task.description, task.total, task.completed) == ("embed", 2, 2)
