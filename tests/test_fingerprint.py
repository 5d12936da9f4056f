from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from openai_server import Told, serving

from scope_edge import Price, Router
from scope_edge.endpoint import Answer, Endpoint, Failure, Patience, client
from scope_edge.endpoint.reply import Reply
from scope_edge.errors import EndpointError, UsageError
from scope_edge.fingerprinting import Fingerprinting, Ledger, Limits
from scope_edge.outcomes import read_table
from scope_edge.questions import Question

PRICE = Price(1.0, 4.0)
NEARLY_NOTHING = {"prompt": "Anything", "score": 0.5, "weight": 1e-6}
QUICK = Patience(connect_s=5.0, first_token_s=1.5, whole_s=4.0, attempts=4, pause_s=0.01)
CALM = replace(QUICK, first_token_s=30.0, whole_s=60.0)  # where nothing hangs: a busy machine is no failure


def ask(server, prompt: str = "p", *, model: str = "newcomer", price: Price = PRICE, **options) -> Answer | Failure:
    async def once():
        settings = {"patience": QUICK} | options
        async with Endpoint(server.url, model, price, **settings) as endpoint:
            return await endpoint.ask(prompt)

    return asyncio.run(once())


# --- one call ---


def test_a_streamed_answer_has_its_text_its_tokens_its_cost_and_its_speed():
    told = Told("The answer is 42.", output_tokens=300, reasoning_tokens=250, cached_tokens=1, latency_s=0.02)
    with serving({"What is it then?": told}) as server:
        answer = ask(server, "What is it then?")
    assert isinstance(answer, Answer)
    assert (answer.text, answer.finish_reason) == ("The answer is 42.", "stop")
    assert (answer.input_tokens, answer.output_tokens, answer.reasoning_tokens, answer.cached_tokens) == (
        4,
        300,
        250,
        1,
    )
    assert answer.cost_usd == pytest.approx((4 * 1.0 + 300 * 4.0) / 1e6)
    assert 0.02 <= answer.time_to_first_token_s < answer.seconds
    assert answer.tokens_per_second > 0
    body = server.bodies[0]
    assert body["temperature"] == 0.0
    assert "max_tokens" not in body
    assert body["messages"] == [{"role": "user", "content": "What is it then?"}]


def test_the_speed_of_an_answer_does_not_depend_on_a_clock_that_ticks_seldom(monkeypatch):
    """On Windows the monotonic one stands still for 15.6 ms, in which a whole answer may come."""
    monkeypatch.setattr(client, "time", SimpleNamespace(monotonic=lambda: 0.0, perf_counter=time.perf_counter))
    with serving({"p": Told("yes")}) as server:
        answer = ask(server)
    assert 0 < answer.time_to_first_token_s < answer.seconds
    assert answer.tokens_per_second > 0


@pytest.mark.parametrize("space", ["\u2028", "\u2029", "\u0085", "\x0b", "\r\n"])
def test_a_streamed_answer_may_hold_any_line_break(space):
    text = f"Let me{space} see. {space}The answer is 42."
    with serving({"p": Told(text)}) as server:
        assert ask(server).text == text


def test_an_error_of_null_is_none():
    reply = Reply()
    reply.take({"error": None, "choices": [{"message": {"content": "5"}, "finish_reason": "stop"}]})
    assert reply.close(PRICE, None, 1.0).text == "5"
    with pytest.raises(ValueError, match="overloaded"):
        reply.take({"error": {"message": "overloaded"}, "choices": []})


@pytest.mark.parametrize(
    ("message", "end"),
    [
        ({"content": ""}, "stop"),
        ({"content": None}, "stop"),
        ({"content": " \n"}, "stop"),
        ({"content": "", "reasoning_content": "2 + 3 is 5."}, "stop"),
        ({"content": None, "tool_calls": [{"function": {"name": "add", "arguments": "{}"}}]}, "tool_calls"),
    ],
)
def test_an_answer_without_text_is_a_failure_that_is_paid(message, end):
    reply = Reply()
    usage = {"prompt_tokens": 10, "completion_tokens": 2}
    reply.take({"choices": [{"message": message, "finish_reason": end}], "usage": usage})
    failure = reply.close(PRICE, None, 1.0)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.paid, failure.retriable) == ("empty", True, False)
    assert failure.cost_usd == pytest.approx((10 * 1.0 + 2 * 4.0) / 1e6)
    reply.finish_reason = "length"
    assert reply.close(PRICE, None, 1.0).truncated


def test_cached_and_reasoning_tokens_are_charged_at_their_own_prices():
    told = Told("x", output_tokens=10, reasoning_tokens=6, cached_tokens=3)
    with serving({"a b c d": told}) as server:
        answer = ask(server, "a b c d", price=Price(1.0, 4.0, 0.5, 2.0))
    assert answer.cost_usd == pytest.approx((1 * 1.0 + 3 * 0.5 + 4 * 4.0 + 6 * 2.0) / 1e6)


def test_an_endpoint_that_knows_no_stream_options_is_asked_in_one_piece():
    with serving({"p": Told("yes")}, stream_options=False) as server:
        answer = ask(server)
    assert (answer.text, answer.output_tokens, answer.time_to_first_token_s) == ("yes", 10, None)
    assert server.paid["p"] == 1


def test_without_usage_tokens_and_cost_are_unknown_and_not_zero():
    with serving({"p": Told("yes")}, usage=False) as server:
        answer = ask(server)
    assert (answer.input_tokens, answer.output_tokens, answer.cost_usd) == (None, None, None)


@pytest.mark.parametrize("troubles", [["busy"], ["limited"], ["500", "busy", "500"]])
def test_what_costs_nothing_is_tried_again(troubles):
    with serving({"p": Told("yes")}, troubles={"p": list(troubles)}) as server:
        answer = ask(server)
    assert answer.text == "yes"
    assert (server.paid["p"], server.calls["p"]) == (1, len(troubles) + 1)


def test_a_rate_limit_holds_for_all_calls_until_it_is_reset():
    with serving({"p": Told("yes")}, troubles={"p": ["limited"]}) as server:

        async def two():
            async with Endpoint(server.url, "m", PRICE, patience=QUICK) as endpoint:
                begun = asyncio.get_running_loop().time()
                await endpoint.ask("p")
                return asyncio.get_running_loop().time() - begun

        assert asyncio.run(two()) >= 0.15


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [("hang", "timeout"), ("cut", "cut"), ("malformed", "malformed"), ("filtered", "refused"), ("nothing", "cut")],
)
def test_what_may_have_been_paid_is_a_failure_and_not_tried_again(trouble, kind):
    with serving({"p": Told("yes and no")}, troubles={"p": [trouble]}) as server:
        failure = ask(server)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.retriable, failure.paid, server.calls["p"]) == (kind, False, True, 1)


def test_malformed_json_in_one_piece_is_a_failure():
    with serving({"p": Told("yes and no")}, stream_options=False, troubles={"p": ["", "malformed"]}) as server:
        assert ask(server).kind == "malformed"


def test_an_endpoint_that_stays_in_trouble_is_left_after_some_attempts():
    with serving({"p": Told("yes")}, troubles={"p": ["500"] * 9}) as server:
        failure = ask(server)
    assert (failure.kind, failure.status, failure.retriable, failure.paid) == ("server", 500, True, False)
    assert server.calls["p"] == QUICK.attempts


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_an_address_where_nobody_was_ever_heard_of_is_left_soon(host, monkeypatch):
    tries, attempt = [], Endpoint._try

    async def counted(endpoint, *arguments):
        tries.append(endpoint.base_url)
        return await attempt(endpoint, *arguments)

    def unknown(*_arguments, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with serving({"p": Told("yes")}) as server:
        pass
    server.url = server.url.replace("127.0.0.1", host)
    monkeypatch.setattr(Endpoint, "_try", counted)
    if host.endswith(".invalid"):
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
    failure = ask(server, patience=replace(CALM, attempts=50))
    assert (failure.kind, failure.paid) == ("connection", False)
    assert f"no connection to {host}" in failure.message
    assert len(tries) == CALM.first_attempts == 2


def test_an_endpoint_that_was_there_is_waited_for():
    tries = []

    async def away_for_a_while():
        async with Endpoint(server.url, "m", PRICE, patience=replace(CALM, attempts=5)) as endpoint:
            assert isinstance(await endpoint.ask("p"), Answer)
            there, attempt = endpoint.base_url, endpoint._try

            async def counted(*arguments):
                tries.append(endpoint.base_url)
                endpoint.base_url = there if len(tries) == 4 else "http://127.0.0.1:9/v1"
                return await attempt(*arguments)

            endpoint._try = counted
            return await endpoint.ask("p")

    with serving({"p": Told("yes")}) as server:
        assert asyncio.run(away_for_a_while()).text == "yes"
    assert len(tries) == 4


def test_an_address_without_its_version_is_guessed_and_one_with_the_whole_path_is_cut():
    with serving({"p": Told("yes")}) as server:
        with_version = server.url
        server.url = with_version.removesuffix("/v1")
        failure = ask(server)
        assert (failure.kind, failure.status) == ("model", 404)
        assert failure.remedy == f"The base URL may lack its version, such as {with_version}."
        server.url = f"{with_version}/chat/completions/"
        assert ask(server).text == "yes"
        server.url = with_version
        assert ask(server, model="nobody").remedy == ""


def test_nobody_at_the_address_is_a_failure_that_costs_nothing():
    with serving({}) as server:
        pass
    failure = ask(server)
    assert (failure.kind, failure.retriable, failure.paid) == ("connection", True, False)


def test_a_wrong_key_is_said_and_never_repeated():
    with serving({"p": Told("yes")}, key="right") as server:
        failure = ask(server, api_key="sk-very-secret")
        assert ask(server, api_key="right").text == "yes"
    assert (failure.kind, failure.retriable) == ("key", False)
    assert "secret" not in repr(failure)


@pytest.mark.parametrize("url", ["", "api.example.com/v1", "ftp://x/v1", "http://"])
def test_a_bad_address_is_refused(url):
    with pytest.raises(UsageError, match="Bad base URL"):
        Endpoint(url, "m", PRICE)


# --- a whole run, on the generated table ---


@pytest.fixture(scope="module")
def asked(table_folder) -> tuple[list[Question], dict[str, Told]]:
    """The training questions of the generated table, and what `newcomer` said to them: its recorded outcomes."""
    return recorded(table_folder)


def recorded(table_folder: Path) -> tuple[list[Question], dict[str, Told]]:
    table = read_table(table_folder)
    column = [row.model for row in table.models].index("newcomer")
    questions, told = [], {}
    for row in table.rows("train"):
        prompt, number = table.prompts[row], str(int(row) + 7)
        questions.append(Question(table.query_ids[row], prompt, number, "numeric", source=str(table.sources[row])))
        answer = number if table.scores[row, column] > 0.5 else "0"
        told[prompt] = Told(f"It is {answer}", output_tokens=int(table.output_tokens[row, column]))
    return questions, told


@pytest.fixture
def own_router(small_bundle) -> Router:
    return Router.load(small_bundle)


def fingerprinted(server, router, questions, path, price=PRICE, add=True, patience=CALM, model="newcomer", **limits):
    async def all_of_it(job):
        async with Endpoint(server.url, model, price, patience=patience) as endpoint:
            await job.run(endpoint.ask)

    with Ledger(path, {"model": "newcomer"}) as ledger:
        job = Fingerprinting(router, "newcomer", questions, price, ledger, Limits(**limits))
        asyncio.run(all_of_it(job))
        if add:
            job.add()
        return job


def test_a_run_adds_the_model_as_its_recorded_outcomes_would(asked, small_bundle, own_router, tmp_path):
    questions, told = asked
    with serving(told) as server:
        job = fingerprinted(server, own_router, questions, tmp_path / "ledger")
        assert set(server.paid.values()) == {1}
        assert server.most_at_once <= 8
    assert len(job.asked) == len(questions) == len(server.paid)
    by_hand = Router.load(small_bundle)
    by_hand.add_model("newcomer", job.rows(), PRICE)
    rows = [
        {"prompt": item.prompt, "query_id": item.id, "score": float(told[item.prompt].text == f"It is {item.answer}"),
         "output_tokens": told[item.prompt].output_tokens, "input_tokens": len(item.prompt.split())}
        for item in questions
    ]  # fmt: skip
    outcomes = Router.load(small_bundle)
    outcomes.add_model("newcomer", [row for row in rows if row["query_id"] in set(anchor_names(outcomes))], PRICE)
    prompts = [item.prompt for item in questions[:20]]
    found = own_router.estimate_batch(prompts, models="newcomer")
    assert np.array_equal(found.figures, by_hand.estimate_batch(prompts, models="newcomer").figures)
    card = own_router.cards[-1]
    assert card.n_outcomes == len(questions)
    assert card.time_to_first_token_s > 0
    assert card.tokens_per_second > 0


def anchor_names(router: Router) -> list[str]:
    return router.estimator.anchors.ids


def test_the_interval_narrows_and_stops_the_run(asked, own_router, tmp_path):
    questions, told = asked
    with serving(told) as server:
        job = fingerprinted(server, own_router, questions, tmp_path / "ledger", until=0.08, add=False)
        before = len(job.asked)
        assert job.interval.half_width <= 0.08
        assert job.stopped == "the interval is narrow enough"
        more = fingerprinted(server, own_router, questions, tmp_path / "other", until=0.06, add=False)
        at_random = fingerprinted(
            server, own_router, questions, tmp_path / "third", until=0.06, at_random=True, add=False
        )
    assert before < len(more.asked) < len(at_random.asked)
    assert set(more.asked[:before]) == set(job.asked)  # those of a round come back in any order
    assert more.summary().saved > 0
    assert at_random.summary().random_equivalent == pytest.approx(len(at_random.asked), rel=0.25)


def test_no_failure_is_a_wrong_answer(asked, own_router, tmp_path):
    questions, told = asked
    few = questions[:40]
    kinds = ["cut", "malformed", "hang", "filtered", "nothing", "long"]
    troubles = {few[i].prompt: [kind] for i, kind in enumerate(kinds)} | {few[9].prompt: ["500"] * 9}
    told = told | {
        few[20].prompt: replace(told[few[20].prompt], finish_reason="length"),
        few[21].prompt: replace(told[few[21].prompt], text=" \n"),
    }
    with serving(told, troubles=troubles) as server:
        job = fingerprinted(server, own_router, few, tmp_path / "ledger", patience=QUICK)
        summary = job.summary()
        assert max(server.paid.values()) == 1
        again = fingerprinted(server, own_router, few, tmp_path / "ledger", add=False, patience=QUICK)
        assert max(server.paid.values()) == 1
    assert again.summary() == summary
    assert summary.missing == {
        "cut": 2, "empty": 1, "malformed": 1, "refused": 1, "request": 1, "server": 1, "timeout": 1, "truncated": 1
    }  # fmt: skip
    assert (summary.asked, summary.verdicts, summary.truncated) == (40, 31, 1)
    assert {row["prompt"] for row in job.rows()}.isdisjoint([*troubles, few[21].prompt])
    assert own_router.cards[-1].n_outcomes == 31
    # What may have been paid counts as spent, at the most it may have cost where nothing was reported.
    assert sum(record.cost_usd > 0 for record in job.records if record.score is None) == 7
    reported = (len(few[21].prompt.split()) + 4 * told[few[21].prompt].output_tokens) / 1e6
    assert job.ledger.records[few[21].id].cost_usd == pytest.approx(reported)


def test_an_endpoint_that_never_says_a_word_is_left_after_a_round(asked, own_router, tmp_path):
    questions, told = asked
    silent = {prompt: replace(one, text="", reasoning_tokens=5) for prompt, one in told.items()}
    with serving(silent) as server:
        with pytest.raises(EndpointError, match=r"gives no answers, got the answer has no text \(finish_reason stop\)"):
            fingerprinted(server, own_router, questions, tmp_path / "ledger")
        assert server.paid.total() == 8


def test_a_truncated_answer_may_be_counted_as_wrong(asked, own_router, tmp_path):
    questions, told = asked
    few = questions[:8]
    cut = {item.prompt: replace(told[item.prompt], finish_reason="length") for item in few}
    with serving(cut) as server:
        job = fingerprinted(server, own_router, few, tmp_path / "ledger", count_truncated=True)
    assert (job.summary().verdicts, job.summary().right, job.summary().truncated) == (8, 0, 8)
    assert {row["output_tokens"] for row in job.rows()} == {None}
    with serving(cut) as server, pytest.raises(UsageError, match="no question with a verdict"):
        fingerprinted(server, own_router, few, tmp_path / "other")


@pytest.mark.parametrize("max_usd", [0.01, 0.03])
def test_the_money_is_kept_to(asked, own_router, tmp_path, max_usd):
    questions, told = asked
    with serving(told) as server:
        job = fingerprinted(server, own_router, questions, tmp_path / "ledger", max_usd=max_usd, add=False)
    summary = job.summary()
    assert summary.stopped == "the money is spent"
    assert summary.cost_usd == pytest.approx(sum(len(p.split()) + 4 * told[p].output_tokens for p in server.paid) / 1e6)
    # Nine answers in ten are no longer than was set aside; only those under way at the end can exceed it.
    before = [job.ledger.records[questions[row].id].cost_usd for row in job.asked[:-8]]
    assert sum(before) <= max_usd
    assert summary.cost_usd <= max_usd * 1.1
    assert summary.cost_usd > max_usd / 2


def test_what_was_spent_under_another_limit_counts_as_spent_and_as_known(asked, own_router, tmp_path):
    questions, told = asked
    with serving(told) as server:
        highest = 0.0
        for max_usd in (0.004, 0.008, 0.016, 0.006):
            job = fingerprinted(server, own_router, questions, tmp_path / "ledger", max_usd=max_usd, add=False)
            paid = sum(len(p.split()) + 4 * told[p].output_tokens for p in server.paid) / 1e6
            assert job.summary().cost_usd == pytest.approx(paid)
            highest = max(highest, max_usd)
            assert paid <= highest * 1.1  # as in test_the_money_is_kept_to
            assert {row["prompt"] for row in job.rows()} == set(server.paid)
        assert set(server.paid.values()) == {1}


@pytest.mark.parametrize("max_usd", [0.0, 1e-5])
def test_money_that_is_not_enough_for_one_question_is_said_with_what_would_be(asked, own_router, tmp_path, max_usd):
    questions, told = asked
    with serving(told) as server:
        with pytest.raises(UsageError, match=f"too low for the first question.* got {max_usd:g}") as error:
            fingerprinted(server, own_router, questions, tmp_path / "ledger", max_usd=max_usd)
        assert not server.calls
        enough = float(error.value.expected.split()[0])
        fingerprinted(server, own_router, questions, tmp_path / "ledger", max_usd=enough, add=False)
        assert server.calls


def test_a_smaller_limit_says_of_how_many_it_speaks(asked, own_router, tmp_path):
    questions, told = asked
    with serving(told) as server:
        first = fingerprinted(server, own_router, questions, tmp_path / "ledger", max_questions=16, add=False).summary()
        again = fingerprinted(server, own_router, questions, tmp_path / "ledger", max_questions=4, add=False).summary()
        rest = fingerprinted(server, own_router, questions[:8], tmp_path / "other", add=False)
        assert len(server.paid) <= 24
    assert (first.stopped, again.stopped) == (
        "the limit of 16 questions is reached",
        "the limit of 4 questions is reached",
    )
    assert replace(again, stopped=first.stopped) == first
    assert rest.stopped == "all questions were asked"


def test_of_probes_the_accuracy_over_the_anchors_is_told(asked, own_router, tmp_path):
    own = asked[0][:4]
    probes = [replace(item, source="probe") for item in asked[0][4:8]]
    over = []
    for questions in (own, probes, own + probes):
        with Ledger(tmp_path / "ledger", {}) as ledger:
            over.append(Fingerprinting(own_router, "m", questions, PRICE, ledger, Limits()).summary().accuracy_over)
    assert over == ["all questions on offer", "the bundle's anchors", "the questions on offer that are no probes"]


def test_long_answers_exceed_the_money_by_no_more_than_what_was_under_way(asked, own_router, tmp_path):
    questions, told = asked
    long = {prompt: replace(one, output_tokens=20_000) for prompt, one in told.items()}
    with serving(long) as server:
        job = fingerprinted(server, own_router, questions, tmp_path / "ledger", max_usd=0.05, add=False, round_size=4)
    assert len(server.paid) <= 4
    assert job.stopped == "the money is spent"


def test_a_run_against_nobody_stops_and_goes_on_later(asked, own_router, tmp_path):
    questions, told = asked
    few = questions[:16]
    with serving(told, troubles={item.prompt: ["500"] * 4 for item in few}) as server:
        with pytest.raises(EndpointError, match="gives no answers"):
            fingerprinted(server, own_router, few, tmp_path / "ledger")
        server.troubles.clear()
        job = fingerprinted(server, own_router, few, tmp_path / "ledger")
        once = fingerprinted(server, own_router, few, tmp_path / "other", add=False)
    assert job.summary().verdicts == 16
    assert (job.summary().sent_twice, job.summary().cost_usd) == (0, once.summary().cost_usd)


@pytest.mark.parametrize("start", ["wrong key", "wrong model", "nobody", "500"])
def test_a_failed_start_leaves_the_money_as_it_was(asked, own_router, tmp_path, start):
    questions, told = asked
    limits = {"max_usd": 0.004, "add": False}
    troubles = {item.prompt: ["500"] * CALM.attempts for item in questions} if start == "500" else {}
    with serving(told, troubles=troubles, key="right" if start == "wrong key" else "") as server:
        url, model = server.url, "nobody" if start == "wrong model" else "newcomer"
        if start == "nobody":
            server.url = "http://127.0.0.1:9/v1"
        with pytest.raises(EndpointError) as error:
            fingerprinted(server, own_router, questions, tmp_path / "ledger", model=model, **limits)
        assert "is kept" not in str(error.value)
        server.url, server.key = url, ""
        server.troubles.clear()
        again = fingerprinted(server, own_router, questions, tmp_path / "ledger", **limits)
        whole = fingerprinted(server, own_router, questions, tmp_path / "other", **limits)
    assert set(again.asked) == set(whole.asked)
    assert (again.summary().sent_twice, again.summary().cost_usd) == (0, pytest.approx(whole.summary().cost_usd))


def test_a_key_that_fails_midway_leaves_what_was_answered(asked, own_router, tmp_path):
    questions, told = asked
    limits = {"max_questions": 24, "add": False}
    with serving(told) as server:
        whole = fingerprinted(server, own_router, questions, tmp_path / "whole", **limits)
        third = [questions[row].prompt for row in whole.asked[8:16]]
        server.troubles.update({prompt: ["key"] for prompt in third[:5]})
        with pytest.raises(EndpointError, match="What was answered is kept"):
            fingerprinted(server, own_router, questions, tmp_path / "ledger", **limits)
        again = fingerprinted(server, own_router, questions, tmp_path / "ledger", **limits)
    assert set(again.asked) == set(whole.asked)
    assert again.interval == whole.interval
    assert (again.summary().sent_twice, again.summary().cost_usd) == (0, pytest.approx(whole.summary().cost_usd))


def test_probe_questions_count_less(small_bundle):
    questions = [
        Question(f"q{i}", f"What is {i} times {i + 1}, please?", str(i * (i + 1)), "numeric") for i in range(2, 34)
    ]
    probes = [replace(item, source="probe") for item in questions]
    known, expected = {}, {}
    for name, items in (("own", questions), ("probe", probes), ("nothing", [])):
        router = Router.load(small_bundle)
        router.add_model(
            "guest",
            [{"prompt": item.prompt, "score": 1.0, "weight": item.weight} for item in items] or [NEARLY_NOTHING],
            PRICE,
        )
        known[name] = np.linalg.slogdet(router.estimator.fingerprints.theta_precision[-1])[1]
        expected[name] = float(
            router.estimate_batch([item.prompt for item in questions], models=["guest"]).p_correct.mean()
        )
    assert known["nothing"] < known["probe"] < known["own"]
    # What counts less moves the estimate less.
    assert expected["nothing"] + 0.01 < expected["probe"] < expected["own"] - 0.005


# --- the ledger ---


def test_half_a_line_is_cut_off(tmp_path):
    path = tmp_path / "ledger"
    with Ledger(path, {"model": "m"}) as ledger:
        ledger.send({"a": 0.5})
    whole = path.read_bytes()
    for part in (b"{", b'{"sent": {"b": 1.0}}', b'{"record": {"id": "\xc3'):
        path.write_bytes(whole + part)
        with Ledger(path, {"model": "m"}) as ledger:
            assert (ledger.resumed, ledger.records, ledger.sent, ledger.cost_usd) == (True, {}, {"a": [0.5]}, 0.5)
        assert path.read_bytes() == whole
    path.write_bytes(whole[:5])
    with Ledger(path, {"model": "m"}) as ledger:
        assert not ledger.resumed


def test_a_ledger_of_another_run_is_refused(tmp_path):
    with Ledger(tmp_path / "ledger", {"model": "m", "price_in": 1.0}) as ledger:
        ledger.send({"a": 0.5})
    with pytest.raises(UsageError, match=r"another run, expected price_in 2.0, got 1.0"):
        Ledger(tmp_path / "ledger", {"model": "m", "price_in": 2.0})
    for number, text in enumerate(("hello\n", "5\n", "{}\n")):
        (tmp_path / f"text {number}").write_text(text)
        with pytest.raises(UsageError, match="no ledger"):
            Ledger(tmp_path / f"text {number}", {})
        assert (tmp_path / f"text {number}").read_text() == text


def test_a_damaged_line_is_named_with_a_remedy(tmp_path):
    with Ledger(tmp_path / "ledger", {}) as ledger:
        ledger.send({"a": 0.5})
        ledger.send({"b": 0.5})
    whole = (tmp_path / "ledger").read_bytes().splitlines(keepends=True)
    for garbage in (
        b"garbage\n",
        b"5\n",
        b"[]\n",
        b"\xff\n",
        b'{"sent": "a"}\n',
        b'{"free": ["z"]}\n',
        b'{"record": {}}\n',
    ):
        (tmp_path / "ledger").write_bytes(b"".join([*whole[:2], garbage, *whole[2:]]))
        with pytest.raises(UsageError, match=r"Line 3 of the ledger .* is damaged.* Take the line out"):
            Ledger(tmp_path / "ledger", {})
    (tmp_path / "ledger").write_bytes(b"".join(whole))
    with Ledger(tmp_path / "ledger", {}) as ledger:
        assert ledger.sent == {"a": [0.5], "b": [0.5]}


def test_a_ledger_of_calls_that_came_to_nothing_is_begun_anew(tmp_path):
    with Ledger(tmp_path / "ledger", {"model": "wrong"}) as ledger:
        ledger.send({"a": 0.5, "b": 0.5})
        ledger.free({"a": 0.0})
    with pytest.raises(UsageError, match="another run"):  # b may have been charged for
        Ledger(tmp_path / "ledger", {"model": "right"})
    with Ledger(tmp_path / "ledger", {"model": "wrong"}) as ledger:
        assert (ledger.cost_usd, ledger.unfinished) == (0.5, ["a", "b"])
        ledger.free({"b": 0.0})
    for _ in range(2):
        with Ledger(tmp_path / "ledger", {"model": "right"}) as ledger:
            assert (ledger.sent, ledger.cost_usd) == ({}, 0)


def test_a_call_that_came_to_nothing_counts_as_what_it_is_known_to_have_cost(tmp_path):
    for _ in range(2):  # as noted, and as read again
        with Ledger(tmp_path / "ledger", {}) as ledger:
            if not ledger.sent:
                ledger.send({"a": 0.5, "b": 0.5, "c": 0.5})
                ledger.free({"a": 0.125, "b": 0.0})
            assert (ledger.cost_usd, ledger.lost_usd) == (0.625, 0.625)


def test_a_ledger_is_written_by_one_run_at_a_time(tmp_path):
    with Ledger(tmp_path / "ledger", {}), pytest.raises(UsageError, match="Another run"):
        Ledger(tmp_path / "ledger", {})


def test_a_ledger_is_written_by_one_run_at_a_time_on_windows(tmp_path, monkeypatch):
    """With a stand-in for the module that locks files there: a byte is held by one of those who opened the file."""
    locked: dict[int, int] = {}

    def locking(descriptor, mode, count):
        at = os.lseek(descriptor, 0, os.SEEK_CUR)
        if count != 1 or (descriptor not in locked if mode == "unlock" else locked):
            raise PermissionError(13, "Permission denied")
        assert locked.setdefault(descriptor, at) == at > 10**9
        if mode == "unlock":
            del locked[descriptor]

    windows = SimpleNamespace(locking=locking, LK_NBLCK="lock", LK_UNLCK="unlock")
    monkeypatch.setitem(sys.modules, "msvcrt", windows)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    for wanted in ({}, {"a": [0.5]}):
        with Ledger(tmp_path / "ledger", {}) as ledger:
            assert ledger.sent == wanted
            with pytest.raises(UsageError, match="Another run"):
                Ledger(tmp_path / "ledger", {})
            if not ledger.sent:
                ledger.send({"a": 0.5})
            with Ledger(tmp_path / "ledger", {}, kept=False) as read:
                assert read.sent == ledger.sent
            assert len(locked) == 1
        assert not locked
    with pytest.raises(UsageError, match="another run"):
        Ledger(tmp_path / "ledger", {"model": "m"})
    assert not locked
    assert (tmp_path / "ledger").stat().st_size < 1000


@pytest.mark.parametrize(
    "limits", [{"max_questions": 0}, {"max_usd": -1.0}, {"until": 0.0}, {"until": 0.5}, {"round_size": 0}]
)
def test_limits_out_of_range_are_refused(limits):
    with pytest.raises(UsageError, match="Bad "):
        Limits(**limits)


def test_a_name_that_no_model_can_have_is_refused_before_anything_is_asked(asked, own_router, tmp_path):
    for name in ("", "a*", "a,b", "a[1]", "\ud800"):
        with Ledger(tmp_path / "ledger", {}) as ledger, pytest.raises(UsageError, match="Bad model name"):
            Fingerprinting(own_router, name, asked[0], PRICE, ledger, Limits())


def test_questions_that_cannot_be_told_apart_are_refused(own_router, tmp_path):
    one = Question("a", "What?", "1", "numeric")
    for questions in ([], [one, one], [one, replace(one, id="b")]):
        with Ledger(tmp_path / "ledger", {}) as ledger, pytest.raises(UsageError):
            Fingerprinting(own_router, "m", questions, PRICE, ledger, Limits())


def write_questions(path: Path, questions: list[Question]) -> Path:
    rows = [
        {"id": q.id, "prompt": q.prompt, "answer": q.answer, "grader": q.grader, "source": q.source} for q in questions
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
