"""A checkout as Git for Windows makes it: other line ends, and no symbolic links."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from bundles import contents

from scope_edge.bundle import verify

ROOT = Path(__file__).parents[1]
NAMES = ("kernels", "models")


@pytest.fixture
def restore_links():
    if not (ROOT / "setup.py").is_file():
        pytest.skip("setup.py is not beside the tests")
    return runpy.run_path(str(ROOT / "setup.py"))["restore_links"]


@pytest.fixture
def package(tmp_path):
    """Without links."""
    (tmp_path / "package").mkdir()
    for name in NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "some").write_text(name, encoding="utf-8")
        (tmp_path / "package" / name).write_text(f"../{name}", encoding="utf-8")
    return tmp_path / "package"


def are_whole(package: Path) -> bool:
    return all((package / name / "some").read_text(encoding="utf-8") == name for name in NAMES)


def refuse(*_, **__):
    raise OSError("not allowed")


def test_small_files_become_links_and_links_stay(restore_links, package):
    for _ in range(2):
        restore_links(package)
        assert are_whole(package)
    shutil.copytree(package, package.with_name("copy"))
    restore_links(package.with_name("copy"))
    assert are_whole(package.with_name("copy"))


def test_windows_takes_a_junction_where_it_allows_no_link(restore_links, package, monkeypatch):
    symlink = os.symlink
    monkeypatch.setattr(os, "symlink", refuse)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "_winapi", SimpleNamespace(CreateJunction=symlink))
    restore_links(package)
    assert are_whole(package)
    assert os.readlink(package / "models") == str(package.with_name("models"))


def test_where_no_link_can_be_made_the_build_ends_and_all_is_as_it_was(restore_links, package, monkeypatch):
    before = contents(package)
    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(SystemExit, match=r"needs a link to \.\./kernels, and none can be made, got not allowed"):
        restore_links(package)
    assert contents(package) == before


def test_what_git_writes_for_windows_is_the_same_bundle_and_becomes_a_package(restore_links, tmp_path):
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no git, or not a checkout")
    settings = ["-c", "core.autocrlf=true", "-c", "core.symlinks=false", "-c", "safe.directory=*"]
    subprocess.run(["git", *settings, "checkout-index", "--all", f"--prefix={tmp_path}/"], cwd=ROOT, check=True)
    restore_links(tmp_path / "scope_edge")
    assert verify(tmp_path / "scope_edge" / "models" / "default")
    assert b"\r" not in (tmp_path / "scope_edge" / "kernels" / "plain.py").read_bytes()
