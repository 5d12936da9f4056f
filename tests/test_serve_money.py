"""The proxy's money: what is given back where nothing was answered, and when to come again."""

# ruff: noqa: E402 - what follows the first lines needs the extra
from __future__ import annotations

import logging
import time

import pytest

for _package in ("aiohttp", "prometheus_client", "starlette", "uvicorn"):
    pytest.importorskip(_package, reason=f"the proxy needs the extra 'serve': {_package} is not installed")
httpx = pytest.importorskip("httpx", reason="tests of the proxy ask it with httpx")

from proxies import CHEAP, proxied, toml
from upstreams import FakeUpstream, running

from scope_edge import Budget

ASKED = {"model": "scope", "messages": [{"role": "user", "content": "What is 17 * 23?"}]}
DAY = 86_400


@pytest.fixture
def upstream():
    upstream = FakeUpstream()
    with running(upstream):
        yield upstream


def test_what_was_reserved_for_a_request_that_the_model_refuses_is_given_back(upstream, tmp_path):
    upstream.mode = 400
    with proxied(tmp_path, toml('[budget]\nusd = 1\nstore = "b.db"', cheap=upstream)) as url:
        assert httpx.post(f"{url}/chat/completions", json=ASKED).status_code == 400
    assert len(upstream.requests) == 1
    with Budget(1, store=tmp_path / "b.db") as budget:
        assert (budget.calls, budget.reserved_usd, budget.spent_usd, budget.open_calls()) == (1, 0, 0, [])


def test_without_money_the_client_is_told_to_come_again_when_the_next_day_begins(upstream, tmp_path):
    with proxied(tmp_path, toml('[budget]\nusd = 0.0000001\nper = "day"', cheap=upstream)) as url:
        reply = httpx.post(f"{url}/chat/completions", json=ASKED)
    again_s = time.time() + int(reply.headers["retry-after"])
    assert abs((again_s + DAY / 2) % DAY - DAY / 2) < 10  # from a midnight


@pytest.mark.parametrize(("said", "seconds"), [("30", 30), ("59", 59), ("99999", 60)])
def test_a_model_rests_for_as_long_as_it_says_up_to_a_minute(upstream, tmp_path, caplog, said, seconds):
    caplog.set_level(logging.WARNING)
    upstream.mode, upstream.retry_after = 429, said
    with proxied(tmp_path, toml(cheap=upstream)) as url:
        reply = httpx.post(f"{url}/chat/completions", json=ASKED)
    assert (reply.status_code, reply.headers["retry-after"]) == (429, said)
    assert f"{CHEAP} failed: 429, and rests for {seconds} s" in caplog.text


@pytest.mark.parametrize("said", ["999999", "-5", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", ""])
def test_a_wait_that_is_no_number_of_seconds_is_one_second(upstream, tmp_path, said):
    upstream.mode, upstream.retry_after = 429, said
    with proxied(tmp_path, toml(cheap=upstream)) as url:
        assert httpx.post(f"{url}/chat/completions", json=ASKED).headers["retry-after"] == "1"
