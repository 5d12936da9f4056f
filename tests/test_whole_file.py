"""A file is whole or not there, and nothing is left beside it."""

from __future__ import annotations

import numpy as np
import pytest

from scope_edge import embedding_cache, minilm
from scope_edge.errors import UsageError
from scope_edge.whole_file import whole_file


def test_a_file_takes_its_place_when_it_is_whole(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with whole_file(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_file_alone(tmp_path, error):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(error), whole_file(path) as partial:
        raise error(partial.write_text("half"))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "nowhere" / "out.txt"
    with pytest.raises(UsageError, match=r"Cannot write .*out\.txt, got .*No such file"), whole_file(path) as partial:
        partial.write_text("new")
    path.parent.mkdir()
    path.mkdir()
    with pytest.raises(UsageError, match=r"Cannot write .*out\.txt"), whole_file(path) as partial:
        partial.write_text("new")
    assert list(path.parent.iterdir()) == [path]


def test_embeddings_that_cannot_be_kept_leave_nothing_behind(tmp_path, monkeypatch):
    def full(_tensors, path):
        path.write_bytes(b"half")
        raise OSError("the disk is full")

    monkeypatch.setattr(embedding_cache, "save_file", full)
    monkeypatch.setattr(minilm, "_load_teacher", lambda: lambda texts: np.zeros((len(texts), 384), np.float16))
    with pytest.raises(UsageError, match=r"Cannot write .*the disk is full"):
        minilm.embed(["Hi?"], tmp_path)
    assert list(tmp_path.iterdir()) == []
