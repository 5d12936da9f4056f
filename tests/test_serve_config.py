"""What scope-edge serve reads, and refuses."""

# ruff: noqa: E402 - what follows the first lines needs the extra
from __future__ import annotations

import re
from pathlib import Path

import pytest

for _package in ("aiohttp", "prometheus_client", "starlette", "uvicorn"):
    pytest.importorskip(_package, reason=f"the proxy needs the extra 'serve': {_package} is not installed")

from scope_edge import Best, Cheapest, Price, Router, Tradeoff
from scope_edge.errors import ConfigError, PriceError, ScopeEdgeError
from scope_edge.serve.choosing import Chooser
from scope_edge.serve.config import _Table, read_config
from scope_edge.serve.server import check_host

ROOT = Path(__file__).parents[1]
UPSTREAM = '[[upstream]]\nmodel = "qwen2.5-32b-instruct"\nbase_url = "http://127.0.0.1:1/v1"\n'
KEYS = {"MODEL_KEY": "sk-of-the-model", "PROXY_KEY": "sk-of-the-proxy"}


@pytest.fixture
def read(tmp_path):
    def read(text: str, environ=KEYS):
        path = tmp_path / "scope.toml"
        path.write_text(text, encoding="utf-8")
        return read_config(path, environ)

    return read


def test_what_is_left_out_has_a_default(read):
    config = read(UPSTREAM)
    (upstream,) = config.upstreams
    assert upstream.url == "http://127.0.0.1:1/v1/chat/completions"
    assert upstream.upstream_model == upstream.model
    assert (upstream.api_key, upstream.price, upstream.stream_usage) == (None, None, True)
    assert config.policy == Tradeoff()
    assert (config.fallbacks, config.budget, config.bundle, config.journal, config.api_key) == (
        2,
        None,
        None,
        None,
        None,
    )


def test_every_key_is_read(read, tmp_path):
    config = read(
        '[server]\napi_key_env = "PROXY_KEY"\nmax_request_bytes = 1000\nmax_concurrency = 3\n'
        "[policy]\nmin_accuracy = 0.7\nmax_cost_usd = 0.01\nfallback = 0\ncooldown_s = 2.5\n"
        '[budget]\nusd = 5\nper = "day"\nstore = "budget.db"\nexpected_calls = 100\n'
        '[bundle]\npath = "my-bundle"\n[journal]\npath = "/elsewhere/journal.db"\n'
        + UPSTREAM
        + 'upstream_model = "qwen/qwen-2.5"\napi_key_env = "MODEL_KEY"\ninput_usd_per_mtok = 1\n'
        "output_usd_per_mtok = 2\ncached_input_usd_per_mtok = 0.5\nreasoning_usd_per_mtok = 1.5\ntimeout_s = 3\n"
        "max_concurrency = 4\nstream_usage = false\n"
    )
    (upstream,) = config.upstreams
    assert upstream.price == Price(1, 2, 0.5, 1.5)
    assert (upstream.upstream_model, upstream.api_key) == ("qwen/qwen-2.5", "sk-of-the-model")
    assert (upstream.timeout_s, upstream.max_concurrency, upstream.stream_usage) == (3, 4, False)
    assert (config.api_key, config.max_request_bytes, config.max_concurrency) == ("sk-of-the-proxy", 1000, 3)
    assert config.budget is not None
    assert (config.budget.usd, config.budget.per, config.budget.expected_calls) == (5, "day", 100)
    assert config.budget.store == tmp_path / "budget.db"
    assert (config.bundle, config.journal) == (tmp_path / "my-bundle", Path("/elsewhere/journal.db"))
    assert (config.policy.min_accuracy, config.policy.max_cost_usd, config.fallbacks) == (0.7, 0.01, 0)
    assert config.cooldown_s == 2.5
    for key in KEYS.values():
        assert key not in repr(config)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("alpha = 0.3", Tradeoff(0.3)),
        ("value_usd = 0.01\nmin_accuracy = 0.5", Tradeoff(None, 0.01, min_accuracy=0.5)),
        ("min_accuracy = 0.8\nmax_cost_usd = 1", Cheapest(0.8, max_cost_usd=1)),
        ("max_cost_usd = 0.002", Best(0.002)),
    ],
)
def test_the_policy_is_as_in_route(read, policy, expected):
    assert read(f"[policy]\n{policy}\n{UPSTREAM}").policy == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no [[upstream]]"),
        ("[[upstream]]\nbase_url = 'http://a'", "no model, expected printable text"),
        (
            "[[upstream]]\nmodle = 'a'\nbase_url = 'http://a'",
            "no model, expected printable text, got an unknown key 'modle'",
        ),
        ("[[upstream]]\nmodel = 'a'", "[[upstream]] a: no base_url"),
        (UPSTREAM + "api_key_env = 'NOT_SET'", "api_key_env names is not set"),
        (UPSTREAM + "api_key = 'sk-x'", "unknown key 'api_key'. Did you mean api_key_env?"),
        (UPSTREAM + "timeout = 3", "unknown key 'timeout'. Did you mean timeout_s?"),
        (UPSTREAM + "timeout_s = 0", "bad timeout_s, expected a number above 0"),
        (UPSTREAM + "timeout_s = nan", "bad timeout_s"),
        (UPSTREAM + "timeout_s = '3'", "bad timeout_s"),
        (UPSTREAM + "max_concurrency = 0.5", "bad max_concurrency"),
        (UPSTREAM + "max_concurrency = true", "bad max_concurrency"),
        (UPSTREAM + "stream_usage = 1", "bad stream_usage"),
        (UPSTREAM + "upstream_model = ''", "bad upstream_model"),
        (UPSTREAM + UPSTREAM, "two [[upstream]]"),
        ("[[upstream]]\nmodel = 'scope'\nbase_url = 'http://a'", "No model can be named 'scope'"),
        ("[[upstream]]\nmodel = 'scope-9'\nbase_url = 'http://a'", "No model can be named"),
        ("[[upstream]]\nmodel = 'scope:x'\nbase_url = 'http://a'", "No model can be named"),
        (UPSTREAM.replace("http:", "ftp:"), "bad base_url"),
        (UPSTREAM.replace("127.0.0.1", "user:word@127.0.0.1"), "bad base_url"),
        (UPSTREAM.replace(":1/", ":99999999/"), "bad base_url"),
        (UPSTREAM.replace("/v1", "/v1?key=word"), "bad base_url"),
        ("[policy]\nalhpa = 1\n" + UPSTREAM, "[policy] has an unknown key 'alhpa'. Did you mean alpha?"),
        ("[policy]\nalpha = 2\n" + UPSTREAM, "[policy]: Bad alpha"),
        ("[policy]\nalpha = 0.5\nvalue_usd = 1\n" + UPSTREAM, "exclude each other"),
        ("[policy]\nalpha = 0.5\n[budget]\nusd = 1\n" + UPSTREAM, "A budget and a dial exclude each other"),
        ("[policy]\nfallback = -1\n" + UPSTREAM, "bad fallback"),
        ("[policy]\ncooldown_s = -1\n" + UPSTREAM, "bad cooldown_s"),
        ("[budget]\nper = 'day'\n" + UPSTREAM, "[budget]: no usd"),
        ("[budget]\n" + UPSTREAM, "[budget]: no usd"),
        ("[budget]\nusd = 1\nper = 'week'\n" + UPSTREAM, "Bad per"),
        ("[polcy]\n" + UPSTREAM, "unknown key 'polcy'. Did you mean policy?"),
        ("policy = 3\n" + UPSTREAM, "bad policy, expected a table"),
        ("upstream = 3", "bad upstream"),
        ("[server", "is not TOML"),
    ],
)
def test_a_slip_is_named(read, text, words):
    with pytest.raises(ConfigError) as error:
        read(text)
    assert words in str(error.value)
    assert "word@" not in str(error.value)
    assert "=word" not in str(error.value)


def test_a_key_in_place_of_its_variable_is_not_shown(read):
    with pytest.raises(ConfigError) as error:
        read(UPSTREAM + "api_key_env = 'sk-live-123'")
    assert "sk-live" not in str(error.value)


@pytest.mark.parametrize("prices", ["input_usd_per_mtok = 1", "input_usd_per_mtok = -1\noutput_usd_per_mtok = 1"])
def test_half_a_price_is_none(read, prices):
    with pytest.raises(PriceError, match=r"qwen2\.5-32b-instruct"):
        read(UPSTREAM + prices)


def test_no_file_is_told(tmp_path):
    with pytest.raises(ConfigError, match="Cannot read"):
        read_config(tmp_path / "none.toml", {})
    (tmp_path / "latin.toml").write_bytes(b"# \xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_config(tmp_path / "latin.toml", {})


def test_a_byte_order_mark_is_passed_over(tmp_path):
    path = tmp_path / "scope.toml"
    path.write_text(UPSTREAM.replace("\n", "\r\n"), encoding="utf-8-sig", newline="")
    assert read_config(path, {}).upstreams[0].model == "qwen2.5-32b-instruct"


def test_a_model_that_nobody_prices_is_refused(read):
    stranger = UPSTREAM.replace("qwen2.5-32b-instruct", "acme/unheard-of")
    with pytest.raises(PriceError, match=r"acme/unheard-of.*explicit 0"):
        Chooser(read(UPSTREAM + stranger))
    free = "input_usd_per_mtok = 0\noutput_usd_per_mtok = 0\n"
    chooser = Chooser(read(UPSTREAM + stranger + free))
    assert chooser.candidates == ["qwen2.5-32b-instruct"]
    with pytest.raises(ConfigError, match="None of the models has a fingerprint"):
        Chooser(read(stranger + free))


def test_a_stated_price_goes_before_the_bundles(read):
    request = {"messages": [{"role": "user", "content": "What is 17 * 23?"}]}
    usual, _ = Chooser(read(UPSTREAM)).estimate(request)
    dear, _ = Chooser(read(UPSTREAM + "input_usd_per_mtok = 100\noutput_usd_per_mtok = 100\n")).estimate(request)
    assert dear.cost_usd[0] > 100 * usual.cost_usd[0]
    assert dear.p_correct[0] == usual.p_correct[0]


def test_what_is_sent_beside_the_prompt_costs(read):
    chooser = Chooser(read(UPSTREAM))
    question = {"role": "user", "content": "What is 17 * 23?"}
    alone, _ = chooser.estimate({"messages": [question]})
    after, _ = chooser.estimate({"messages": [{"role": "system", "content": "x" * 40_000}, question]})
    assert after.input_tokens[0] > alone.input_tokens[0] + 8000
    assert after.cost_usd[0] > alone.cost_usd[0]
    assert after.p_correct[0] == alone.p_correct[0]


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.9.9.9", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.2", False), ("", False), ("example.com", False), ("localhost.example.com", False)],
)  # fmt: skip
def test_nobody_else_gets_in_without_a_key(read, host, local):
    check_host(read('[server]\napi_key_env = "PROXY_KEY"\n' + UPSTREAM), host)
    if local:
        check_host(read(UPSTREAM), host)
    else:
        with pytest.raises(ConfigError, match="no key"):
            check_host(read(UPSTREAM), host)


def test_the_example_is_a_configuration():
    path = ROOT / "examples" / "proxy" / "scope.toml"
    if not path.exists():
        pytest.skip("examples/ is not beside the tests")
    config = read_config(path, {"OPENROUTER_API_KEY": "sk-1"})
    chooser = Chooser(config)
    assert chooser.candidates == [upstream.model for upstream in config.upstreams]


def test_the_pages_configurations_are_read(tmp_path, monkeypatch):
    page = ROOT / "docs" / "proxy.md"
    if not page.exists():
        pytest.skip("docs/ is not beside the tests")
    known: set[str] = set()
    take = _Table.take
    monkeypatch.setattr(_Table, "take", lambda table, key: (known.add(key), take(table, key))[1])
    blocks = re.findall(r"^```toml\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    for block in blocks:
        (tmp_path / "scope.toml").write_text(block, encoding="utf-8")
        config = read_config(tmp_path / "scope.toml", dict.fromkeys(("SCOPE_EDGE_KEY", "OPENROUTER_API_KEY"), "sk-1"))
        assert config.upstreams[0].model in Router.load().models
    # And none is missing there; value_usd stands in a comment, for it excludes alpha.
    said = set(re.findall(r"\b([a-z_]+) =|^\[+([a-z]+)\]", "\n".join(blocks), re.MULTILINE))
    assert known == {name for names in said for name in names if name}


def test_every_error_is_one_of_ours():
    assert issubclass(ConfigError, ScopeEdgeError)


@pytest.mark.parametrize(("said", "tried"), [("true", 2), ("false", 0), ("5", 5)])
def test_fallback_may_be_switched_off_and_on(read, said, tried):
    assert read(f"[policy]\nfallback = {said}\n{UPSTREAM}").fallbacks == tried
