"""A bundle that others replace or remove while it is read, or after it was."""

from __future__ import annotations

import os
import shutil

import pytest

from scope_edge import Router, bundle, loading
from scope_edge.errors import BundleError

ASKED = "What is 17 * 23?"


@pytest.fixture
def folder(small_bundle, tmp_path):
    return shutil.copytree(small_bundle, tmp_path / "own")


@pytest.fixture
def smaller(folder, tmp_path):
    """The same with a model less, ready to be put in its place."""
    router = Router.load(folder)
    router.remove_model(router.models[0])
    router.save(tmp_path / "smaller")
    return tmp_path / "smaller"


def put(new, folder) -> None:
    os.rename(folder, folder.with_name("gone"))
    os.rename(new, folder)


@pytest.mark.parametrize("name", ["anchors.safetensors", "fingerprints.safetensors"])
def test_a_bundle_that_is_replaced_while_it_is_read_is_read_as_the_new_one(folder, smaller, monkeypatch, name):
    read, names = bundle.read_tensors, Router.load(smaller).models

    def replacing(file):
        if file.name == name and smaller.exists():
            put(smaller, folder)
        return read(file)

    monkeypatch.setattr(bundle, "read_tensors", replacing)
    router = Router.load(folder)
    assert router.models == names
    assert router.estimate(ASKED).figures.shape[-1] == len(names)


def test_a_bundle_that_is_just_being_put_in_its_place_is_waited_for(folder, monkeypatch):
    old = folder.with_name(f".{folder.name}-123-abcd-old")
    os.rename(folder, old)
    monkeypatch.setattr(bundle.time, "sleep", lambda _: old.exists() and os.rename(old, folder))
    assert Router.load(folder).models


def test_a_bundle_that_never_comes_is_an_error(folder, monkeypatch):
    os.rename(folder, folder.with_name(f".{folder.name}-123-abcd-old"))
    waits = []
    monkeypatch.setattr(bundle.time, "sleep", waits.append)
    with pytest.raises(BundleError, match="No bundle at"):
        Router.load(folder)
    assert 0 < sum(waits) < 1


@pytest.mark.parametrize("encoder", ["the same", "another"])
def test_a_bundle_that_is_replaced_before_its_encoder_is_read_needs_the_same_one(folder, smaller, monkeypatch, encoder):
    opened, names = loading.Encoder, Router.load(folder).models

    def replacing(path, config):
        put(smaller, folder)
        return opened(path, config)

    monkeypatch.setattr(loading, "Encoder", replacing)
    if encoder == "the same":
        assert Router.load(folder).models == names
        return
    monkeypatch.setattr(loading, "encoder_hash", lambda _: "of another")
    with pytest.raises(BundleError, match="replaced while it was read"):
        Router.load(folder)


def test_a_router_needs_its_folder_no_more(folder):
    router, there = Router.load(folder), Router.load(folder)
    shutil.rmtree(folder)
    assert router.route("Où est la bibliothèque ?").model
    assert router.route(ASKED).model == there.route(ASKED).model


def test_a_relative_path_means_the_folder_that_it_meant_when_it_was_read(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder.parent)
    router = Router.load(folder.name)
    monkeypatch.chdir("/")
    router.save(tmp_path / "saved")
    assert Router.load(tmp_path / "saved").models == router.models
