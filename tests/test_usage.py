"""What a call has used, and what that costs: one rule for the proxy and for what asks an endpoint itself."""

from __future__ import annotations

import json
import math

import pytest

from scope_edge import Price
from scope_edge.endpoint.reply import Answer, Reply
from scope_edge.endpoint.usage import Usage
from scope_edge.serve.usage import EventStream

REASONED = {"prompt_tokens": 100, "completion_tokens": 1000, "completion_tokens_details": {"reasoning_tokens": 800}}


@pytest.mark.parametrize(
    ("price", "counts", "usd_per_million"),
    [
        (Price(1, 10), (100, 1000, 50, 800), 100 + 10_000),
        (Price(1, 10, 0.5), (100, 1000, 50, 800), 50 + 25 + 10_000),
        (Price(1, 10, None, 2), (100, 1000, 50, 800), 100 + 2000 + 1600),
        (Price(1, 10, 0, 0), (100, 1000, 50, 800), 50 + 2000),
        (Price(1, 10, 0.5, 2), (100, 1000, 500, 8000), 50 + 2000),
        (Price(0, 0), (100, 1000, 0, 0), 0),
    ],
)
def test_cached_and_reasoning_tokens_cost_what_is_stated_for_them(price, counts, usd_per_million):
    given, output, cached, reasoning = counts
    cost_usd = price.cost_usd(given, output, cached=cached, reasoning=reasoning)
    assert cost_usd == pytest.approx(usd_per_million / 1e6)
    assert Usage(*counts).cost_usd(price) == cost_usd


def test_the_proxy_counts_what_an_endpoint_reports():
    price = Price(1, 10, None, 2)
    chunk = {"choices": [{"delta": {"content": "42"}, "finish_reason": "stop"}], "usage": REASONED}
    stream, reply = EventStream(hide_usage=False), Reply()
    stream.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    reply.take(chunk)
    answer = reply.close(price, None, 1.0)
    assert isinstance(answer, Answer)
    assert stream.usage == Usage(100, 1000, None, 800)
    assert stream.usage.cost_usd(price) == answer.cost_usd == pytest.approx(0.0037)


@pytest.mark.parametrize("count", [None, -1, True, "7", math.nan, math.inf, 10**400, [7]])
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens"])
def test_usage_that_makes_no_sense_is_none(count, name):
    assert Usage.of({**REASONED, name: count}) is None


@pytest.mark.parametrize("details", [None, 7, [], {}, {"reasoning_tokens": -1}, {"reasoning_tokens": math.nan}])
def test_details_that_make_no_sense_are_unknown(details):
    assert Usage.of({**REASONED, "completion_tokens_details": details}) == Usage(100, 1000)


@pytest.mark.parametrize("usage", [None, 7, "7", [], {}])
def test_no_usage_is_none(usage):
    assert Usage.of(usage) is None
