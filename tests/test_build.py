from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from bundles import FILES, anchor_ids, contents
from comparing import same
from prompts import PROMPTS
from rich.progress import Progress
from tables import with_changed_rows

from scope_edge import Router
from scope_edge.build import BuildOptions, build
from scope_edge.build.selection import METHODS
from scope_edge.build.tuning import _turning_points
from scope_edge.bundle import default_bundle, read_bundle, verify, write_bundle
from scope_edge.cli.app import main
from scope_edge.errors import BundleError, OutcomesError, UsageError
from scope_edge.outcomes import read_table


def built(table: Path, out: Path, encoder: Path | None = None, **options) -> dict:
    return build(table, out, encoder, BuildOptions(**{"n_anchors": 96} | options), Progress(disable=True))


def queries_of(table: Path, split: str) -> dict[str, dict]:
    rows = map(json.loads, (table / "queries.jsonl").read_text(encoding="utf-8").splitlines())
    return {row["query_id"]: row for row in rows if row["split"] == split}


# --- the bundle of the generated table ---


def test_a_built_bundle_is_whole(small_bundle):
    assert sorted(verify(small_bundle, full=True)) == sorted(FILES)


def test_verify_calls_back_with_every_file(small_bundle):
    seen = []
    assert verify(small_bundle, progress=seen.append) == seen


def test_the_report_is_in_the_bundle(table_folder, tmp_path):
    report = built(table_folder, tmp_path / "out", seed=3)
    assert read_bundle(tmp_path / "out").config["build"] == json.loads(json.dumps(report))
    counts = {name: report[name] for name in ("n_anchors", "method", "seed", "n_train", "n_val", "n_models")}
    assert counts == {"n_anchors": 96, "method": "kmeans", "seed": 3, "n_train": 252, "n_val": 36, "n_models": 4}
    assert report["sources"] == ["code", "sums", "trivia"]
    assert 0 < report["val"]["log_loss"] < 0.7
    assert 0.5 < report["val"]["tokens_80_coverage"] <= 1


def test_joining_models_stay_out(small_bundle):
    assert Router.load(small_bundle).models == ["tiny", "small", "large", "thinker"]


def test_cards_say_what_the_table_says(small_bundle, table_folder):
    cards = {card.model: card for card in Router.load(small_bundle).cards}
    assert (cards["large"].price.input_usd_per_mtok, cards["large"].price.output_usd_per_mtok) == (2.0, 8.0)
    assert cards["large"].price_date is None  # the table has no such column, and the day of the build says nothing
    assert (cards["tiny"].params_b, cards["tiny"].thinks, cards["thinker"].thinks) == (8, False, True)
    train = queries_of(table_folder, "train")
    rows = map(json.loads, (table_folder / "outcomes.jsonl").read_text(encoding="utf-8").splitlines())
    answered = [row["model"] for row in rows if row["query_id"] in train]
    assert {name: card.n_outcomes for name, card in cards.items()} == {name: answered.count(name) for name in cards}
    assert cards["small"].n_outcomes < cards["tiny"].n_outcomes == 252


def test_a_model_without_usable_lengths_borrows_them(small_bundle):
    sources = {card.model: card.length_source for card in Router.load(small_bundle).cards}
    assert sources == {"tiny": "own", "small": "own", "large": "own", "thinker": "prior"}
    assert "## Lengths that are not the model's own\n\nthinker\n" in (small_bundle / "README.md").read_text("utf-8")


def test_borrowed_lengths_are_less_certain(small_bundle):
    estimates = Router.load(small_bundle).estimate_batch(PROMPTS)
    width = np.log1p(estimates.output_tokens_p90) - np.log1p(estimates.output_tokens_p10)
    assert (width.mean(axis=0)[3] > width.mean(axis=0)[:3]).all()


def test_what_is_estimated_is_what_was_generated(small_bundle, table_folder):
    router = Router.load(small_bundle)
    estimates = router.estimate_batch([row["prompt"] for row in queries_of(table_folder, "test").values()])
    tiny, small, large, thinker = estimates.p_correct.mean(axis=0)
    assert tiny < small < large
    assert tiny < thinker
    assert estimates.output_tokens.mean(axis=0)[0] < estimates.output_tokens.mean(axis=0)[2]


def test_anchors_are_training_prompts_without_their_text(small_bundle, table_folder):
    train = queries_of(table_folder, "train")
    assert set(anchor_ids(small_bundle)) <= set(train)
    everything = b"".join(contents(small_bundle).values())
    assert not [row["prompt"] for row in train.values() if row["prompt"].encode() in everything]


def test_the_encoder_is_copied_byte_for_byte(small_bundle):
    source = contents(default_bundle())
    for name in ("encoder.onnx", "encoder.onnx_data", "tokenizer.json"):
        assert (small_bundle / name).read_bytes() == source[name]


def test_a_build_gives_the_same_tensors_again(small_bundle, table_folder, tmp_path):
    built(table_folder, tmp_path / "again")
    first, again = read_bundle(small_bundle), read_bundle(tmp_path / "again")
    for name in ("anchors", "fingerprints"):
        left, right = getattr(first, name), getattr(again, name)
        assert left.keys() == right.keys()
        for key, tensor in left.items():
            assert (tensor.dtype, tensor.shape) == (right[key].dtype, right[key].shape)
            assert tensor.tobytes() == right[key].tobytes(), key
    assert first.anchor_labels == again.anchor_labels
    assert first.models == again.models
    assert {**first.config, "build": None} == {**again.config, "build": None}


def test_another_seed_chooses_other_anchors(small_bundle, table_folder, tmp_path):
    built(table_folder, tmp_path / "other", seed=1)
    assert set(anchor_ids(tmp_path / "other")) != set(anchor_ids(small_bundle))


def test_a_build_replaces_a_bundle(table_folder, tmp_path):
    built(table_folder, tmp_path / "out", n_anchors=16)
    built(table_folder, tmp_path / "out", n_anchors=17)
    assert len(anchor_ids(tmp_path / "out")) == 17
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


# --- other tables ---


def test_models_with_few_outcomes_stay_out(table_folder, tmp_path):
    train = list(queries_of(table_folder, "train"))

    def change(row: dict) -> dict | None:
        few = {"small": train[:29], "large": train[:30]}
        return row if row["query_id"] in few.get(row["model"], [row["query_id"]]) else None

    table = with_changed_rows(table_folder, tmp_path / "table", "outcomes", change)
    report = built(table, tmp_path / "out", n_anchors=64)
    assert Router.load(tmp_path / "out").models == ["tiny", "large", "thinker"]
    assert (report["left_out"], report["min_outcomes"]) == ({"small": 25}, 30)
    assert report["val_from"] == "val"


def test_a_table_of_too_few_outcomes_is_refused(table_folder, tmp_path):
    train = list(queries_of(table_folder, "train"))[:29]
    table = with_changed_rows(
        table_folder, tmp_path / "table", "outcomes", lambda row: row if row["query_id"] in train else None
    )
    with pytest.raises(OutcomesError, match=r"at least 30 outcomes.*got at most 29"):
        built(table, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_outcomes_that_are_held_out_are_said_to_be_missing(table_folder, tmp_path):
    train = list(queries_of(table_folder, "train"))[:30]
    table = with_changed_rows(
        table_folder, tmp_path / "table", "queries", lambda row: row if row["query_id"] in train else None
    )
    table = with_changed_rows(
        table, table, "outcomes", lambda row: row if row["query_id"] in train and row["model"] == "tiny" else None
    )
    with pytest.raises(OutcomesError, match=r"got at most 26, for without a split=val a seventh .* is held out first"):
        built(table, tmp_path / "out")


def test_a_table_without_val_is_tuned_on_a_part_of_train(table_folder, tmp_path):
    table = with_changed_rows(
        table_folder, tmp_path / "table", "queries", lambda row: {**row, "split": row["split"].replace("val", "test")}
    )
    report = built(table, tmp_path / "out", n_anchors=64)
    assert (report["n_train"], report["n_val"], report["val_from"]) == (216, 36, "train")
    assert Router.load(tmp_path / "out").route("hi").model
    assert set(anchor_ids(tmp_path / "out")) < set(queries_of(table, "train"))


def test_a_val_of_other_models_is_like_none(table_folder, tmp_path, cli):
    val = queries_of(table_folder, "val")
    table = with_changed_rows(
        table_folder, tmp_path / "table", "outcomes",
        lambda row: row if row["query_id"] not in val or row["model"] == "newcomer" else None,
    )  # fmt: skip
    run = cli("build", "--outcomes", table, "--out", tmp_path / "out", "--anchors", "64")
    assert (run.code, run.err) == (0, "")
    assert "A seventh of split=train was held out as val, for split=val has no outcomes of these models" in run.out
    report = read_bundle(tmp_path / "out").config["build"]
    assert (report["n_train"], report["n_val"], report["val_from"]) == (216, 36, "train")


@pytest.fixture(scope="module")
def one_in_val(table_folder, tmp_path_factory) -> Path:
    """A bundle of a table whose split=val is one prompt."""
    folder = tmp_path_factory.mktemp("one")
    others = list(queries_of(table_folder, "val"))[1:]
    table = with_changed_rows(
        table_folder, folder / "table", "queries",
        lambda row: {**row, "split": "test"} if row["query_id"] in others else row,
    )  # fmt: skip
    assert built(table, folder / "out")["n_val"] == 1
    return folder / "out"


def test_one_prompt_of_val_does_not_narrow_the_lengths(one_in_val, table_folder):
    table = read_table(table_folder)
    rows = table.rows("test")
    estimates = Router.load(one_in_val).estimate_batch([table.prompts[row] for row in rows])
    own = slice(3)  # the other one borrows its lengths
    counted = table.output_tokens[np.ix_(rows, np.arange(4))][:, own]
    inside = (counted >= estimates.output_tokens_p10[:, own]) & (counted <= estimates.output_tokens_p90[:, own])
    assert inside[np.isfinite(counted)].mean() > 0.75


def test_one_prompt_of_val_does_not_move_the_weights(one_in_val):
    np.testing.assert_allclose(read_bundle(one_in_val).config["lookup"]["weights"], np.ones(4), atol=0.05)


def test_no_model_is_lost_to_the_hold_out_of_an_interleaved_table(table_folder, tmp_path):
    # "large" answered every seventh training prompt only: a hold-out by position would take them all.
    train = list(queries_of(table_folder, "train"))
    table = with_changed_rows(
        table_folder, tmp_path / "half", "queries", lambda row: {**row, "split": row["split"].replace("val", "test")}
    )
    table = with_changed_rows(
        table, tmp_path / "table", "outcomes",
        lambda row: row if row["model"] != "large" or row["query_id"] in train[6::7] else None,
    )  # fmt: skip
    report = built(table, tmp_path / "out", n_anchors=64)
    # 36 outcomes, about a seventh of them held out: in or out by the count that is left, never a crash.
    assert ("large" in Router.load(tmp_path / "out").models) == (report["n_models"] == 4)


def test_a_table_without_any_length_builds_and_it_is_said(table_folder, tmp_path, cli):
    table = with_changed_rows(
        table_folder, tmp_path / "table", "outcomes", lambda row: {**row, "tokens_kind": "none", "output_tokens": None}
    )
    run = cli("build", "--outcomes", table, "--out", tmp_path / "out", "--anchors", "64")
    assert "Lengths and costs are guessed, for want of 30 counted outputs: tiny, small, large, thinker\n" in run.out
    assert set(read_bundle(tmp_path / "out").config["build"]["val"]) == {"log_loss"}
    router = Router.load(tmp_path / "out")
    assert {card.length_source for card in router.cards} == {"prior"}
    assert np.isfinite(router.estimate_batch(PROMPTS).cost_usd_p90).all()


def test_lengths_of_answer_only_sources_are_left_out(table_folder, tmp_path):
    report = built(table_folder, tmp_path / "out", n_anchors=64, correctness_only=("co*", "sums", "trivia"))
    assert report["correctness_only"] == ("co*", "sums", "trivia")
    assert {card.length_source for card in Router.load(tmp_path / "out").cards} == {"prior"}


def test_a_source_that_is_none_is_named(table_folder, tmp_path):
    with pytest.raises(UsageError, match=r"No source matches 'nosuch\*', .*got code, sums, trivia"):
        built(table_folder, tmp_path / "out", correctness_only=("co*", "nosuch*"))
    assert not (tmp_path / "out").exists()


def test_more_anchors_than_prompts_takes_all(table_folder, tmp_path):
    report = built(table_folder, tmp_path / "out", n_anchors=8192)
    assert report["n_anchors"] == 252
    assert anchor_ids(tmp_path / "out") == list(queries_of(table_folder, "train"))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_builds(table_folder, tmp_path, method):
    report = built(table_folder, tmp_path / "out", method=method, n_anchors=20)
    assert (report["method"], report["n_anchors"]) == (method, 20)
    assert np.isfinite(Router.load(tmp_path / "out").estimate_batch(PROMPTS).p_correct).all()


def test_an_unknown_method_is_a_usage_error(table_folder, tmp_path):
    with pytest.raises(UsageError) as caught:
        built(table_folder, tmp_path / "out", method="best")
    assert all(name in str(caught.value) for name in [*METHODS, "'best'"])


def test_a_folder_that_is_no_bundle_is_not_overwritten(table_folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(BundleError, match="not a bundle"):
        built(table_folder, tmp_path / "out", n_anchors=16)
    assert contents(tmp_path / "out") == {"notes.txt": b"mine"}


def test_what_cannot_be_written_is_said_before_the_work(table_folder, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match=r"Cannot write the bundle .*file, which is no folder. Give another place\."):
        built(tmp_path / "none", tmp_path / "file" / "out")
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(BundleError, match=rf"Cannot write the bundle .*got {tmp_path}, which may not be\. Give"):
        built(table_folder, tmp_path / "out")


def test_models_that_are_left_out_are_printed(table_folder, tmp_path, monkeypatch, capsys):
    train = list(queries_of(table_folder, "train"))[:33]
    table = with_changed_rows(
        table_folder, tmp_path / "table", "queries", lambda row: {**row, "split": row["split"].replace("val", "test")}
    )
    table = with_changed_rows(
        table, table, "outcomes", lambda row: row if row["model"] != "tiny" or row["query_id"] in train else None
    )
    arguments = ["build", "--outcomes", str(table), "--out", str(tmp_path / "out"), "--anchors", "40"]
    monkeypatch.setattr("sys.argv", ["scope-edge", *arguments])
    with pytest.raises(SystemExit):
        main()
    printed = capsys.readouterr().out
    n_fitted = read_bundle(tmp_path / "out").config["build"]["left_out"]["tiny"]
    assert n_fitted < 30
    assert f"Left out with fewer than 30 outcomes to fit on: tiny ({n_fitted})\n" in printed
    assert "A seventh of split=train was held out as val" in printed


# --- the encoder comes from another bundle ---


@pytest.fixture(scope="module")
def encoder_bundle(tmp_path_factory) -> Path:
    """An encoder alone, as `train` writes it."""
    shipped = read_bundle(default_bundle())
    out = tmp_path_factory.mktemp("encoder") / "encoder"
    config = {key: shipped.config[key] for key in ("format", "format_version", "oldest_reader", "encoder")}
    prior = {name: tensor for name, tensor in shipped.fingerprints.items() if name.startswith("prior.")}
    write_bundle(out, config=config, encoder=default_bundle(), fingerprints=prior)
    return out


def test_a_router_refuses_an_encoder_alone_and_says_what_to_do(encoder_bundle):
    with pytest.raises(BundleError, match=r"an encoder but no models.*scope-edge build .*--encoder"):
        Router.load(encoder_bundle)


def test_a_build_needs_no_more_than_an_encoder(encoder_bundle, small_bundle, table_folder, tmp_path):
    built(table_folder, tmp_path / "out", encoder_bundle)
    assert same(
        Router.load(tmp_path / "out").estimate_batch(PROMPTS), Router.load(small_bundle).estimate_batch(PROMPTS)
    )  # fmt: skip


def test_a_damaged_encoder_is_refused(encoder_bundle, table_folder, tmp_path):
    shutil.copytree(encoder_bundle, tmp_path / "encoder")
    (tmp_path / "encoder" / "tokenizer.json").write_bytes(b"{}")
    with pytest.raises(BundleError, match=r"tokenizer\.json"):
        built(table_folder, tmp_path / "out", tmp_path / "encoder")
    assert not (tmp_path / "out").exists()


# --- the dial ---


def test_the_choice_turns_at_the_slopes_of_the_upper_hull():
    cost, p = np.array([1.0, 2.0, 4.0, 3.0]), np.array([0.5, 0.75, 0.875, 0.6])
    assert _turning_points(cost, p) == [4.0, 16.0]


def test_a_model_that_is_cheapest_and_best_never_loses_the_choice():
    assert _turning_points(np.array([1.0, 2.0]), np.array([0.9, 0.8])) == []


def test_models_of_equal_slope_turn_once():
    assert _turning_points(np.array([0.0, 1.0, 2.0]), np.array([0.25, 0.5, 0.75])) == [4.0]


def test_the_dial_of_a_build_moves_the_choice(small_bundle, table_folder):
    router = Router.load(small_bundle)
    prompts = [row["prompt"] for row in queries_of(table_folder, "test").values()]
    costs = [router.route_batch(prompts, alpha=alpha).expected_cost_usd for alpha in (0, 0.25, 0.5, 0.75, 1)]
    assert costs == sorted(costs)
    assert costs[0] < costs[2] < costs[4]
