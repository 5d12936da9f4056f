from __future__ import annotations

import csv
import json
import math
import os
import shutil
from collections.abc import Callable

import numpy as np
import pytest
from bundles import anchor_ids
from comparing import ARRAYS, same
from prompts import PROMPTS

from scope_edge import Estimates, Price, Router
from scope_edge.bundle import default_bundle, read_bundle
from scope_edge.errors import BundleError, OutcomesError, PriceError, UnknownModelError, UsageError
from scope_edge.fingerprints import MISSING
from scope_edge.outcome_rows import read_prompts

PRICE = Price(input_usd_per_mtok=0.1, output_usd_per_mtok=0.4)
TOPICS = ("sums with fractions", "French verbs", "sorting lists", "river names", "chess openings")


def rows_of(score: float = 1.0, n: int = 30, **fields) -> list[dict]:
    return [
        {"prompt": f"Question {i} about {TOPICS[i % 5]}, please explain.", "score": score, **fields} for i in range(n)
    ]


MIXED = [
    {"prompt": row["prompt"], "score": (i % 4) / 4, "output_tokens": 50 + 7 * i, "input_tokens": 12 + i % 3}
    for i, row in enumerate(rows_of())
]


@pytest.fixture
def own_router(small_bundle) -> Router:
    return Router.load(small_bundle)


@pytest.fixture(scope="module")
def router(small_bundle) -> Router:
    """Left as it is: what `own_router` was before its pool changed."""
    return Router.load(small_bundle)


@pytest.fixture(scope="module")
def added(small_bundle) -> Callable[..., Estimates]:
    """Adds one model and gives its estimates for prompts of all kinds."""

    def add(outcomes, router: Router | None = None, **options) -> Estimates:
        router = router or Router.load(small_bundle)
        router.add_model("guest", outcomes, **{"price": PRICE} | options)
        return router.estimate_batch(PROMPTS, models="guest")

    return add


def card(router: Router, name: str = "guest"):
    return next(card for card in router.cards if card.model == name)


@pytest.fixture(scope="module")
def mixed(added) -> Estimates:
    return added(MIXED)


# --- every form of outcomes says the same ---


def write_csv(folder):
    path = folder / "outcomes.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(MIXED[0]))
        writer.writeheader()
        writer.writerows(MIXED)
    return path


def write_jsonl(folder):
    path = folder / "outcomes.jsonl"
    path.write_text("\n".join(map(json.dumps, MIXED)) + "\n\n", encoding="utf-8")
    return path


def write_json(folder):
    path = folder / "outcomes.json"
    path.write_text(json.dumps(MIXED), encoding="utf-8")
    return path


def write_parquet(folder):
    import polars

    path = folder / "outcomes.parquet"
    polars.DataFrame(MIXED).write_parquet(path)
    return path


@pytest.mark.parametrize("write", [write_csv, write_jsonl, write_json, write_parquet])
def test_a_file_of_outcomes_says_what_the_rows_say(added, tmp_path, mixed, write):
    assert same(added(write(tmp_path)), mixed)


def test_a_path_may_be_a_str(added, tmp_path, mixed):
    assert same(added(str(write_csv(tmp_path))), mixed)


def test_a_polars_table_says_what_the_rows_say(added, mixed):
    import polars

    assert same(added(polars.DataFrame(MIXED)), mixed)


def test_a_pyarrow_table_says_what_the_rows_say(added, mixed):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is no dependency: its tables are read if it is there")
    assert same(added(pyarrow.Table.from_pylist(MIXED)), mixed)


def test_a_pandas_table_says_what_the_rows_say(added, mixed):
    pandas = pytest.importorskip("pandas", reason="pandas is no dependency: its tables are read if it is there")
    assert same(added(pandas.DataFrame(MIXED)), mixed)


def test_unknown_columns_are_ignored(added, mixed):
    assert same(added([{**row, "temperature": 0.7, "judge": "me"} for row in MIXED]), mixed)


def test_a_csv_may_hold_a_long_prompt(own_router, tmp_path):
    path = tmp_path / "outcomes.csv"
    path.write_text(f"score,prompt\n1,{'long ' * 40_000}\n", encoding="utf-8")
    own_router.add_model("guest", path, price=PRICE)
    assert card(own_router).n_outcomes == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("score,prompt\n1,hi\n0,Two, or three?\n", "line 3: not a row of this table, expected 2 fields, .* got 3"),
        ("score,prompt,model\n1,hi,guest\n\n0,bye\n", "line 4: not a row of this table, expected 3 fields, .* got 2"),
        ('score,prompt\n1,"Two\nlines"\n1,"He said hi\n0,bye\n', "line 4: not CSV, .* read up to line 5"),
        ('score,prompt\n1,"He said hi\n0,"bye"\n1,hi\n', "line 2: not CSV, .* read up to line 3"),
    ],
)
def test_a_csv_with_text_that_is_not_quoted_is_refused_by_its_line(own_router, tmp_path, text, message):
    path = tmp_path / "outcomes.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OutcomesError, match=rf"outcomes\.csv, {message}.*in double quotes"):
        own_router.add_model("guest", path, price=PRICE)


def test_the_quotes_of_a_csv_may_hold_commas_quotes_and_lines(tmp_path):
    prompts = ['One, or "two"?', "Two\n\nlines,\r\nand a third", 'A 5" pipe']
    path = tmp_path / "prompts.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["prompt", ""], *([prompt, ""] for prompt in prompts)])
    assert read_prompts(path) == prompts


# --- what a model's estimates say of it ---


def test_a_strong_model_is_estimated_above_a_weak_one():
    own_router = Router.load()
    own_router.add_model("strong", rows_of(1.0), price=PRICE)
    own_router.add_model("weak", rows_of(0.0), price=PRICE)
    seen = own_router.estimate_batch([row["prompt"] for row in rows_of()], models=["strong", "weak"])
    assert (seen.p_correct[:, 0] > seen.p_correct[:, 1]).all()
    unseen = own_router.estimate_batch(PROMPTS, models=["strong", "weak"]).p_correct.mean(axis=0)
    assert unseen[0] > unseen[1]


def test_more_outcomes_narrow_the_interval(added):
    few, many = (added(rows_of(1.0, n)) for n in (3, 60))
    assert (many.p_high - many.p_low).mean() < (few.p_high - few.p_low).mean()


def test_far_from_its_outcomes_a_model_is_taken_for_an_average_one(small_bundle, table_folder):
    queries = [json.loads(line) for line in (table_folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    of_source = {name: [q["prompt"] for q in queries if q["source"] == name][:40] for name in ("sums", "code")}
    router = Router.load(small_bundle)
    for name, score in (("strong", 1.0), ("weak", 0.0)):
        router.add_model(name, [{"prompt": p, "score": score} for p in of_source["sums"]], price=PRICE)
    gaps, widths = {}, {}
    for source, prompts in of_source.items():
        estimates = router.estimate_batch(prompts, models=["strong", "weak"])
        gaps[source] = (estimates.p_correct[:, 0] - estimates.p_correct[:, 1]).mean()
        widths[source] = (estimates.p_high - estimates.p_low).mean()
    assert gaps["sums"] > gaps["code"]
    assert widths["sums"] < widths["code"]


def test_a_talkative_model_is_estimated_to_be_longer_and_dearer(added):
    short, long = (added(rows_of(1.0, output_tokens=n)) for n in (20, 4000))
    assert (long.output_tokens > short.output_tokens).all()
    assert (long.cost_usd > short.cost_usd).all()


def test_a_free_model_costs_nothing(added):
    estimates = added(MIXED, price=Price(0, 0))
    assert (estimates.cost_usd == 0).all()
    assert (estimates.cost_usd_p90 == 0).all()


def test_a_new_model_changes_nothing_for_the_others():
    own_router, router = Router.load(), Router.load()
    own_router.add_model("guest", MIXED, price=PRICE)
    assert same(own_router.estimate_batch(PROMPTS, models=router.models), router.estimate_batch(PROMPTS))


def test_a_new_model_has_a_card(own_router):
    own_router.add_model("guest", MIXED, price=PRICE)
    found = card(own_router)
    assert own_router.models[-1] == "guest"
    assert (found.price, found.n_outcomes, found.length_source) == (PRICE, len(MIXED), "own")


def test_input_tokens_set_the_token_ratio(own_router):
    own_router.add_model("guest", rows_of(1.0, input_tokens=1000), price=PRICE)
    own_router.add_model("other", rows_of(1.0), price=PRICE)
    guest, other = own_router.estimate(rows_of()[0]["prompt"], models=["guest", "other"]).input_tokens
    assert guest == pytest.approx(1000, rel=0.2)
    assert card(own_router, "other").token_ratio == 1.0
    assert other < 100


# --- lengths that are missing ---


def test_a_model_without_lengths_borrows_the_populations(added, own_router):
    estimates = added(rows_of(1.0), own_router)
    assert card(own_router).length_source == "prior"
    for name in ARRAYS:
        assert np.isfinite(getattr(estimates, name)).all()
    assert (estimates.output_tokens_p10 <= estimates.output_tokens_p90).all()


@pytest.mark.parametrize("missing", [None, math.nan, "", "nan"])
def test_a_missing_length_is_no_length(added, missing):
    assert same(added(rows_of(1.0, output_tokens=missing)), added(rows_of(1.0)))


def test_a_length_without_hidden_reasoning_is_no_length(added, own_router):
    visible = added(rows_of(1.0, output_tokens=9000, tokens_kind="bpe-visible"), own_router)
    assert same(visible, added(rows_of(1.0)))
    assert card(own_router).length_source == "prior"


@pytest.mark.parametrize("kind", ["usage", "bpe", "bpe+thinking", None])
def test_a_usable_kind_of_length_counts(added, kind):
    counted = added(rows_of(1.0, output_tokens=9000, tokens_kind=kind))
    assert same(counted, added(rows_of(1.0, output_tokens=9000)))


@pytest.mark.parametrize(("n", "source"), [(29, "prior"), (30, "own")])
def test_thirty_lengths_are_enough_to_be_own(added, own_router, n, source):
    mixed = [*rows_of(1.0, 20, output_tokens=None), *rows_of(1.0, n, output_tokens=40)]
    added(mixed, own_router)
    assert card(own_router).length_source == source


def test_the_spread_of_lengths_narrows_with_evidence(added):
    widths = []
    for n in (0, 1, 100):
        estimates = added([*rows_of(1.0, 5), *rows_of(1.0, n, output_tokens=40)])
        widths.append(float((estimates.output_tokens_p90 / (1 + estimates.output_tokens_p10)).mean()))
    assert widths[0] > widths[1] > widths[2]


# --- prompts by the id of an anchor ---


def test_an_anchor_may_stand_for_its_prompt(small_bundle, tmp_path):
    ids = anchor_ids(small_bundle)[:40]
    router = Router.load(small_bundle)
    router.add_model("strong", [{"query_id": name, "score": 1, "output_tokens": 30} for name in ids], price=PRICE)
    router.add_model("weak", [{"query_id": name, "score": 0, "output_tokens": 30} for name in ids], price=PRICE)
    p = router.estimate_batch(PROMPTS, models=["strong", "weak"]).p_correct.mean(axis=0)
    assert p[0] > p[1]
    router.save(tmp_path / "saved")
    scores = read_bundle(tmp_path / "saved").fingerprints["scores"]
    assert (scores[:, -2] != MISSING).sum() == len(ids)
    assert set(scores[:40, -1]) == {0}
    assert set(scores[40:, -1]) == {MISSING}


def test_the_prompt_of_an_anchor_says_what_its_id_says(added, small_bundle, table_folder):
    queries = [json.loads(line) for line in (table_folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    prompt_of = {query["query_id"]: query["prompt"] for query in queries}
    ids = anchor_ids(small_bundle)
    scores = {name: float(index % 3 == 0) for index, name in enumerate(ids)}
    by_id = added([{"query_id": name, "score": scores[name]} for name in ids], Router.load(small_bundle))
    by_both = added(
        [{"query_id": name, "prompt": prompt_of[name], "score": scores[name]} for name in ids],
        Router.load(small_bundle),
    )
    # Anchors store their loadings in float16.
    np.testing.assert_allclose(by_id.p_correct, by_both.p_correct, atol=0.01)


def test_a_prompt_that_is_an_anchors_fills_its_cell(small_bundle, table_folder, tmp_path):
    line = (table_folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    first = anchor_ids(small_bundle)[0]
    prompt = next(query["prompt"] for query in map(json.loads, line) if query["query_id"] == first)
    router = Router.load(small_bundle)
    router.add_model("guest", [{"prompt": prompt, "score": 1}], price=PRICE)
    router.add_model("stranger", [{"prompt": "zebra " * 90, "score": 1}], price=PRICE)
    router.save(tmp_path / "saved")
    known = read_bundle(tmp_path / "saved").fingerprints["scores"] != MISSING
    assert known[:, -2].sum() == 1


def test_several_rows_of_one_anchor_are_averaged(small_bundle, tmp_path):
    name = anchor_ids(small_bundle)[3]
    router = Router.load(small_bundle)
    router.add_model("guest", [{"query_id": name, "score": score} for score in (0, 1, 1, 0)], price=PRICE)
    router.save(tmp_path / "saved")
    column = read_bundle(tmp_path / "saved").fingerprints["scores"][:, -1]
    assert column[3] == round(0.5 * 250)
    assert (column != MISSING).sum() == 1


def test_an_anchor_of_the_shipped_bundle_may_be_named():
    own_router = Router.load()
    rows = [{"query_id": name, "score": 1} for name in anchor_ids(default_bundle())[:5]]
    own_router.add_model("guest", rows, price=PRICE)
    assert card(own_router).n_outcomes == 5


# --- names and prices ---


def test_an_existing_name_is_an_error(own_router, router):
    with pytest.raises(UsageError, match="already"):
        own_router.add_model(router.models[0], MIXED, price=PRICE)
    assert own_router.models == router.models


def test_replace_puts_new_results_in_place_of_the_old(added, own_router, router):
    added(rows_of(0.0), own_router)
    replaced = added(MIXED, own_router, replace=True)
    assert own_router.models == [*router.models, "guest"]
    assert same(replaced, added(MIXED))


def test_replace_is_no_condition(own_router):
    own_router.add_model("guest", MIXED, price=PRICE, replace=True)
    assert own_router.models[-1] == "guest"


@pytest.mark.parametrize("name", ["", "  ", "a*", "gpt[4]", "a?", "a,b", None, 3, b"guest", "lone \ud800 surrogate"])
def test_a_bad_name_is_refused(own_router, router, name):
    with pytest.raises(UsageError):
        own_router.add_model(name, MIXED, price=PRICE)
    assert own_router.models == router.models


@pytest.mark.parametrize("price", [None, 0, (0.1, 0.4), {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1}])
def test_a_model_needs_a_price(own_router, router, price):
    with pytest.raises(PriceError):
        own_router.add_model("guest", MIXED, price=price)
    assert own_router.models == router.models


def test_a_price_is_asked_for_if_it_is_left_out(own_router):
    with pytest.raises(PriceError, match="Price\\(input_usd_per_mtok"):
        own_router.add_model("guest", MIXED)


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf, 10**400, None, "1", True])
@pytest.mark.parametrize("place", [0, 1])
def test_a_price_must_be_a_number_from_zero(place, bad):
    values = [1.0, 1.0]
    values[place] = bad
    with pytest.raises(PriceError, match=("input", "output")[place]):
        Price(*values)


@pytest.mark.parametrize("name", ["cached_input_usd_per_mtok", "reasoning_usd_per_mtok"])
def test_other_prices_may_be_unknown_but_not_wrong(name):
    assert getattr(Price(1, 1), name) is None
    assert getattr(Price(1, 1, **{name: 0.5}), name) == 0.5
    with pytest.raises(PriceError, match=name):
        Price(1, 1, **{name: -0.5})


# --- removing ---


def test_a_removed_model_is_gone_and_the_rest_is_as_it_was(own_router, router):
    name = router.models[0]
    own_router.remove_model(name)
    assert own_router.models == router.models[1:]
    assert [card.model for card in own_router.cards] == router.models[1:]
    assert same(own_router.estimate_batch(PROMPTS), router.estimate_batch(PROMPTS, models=router.models[1:]))


def test_adding_and_removing_leaves_no_trace(own_router, router):
    own_router.add_model("guest", MIXED, price=PRICE)
    own_router.remove_model("guest")
    assert same(own_router.estimate_batch(PROMPTS), router.estimate_batch(PROMPTS))


def test_an_unknown_model_cannot_be_removed(own_router, router):
    with pytest.raises(UnknownModelError, match="nobody"):
        own_router.remove_model("nobody")
    with pytest.raises(UnknownModelError):
        own_router.remove_model("*")
    for name in (None, 5):
        with pytest.raises(UnknownModelError, match="not text"):
            own_router.remove_model(name)
    assert own_router.models == router.models


def test_the_last_model_stays(small_bundle):
    router = Router.load(small_bundle)
    for name in router.models[1:]:
        router.remove_model(name)
    with pytest.raises(UsageError, match="last"):
        router.remove_model(router.models[0])
    assert router.route("hi").model == router.models[0]


# --- saving ---


def test_a_saved_router_is_the_same_router(tmp_path):
    own_router = Router.load()
    own_router.add_model("guest", MIXED, price=Price(0.1, 0.4, reasoning_usd_per_mtok=0.2))
    own_router.add_model("no lengths/ünïcode", rows_of(0.5), price=PRICE)
    own_router.remove_model(own_router.models[0])
    own_router.save(tmp_path / "saved")
    loaded = Router.load(tmp_path / "saved")
    assert loaded.cards == own_router.cards
    assert same(loaded.estimate_batch(PROMPTS), own_router.estimate_batch(PROMPTS))
    assert loaded.route(PROMPTS[5], alpha=0.3).model == own_router.route(PROMPTS[5], alpha=0.3).model


def test_a_loaded_router_learns_as_the_first_did(added, small_bundle, tmp_path):
    first = Router.load(small_bundle)
    first.save(tmp_path / "saved")
    assert same(added(MIXED, first), added(MIXED, Router.load(tmp_path / "saved")))


def test_saving_over_the_bundle_it_came_from(small_bundle, tmp_path):
    Router.load(small_bundle).save(tmp_path / "own")
    router = Router.load(tmp_path / "own")
    router.add_model("guest", MIXED, price=PRICE)
    router.save(tmp_path / "own")
    router.save(tmp_path / "own")
    loaded = Router.load(tmp_path / "own")
    assert same(loaded.estimate_batch(PROMPTS), router.estimate_batch(PROMPTS))
    assert [entry.name for entry in tmp_path.iterdir()] == ["own"]


def test_what_others_made_of_the_bundle_meanwhile_is_not_lost(small_bundle, tmp_path):
    shutil.copytree(small_bundle, tmp_path / "own")
    router, other = Router.load(tmp_path / "own"), Router.load(tmp_path / "own")
    router.add_model("guest", MIXED, price=PRICE)
    other.add_model("other", MIXED, price=PRICE)
    other.save(tmp_path / "own")
    with pytest.raises(BundleError, match=r"own has changed since it was read\. Run it again"):
        router.save(tmp_path / "own")
    assert Router.load(tmp_path / "own").models == other.models
    assert os.listdir(tmp_path) == ["own"]
    router.save(tmp_path / "elsewhere")
    again = Router.load(tmp_path / "own")
    again.add_model("guest", MIXED, price=PRICE)
    again.save(tmp_path / "own")
    assert Router.load(tmp_path / "own").models == [*other.models, "guest"]


def test_a_link_to_a_bundle_is_followed(small_bundle, tmp_path):
    shutil.copytree(small_bundle, tmp_path / "real")
    try:
        (tmp_path / "link").symlink_to("real")
        (tmp_path / "new link").symlink_to("new")
    except OSError as error:
        pytest.skip(f"no links here: {error}")
    router = Router.load(tmp_path / "link")
    router.add_model("guest", MIXED, price=PRICE)
    for link in ("link", "new link"):
        router.save(tmp_path / link)
        assert (tmp_path / link).is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["link", "new", "new link", "real"]
    assert Router.load(tmp_path / "real").models == Router.load(tmp_path / "new").models == router.models


def test_a_saved_bundle_may_be_read_by_others(own_router, tmp_path):
    before = os.umask(0o022)
    try:
        own_router.save(tmp_path / "saved")
    finally:
        os.umask(before)
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in (tmp_path / "saved").iterdir()}
    assert set(modes.values()) == {"0o644"}, modes
    assert (tmp_path / "saved").stat().st_mode & 0o777 == 0o755


# --- outcomes that mean nothing ---

BAD_ROWS = {
    "nan score": {"prompt": "ok", "score": math.nan},
    "high score": {"prompt": "ok", "score": 1.2},
    "low score": {"prompt": "ok", "score": -0.1},
    "huge score": {"prompt": "ok", "score": 10**400},
    "text score": {"prompt": "ok", "score": "good"},
    "no score": {"prompt": "ok"},
    "unknown id": {"query_id": "no such anchor", "score": 1},
    "blank prompt": {"prompt": " \n", "score": 1},
    "surrogate prompt": {"prompt": "a\ud800b", "score": 1},
    "no prompt": {"score": 1},
    "empty prompt": {"prompt": "", "score": 1},
    "negative tokens": {"prompt": "ok", "score": 1, "output_tokens": -1},
    "infinite tokens": {"prompt": "ok", "score": 1, "input_tokens": math.inf},
    "huge tokens": {"prompt": "ok", "score": 1, "output_tokens": 10**400},
    "text tokens": {"prompt": "ok", "score": 1, "output_tokens": "many"},
    "no row": "ok",
}


@pytest.mark.parametrize("bad", BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_bad_row_is_named_and_the_pool_unchanged(own_router, router, bad):
    with pytest.raises(OutcomesError, match=r"\brow 3\b"):
        own_router.add_model("guest", [*rows_of(n=2), bad, *rows_of(n=2)], price=PRICE)
    assert own_router.models == router.models
    assert same(own_router.estimate_batch(PROMPTS[:5]), router.estimate_batch(PROMPTS[:5]))


def test_a_failed_replacement_keeps_the_old_model(added, own_router):
    before = added(MIXED, own_router)
    with pytest.raises(OutcomesError):
        added([BAD_ROWS["nan score"]], own_router, replace=True)
    assert same(own_router.estimate_batch(PROMPTS, models="guest"), before)


@pytest.mark.parametrize("outcomes", [[], 3, {"prompt": "ok", "score": 1}, b"bytes"])
def test_what_is_no_list_of_rows_is_refused(own_router, outcomes):
    with pytest.raises(OutcomesError):
        own_router.add_model("guest", outcomes, price=PRICE)


BAD_FILES = {
    "missing.csv": None,
    "outcomes.txt": b"score,prompt\n1,hi\n",
    "empty.csv": b"",
    "header.csv": b"score,prompt\n",
    "latin1.csv": "score,prompt\n1,caf\u00e9\n".encode("latin-1"),
    "broken.jsonl": b'{"prompt": "hi", "score": 1}\n{"prompt"',
    "broken.json": b"[",
    "number.json": b"3",
    "broken.parquet": b"PAR1 this is not parquet",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_cannot_be_read_is_an_outcomes_error(own_router, tmp_path, name):
    if BAD_FILES[name] is not None:
        (tmp_path / name).write_bytes(BAD_FILES[name])
    with pytest.raises(OutcomesError):
        own_router.add_model("guest", tmp_path / name, price=PRICE)
