# ruff: noqa: E402 - what follows the first lines needs the extra
"""Whatever is sent to the proxy, it answers in OpenAI's form, without an error of its own making."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

for _package in ("aiohttp", "prometheus_client", "starlette", "uvicorn"):
    pytest.importorskip(_package, reason=f"the proxy needs the extra 'serve': {_package} is not installed")
httpx = pytest.importorskip("httpx", reason="tests of the proxy ask it with httpx")

from proxies import CHEAP, DEAR, proxied, toml
from upstreams import FakeUpstream, running

KEY, SECRET = "sk-proxy-9c1e", "sesame-6600"
PATHS = ("chat/completions", "route", "feedback")
fuzzed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    upstream = FakeUpstream()
    with running(upstream):
        text = toml('[server]\napi_key_env = "PROXY_KEY"\nmax_request_bytes = 5000', cheap=upstream, dear=upstream)
        environ = {"PROXY_KEY": KEY}
        with (
            proxied(tmp_path_factory.mktemp("fuzz"), text, environ) as url,
            httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as client,
        ):
            yield client


def check(reply) -> None:
    """Answered, or refused in OpenAI's form without repeating what was said."""
    assert reply.status_code < 500, reply.text
    assert KEY not in reply.text
    if reply.status_code != 200:
        assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
        assert SECRET not in reply.text + str(reply.headers)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters(), max_size=10) | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
NAMES = ["scope", CHEAP, DEAR, "scope-0.7", "scope:cheap>=0.9", "scope:best<=0.1", "scope-\u0667", "scope-1e9", "SCOPE"]
MODEL = st.sampled_from(NAMES) | st.text(st.characters(), max_size=20)
PART = st.fixed_dictionaries({"type": st.sampled_from(["text", "image_url", SECRET]) | JSON}, optional={"text": JSON})
CONTENT = st.text(st.characters(), max_size=40) | st.lists(PART, max_size=3)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool"]) | JSON, "content": CONTENT | JSON},
    optional={"tool_calls": JSON},
)
REQUEST = st.fixed_dictionaries(
    {"model": MODEL, "messages": st.lists(MESSAGE, max_size=4)},
    optional={
        "stream": st.booleans() | JSON,
        "stream_options": JSON,
        "tools": JSON,
        "score": JSON,
        "output_tokens": JSON,
    },
)


@fuzzed
@given(path=st.sampled_from(PATHS), body=REQUEST)
def test_any_request_of_the_right_shape(client, path, body):
    check(client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"}))


ANY = st.fixed_dictionaries({}, optional={"model": MODEL, "messages": JSON, "tools": JSON, "score": JSON, "x": JSON})


@fuzzed
@given(path=st.sampled_from(PATHS), body=ANY | JSON)
def test_any_json(client, path, body):
    check(client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"}))


@fuzzed
@given(path=st.sampled_from(PATHS), body=st.binary(max_size=200) | st.binary(min_size=5001, max_size=6000))
def test_any_bytes(client, path, body):
    check(client.post(path, content=body, headers={"Content-Type": "application/json"}))


VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=30)
HEADERS = ["content-type", "authorization", "accept", "accept-encoding", "origin", "x-scope-model", "expect", "cookie",
           "range", "x-http-method-override", "traceparent"]  # fmt: skip


@fuzzed
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"]),
    path=st.sampled_from([*PATHS, "models", "", "..", "chat%2Fcompletions", "models?x=%00", "%ff"]),
    headers=st.dictionaries(st.sampled_from(HEADERS), VALUE, max_size=4),
)
def test_any_headers_and_methods(client, method, path, headers):
    sent = [(name, value.encode("latin-1")) for name, value in headers.items()]
    body = json.dumps({"model": "scope", "messages": [{"role": "user", "content": SECRET}]})
    reply = client.request(method, path, headers=sent, content=body)
    assert reply.status_code < 500
    if reply.status_code >= 400 and method != "HEAD":
        check(reply)
