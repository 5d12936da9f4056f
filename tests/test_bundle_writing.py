"""Where bundles may be written, and what is left when that fails."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from bundles import contents
from processes import run_python

from scope_edge import Router, bundle, replacing
from scope_edge.bundle import verify
from scope_edge.errors import BundleError


def test_saving_into_a_folder_that_is_no_bundle_is_refused(own_router, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(BundleError, match="not a bundle"):
        own_router.save(tmp_path / "thesis")
    assert contents(tmp_path / "thesis") == {"chapter1.txt": b"years of work"}
    assert os.listdir(tmp_path) == ["thesis"]


@pytest.mark.parametrize("path", [None, 5, b"bundle", "a\0b", "\ud800"])
def test_what_is_no_path_is_no_bundle(own_router, path):
    for use in (own_router.save, own_router.compact, verify):
        with pytest.raises(BundleError, match="Not the path of a bundle"):
            use(path)


def test_saving_over_a_file_is_refused(own_router, tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    for target in (tmp_path / "file", tmp_path / "file" / "under"):
        with pytest.raises(BundleError):
            own_router.save(target)
    assert contents(tmp_path) == {"file": b"mine"}


def test_saving_where_no_folder_is_any_more_is_refused(own_router, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(BundleError, match="Cannot write the bundle x"):
        own_router.save("x")


def test_saving_into_an_empty_or_a_new_folder_works(own_router, tmp_path):
    (tmp_path / "empty").mkdir()
    for target in (tmp_path / "empty", tmp_path / "deep" / "er"):
        own_router.save(target)
        assert Router.load(target).models == own_router.models


@pytest.mark.parametrize("step", ["mkdir", "copyfile", "write_bytes", "write_text", "fsync", "rename"])
def test_a_full_disk_leaves_the_bundle_as_it_was(small_bundle, tmp_path, monkeypatch, step):
    target = tmp_path / "bundle"
    shutil.copytree(small_bundle, target)
    before = contents(target)
    router = Router.load(target)
    router.remove_model(router.models[0])
    raise_on_call = {"mkdir": 2, "write_bytes": 2, "write_text": 2, "fsync": 3, "rename": 2}.get(step, 1)
    home, name = {
        "mkdir": (Path, "mkdir"),  # the parent's, then the staging folder's
        "copyfile": (shutil, "copyfile"),
        "write_bytes": (Path, "write_bytes"),
        "write_text": (Path, "write_text"),
        "fsync": (os, "fsync"),
        "rename": (os, "rename"),
    }[step]
    real, calls = getattr(home, name), []

    def full(*args, **kwargs):
        calls.append(step)
        if len(calls) == raise_on_call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args, **kwargs)

    monkeypatch.setattr(home, name, full)
    with pytest.raises(BundleError, match="No space left"):
        router.save(target)
    monkeypatch.undo()
    assert len(calls) >= raise_on_call
    assert contents(target) == before
    assert os.listdir(tmp_path) == ["bundle"]


def test_what_is_waited_for_was_opened_for_writing(own_router, tmp_path, monkeypatch):
    # As Windows asks for it; nothing is written.
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.write(descriptor, b""))
    own_router.save(tmp_path / "saved")
    assert verify(tmp_path / "saved")


@pytest.fixture
def waits(monkeypatch):
    """As on Windows; how often it was waited for a folder."""
    waits = []
    for module in (bundle, replacing):
        monkeypatch.setattr(module, "WINDOWS", True)
    monkeypatch.setattr(replacing.time, "sleep", waits.append)
    return waits


def hold(monkeypatch, is_held) -> None:
    """Refuse to rename the folders of whose names this is true."""
    real = os.rename

    def rename(folder, name):
        if is_held(os.path.basename(folder)):
            raise PermissionError(errno.EACCES, "Access is denied", str(folder))
        real(folder, name)

    monkeypatch.setattr(os, "rename", rename)


@pytest.mark.parametrize("step", [0, 1])
def test_a_folder_that_is_held_for_a_moment_is_waited_for(own_router, tmp_path, monkeypatch, waits, step):
    own_router.save(tmp_path / "bundle")
    own_router.remove_model(own_router.models[0])
    hold(monkeypatch, lambda name: (name == "bundle") == (step == 0) and len(waits) < 5)
    own_router.save(tmp_path / "bundle")
    assert len(waits) == 5
    assert Router.load(tmp_path / "bundle").models == own_router.models
    assert os.listdir(tmp_path) == ["bundle"]


def test_a_folder_that_stays_held_is_left_as_it_was_and_the_remedy_named(own_router, tmp_path, monkeypatch, waits):
    own_router.save(tmp_path / "bundle")
    before = contents(tmp_path / "bundle")
    hold(monkeypatch, lambda name: name == "bundle")
    with pytest.raises(BundleError, match=r"before is unchanged\. Write to another folder \(--out\), or close"):
        own_router.save(tmp_path / "bundle")
    assert len(waits) == 10
    assert contents(tmp_path / "bundle") == before
    assert os.listdir(tmp_path) == ["bundle"]


def test_a_bundle_that_cannot_be_put_back_is_whole_where_the_error_says(own_router, tmp_path, monkeypatch):
    own_router.save(tmp_path / "bundle")
    before = contents(tmp_path / "bundle")
    hold(monkeypatch, lambda name: name != "bundle")
    with pytest.raises(BundleError, match="nor put back") as caught:
        own_router.save(tmp_path / "bundle")
    [left] = tmp_path.iterdir()
    assert f"It is whole in {left}:" in str(caught.value)
    assert contents(left) == before


_TOO_SMALL = """
import resource, sys
from pathlib import Path
import numpy as np
from scope_edge.bundle import encoder_hash, write_bundle
from scope_edge.errors import BundleError
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    write_bundle(
        Path(sys.argv[1], "new"), encoder=Path(sys.argv[1]),
        config={"encoder": {"hash": encoder_hash(Path(sys.argv[1]))}},
        fingerprints={"big": np.zeros(100_000)},
    )
except BundleError as error:
    print("refused:", error)
"""


def test_tensors_that_do_not_fit_are_a_bundle_error(tmp_path):
    pytest.importorskip("resource", reason="limits on the size of files are set through a Unix call")
    run = run_python(_TOO_SMALL, str(tmp_path))
    assert run.stdout.startswith(b"refused: Cannot write the bundle"), run.stderr.decode()
    assert os.listdir(tmp_path) == []


def test_an_encoder_that_has_gone_cannot_be_saved(small_bundle, tmp_path):
    shutil.copytree(small_bundle, tmp_path / "first")
    router = Router.load(tmp_path / "first")
    shutil.rmtree(tmp_path / "first")
    with pytest.raises(BundleError):
        router.save(tmp_path / "second")
    assert os.listdir(tmp_path) == []


def test_an_encoder_that_was_exchanged_cannot_be_saved(small_bundle, tmp_path):
    shutil.copytree(small_bundle, tmp_path / "first")
    router = Router.load(tmp_path / "first")
    (tmp_path / "first" / "tokenizer.json").write_bytes(b"{}")
    with pytest.raises(BundleError):
        router.save(tmp_path / "second")
    assert os.listdir(tmp_path) == ["first"]


needs_permissions = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere, and Windows has other permissions"
)


@needs_permissions
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_parent_that_cannot_be_written_is_a_bundle_error(own_router, tmp_path, mode):
    parent = tmp_path / "closed"
    parent.mkdir()
    parent.chmod(mode)
    try:
        with pytest.raises(BundleError, match="closed"):
            own_router.save(parent / "bundle")
    finally:
        parent.chmod(0o700)
    assert os.listdir(parent) == []
