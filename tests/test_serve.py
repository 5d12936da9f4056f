"""The proxy over real sockets, asked by OpenAI's own client, before servers that fail in every way."""

# ruff: noqa: E402 - what follows the first lines needs the extra
from __future__ import annotations

import asyncio
import json
import logging
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

for _package in ("aiohttp", "prometheus_client", "starlette", "uvicorn"):
    pytest.importorskip(_package, reason=f"the proxy needs the extra 'serve': {_package} is not installed")
httpx = pytest.importorskip("httpx", reason="tests of the proxy ask it with httpx")
openai = pytest.importorskip("openai", reason="tests of the proxy ask it with OpenAI's client")

from processes import run_cli, run_python
from proxies import CHEAP, DEAR, STRANGER, proxied, toml
from upstreams import USAGE, FakeUpstream, running

from scope_edge import Router
from scope_edge.serve.usage import EventStream

QUESTION = "What is 17 * 23?"
KEY, MODEL_KEY = "sk-proxy-1f9d", "sk-model-77ab"
SECURED = '[server]\napi_key_env = "PROXY_KEY"\n'


def chat(content: str = QUESTION, model: str = "scope", **fields):
    return {"model": model, "messages": [{"role": "user", "content": content}], **fields}


def error_of(reply) -> dict:
    """The error of a reply, which has OpenAI's form."""
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A proxy before three servers; `cheap` is what is chosen, `dear` the next best, `stranger` known by name only."""
    cheap, dear, stranger = FakeUpstream(), FakeUpstream(), FakeUpstream()
    with running(cheap, dear, stranger):
        text = toml("[policy]\nalpha = 0.5\ncooldown_s = 0", cheap=cheap, dear=dear, stranger=stranger)
        text = text.replace(
            f'model = "{CHEAP}"', f'model = "{CHEAP}"\nupstream_model = "q/q"\napi_key_env = "MODEL_KEY"'
        )
        with proxied(tmp_path_factory.mktemp("three"), text, {"MODEL_KEY": MODEL_KEY}) as url:
            yield SimpleNamespace(url=url, cheap=cheap, dear=dear, stranger=stranger)


@pytest.fixture
def proxy(three):
    for upstream in (three.cheap, three.dear, three.stranger):
        upstream.mode = "ok"
        upstream.requests.clear()
        upstream.headers.clear()
        upstream.left.clear()
    return three


@pytest.fixture
def client(proxy):
    with openai.OpenAI(base_url=proxy.url, api_key="sk-of-the-client", max_retries=0) as client:
        yield client


@pytest.fixture
def post(proxy):
    def post(body, path="/chat/completions", **options):
        return httpx.post(proxy.url + path, json=body, timeout=20, **options)

    return post


@pytest.fixture
def own(tmp_path):
    """A proxy of the test's own before `cheap` and `dear`, with more tables in its configuration."""
    cheap, dear = FakeUpstream(), FakeUpstream()
    with running(cheap, dear):

        def start(*tables: str, environ=None, change=lambda text: text):
            return proxied(tmp_path, change(toml(*tables, cheap=cheap, dear=dear)), environ or {})

        yield SimpleNamespace(start=start, cheap=cheap, dear=dear)


# Answers


def test_openais_client_gets_routed_answers(client, router: Router):
    raw = client.chat.completions.with_raw_response.create(**chat())
    answer = raw.parse()
    assert answer.choices[0].message.content == f"echo of {QUESTION}"
    assert answer.usage.completion_tokens == USAGE["completion_tokens"]
    assert answer.model == "q/q"  # as the upstream says it
    decision = router.route(QUESTION, models=[CHEAP, DEAR])
    assert raw.headers["x-scope-model"] == decision.model == CHEAP
    assert raw.headers["x-scope-p-correct"] == f"{decision.p_correct:.4f}"
    assert float(raw.headers["x-scope-cost-usd"]) == pytest.approx(decision.cost_usd, rel=1e-4)
    assert raw.headers["x-scope-reason"] == decision.reason


def test_openais_client_streams(client):
    with client.chat.completions.create(**chat(), stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == f"echo of {QUESTION} "
    assert all(chunk.choices for chunk in chunks)  # the usage was not asked for
    with client.chat.completions.create(**chat(), stream=True, stream_options={"include_usage": True}) as stream:
        chunks = list(stream)
    assert chunks[-1].usage.prompt_tokens == USAGE["prompt_tokens"]


def test_openais_client_of_asyncio_and_nothing_is_mixed_up(proxy):
    async def ask(client, number: int, stream: bool):
        content = f"{QUESTION} nonce {number}"
        if not stream:
            return number, (await client.chat.completions.create(**chat(content))).choices[0].message.content
        async with await client.chat.completions.create(**chat(content), stream=True) as chunks:
            return number, "".join([chunk.choices[0].delta.content async for chunk in chunks]).strip()

    async def ask_all():
        async with openai.AsyncOpenAI(base_url=proxy.url, api_key="x", max_retries=0) as client:
            return await asyncio.gather(*(ask(client, number, number % 2 == 0) for number in range(40)))

    answers = asyncio.run(ask_all())
    assert len(answers) == 40
    assert all(content == f"echo of {QUESTION} nonce {number}" for number, content in answers)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("scope-0", {"alpha": 0}),
        ("scope-0.7", {"alpha": 0.7}),
        ("scope-1", {"alpha": 1}),
        ("scope:cheap>=0.8", {"min_accuracy": 0.8}),
        ("scope:cheap>=.999", {"min_accuracy": 0.999}),
        ("scope:best<=0.000001", {"max_cost_usd": 0.000001}),
    ],
)
def test_the_models_name_says_the_policy(post, router: Router, model, options):
    for content in (QUESTION, "Write a Python function that parses ISO 8601 durations, with tests. " * 3):
        expected = router.route(content.strip(), models=[CHEAP, DEAR], **options)
        reply = post(chat(content, model))
        assert reply.headers["x-scope-model"] == expected.model
        assert reply.headers["x-scope-reason"] == expected.reason


@pytest.mark.parametrize("model", [CHEAP, DEAR, STRANGER])
def test_a_model_by_its_name_is_passed_through(post, model):
    reply = post(chat(model=model))
    assert reply.status_code == 200
    assert reply.headers["x-scope-model"] == model
    assert reply.headers["x-scope-reason"] == "named by the client"
    assert "x-scope-p-correct" not in reply.headers


def test_a_request_goes_on_as_it_came_but_for_its_model(post, proxy):
    body = chat(
        temperature=0.1, seed=2**70, logit_bias={"50256": -100}, tools=[{"type": "function"}],
        future_field={"a": [None]}, user="\ud800 \u00e9",
    )  # fmt: skip
    reply = httpx.post(
        f"{proxy.url}/chat/completions",
        content=json.dumps(body),
        headers={"Content-Type": "application/json", "Authorization": "Bearer sk-of-the-client", "Cookie": "a=b"},
    )
    assert reply.status_code == 200
    assert proxy.cheap.requests == [body | {"model": "q/q"}]
    (headers,) = proxy.cheap.headers
    assert headers["authorization"] == f"Bearer {MODEL_KEY}"
    assert "cookie" not in headers
    post(chat(model=DEAR))
    assert "authorization" not in proxy.dear.headers[0]


# Failures


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("mode", "reason"),
    [(429, "429"), (500, "500"), (503, "503"), (401, "401"), (404, "404"), (302, "302"), ("refuse", "connection lost"),
     ("hang", "timeout"), ("cut early", "connection lost")],
)  # fmt: skip
def test_where_a_model_fails_the_next_best_answers(post, proxy, mode, reason, stream):
    proxy.cheap.mode = mode
    reply = post(chat(stream=stream))
    assert reply.status_code == 200
    assert f"echo of {QUESTION}".split()[-1] in reply.text
    assert reply.headers["x-scope-model"] == DEAR
    assert reply.headers["x-scope-reason"].startswith(f"{CHEAP} failed ({reason}); the best trade")
    assert (len(proxy.cheap.requests), len(proxy.dear.requests)) == (1, 1)


def test_an_answer_that_is_none_counts_as_failure(post, proxy):
    for mode, stream in (("malformed", False), ("cut", False), ("hang after head", True)):
        proxy.cheap.mode = mode
        reply = post(chat(stream=stream))
        assert reply.headers["x-scope-model"] == DEAR, mode


ERROR = b'{"choices": null, "error": {"message": "overloaded", "code": 503}}'
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("mode", "stream", "reason"),
    [(b"data: " + ERROR + b"\n\n" + DONE, True, "error in answer"),
     (b": PROCESSING\n\nevent: error\r\ndata: " + ERROR + b"\r\n\r\n", True, "error in answer"),
     (b"data: " + ERROR, True, "error in answer"),
     (ERROR, False, "error in answer"),
     (b'data: {"choices": null}\n\n', True, "malformed answer"),
     (b'{"choices": null}', False, "malformed answer"),
     (b"data: overloaded\n\n", True, "malformed answer"),
     (DONE, True, "malformed answer"),
     (b"<html>Gateway error</html>\n\n", True, "empty stream"),
     (b": PROCESSING\n\n", True, "empty stream"),
     ("whole", True, "malformed answer"),
     ("streamed", False, "malformed answer"),
     ("gzip", True, "malformed answer")],
)  # fmt: skip
def test_where_the_answer_is_not_what_was_asked_for_the_next_best_answers(post, proxy, mode, stream, reason):
    proxy.cheap.mode = mode
    reply = post(chat(stream=stream))
    assert reply.headers["x-scope-model"] == DEAR
    assert reply.headers["x-scope-reason"].startswith(f"{CHEAP} failed ({reason})")
    assert f"echo of {QUESTION}".split()[-1] in reply.text


def test_comments_may_come_before_a_stream(client, post, proxy):
    proxy.cheap.mode = "comments"
    with client.chat.completions.create(**chat(), stream=True) as stream:
        assert "".join(chunk.choices[0].delta.content for chunk in stream) == f"echo of {QUESTION} "
    comments = ": PROCESSING\n\n\r\n: a comment before\r\n\r\n: and before\ndata: {"
    assert post(chat(stream=True)).text.startswith(comments)
    assert not proxy.dear.requests


def test_a_first_event_that_is_too_long_to_be_held_is_passed_on(post, proxy):
    proxy.cheap.mode = b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n' % (b"x" * (3 << 20)) + DONE
    assert post(chat(stream=True)).content == proxy.cheap.mode
    assert not proxy.dear.requests


def test_no_connection_counts_as_failure(own):
    with own.start(change=lambda text: text.replace(own.cheap.url, "http://127.0.0.1:9/v1")) as url:
        reply = httpx.post(f"{url}/chat/completions", json=chat())
        assert reply.headers["x-scope-model"] == DEAR
        assert "no connection" in reply.headers["x-scope-reason"]


def test_after_the_first_bytes_nobody_else_is_asked(client, proxy):
    proxy.cheap.mode = "cut"
    with client.chat.completions.create(**chat(), stream=True) as stream:
        assert next(stream).choices[0].delta.content == "echo "
        with pytest.raises(openai.APIError, match="broke off"):
            list(stream)
    assert not proxy.dear.requests


def test_what_the_client_did_wrong_is_passed_on(client, proxy):
    proxy.cheap.mode = 400
    with pytest.raises(openai.BadRequestError, match="secret of the upstream"):
        client.chat.completions.create(**chat())
    assert not proxy.dear.requests


def test_an_upstream_that_repeats_its_key_does_not_tell_it(post, proxy):
    proxy.cheap.mode = "echo error"
    reply = post(chat())
    assert reply.status_code == 400
    assert "authorization" in reply.text
    assert MODEL_KEY not in reply.text


@pytest.mark.parametrize(
    ("modes", "status", "code"),
    [((500, 503), 502, "upstream_failed"), ((429, 429), 429, "rate_limit_exceeded"),
     (("hang", "hang"), 504, "upstream_timeout"), ((429, 401), 502, "upstream_failed")],
)  # fmt: skip
def test_where_all_fail_the_client_is_told(post, proxy, modes, status, code):
    proxy.cheap.mode, proxy.dear.mode = modes
    reply = post(chat())
    error = error_of(reply)
    assert (reply.status_code, error["code"]) == (status, code)
    assert CHEAP in error["message"]
    assert DEAR in error["message"]
    assert "secret of the upstream" not in reply.text
    assert reply.headers.get("retry-after") == ("7" if status == 429 else None)
    assert (len(proxy.cheap.requests), len(proxy.dear.requests)) == (1, 1)


def test_a_named_model_has_no_stand_in(post, proxy):
    proxy.cheap.mode = 500
    reply = post(chat(model=CHEAP))
    assert reply.status_code == 502
    assert not proxy.dear.requests


def test_fallback_0_tries_one_model(own):
    own.cheap.mode = 500
    with own.start("[policy]\nfallback = 0") as url:
        assert httpx.post(f"{url}/chat/completions", json=chat()).status_code == 502
    assert not own.dear.requests


def test_a_model_that_keeps_failing_is_left_alone(own):
    own.cheap.mode = 500
    with own.start() as url:
        reasons = [httpx.post(f"{url}/chat/completions", json=chat()).headers["x-scope-reason"] for _ in range(5)]
        assert len(own.cheap.requests) == 3
        assert [reason.split(";")[0] for reason in reasons] == [f"{CHEAP} failed (500)"] * 3 + [f"{CHEAP} rests"] * 2
        decided = httpx.post(f"{url}/route", json=chat()).json()
        assert decided["model"] == DEAR
        # By its name it is tried all the same, and an answer ends its rest.
        own.cheap.mode = "ok"
        assert httpx.post(f"{url}/chat/completions", json=chat(model=CHEAP)).status_code == 200
        assert httpx.post(f"{url}/chat/completions", json=chat()).headers["x-scope-model"] == CHEAP


def test_a_model_that_says_when_to_come_again_is_left_alone_until_then(own):
    own.cheap.mode = 429
    with own.start() as url:
        for _ in range(2):
            assert httpx.post(f"{url}/chat/completions", json=chat()).headers["x-scope-model"] == DEAR
    assert len(own.cheap.requests) == 1


def test_where_all_models_rest_they_are_tried_all_the_same(own):
    own.cheap.mode = own.dear.mode = 429
    with own.start() as url:
        assert httpx.post(f"{url}/chat/completions", json=chat()).status_code == 429
        own.dear.mode = "ok"
        assert httpx.post(f"{url}/chat/completions", json=chat()).headers["x-scope-model"] == DEAR


def test_a_client_that_leaves_a_stream_takes_the_call_with_it(proxy):
    proxy.cheap.mode = "slow"
    with httpx.stream("POST", f"{proxy.url}/chat/completions", json=chat(stream=True)) as reply:
        assert next(reply.iter_raw())
    assert proxy.cheap.left.wait(5)
    assert not proxy.dear.requests


def leave_when_called(url: str, body: dict, upstream: FakeUpstream) -> None:
    """Ask, and leave as soon as the upstream has been asked, however long the way there takes."""

    async def leave():
        async with httpx.AsyncClient(timeout=20) as client:
            asking = asyncio.create_task(client.post(f"{url}/chat/completions", json=body))
            while not upstream.requests:
                assert not asking.done()
                await asyncio.sleep(0.005)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    asyncio.run(leave())


def patient(text: str) -> str:
    """A configuration under which it is the client that gives up first."""
    return text.replace("timeout_s = 0.5", "timeout_s = 20")


def test_a_client_that_leaves_before_the_answer_takes_the_call_with_it(own):
    own.cheap.mode = "hang"
    with own.start(change=patient) as url:
        leave_when_called(url, chat(), own.cheap)
        assert own.cheap.left.wait(5)
        assert spent(url)['scope_requests_total{status="499"}'] == 1
    assert not own.dear.requests


def test_a_client_that_does_not_read_holds_the_upstream_back(proxy):
    proxy.cheap.mode, proxy.cheap.n_sent = "flood", 0
    with httpx.stream("POST", f"{proxy.url}/chat/completions", json=chat(stream=True)) as reply:
        next(reply.iter_raw())
        sent = [-1]
        deadline = time.monotonic() + 20
        while proxy.cheap.n_sent != sent[-1]:  # what is under way fills buffers of the system's
            assert time.monotonic() < deadline
            sent.append(proxy.cheap.n_sent)
            time.sleep(0.3)
        assert 0 < sent[-1] < 100e6


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("scope_edge.serve.server._PATIENCE_S", 1)


@pytest.mark.usefixtures("impatient")
def test_a_proxy_that_stops_ends_its_streams_with_an_error(own, tmp_path, capsys):
    from scope_edge import Budget

    own.cheap.mode = "slow"
    with own.start('[budget]\nusd = 1\nstore = "b.db"') as url:
        client = openai.OpenAI(base_url=url, api_key="x", max_retries=0)
        stream = client.chat.completions.create(**chat(), stream=True)
        next(stream)
    with client, pytest.raises(openai.APIError, match="stopping"):
        list(stream)
    assert len(capsys.readouterr().err.splitlines()) <= 1
    with Budget(1, store=tmp_path / "b.db") as budget:
        assert budget.spent_usd > 0
        assert budget.reserved_usd == 0


@pytest.mark.usefixtures("impatient")
def test_a_proxy_that_stops_tells_whoever_waits(own, capsys):
    own.cheap.mode = "hang"
    with ThreadPoolExecutor(1) as pool, own.start(change=patient) as url:
        asking = pool.submit(httpx.post, f"{url}/chat/completions", json=chat(), timeout=20)
        while not own.cheap.requests:
            assert not asking.done()
            time.sleep(0.005)
    reply = asking.result()
    assert (reply.status_code, error_of(reply)["code"]) == (503, "stopping")
    assert len(capsys.readouterr().err.splitlines()) <= 1


# What is asked for wrongly


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "model_missing"),
        (chat(model=7), 400, "model_missing"),
        (chat(model="gpt-4"), 404, "model_not_found"),
        (chat(model="scope-2"), 400, "invalid_request"),
        (chat(model="scope-x"), 400, "invalid_request"),
        (chat(model="scope:cheap>=1.5"), 400, "invalid_request"),
        (chat(model="scope:cheap>=-1"), 400, "invalid_request"),
        (chat(""), 400, "invalid_request"),
        ({"model": "scope"}, 400, "invalid_request"),
        ({"model": "scope", "messages": "hello"}, 400, "invalid_request"),
        ([1], 400, "invalid_json"),
    ],
)
def test_a_request_that_cannot_be_routed_is_refused(post, proxy, body, status, code):
    for path in ("/chat/completions", "/route"):
        reply = post(body, path)
        assert (reply.status_code, error_of(reply)["code"]) == (status, code)
    assert not proxy.cheap.requests


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b'{"model": NaN}', b'{"a": 1e999}', b"[" * 100_000, b'{"a": ' * 100_000, b"1" * 9999],
)
def test_what_is_not_json_is_refused(proxy, content):
    headers = {"Content-Type": "application/json"}
    for path in ("chat/completions", "route", "feedback"):
        reply = httpx.post(f"{proxy.url}/{path}", content=content, headers=headers)
        assert reply.status_code == 400
        assert error_of(reply)["code"] == "invalid_json"


@pytest.mark.parametrize("field", ["tools", "other"])
def test_what_is_nested_too_deeply_is_refused(proxy, field):
    statuses = set()
    for depth in [*range(300, 1100, 50), 5000]:
        body = json.dumps(chat())[:-1] + f', "{field}": ' + "[" * depth + "]" * depth + "}"
        reply = httpx.post(f"{proxy.url}/chat/completions", content=body, headers={"Content-Type": "application/json"})
        statuses.add(reply.status_code)
    assert statuses <= {200, 400}


def test_a_page_in_a_browser_cannot_ask(proxy):
    # It may send these types anywhere unasked, but not application/json.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        headers = {"Content-Type": kind} if kind else {}
        reply = httpx.post(f"{proxy.url}/chat/completions", content=json.dumps(chat()), headers=headers)
        assert reply.status_code == 415
    # Nor under a name that someone has made to point here.
    for host in ("evil.example:8100", "127.0.0.1.evil.example", "[evil]:1", ""):
        reply = httpx.post(f"{proxy.url}/chat/completions", json=chat(), headers={"Host": host})
        assert (reply.status_code, error_of(reply)["code"]) == (403, "not_local")
    for host in ("localhost:8100", "[::1]:8100", "127.0.0.1", "127.9.9.9:80"):
        assert httpx.get(f"{proxy.url}/models", headers={"Host": host}).status_code == 200


def test_a_request_that_is_too_large_is_refused(own):
    with own.start("[server]\nmax_request_bytes = 2000") as url:
        assert httpx.post(f"{url}/chat/completions", json=chat("x" * 1500)).status_code == 200

        def pieces():
            yield from (b'{"model": "scope", "x": "', b"y" * 3000, b'"}')

        for body in (
            {"json": chat("x" * 3000)},
            {"content": pieces(), "headers": {"Content-Type": "application/json"}},
        ):
            reply = httpx.post(f"{url}/chat/completions", **body)
            assert (reply.status_code, error_of(reply)["code"]) == (413, "request_too_large")
    assert len(own.cheap.requests) == 1


def test_unknown_endpoints_and_methods_are_told_in_openais_form(proxy):
    assert error_of(httpx.get(f"{proxy.url}/nothing"))["code"] == "bad_endpoint"
    reply = httpx.get(f"{proxy.url}/chat/completions")
    assert reply.status_code == 405
    assert error_of(reply)["code"] == "bad_endpoint"


def test_the_key_is_asked_for(own):
    with own.start(SECURED, environ={"PROXY_KEY": KEY}) as url:
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": KEY},
            {"Authorization": f"Bearer {KEY}x"},
        ):
            for method, path in (
                ("POST", "/chat/completions"),
                ("GET", "/models"),
                ("POST", "/route"),
                ("GET", "/../metrics"),
            ):
                reply = httpx.request(method, url + path, headers=headers)
                assert (reply.status_code, error_of(reply)["code"]) == (401, "invalid_api_key")
        assert httpx.get(url.removesuffix("/v1") + "/health").json() == {"status": "ok"}
        # With a key any name is good: it may stand behind another server.
        headers = {"Authorization": f"Bearer {KEY}", "Host": "models.example"}
        assert httpx.post(f"{url}/chat/completions", json=chat(), headers=headers).status_code == 200
    assert KEY not in str(own.cheap.headers)


def test_too_many_at_once_are_told_to_come_again(own):
    own.cheap.mode = own.dear.mode = "hang"

    async def ask_all(url: str, n: int):
        async with httpx.AsyncClient(timeout=20) as client:
            return await asyncio.gather(*(client.post(f"{url}/chat/completions", json=chat()) for _ in range(n)))

    with own.start("[server]\nmax_concurrency = 3", "[policy]\nfallback = 0") as url:
        replies = asyncio.run(ask_all(url, 8))
        statuses = sorted(reply.status_code for reply in replies)
        assert statuses == [503] * 5 + [504] * 3
        assert all(reply.headers["retry-after"] == "1" for reply in replies if reply.status_code == 503)
        own.cheap.mode = own.dear.mode = "ok"
        assert httpx.post(f"{url}/chat/completions", json=chat()).status_code == 200


def test_a_model_that_is_busy_leaves_it_to_the_next(own):
    def narrow(text):
        return text.replace("timeout_s", "max_concurrency = 1\ntimeout_s")

    async def ask_all(url: str):
        async with httpx.AsyncClient(timeout=20) as client:
            return await asyncio.gather(*(client.post(f"{url}/chat/completions", json=chat()) for _ in range(3)))

    own.cheap.mode = own.dear.mode = "hang"
    with own.start(change=narrow) as url:
        replies = asyncio.run(ask_all(url))
        busy = [reply for reply in replies if reply.status_code == 429]
        assert len(busy) == 1
        assert error_of(busy[0])["message"].count("busy") == 3  # the sentence's own, and two models
        own.cheap.mode = own.dear.mode = "ok"
        assert [reply.status_code for reply in asyncio.run(ask_all(url))].count(200) >= 2


# Money


def spent(url: str) -> dict[str, float]:
    """What the metrics say."""
    lines = [line for line in httpx.get(url.removesuffix("/v1") + "/metrics").text.splitlines() if line[0] != "#"]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@pytest.mark.parametrize("stream", [False, True])
def test_the_budget_counts_what_was_used(own, tmp_path, stream):
    from scope_edge import Budget

    prices = "input_usd_per_mtok = 10\noutput_usd_per_mtok = 20\ntimeout_s"
    with own.start('[budget]\nusd = 1\nstore = "b.db"', change=lambda text: text.replace("timeout_s", prices)) as url:
        assert httpx.post(f"{url}/chat/completions", json=chat(stream=stream)).status_code == 200
        cost_usd = (USAGE["prompt_tokens"] * 10 + USAGE["completion_tokens"] * 20) / 1e6
        # Named ones count, and those that failed do not.
        httpx.post(f"{url}/chat/completions", json=chat(model=DEAR, stream=stream))
        own.cheap.mode = own.dear.mode = 500
        assert httpx.post(f"{url}/chat/completions", json=chat()).status_code == 502
        metrics = spent(url)
    assert sum(value for name, value in metrics.items() if name.startswith("scope_cost_usd_total")) == cost_usd * 2
    with Budget(1, store=tmp_path / "b.db") as budget:
        assert (budget.spent_usd, budget.reserved_usd) == (pytest.approx(cost_usd * 2), 0)


@pytest.mark.parametrize("model", ["scope", CHEAP])
@pytest.mark.parametrize("way", ["no usage", "slow", "hang"])
def test_a_call_that_does_not_say_what_it_used_counts_as_was_expected_at_90(own, tmp_path, router: Router, model, way):
    from scope_edge import Budget

    own.cheap.mode = way
    with own.start('[budget]\nusd = 1\nstore = "b.db"', change=patient) as url:
        if way == "no usage":
            httpx.post(f"{url}/chat/completions", json=chat(model=model))
            assert spent(url)[f'scope_calls_without_usage_total{{model="{CHEAP}"}}'] == 1
        elif way == "slow":
            with httpx.stream("POST", f"{url}/chat/completions", json=chat(model=model, stream=True)) as reply:
                next(reply.iter_raw())
        else:
            leave_when_called(url, chat(model=model), own.cheap)
        assert way == "no usage" or own.cheap.left.wait(5)
    with Budget(1, store=tmp_path / "b.db") as budget:
        assert budget.reserved_usd == 0
        assert budget.spent_usd == pytest.approx(float(router.estimate(QUESTION, CHEAP).cost_usd_p90[0]), rel=1e-3)


def test_a_client_that_does_not_want_the_usage_does_not_get_around_the_budget(own, tmp_path):
    from scope_edge import Budget

    with own.start('[budget]\nusd = 1\nstore = "b.db"') as url:
        body = chat(model=CHEAP, stream=True, stream_options={"include_usage": False})
        assert "usage" not in httpx.post(f"{url}/chat/completions", json=body).text
    assert own.cheap.requests[0]["stream_options"] == {"include_usage": True}
    with Budget(1, store=tmp_path / "b.db") as budget:
        price = next(card.price for card in Router.load().cards if card.model == CHEAP)
        paid = (
            USAGE["prompt_tokens"] * price.input_usd_per_mtok + USAGE["completion_tokens"] * price.output_usd_per_mtok
        )
        assert budget.spent_usd == pytest.approx(paid / 1e6)


def test_without_money_nobody_is_called(own):
    with own.start('[budget]\nusd = 0.0000001\nper = "day"') as url:
        for model in ("scope", "scope-0.7", DEAR):
            reply = httpx.post(f"{url}/chat/completions", json=chat(model=model))
            if model == "scope":
                assert (reply.status_code, error_of(reply)["code"]) == (429, "insufficient_quota")
                assert 0 < int(reply.headers["retry-after"]) <= 86_400
                assert not own.cheap.requests
        # One call has spent it all.
        assert reply.status_code == 429
        assert len(own.cheap.requests) + len(own.dear.requests) == 1


# The other endpoints


def test_models_are_listed(client):
    assert [model.id for model in client.models.list()] == ["scope", CHEAP, DEAR, STRANGER]


def test_a_decision_without_a_call(post, proxy, router: Router):
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    body = chat([{"type": "text", "text": QUESTION}, image], "scope-0.7")
    answer = post(body, "/route").json()
    expected = router.route(QUESTION, alpha=0.7, models=[CHEAP, DEAR])
    assert (answer["model"], answer["met"], answer["reason"]) == (expected.model, True, expected.reason)
    assert answer["p_correct"] == expected.p_correct
    assert answer["unread_parts"] == {"image_url": 1}
    assert {row["model"] for row in answer["estimates"]} == {CHEAP, DEAR}
    assert not proxy.cheap.requests
    assert error_of(post(chat(model=CHEAP), "/route"))["code"] == "not_routed"


def test_feedback_is_learned(own):
    with own.start('[journal]\npath = "journal.db"') as url:
        before = httpx.post(f"{url}/route", json=chat()).json()
        told = {"messages": chat()["messages"], "model": before["model"], "score": 0, "output_tokens": 30}
        for _ in range(10):
            assert httpx.post(f"{url}/feedback", json=told).json() == {"recorded": True}
        after = httpx.post(f"{url}/route", json=chat()).json()
        p_of = [{row["model"]: row["p_correct"] for row in answer["estimates"]} for answer in (before, after)]
        assert p_of[1][before["model"]] < p_of[0][before["model"]]
        for wrong in ({"score": 2}, {"model": "nobody"}, {"score": None, "output_tokens": None}, {"messages": []}):
            reply = httpx.post(f"{url}/feedback", json=told | wrong)
            assert reply.status_code in (400, 404)
            error_of(reply)


def test_metrics_count(own):
    own.cheap.mode = 500
    with own.start() as url:
        httpx.post(f"{url}/chat/completions", json=chat())
        httpx.post(f"{url}/chat/completions", json=chat("", "scope"))
        metrics = spent(url)
    assert metrics['scope_requests_total{status="200"}'] == 1
    assert metrics['scope_requests_total{status="400"}'] == 1
    assert metrics[f'scope_upstream_failures_total{{model="{CHEAP}",reason="500"}}'] == 1
    assert metrics[f'scope_calls_total{{model="{DEAR}"}}'] == 1
    assert metrics[f'scope_tokens_total{{kind="output",model="{DEAR}"}}'] == USAGE["completion_tokens"]
    assert metrics["scope_requests_in_flight"] == 0
    assert metrics["scope_routing_seconds_count"] == 1


def test_neither_keys_nor_prompts_are_told(own, caplog):
    caplog.set_level(logging.DEBUG)
    prompt, said = "open-sesame-4711", []
    change = lambda text: text.replace("timeout_s", 'api_key_env = "MODEL_KEY"\ntimeout_s')  # noqa: E731
    with own.start(SECURED, environ={"PROXY_KEY": KEY, "MODEL_KEY": MODEL_KEY}, change=change) as url:
        headers = {"Authorization": f"Bearer {KEY}"}
        for modes in (
            (500, 500),
            (401, 401),
            (429, 429),
            ("malformed", "cut early"),
            ("refuse", "hang"),
            ("echo error", "ok"),
        ):
            own.cheap.mode, own.dear.mode = modes
            for body in (
                chat(prompt),
                chat(prompt, "scope-9"),
                chat(prompt, messages=[prompt]),
                chat(prompt, stream=True),
            ):
                said.append(httpx.post(f"{url}/chat/completions", json=body, headers=headers))
        said.append(httpx.get(url.removesuffix("/v1") + "/metrics", headers=headers))
    for text in (*(reply.text + str(reply.headers) for reply in said if "echo" not in reply.text), caplog.text):
        assert prompt not in text
        assert KEY not in text
        assert MODEL_KEY not in text
    assert f"{CHEAP} failed: 500" in caplog.text


def test_a_fault_of_our_own_is_told_in_openais_form_and_without_what_it_says(proxy, monkeypatch, caplog):
    secret = "sesame-4711"

    def break_down(*_):
        raise ValueError(secret)

    monkeypatch.setattr("scope_edge.serve.choosing.Chooser.estimate", break_down)
    for path in ("chat/completions", "route"):
        reply = httpx.post(f"{proxy.url}/{path}", json=chat())
        assert (reply.status_code, error_of(reply)["code"]) == (500, "internal_error")
        assert secret not in reply.text
    assert "Unexpected ValueError" in caplog.text
    assert "break_down" in caplog.text
    assert secret not in caplog.text


# Streams, byte by byte

EVENT = st.sampled_from(
    [b'data: {"choices": [{"delta": {"content": "a \\"usage\\": {} b"}}]}', b": ping", b"data: [DONE]",
     b'data: {"choices": [{}], "usage": null}', b'event: x\ndata: {"choices": [{}], "usage": {"prompt_tokens": 3}}']
)  # fmt: skip
USAGE_EVENT = b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}'


@given(
    events=st.lists(EVENT, max_size=6), at=st.integers(0, 6), cuts=st.lists(st.integers(0, 600), max_size=8),
    end=st.sampled_from([b"\n\n", b"\r\n\r\n"]), hides=st.booleans(),
)  # fmt: skip
def test_a_stream_is_passed_on_byte_for_byte_but_for_the_usage(events, at, cuts, end, hides):
    whole = [*events[:at], USAGE_EVENT, *events[at:]]
    data = b"".join(event + end for event in whole)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    stream = EventStream(hides)
    passed = b"".join(stream.feed(data[begin:stop]) for begin, stop in pairwise(bounds))
    passed += stream.finish()
    assert passed == b"".join(event + end for event in (events if hides else whole))
    assert stream.usage is not None


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"\n\n", b'"usage": {', b"data: "]), max_size=12))
def test_whatever_comes_is_passed_on(chunks):
    stream = EventStream(False)
    assert b"".join([*(stream.feed(chunk) for chunk in chunks), stream.finish()]) == b"".join(chunks)


# The command


def test_the_command_checks_a_configuration(tmp_path):
    text = toml(cheap="http://127.0.0.1:9/v1", stranger="http://127.0.0.1:9/v1")
    (tmp_path / "scope.toml").write_text(text, encoding="utf-8")
    run = run_cli("serve", "--config", str(tmp_path / "scope.toml"), "--check", "--json")
    assert json.loads(run.stdout) == {
        "candidates": [CHEAP], "by_name_only": [STRANGER], "fallbacks": 2, "budget": None, "key_required": False,
    }  # fmt: skip
    run = run_cli("serve", "--config", str(tmp_path / "scope.toml"), "--host", "0.0.0.0", "--check")
    assert run.returncode == 2
    assert b"no key" in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_the_command_names_the_extra_that_is_missing():
    code = "import sys; sys.modules['aiohttp'] = None; from scope_edge.cli import main; main()"
    run = run_python(code, "serve", "--config", "scope.toml")
    assert run.returncode == 2
    assert b"needs the package 'aiohttp'" in run.stderr
    assert b"scope-edge[serve]" in run.stderr


def test_nobody_else_pays_for_the_proxy():
    code = "import sys, scope_edge.cli; from scope_edge import Router; Router.load().route('hi'); print(*sys.modules)"
    loaded = run_python(code).stdout.decode().split()
    assert "scope_edge.router" in loaded
    assert not [name for name in loaded if name.startswith(("scope_edge.serve", "aiohttp", "starlette", "uvicorn"))]


def test_the_command_serves_until_it_is_told_to_stop(tmp_path):
    upstream = FakeUpstream()
    with running(upstream):
        (tmp_path / "scope.toml").write_text(toml(cheap=upstream), encoding="utf-8")
        code = ["-c", "from scope_edge.cli import main; main()", "serve", "--port", "0", "--json", "--config"]
        with subprocess.Popen(
            [sys.executable, *code, str(tmp_path / "scope.toml")], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            lines = []
            while not lines or lines[-1] != "}\n":
                lines.append(process.stdout.readline())
                assert lines[-1], "it ended"
            url = json.loads("".join(lines))["url"]
            assert httpx.post(f"{url}/chat/completions", json=chat()).status_code == 200
            process.send_signal(signal.SIGTERM)
            process.wait(20)
