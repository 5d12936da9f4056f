from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import run_python

from scope_edge.errors import PromptError

# --- prompts ---


@pytest.mark.parametrize("unit", ["lorem ipsum dolor ", "x", "東京", "\n", "a\x00"])
def test_a_prompt_of_a_megabyte_routes(router, unit):
    prompt = "Read this:" + unit * (2**20 // len(unit)) + "Done?"
    decision = router.route(prompt)
    assert decision.model in router.models
    assert np.isfinite(decision.estimates.cost_usd).all()


STRANGE = ["\x00", "a\x00b", "\x00" * 99, "\x7f\x1b[31m", "\ufeff", "\U0010ffff", "\u202e", "\u0301"]


@pytest.mark.parametrize("prompt", STRANGE)
def test_a_strange_but_valid_prompt_routes(router, prompt):
    assert router.route(prompt).model in router.models


@given(prompt=st.text(min_size=1, max_size=60))
@settings(max_examples=40)
def test_any_text_gives_finite_estimates_or_a_prompt_error(router, prompt):
    if not prompt.strip() or any("\ud800" <= letter <= "\udfff" for letter in prompt):
        with pytest.raises(PromptError):
            router.estimate(prompt)
    else:
        estimates = router.estimate(prompt)
        assert np.isfinite(estimates.p_correct).all()
        assert np.isfinite(estimates.cost_usd).all()


BAD_PROMPTS = ["", " ", "\n\t\u2003", None, 3, b"bytes", ["hi"], "half \ud83d a pair", "\udcff"]


@pytest.mark.parametrize("prompt", BAD_PROMPTS)
def test_what_is_no_prompt_is_refused(router, prompt):
    for ask in (router.estimate, router.route):
        with pytest.raises(PromptError):
            ask(prompt)
    for ask in (router.estimate_batch, router.route_batch):
        with pytest.raises(PromptError):
            ask(["fine", prompt])


def test_a_lone_surrogate_is_located(router):
    with pytest.raises(PromptError, match="character 5"):
        router.route("half \ud83d a pair")


# --- no home ---

_AT_HOME_NOWHERE = """
from scope_edge import Router, jit
router = Router.load()
cold = router.route("What is 2 + 2?")
router.warmup()
warm = router.route("What is 2 + 2?")
print(jit.kernels().compiled, (cold.model, cold.p_correct) == (warm.model, warm.p_correct))
"""
_NO_CACHE = """
import tempfile
from numba.core.caching import _CacheLocator
ensure = _CacheLocator.ensure_cache_path
def ensure_or_refuse(self):
    if not self.get_cache_path().startswith(tempfile.gettempdir()):
        raise OSError("read-only file system")
    ensure(self)
_CacheLocator.ensure_cache_path = ensure_or_refuse
"""


@pytest.mark.parametrize("home", ["/nonexistent", "/dev/null"])
def test_no_home_is_needed(home):
    env = {"HOME": home, "NUMBA_CACHE_DIR": None, "NUMBA_DISABLE_JIT": None, "XDG_CACHE_HOME": None}
    run = run_python(_AT_HOME_NOWHERE, env=env)
    assert run.stdout.split() == [b"True", b"True"], run.stderr.decode()


def test_kernels_compile_where_no_cache_can_be_kept(tmp_path):
    env = {"HOME": "/nonexistent", "NUMBA_CACHE_DIR": None, "NUMBA_DISABLE_JIT": None, "TMPDIR": str(tmp_path)}
    run = run_python(_NO_CACHE + _AT_HOME_NOWHERE, env=env)
    assert run.stdout.split() == [b"True", b"True"], run.stderr.decode()
    assert [name for name in os.listdir(tmp_path) if name.startswith("scope-edge")] == []


def test_a_decision_leaves_nothing_on_the_disk(tmp_path):
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    # onnxruntime keeps its telemetry off where it sees a CI; users have none.
    quiet = dict.fromkeys(["CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME"])
    env = {**quiet, "HOME": str(home), "TMPDIR": str(scratch), "NUMBA_CACHE_DIR": None}
    run = run_python("from scope_edge import Router; print(Router.load().route('hi').model)", env=env)
    assert run.returncode == 0, run.stderr.decode()
    assert [*home.rglob("*"), *scratch.rglob("*")] == []
