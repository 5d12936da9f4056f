"""LiteLLM's own router, with scope-edge as its routing strategy; see litellm_scenario.py for what is done."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from processes import run_python
from proxies import CHEAP, DEAR, STRANGER

from scope_edge import Router

if find_spec("litellm") is None:
    pytest.skip("LiteLLM needs the extra 'litellm': litellm is not installed", allow_module_level=True)

QUESTION = "What is 17 * 23?"
ANSWER = f"echo of {QUESTION}"


@pytest.fixture(scope="module")
def seen():
    here = str(Path(__file__).parent)
    code = "import runpy, sys; sys.path.insert(0, sys.argv[1]); runpy.run_module('litellm_scenario')"
    run = run_python(code, here)
    assert run.returncode == 0, run.stderr.decode()[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


def test_the_strategy_chooses(seen, router: Router):
    assert router.route(QUESTION, models=[CHEAP, DEAR]).model == CHEAP
    for way in ("sync", "async", "stream"):
        assert seen[way] == [ANSWER, [CHEAP]], way


def test_where_a_deployment_fails_the_next_best_answers(seen):
    assert seen["fallback"] == seen["async fallback"] == [ANSWER, [CHEAP, "my-gpt"]]


def test_other_models_are_left_alone(seen):
    assert seen["named"] == [ANSWER, [STRANGER]]
    assert seen["nobody"] == "UnknownModelError"


def test_the_hook_names_the_model(seen, router: Router):
    for model, alpha in (("scope", 0.5), ("scope-1", 1)):
        expected = router.route(QUESTION, alpha=alpha, models=[CHEAP, DEAR])
        hooked = seen["hooked"][model]
        assert hooked["model"] == expected.model
        assert hooked["metadata"]["a"] == 1
        assert hooked["metadata"]["scope"]["p_correct"] == pytest.approx(expected.p_correct, abs=1e-6)
    question = [{"role": "user", "content": QUESTION}]
    assert seen["not hooked"] == [
        {"model": DEAR, "messages": question}, {"model": "scope", "input": "x"}, {"messages": question},
    ]  # fmt: skip


def test_what_the_hook_does_not_know_is_refused(seen):
    assert seen["hook refuses"] == "UsageError"
    assert seen["hook without models"] == "UnknownModelError"
