"""What is recorded is learned at once, can be forgotten, shared, exported, and compacted into a bundle."""

from __future__ import annotations

import gc
import json
import math
import os
import shutil
import sqlite3
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from bundles import changed, edited
from comparing import same
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import run_python
from prompts import PROMPTS

from scope_edge import Price, Router, shared_file
from scope_edge.errors import JournalError, PromptError, UnknownModelError, UsageError
from scope_edge.learning import Journal, Learner, outcome_of
from scope_edge.outcome_rows import read_rows

ASKED = "Which of the seven gremlins in the gearbox hums in F sharp? Answer with its number."
LIKE_IT = "Which of the nine gremlins in the gearbox hums in B flat? Answer with its number."


@pytest.fixture
def router(small_bundle) -> Router:
    return Router.load(small_bundle)


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal.db"


def loaded(bundle, journal) -> Router:
    return Router.load(bundle, journal=journal)


# --- one outcome ---


def test_a_record_moves_its_model_and_less_so_the_others(router):
    first = router.models[0]
    before = router.estimate(LIKE_IT)
    for _ in range(5):
        router.record(ASKED, first, score=0.0, output_tokens=4000)
    after = router.estimate(LIKE_IT)
    fall = before.p_correct - after.p_correct
    assert fall[0] > 0.05
    assert 0 < fall[1:].max() < fall[0]
    assert after.output_tokens[0] > 2 * before.output_tokens[0]


def test_a_record_says_little_of_other_kinds_of_prompts(small_bundle, router):
    asked = "Translate 'good morning' into French."
    before = Router.load(small_bundle).estimate(asked).p_correct
    for _ in range(5):
        router.record(ASKED, router.models[0], score=0.0)
    assert np.abs(router.estimate(asked).p_correct - before).max() < 0.05


def test_right_answers_raise_it_again(router):
    name = router.models[0]
    router.record(ASKED, name, score=0)
    low = router.estimate(ASKED).p_correct[0]
    router.record(ASKED, name, score=1)
    assert router.estimate(ASKED).p_correct[0] > low


def test_a_decision_can_be_recorded_without_its_prompt(router):
    decision = router.route(ASKED, alpha=0.3)
    router.record(decision, score=0.0, cost_usd=0.01)
    other = Router.load(router._bundle.path)
    other.record(ASKED, decision.model, score=0.0, cost_usd=0.01)
    assert same(router.estimate(LIKE_IT), other.estimate(LIKE_IT))


def test_a_prompt_that_was_recorded_is_novel_no_more(router):
    asked = "zxqv wubble frang, plimth oor snadge? gribble tron vex, umpf."
    before = router.estimate(asked).novelty
    for _ in range(5):
        router.record(asked, router.models[0], score=1)
    assert router.estimate(asked).novelty < before


def test_tokens_are_worked_out_from_the_cost(router):
    name = router.models[0]
    router.describe_model(name, price=Price(0.0, 10.0))
    other = Router.load(router._bundle.path)
    other.describe_model(name, price=Price(0.0, 10.0))
    router.record(ASKED, name, cost_usd=0.01)
    other.record(ASKED, name, output_tokens=1000)
    np.testing.assert_allclose(router.estimate(LIKE_IT).output_tokens, other.estimate(LIKE_IT).output_tokens, rtol=1e-5)


def test_what_was_read_is_taken_from_the_cost_first(router):
    name = next(card.model for card in router.cards if abs(card.token_ratio - 1) > 0.05)
    other = Router.load(router._bundle.path)
    for one in (router, other):
        one.describe_model(name, price=Price(1000.0, 10.0))
    read = float(router.estimate(ASKED, name).input_tokens[0])
    router.record(ASKED, name, cost_usd=(read * 1000 + 500 * 10) / 1e6)
    other.record(ASKED, name, output_tokens=500)
    lengths = [one.estimate(LIKE_IT, name).output_tokens for one in (router, other)]
    np.testing.assert_allclose(lengths[0], lengths[1], rtol=1e-3)


@pytest.mark.parametrize(
    ("figures", "error", "message"),
    [
        ({"score": 1.1}, UsageError, "Bad score"),
        ({"score": math.nan}, UsageError, "Bad score"),
        ({"score": True}, UsageError, "Bad score"),
        ({"score": 10**400}, UsageError, "Bad score"),
        ({"output_tokens": 10**400}, UsageError, "Bad output_tokens"),
        ({"cost_usd": 10**400}, UsageError, "Bad cost_usd"),
        ({"output_tokens": -1}, UsageError, "Bad output_tokens"),
        ({"cost_usd": math.inf}, UsageError, "Bad cost_usd"),
        ({}, UsageError, "Nothing is said"),
    ],
)
def test_what_means_nothing_is_not_recorded(router, figures, error, message):
    before = router.estimate(ASKED)
    with pytest.raises(error, match=message):
        router.record(ASKED, router.models[0], **figures)
    assert same(router.estimate(ASKED), before)


def test_unknown_models_and_blank_prompts_are_not_recorded(router):
    with pytest.raises(UnknownModelError):
        router.record(ASKED, "nobody", score=1)
    with pytest.raises(UnknownModelError):
        router.record(ASKED, score=1)
    with pytest.raises(PromptError):
        router.record("  ", router.models[0], score=1)
    assert router.refresh() == 0


# --- the state depends on the outcomes alone ---


@given(cuts=st.sets(st.integers(1, 29)), seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_it_does_not_matter_when_outcomes_are_folded_in(small_bundle, cuts, seed):
    router = Router.load(small_bundle)
    rng = np.random.default_rng(seed)
    encodings = router.encoder.encode_batch([f"{PROMPTS[i % 9]} {i}" for i in range(30)])
    outcomes = [
        (
            i + 1,
            outcome_of(e, router.models[rng.integers(len(router.models))], 0.0, float(rng.random() < 0.5), 70, None),
        )
        for i, e in enumerate(encodings)
    ]
    whole, parts = Learner(router.estimator, limit=12), Learner(router.estimator, limit=12)
    whole.fold(outcomes)
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), 30], strict=True):
        parts.fold(outcomes[begin:end])
    for encoding in encodings[:5]:
        assert same(whole.estimator.estimate(encoding), parts.estimator.estimate(encoding))


def test_of_many_outcomes_a_sample_stays(small_bundle):
    router = Router.load(small_bundle)
    encoding = router.encoder.encode(ASKED)
    learner = Learner(router.estimator, limit=50)
    learner.fold((i, outcome_of(encoding, router.models[0], 0.0, 1, None, None)) for i in range(1, 1001))
    kept = learner._sample.rows.numbers.astype(int)
    assert 25 < len(kept) <= 50
    assert abs(kept.mean() - 500) < 4 * 289 / math.sqrt(len(kept))  # as of a uniform draw


def test_a_state_that_somebody_holds_stays_and_shares_what_was_learned_before(small_bundle):
    router = Router.load(small_bundle)
    encodings = router.encoder.encode_batch([f"{PROMPTS[i % 9]} {i}" for i in range(90)])
    learner = Learner(router.estimator, limit=40)
    states = [
        learner.fold([(i + 1, outcome_of(encoding, router.models[i % 3], 0.0, i % 2, 70, None))])
        for i, encoding in enumerate(encodings)
    ]
    again = Learner(router.estimator, limit=40)
    for i, (encoding, state) in enumerate(zip(encodings, states, strict=True)):
        again.fold([(i + 1, outcome_of(encoding, router.models[i % 3], 0.0, i % 2, 70, None))])
        assert same(state.estimate(encodings[0]), again.estimator.estimate(encodings[0]))
    places = {id(state._learned.codes.base) for state in states}
    assert len(places) < 15


def test_a_journal_gives_the_same_state_to_whoever_loads_it(small_bundle, journal):
    router = loaded(small_bundle, journal)
    for i, prompt in enumerate(PROMPTS[:12]):
        router.record(prompt, router.models[i % len(router.models)], score=i % 2, output_tokens=50 + i)
    again = loaded(small_bundle, journal)
    assert all(same(router.estimate(prompt), again.estimate(prompt)) for prompt in PROMPTS)


def test_what_was_learned_stays_when_a_card_changes(small_bundle, journal):
    router = loaded(small_bundle, journal)
    for i, prompt in enumerate(PROMPTS[:12]):
        router.record(prompt, router.models[i % 3], score=i % 2, cost_usd=0.001 * (1 + i))
    router.describe_model(router.models[0], context_window=4096)
    router.record(ASKED, router.models[1], score=0)
    again = loaded(small_bundle, journal)
    assert all(same(router.estimate(prompt), again.estimate(prompt)) for prompt in PROMPTS)
    assert router.cards[0].context_window == 4096


def test_a_new_price_tells_anew_how_long_answers_were_that_have_cost_so_much(small_bundle, journal):
    router, price = loaded(small_bundle, journal), Price(1.0, 50.0)
    router.record(ASKED, router.models[0], score=1, cost_usd=0.01)
    router.describe_model(router.models[0], price=price)
    other = Router.load(small_bundle)
    other.describe_model(other.models[0], price=price)
    other.record(ASKED, other.models[0], score=1, cost_usd=0.01)
    assert same(router.estimate(LIKE_IT), other.estimate(LIKE_IT))


def test_processes_learn_from_each_other(small_bundle, journal):
    one, two = loaded(small_bundle, journal), loaded(small_bundle, journal)
    one.record(ASKED, one.models[0], score=0)
    two.record(LIKE_IT, two.models[1], score=0)
    assert one.refresh() == 2
    assert same(one.estimate(ASKED), two.estimate(ASKED))


def test_a_refresh_reads_what_is_new_and_does_not_count_the_rest(small_bundle, journal, tmp_path):
    one, two = loaded(small_bundle, journal), loaded(small_bundle, journal)
    for i in range(6):
        one.record(f"{ASKED} {i}", one.models[i % 2], score=0)
    one.compact(tmp_path / "compact")
    three = loaded(tmp_path / "compact", journal)
    asked = []
    for router in (one, two, three):
        router._experience().journal.connected().set_trace_callback(asked.append)
    assert [router.refresh() for router in (one, two, three)] == [6, 6, 6]
    one.record(LIKE_IT, one.models[0], score=0)
    assert [router.refresh() for router in (one, two, three)] == [7, 7, 7]
    assert any("WHERE number > 6 " in sql for sql in asked)
    assert not any("count(" in sql for sql in asked)
    # Of what was forgotten no number tells; then all is read anew.
    assert two.forget(two.models[1]) == 3
    assert [router.refresh() for router in (one, two, three)] == [4, 4, 4]
    three.record(LIKE_IT, three.models[1], score=0)
    assert [router.refresh() for router in (one, two, three)] == [5, 5, 5]
    assert loaded(tmp_path / "compact", journal).refresh() == 5


def test_no_estimate_depends_on_the_rest_of_its_batch(router):
    for i, prompt in enumerate(PROMPTS[:10]):
        router.record(prompt, router.models[i % len(router.models)], score=i % 2)
    batch = router.estimate_batch(PROMPTS)
    assert all(same(router.estimate(prompt), batch.row(i)) for i, prompt in enumerate(PROMPTS))


def test_compiled_and_plain_kernels_agree_on_what_was_learned(small_bundle, journal):
    router = loaded(small_bundle, journal)
    for i, prompt in enumerate(PROMPTS[:10]):
        router.record(prompt, router.models[i % len(router.models)], score=i % 2, output_tokens=100)
    router.warmup()
    warm = router.estimate(ASKED).figures.tobytes().hex()
    cold = run_python(
        "from scope_edge import Router\n"
        f"router = Router.load({str(small_bundle)!r}, warmup=False, journal={str(journal)!r})\n"
        f"print(router.estimate({ASKED!r}).figures.tobytes().hex())"
    )
    assert cold.stdout.decode().strip() == warm


def test_threads_may_record_and_ask_at_once(router):
    def work(i: int) -> None:
        for j in range(10):
            router.record(f"{ASKED} {i} {j}", router.models[i % 3], score=j % 2)
            router.estimate(LIKE_IT)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert router.refresh() == 40


# --- the pool changes ---


def test_what_was_learned_survives_a_change_of_the_pool(router):
    gone, name = router.models[1], router.models[0]
    for _ in range(4):
        router.record(ASKED, name, score=0)
        router.record(ASKED, gone, score=0)
    before = router.estimate(LIKE_IT, models=name).p_correct
    rows = [{"prompt": prompt, "score": i % 2} for i, prompt in enumerate(PROMPTS[:12])]
    router.add_model("new", rows, price=Price(1, 1))
    assert router.estimate(LIKE_IT, models=name).p_correct == before
    router.record(ASKED, "new", score=0)
    router.remove_model(gone)
    assert gone not in router.models
    bare = Router.load(router._bundle.path).estimate(LIKE_IT, models=name).p_correct
    assert router.estimate(LIKE_IT, models=name).p_correct < bare


def test_an_explanation_tells_what_was_recorded(router):
    decision = router.route(LIKE_IT, alpha=0.5)
    assert decision.explain().neighbours.recorded == pytest.approx(0, abs=1e-12)
    for _ in range(3):
        router.record(ASKED, decision.model, score=0)
    explanation = router.route(LIKE_IT, models=decision.model).explain()
    shifts = sum(voice.shift for voice in explanation.neighbours.voices)
    (residual,) = (term.logit for term in explanation.terms if term.name == "residual")
    assert explanation.neighbours.recorded < -0.1
    assert shifts + explanation.neighbours.recorded == pytest.approx(residual)
    total = sum(term.logit for term in explanation.terms)
    assert total == pytest.approx(math.log(explanation.p_correct / (1 - explanation.p_correct)), abs=1e-4)
    assert "Recorded calls on prompts like this one add -" in str(explanation)


# --- forgetting, exporting, compacting ---


def test_what_is_forgotten_leaves_no_trace(small_bundle, journal):
    router, bare = loaded(small_bundle, journal), Router.load(small_bundle)
    first, second = router.models[:2]
    router.record(ASKED, second, score=1)
    with_second = router.estimate(LIKE_IT)
    router.record(ASKED, first, score=0)
    assert router.forget(first) == 1
    assert same(router.estimate(LIKE_IT), with_second)
    assert router.forget(before=1.0) == 0
    assert router._experience().journal.forgotten == 1  # nothing was: no other process has to begin anew
    assert router.forget(before=datetime(2020, 1, 1)) == 0
    assert router.forget(before=datetime.now(UTC) - timedelta(days=1)) == 0
    for wrong in ("2020-01-01", float("nan"), True, datetime.min, datetime):
        with pytest.raises(UsageError, match="Bad before"):
            router.forget(before=wrong)
    assert router.forget() == 1
    assert same(router.estimate(LIKE_IT), bare.estimate(LIKE_IT))
    assert router.refresh() == 0


def test_another_process_forgets_too(small_bundle, journal):
    one, two = loaded(small_bundle, journal), loaded(small_bundle, journal)
    one.record(ASKED, one.models[0], score=0)
    two.refresh()
    one.forget()
    two.refresh()
    assert same(two.estimate(ASKED), Router.load(small_bundle).estimate(ASKED))


def test_no_text_is_kept_unless_asked_for(small_bundle, tmp_path):
    secret = "the password of the gremlin is xyzzy-plugh"
    for keep in (False, True):
        path = tmp_path / f"{keep}.db"
        router = Router.load(small_bundle, journal=path, keep_text=keep)
        router.record(secret, router.models[0], score=1)
        router._experience().journal.close()
        held = b"".join(file.read_bytes() for file in tmp_path.glob(f"{keep}.db*"))
        assert (secret.encode() in held) == keep


def test_deleted_text_is_not_in_the_file(small_bundle, tmp_path):
    secret = "the password of the gremlin is xyzzy-plugh"
    router = Router.load(small_bundle, journal=tmp_path / "j.db", keep_text=True)
    router.record(secret, router.models[0], score=1)
    router.forget()
    assert secret.encode() not in b"".join(file.read_bytes() for file in tmp_path.glob("j.db*"))


def test_what_cannot_be_cleared_is_forgotten_and_told(small_bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_file, "_WAIT_S", 0.05)
    secret = "the password of the gremlin is xyzzy-plugh"
    router = Router.load(small_bundle, journal=tmp_path / "j.db", keep_text=True)
    router.record(secret, router.models[0], score=1)
    reader = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM outcomes").fetchone()
    with pytest.raises(JournalError, match=r"no longer counts, but .* another process that goes on"):
        router.forget()
    reader.close()
    assert same(router.estimate(secret), Router.load(small_bundle).estimate(secret))
    assert router.forget() == 0
    assert secret.encode() not in b"".join(file.read_bytes() for file in tmp_path.glob("j.db*"))


def test_a_full_disk_is_no_reason_to_count_what_is_forgotten(small_bundle, journal, monkeypatch):
    query = Journal.query

    def full(self: Journal, sql: str, *values: object) -> list[object]:
        if sql == "VACUUM":
            raise JournalError("The journal finds the disk full", got="database or disk is full")
        return query(self, sql, *values)

    router = loaded(small_bundle, journal)
    router.record(ASKED, router.models[0], score=0)
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "query", full)
        with pytest.raises(JournalError, match=r"no longer counts, but .* disk is full"):
            router.forget()
    assert same(router.estimate(ASKED), Router.load(small_bundle).estimate(ASKED))
    assert router.refresh() == router.forget() == 0


def test_what_is_left_and_cannot_be_read_is_told_of_what_was_deleted(small_bundle, journal):
    router = Router.load(small_bundle, journal=journal, keep_text=True)
    router.record("The password is swordfish.", router.models[0], score=0)
    router.record(ASKED, router.models[1], score=0)
    with sqlite3.connect(journal) as connection:
        connection.execute("UPDATE outcomes SET scale = 7 WHERE number = 2")
    connection.close()
    with pytest.raises(JournalError, match=r"is deleted, but counts until .* a bad scale in outcome 2"):
        router.forget(router.models[0])
    assert not any(b"swordfish" in path.read_bytes() for path in journal.parent.glob(f"{journal.name}*"))
    assert router.forget(router.models[1]) == 1
    assert same(router.estimate(ASKED), Router.load(small_bundle).estimate(ASKED))


def test_nothing_is_written_without_a_journal(small_bundle, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    run_python(
        "from scope_edge import Router\n"
        f"router = Router.load({str(small_bundle)!r}, warmup=False)\n"
        f"router.record({ASKED!r}, router.models[0], score=1)",
        env={"HOME": str(home), "USERPROFILE": str(home)},
    )
    assert list(home.rglob("*")) == []


def test_export_is_an_outcome_table(small_bundle, tmp_path):
    router = Router.load(small_bundle, journal=tmp_path / "j.db", keep_text=True)
    router.record(ASKED, router.models[0], score=0.5, output_tokens=12, cost_usd=0.001)
    router.record(LIKE_IT, router.models[1], score=1)
    out = tmp_path / "out.jsonl"
    assert router.export(out) == 2
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [(row["prompt"], row["model"], row["score"]) for row in rows] == [
        (ASKED, router.models[0], 0.5), (LIKE_IT, router.models[1], 1.0),
    ]  # fmt: skip
    assert rows[0]["output_tokens"] == 12
    assert "output_tokens" not in rows[1]
    assert [len(read_rows(out, only=name)) for name in router.models[:2]] == [1, 1]
    with pytest.raises(UsageError, match="Cannot write"):
        router.export(tmp_path / "no" / "out.jsonl")


@pytest.mark.parametrize("path", ["", None, 5, b"out", "a\0b", "\ud800"])
def test_what_is_no_path_is_not_written_to(small_bundle, path):
    with pytest.raises(UsageError, match="Not the path of a file"):
        Router.load(small_bundle).export(path)


def test_an_export_that_is_interrupted_leaves_nothing_behind(small_bundle, journal, tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        assert (tmp_path / "out.jsonl.partial").exists()
        raise KeyboardInterrupt

    router = loaded(small_bundle, journal)
    router.record(ASKED, router.models[0], score=1)
    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        router.export(tmp_path / "out.jsonl")
    assert not list(tmp_path.glob("out.jsonl*"))


def test_a_compacted_bundle_knows_what_was_recorded_and_counts_it_once(small_bundle, tmp_path):
    journal = tmp_path / "j.db"
    router, bare = loaded(small_bundle, journal), Router.load(small_bundle)
    for i in range(8):
        router.record(f"{ASKED} {i}", router.models[i % 2], score=0, output_tokens=900)
    router.compact(tmp_path / "compact")
    alone, again = Router.load(tmp_path / "compact"), loaded(tmp_path / "compact", journal)
    assert same(alone.estimate(LIKE_IT), again.estimate(LIKE_IT))
    learned, compacted, base = (r.estimate(LIKE_IT).p_correct for r in (router, alone, bare))
    assert (compacted < base).all()
    np.testing.assert_allclose(compacted, learned, atol=0.1)
    again.record(ASKED, again.models[0], score=0)
    assert again.estimate(LIKE_IT).p_correct[0] < compacted[0]
    assert len(alone.estimator.anchors) == len(bare.estimator.anchors) + 8
    grown = [new.n_outcomes - old.n_outcomes for new, old in zip(alone.cards, bare.cards, strict=True)]
    assert grown == [4, 4, 0, 0]
    again.compact(tmp_path / "twice")
    cards = Router.load(tmp_path / "twice").cards
    grown = [new.n_outcomes - old.n_outcomes for new, old in zip(cards, bare.cards, strict=True)]
    assert grown == [5, 4, 0, 0]


def test_a_bundle_that_is_compacted_without_its_journal_still_holds_it(small_bundle, journal, tmp_path):
    router = loaded(small_bundle, journal)
    router.record(ASKED, router.models[0], score=0)
    router.compact(tmp_path / "compact")
    for records in (False, True):
        between = Router.load(tmp_path / "compact")
        if records:
            between.record(LIKE_IT, between.models[1], score=0)
        between.compact(tmp_path / "again")
        alone, beside = Router.load(tmp_path / "again"), loaded(tmp_path / "again", journal)
        assert same(alone.estimate(ASKED), beside.estimate(ASKED))
        assert same(alone.estimate(ASKED), Router.load(tmp_path / "compact").estimate(ASKED)) != records


def test_a_bundle_that_two_journals_were_compacted_into_counts_neither_again(small_bundle, tmp_path):
    bundle, journals = small_bundle, [tmp_path / "one.db", tmp_path / "two.db"]
    for i, journal in enumerate(journals):
        router = loaded(bundle, journal)
        for _ in range(i + 1):
            router.record(ASKED, router.models[i], score=0)
        bundle = tmp_path / f"compact {i}"
        router.compact(bundle)
    alone = Router.load(bundle).estimate(ASKED)
    for i, journal in enumerate(journals):
        router = loaded(bundle, journal)
        assert same(router.estimate(ASKED), alone)
        assert router.refresh() == i + 1
        router.record(ASKED, router.models[i], score=0)
        assert router.estimate(ASKED).p_correct[i] < alone.p_correct[i]


def test_a_bundle_with_the_note_of_its_last_journal_alone_counts_that_once(small_bundle, journal, tmp_path):
    router = loaded(small_bundle, journal)
    router.record(ASKED, router.models[0], score=0)
    router.compact(tmp_path / "compact")
    config = json.loads((tmp_path / "compact" / "config.json").read_text(encoding="utf-8"))
    [(name, number)] = config.pop("journals").items()
    bundle = tmp_path / "compact"
    older = edited(bundle, "config.json", journals=..., journal={"name": name, "up_to": number})
    with changed(bundle, "config.json", older, honest=True):
        router = loaded(bundle, journal)
        assert same(router.estimate(ASKED), Router.load(bundle).estimate(ASKED))
        router.compact(tmp_path / "newer")
    config = json.loads((tmp_path / "newer" / "config.json").read_text(encoding="utf-8"))
    assert (config.get("journal"), config["journals"]) == (None, {name: number})


def test_what_was_compacted_is_forgotten_by_compacting_anew(small_bundle, journal, tmp_path):
    router = loaded(small_bundle, journal)
    router.record(ASKED, router.models[0], score=0)
    router.compact(tmp_path / "compact")
    compacted = loaded(tmp_path / "compact", journal)
    before = compacted.estimate(LIKE_IT)
    assert compacted.forget() == 1
    assert same(compacted.estimate(LIKE_IT), before)
    loaded(small_bundle, journal).compact(tmp_path / "compact")
    assert same(Router.load(tmp_path / "compact").estimate(LIKE_IT), Router.load(small_bundle).estimate(LIKE_IT))


# --- files that cannot be used ---


def test_a_journal_of_another_encoder_is_refused(small_bundle, journal):
    loaded(small_bundle, journal)._experience().journal.close()
    with sqlite3.connect(journal) as connection:
        connection.execute("UPDATE journal SET encoder = 'another'")
    connection.close()
    with pytest.raises(JournalError, match="another encoder"):
        loaded(small_bundle, journal)


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to be looked at" * 40, b"SQLite format 3\x00" + b"\xff" * 4000]
)
def test_another_file_is_refused_and_left_alone(small_bundle, journal, content):
    journal.write_bytes(content)
    with pytest.raises(JournalError):
        loaded(small_bundle, journal)
    assert journal.read_bytes() == content


def test_another_database_is_refused(small_bundle, journal):
    with sqlite3.connect(journal) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(JournalError, match="is not a journal"):
        loaded(small_bundle, journal)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE outcomes SET codes = x'00'", "a bad codes in outcome 1"),
        ("UPDATE outcomes SET codes = 'a'", "a bad codes"),
        ("UPDATE outcomes SET loadings = x'0000'", "a bad loadings"),
        ("UPDATE outcomes SET loadings = not_numbers(loadings)", "a bad loadings"),
        ("UPDATE outcomes SET scale = 9e999", "a bad scale"),
        ("UPDATE outcomes SET score = 'abc', cost_usd = 9e999", "a bad score and cost_usd"),
        ("UPDATE outcomes SET score = -1e300", "a bad score"),
        ("UPDATE outcomes SET score = 5", "a bad score"),
        ("UPDATE outcomes SET output_tokens = -5", "a bad output_tokens"),
        ("UPDATE outcomes SET at_s = 1e300", "a bad at_s"),
        ("UPDATE outcomes SET n_tokens = x'00'", "a bad n_tokens"),
        ("UPDATE outcomes SET model = x'00', text = x'00'", "a bad model and text"),
        ("UPDATE journal SET forgotten = 'x'", "one row that names the journal"),
        ("UPDATE journal SET encoder = x'00'", "one row that names the journal"),
        ("DELETE FROM journal", "one row that names the journal"),
    ],
)
def test_a_damaged_value_is_an_error_to_whoever_reads_it(small_bundle, journal, tmp_path, change, what):
    router = loaded(small_bundle, journal)
    router.record(ASKED, router.models[0], score=0.5)
    before = router.estimate(ASKED)
    with sqlite3.connect(journal) as connection:
        connection.create_function("not_numbers", 1, lambda data: b"\xff" * len(data))
        connection.execute(change)
    connection.close()
    with pytest.raises(JournalError, match=f"is damaged.* {what}"):
        loaded(small_bundle, journal)
    with pytest.raises(JournalError, match=f"is damaged.* {what}"):
        router.export(tmp_path / "out.jsonl") if "outcomes" in change else router.refresh()
    assert same(router.estimate(ASKED), before)
    assert not list(tmp_path.glob("out.jsonl*"))


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed here")
def test_a_journal_that_is_removed_is_an_error(small_bundle, journal):
    router = loaded(small_bundle, journal)
    router.record(ASKED, router.models[0], score=0)
    before = router.estimate(ASKED)
    journal.unlink()
    for use in (lambda: router.record(ASKED, router.models[0], score=0), router.refresh, router.forget):
        with pytest.raises(JournalError, match="was removed or replaced"):
            use()
    assert same(router.estimate(ASKED), before)
    assert not journal.exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind here")
def test_a_folder_that_cannot_be_written_is_an_error(small_bundle, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(JournalError, match="cannot be opened"):
        loaded(small_bundle, folder / "j.db")


@pytest.mark.parametrize("path", [5, b"j.db", "a\0b", "\ud800"])
def test_what_is_no_path_is_no_journal(small_bundle, path):
    with pytest.raises(JournalError, match="Not the path of a journal"):
        loaded(small_bundle, path)
    gc.collect()  # what fails within `__del__` is a warning, and with it an error


def test_a_folder_that_is_not_there_is_an_error(small_bundle, tmp_path):
    with pytest.raises(JournalError, match="cannot be opened"):
        loaded(small_bundle, tmp_path / "none" / "j.db")


@pytest.mark.skipif(not shutil.which("true") or not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_killed_process_leaves_whole_outcomes(small_bundle, journal):
    """Writers are killed in the middle; what they were told is recorded is there, and whole."""
    code = (
        "import os, signal, sys, threading, time\n"
        "from scope_edge import Router\n"
        f"router = Router.load({str(small_bundle)!r}, warmup=False, journal={str(journal)!r})\n"
        "told = 0\n"
        "for worker in range(40):\n"
        "    read, write = os.pipe()\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        for i in range(10_000):\n"
        f"            router.record({ASKED!r} + str(i), router.models[0], score=i % 2)\n"
        "            os.write(write, b'.')\n"
        "        os._exit(0)\n"
        "    os.close(write)\n"
        "    time.sleep(0.01 + 0.002 * worker)\n"
        "    os.kill(child, signal.SIGKILL)\n"
        "    os.waitpid(child, 0)\n"
        "    while data := os.read(read, 65536):\n"
        "        told += len(data)\n"
        "    os.close(read)\n"
        "print(told, router.refresh())\n"
    )
    told, there = map(int, run_python(code).stdout.decode().split())
    assert told > 40
    assert told <= there <= told + 40
    assert loaded(small_bundle, journal).refresh() == there
