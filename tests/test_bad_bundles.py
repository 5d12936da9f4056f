"""Bundles that are not whole, or hold what means nothing."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
from bundles import FILES, changed, edited, rehash
from comparing import same
from hypothesis import given, settings
from hypothesis import strategies as st
from prompts import PROMPTS
from safetensors.numpy import save_file

from scope_edge import Router
from scope_edge.bundle import ENCODER_FILES, HASH_LIMIT, default_bundle, read_bundle, verify, write_bundle
from scope_edge.bundle_files import sha256
from scope_edge.errors import BundleError

# --- bundles that are not whole ---


@pytest.fixture(scope="module")
def victim(small_bundle, tmp_path_factory) -> Path:
    """A bundle to damage; every test puts it back as it was."""
    return Path(shutil.copytree(small_bundle, tmp_path_factory.mktemp("victim") / "bundle"))


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def refused(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        Router.load(folder)
    return str(caught.value)


def test_the_files_below_are_the_files_of_a_bundle(victim):
    for folder in (victim, default_bundle()):
        listed = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
        assert sorted(listed) == sorted(FILES)


def test_the_victim_is_whole(victim, small_bundle):
    assert sorted(verify(victim)) == sorted(FILES)
    assert same(Router.load(victim).estimate_batch(PROMPTS), Router.load(small_bundle).estimate_batch(PROMPTS))


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_deleted_file_is_named(victim, name):
    with changed(victim, name, None):
        assert name in refused(victim)


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_truncated_file_is_named(victim, name):
    data = (victim / name).read_bytes()
    for part in (data[: len(data) // 2], b""):
        with changed(victim, name, part):
            assert name in refused(victim)


@pytest.mark.parametrize("name", FILES)
def test_a_file_with_a_flipped_bit_is_named(victim, name):
    with changed(victim, name, flipped((victim / name).read_bytes())):
        assert name in refused(victim)
        with pytest.raises(BundleError, match=name):
            verify(victim)


@pytest.mark.parametrize("limit", [0, HASH_LIMIT])
def test_no_file_is_hashed_twice_and_the_encoder_always(victim, monkeypatch, limit):
    hashed = []
    monkeypatch.setattr("scope_edge.bundle.HASH_LIMIT", limit)
    monkeypatch.setattr("scope_edge.bundle.sha256", lambda file: hashed.append(file.name) or sha256(file))
    Router.load(victim)
    assert sorted(hashed) == sorted(set(FILES).intersection(ENCODER_FILES) if limit == 0 else FILES)
    with changed(victim, "encoder.onnx", flipped((victim / "encoder.onnx").read_bytes())):
        assert "encoder" in refused(victim)


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=40)
def test_a_flipped_bit_in_the_manifest_is_noticed(victim, place, bit):
    data = bytearray((victim / "manifest.json").read_bytes())
    at = int(place * len(data))
    if chr(data[at]).isspace() and chr(data[at] ^ 1 << bit).isspace():
        return  # another kind of white space: the same manifest
    data[at] ^= 1 << bit
    with changed(victim, "manifest.json", bytes(data)), pytest.raises(BundleError):
        verify(victim, full=False)


@pytest.mark.parametrize(
    "manifest",
    [b"[]", b"{}", b'{"files": {}}', b'{"files": 3}', b'{"files": {"config.json": 3}}', b"\xff"],
)
def test_a_manifest_without_sense_is_refused(victim, manifest):
    with changed(victim, "manifest.json", manifest):
        assert "manifest.json" in refused(victim)


@pytest.mark.parametrize("name", ["../victim.txt", "/etc/hostname", "a/b"])
def test_a_manifest_cannot_name_files_elsewhere(victim, name):
    with changed(victim, "manifest.json", json.dumps({"files": {name: {"sha256": "0", "bytes": 0}}}).encode()):
        assert "bad entry" in refused(victim)


def test_a_path_without_a_bundle_is_refused(tmp_path):
    assert "nothing there" in refused(tmp_path / "nowhere")
    assert "without one" in refused(tmp_path)
    (tmp_path / "file").touch()
    assert "manifest.json" in refused(tmp_path / "file")


def test_a_stray_file_does_no_harm(victim):
    (victim / ".DS_Store").write_bytes(b"from the Finder")
    try:
        assert Router.load(victim).models
    finally:
        (victim / ".DS_Store").unlink()


# --- bundles whose manifest fits, but whose contents do not ---


@pytest.mark.parametrize("name", [name for name in FILES if name != "README.md"])
def test_a_file_of_garbage_is_a_bundle_error_even_if_it_is_listed(victim, name):
    with changed(victim, name, b"garbage", honest=True):
        assert "\n" not in refused(victim)


@pytest.mark.parametrize("version", [{"format_version": "3.0", "oldest_reader": "3.0"}, {"oldest_reader": "2.1"}])
def test_a_newer_format_is_refused(victim, version):
    with changed(victim, "config.json", edited(victim, "config.json", **version), honest=True):
        message = refused(victim)
        assert "newer scope-edge" in message
        assert "pip install --upgrade" in message


def test_a_newer_format_without_its_oldest_reader_is_refused(victim):
    config = edited(victim, "config.json", format_version="3.0", oldest_reader=...)
    with changed(victim, "config.json", config, honest=True):
        assert "newer scope-edge" in refused(victim)


def test_a_newer_minor_format_is_read(victim):
    config = edited(victim, "config.json", format_version="2.9", oldest_reader="2.0")
    with changed(victim, "config.json", config, honest=True):
        assert Router.load(victim).models


def test_an_older_format_is_refused(victim):
    config = edited(victim, "config.json", format_version="1.9", oldest_reader="1.0")
    with changed(victim, "config.json", config, honest=True):
        message = refused(victim)
    assert "older format" in message
    assert "rebuild" in message


@pytest.mark.parametrize("version", ["one", "", None, 3, "1.0.0"])
def test_a_version_that_is_none_is_refused(victim, version):
    with changed(victim, "config.json", edited(victim, "config.json", oldest_reader=version), honest=True):
        assert "version" in refused(victim)


@pytest.mark.parametrize("field", ["encoder", "lookup", "reach", "novelty", "alpha"])
@pytest.mark.parametrize("value", [..., 3, "text", [], {}])
def test_a_config_that_lacks_something_is_refused(victim, field, value):
    with changed(victim, "config.json", edited(victim, "config.json", **{field: value}), honest=True):
        refused(victim)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (2, 1), (1, math.inf), (math.nan, 1), (1, 10**400)])
def test_a_dial_without_ends_is_refused(victim, low, high):
    alpha = {"v_min_usd": low, "v_max_usd": high}
    with changed(victim, "config.json", edited(victim, "config.json", alpha=alpha), honest=True):
        assert "alpha" in refused(victim)


@pytest.mark.parametrize("entry", [3, {}, {"model": "a"}, {"model": "a", "price": None}])
def test_a_bad_entry_of_models_is_refused(victim, entry):
    models = json.loads((victim / "models.json").read_text(encoding="utf-8"))
    models[0] = entry
    with changed(victim, "models.json", json.dumps(models).encode(), honest=True), pytest.raises(BundleError):
        Router.load(victim)


NO_NUMBERS = [math.nan, math.inf, -math.inf, 10**400, "x", None, True]


@pytest.mark.parametrize("bad", [*NO_NUMBERS, -1])
@pytest.mark.parametrize(
    "field",
    [
        "lookup.neighbours", "lookup.power", "lookup.shrinkage", "lookup.length_shrinkage", "lookup.reach_shrinkage",
        "lookup.interval_scale", "lookup.noise_shrinkage", "reach.pooled", "reach.variance", "encoder.tokens_per_id",
        "encoder.trigram_bins", "encoder.head_chars", "encoder.tail_chars", "encoder.rank",
    ],
)  # fmt: skip
def test_a_figure_of_the_config_that_means_nothing_is_refused(victim, field, bad):
    section, name = field.split(".")
    values = json.loads((victim / "config.json").read_text(encoding="utf-8"))[section] | {name: bad}
    with changed(victim, "config.json", edited(victim, "config.json", **{section: values}), honest=True):
        assert repr(bad) in refused(victim)


@pytest.mark.parametrize("bad", NO_NUMBERS)
@pytest.mark.parametrize("name", ["weights", "length_weights"])
def test_a_weight_that_means_nothing_is_refused(victim, name, bad):
    lookup = json.loads((victim / "config.json").read_text(encoding="utf-8"))["lookup"]
    lookup[name][-1] = bad
    with changed(victim, "config.json", edited(victim, "config.json", lookup=lookup), honest=True):
        assert "lookup" in refused(victim)


@pytest.mark.parametrize("quantiles", [*([0, bad] for bad in NO_NUMBERS), [], [0.5], [0.5, 0.4], 3, None])
def test_novelty_quantiles_that_mean_nothing_are_refused(victim, quantiles):
    novelty = {"quantiles": quantiles}
    with changed(victim, "config.json", edited(victim, "config.json", novelty=novelty), honest=True):
        assert "config.json has no valid novelty" in refused(victim)


@pytest.mark.parametrize(("name", "change"), [("trigram_bins", -1), ("rank", 1), ("rank", -1), ("rank", 1000)])
def test_sizes_that_are_not_those_of_the_files_are_refused(victim, name, change):
    encoder = json.loads((victim / "config.json").read_text(encoding="utf-8"))["encoder"]
    encoder[name] += change
    with changed(victim, "config.json", edited(victim, "config.json", encoder=encoder), honest=True):
        assert name in refused(victim)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *(("token_ratio", bad) for bad in (*NO_NUMBERS, 0, -1)),
        *((name, bad) for name in ("params_b", "n_outcomes") for bad in (math.nan, -1, "x", True)),
        *(("context_window", bad) for bad in (-1, 0, 1.5, math.nan, "x")),
        *(("time_to_first_token_s", bad) for bad in (-1, math.nan, "x")),
        *(("tokens_per_second", bad) for bad in (-1, 0, math.nan, "x")),
        ("local", "yes"), ("price_date", "today"), ("model", 3), ("model", None), ("model", ["a"]), ("model", ""),
    ],
)  # fmt: skip
def test_a_field_of_a_model_that_means_nothing_is_refused(victim, name, bad):
    models = json.loads((victim / "models.json").read_text(encoding="utf-8"))
    models[0][name] = bad
    with changed(victim, "models.json", json.dumps(models).encode(), honest=True):
        assert repr(bad) in refused(victim)


def refused_models(victim, change):
    """The names of the models, and the error of a bundle whose models were changed."""
    models = json.loads((victim / "models.json").read_text(encoding="utf-8"))
    change(models)
    with changed(victim, "models.json", json.dumps(models).encode(), honest=True):
        return [model["model"] for model in models], refused(victim)


@pytest.mark.parametrize("bad", [math.nan, -1, 2e9, "x", True])
def test_a_model_of_a_size_that_means_nothing_is_named(victim, bad):
    names, message = refused_models(victim, lambda models: models[0].update(params_b=bad))
    assert f"models.json: {names[0]!r} has a bad params_b, expected billions" in message


def test_a_model_that_stands_twice_is_named(victim):
    names, message = refused_models(victim, lambda models: models[1].update(model=models[0]["model"]))
    assert repr(names[0]) in message
    assert "twice" in message


def test_an_unpriced_model_is_named(victim):
    names, message = refused_models(victim, lambda models: models[0]["price"].pop("output_usd_per_mtok"))
    assert repr(names[0]) in message
    assert "price" in message


def test_models_and_fingerprints_must_agree(victim):
    assert "disagree" in refused_models(victim, list.pop)[1]


def test_unknown_fields_are_ignored(victim, small_bundle):
    config = edited(victim, "config.json", mood="good", extra={"deep": [1, 2]})
    models = json.loads((victim / "models.json").read_text(encoding="utf-8"))
    for entry in models:
        entry["vibe"] = 11
        entry["price"]["usd_per_smile"] = 0.5
    with (
        changed(victim, "config.json", config),
        changed(victim, "models.json", json.dumps(models).encode(), honest=True),
    ):
        router = Router.load(victim)
    assert same(router.estimate_batch(PROMPTS), Router.load(small_bundle).estimate_batch(PROMPTS))


@pytest.mark.parametrize("name", ["fingerprints", "anchors"])
def test_what_another_encoder_made_is_refused(victim, tmp_path, name):
    bundle = read_bundle(victim)
    marks = {"encoder_hash": "0" * 64, "labels": bundle.anchor_labels}
    save_file(getattr(bundle, name), tmp_path / "other", {"scope_edge": json.dumps(marks)})
    with changed(victim, f"{name}.safetensors", (tmp_path / "other").read_bytes(), honest=True):
        message = refused(victim)
        assert name in message
        assert "another encoder" in message


@pytest.mark.parametrize("name", ["fingerprints", "anchors"])
def test_a_missing_tensor_is_a_bundle_error(victim, tmp_path, name):
    bundle = read_bundle(victim)
    tensors = getattr(bundle, name)
    marks = {"encoder_hash": bundle.config["encoder"]["hash"], "labels": bundle.anchor_labels}
    for missing in set(tensors) - {"length_noise", "general", "results_of"}:  # which older bundles lack
        kept = {key: tensor for key, tensor in tensors.items() if key != missing}
        save_file(kept, tmp_path / "other", {"scope_edge": json.dumps(marks)})
        with changed(victim, f"{name}.safetensors", (tmp_path / "other").read_bytes(), honest=True):
            assert f"{name}.safetensors" in refused(victim)


def test_rehashing_in_these_tests_makes_a_bundle_whole(small_bundle, tmp_path):
    shutil.copytree(small_bundle, tmp_path / "bundle")
    rehash(tmp_path / "bundle")
    assert sorted(verify(tmp_path / "bundle")) == sorted(FILES)


def test_a_bundle_without_models_says_how_to_get_a_full_one(small_bundle, tmp_path):
    bundle = read_bundle(small_bundle)
    prior = {name: tensor for name, tensor in bundle.fingerprints.items() if name.startswith("prior.")}
    write_bundle(tmp_path / "encoder", config=bundle.config, encoder=small_bundle, fingerprints=prior)
    assert sorted(verify(tmp_path / "encoder")) == sorted(
        set(FILES) - {"README.md", "anchors.safetensors", "models.json"}
    )
    assert "scope-edge build" in refused(tmp_path / "encoder")
