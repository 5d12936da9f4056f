"""The twin of `route` for event loops: the same decisions, and a loop that runs on."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import numpy as np
import pytest

from scope_edge import Budget, Decision, Router, Tradeoff, jit
from scope_edge.errors import PromptError, UnknownModelError, UsageError
from scope_edge.estimator import Estimates

PROMPTS = ["What is 17 * 23?", "Prove that the square root of 2 is irrational.", "Übersetze: guten Morgen " * 6_000]
ASKED = [{}, {"alpha": 0.9}, {"value_usd": 0.02}, {"min_accuracy": 0.8, "risk": 0.2}, {"max_cost_usd": 1e-4}]


class Watched(Tradeoff):
    """A policy that notes which thread decides."""

    threads: list[threading.Thread]

    def decide(self, estimates: Estimates) -> Decision:
        self.threads.append(threading.current_thread())
        return super().decide(estimates)


@pytest.fixture
def watched() -> Watched:
    policy = Watched(0.5)
    object.__setattr__(policy, "threads", [])
    return policy


@pytest.fixture(params=[True, False], ids=["compiled", "plain"])
def compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the kernels are said to be compiled; they compute the same."""
    pretended = replace(jit.kernels(), compiled=request.param)
    monkeypatch.setattr(jit, "kernels", lambda: pretended)
    return bool(request.param)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_it_decides_as_route_does(router: Router, asked: dict[str, float]) -> None:
    async def decide() -> list[Decision]:
        return await asyncio.gather(*(router.aroute(prompt, **asked) for prompt in PROMPTS))

    for prompt, decision in zip(PROMPTS, asyncio.run(decide()), strict=True):
        expected = router.route(prompt, **asked)
        assert (decision.model, decision.reason, decision.met) == (expected.model, expected.reason, expected.met)
        np.testing.assert_array_equal(decision.estimates.figures, expected.estimates.figures)


def test_only_what_is_slow_goes_to_a_thread(router: Router, compiled: bool, watched: Watched) -> None:
    asyncio.run(router.aroute(PROMPTS[0], policy=watched))
    asyncio.run(router.aroute(PROMPTS[2], policy=watched))
    in_place = [thread is threading.main_thread() for thread in watched.threads]
    assert in_place == [compiled, False]


def test_a_running_budget_is_asked_in_a_thread(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, decide = [], Budget.decide

    def noting(budget: Budget, estimates: Estimates) -> Decision:
        threads.append(threading.current_thread())
        return decide(budget, estimates)

    monkeypatch.setattr(Budget, "decide", noting)
    with Budget(1) as budget:
        decision = asyncio.run(router.aroute(PROMPTS[0], policy=budget))
        assert [call.ticket for call in budget.open_calls()] == [decision.ticket]
    assert threads != [threading.main_thread()]


def test_the_loop_runs_on_while_a_huge_prompt_is_read(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    # The estimate waits for something that the loop does: it would for ever if the loop waited for the estimate.
    freed, estimate = threading.Event(), Router.estimate

    def waiting(*asked: object) -> Estimates:
        assert freed.wait(30), "the loop was blocked"
        return estimate(*asked)

    monkeypatch.setattr(Router, "estimate", waiting)

    async def both() -> Decision:
        routed = asyncio.ensure_future(router.aroute("word " * 200_000))
        await asyncio.sleep(0)
        freed.set()
        return await routed

    assert asyncio.run(both()).model in router.models


@pytest.mark.parametrize("reserves_at", ["before", "after"])
def test_a_cancelled_call_leaves_nothing_reserved(
    router: Router, monkeypatch: pytest.MonkeyPatch, reserves_at: str
) -> None:
    reached, go, done = threading.Event(), threading.Event(), threading.Event()
    decide, cancel = Budget.decide, Budget.cancel

    def slow(budget: Budget, estimates: Estimates) -> Decision:
        decision = decide(budget, estimates) if reserves_at == "before" else None
        reached.set()
        assert go.wait(30)
        return decision or decide(budget, estimates)

    def noting(budget: Budget, decision: Decision) -> None:
        cancel(budget, decision)
        done.set()

    monkeypatch.setattr(Budget, "decide", slow)
    monkeypatch.setattr(Budget, "cancel", noting)

    async def give_up(budget: Budget) -> None:
        routed = asyncio.ensure_future(router.aroute(PROMPTS[0], policy=budget))
        await asyncio.to_thread(reached.wait, 30)
        routed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await routed
        assert not go.is_set()  # it did not wait for the thread
        go.set()

    with Budget(1) as budget:
        asyncio.run(give_up(budget))
        assert done.wait(30)
        assert budget.open_calls() == []
        assert budget.reserved_usd == 0


def test_what_was_decided_before_it_was_cancelled_is_given_back_in_a_thread(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided, done, threads = threading.Event(), threading.Event(), list[int]()
    decide, cancel = Budget.decide, Budget.cancel

    def noting(budget: Budget, decision: Decision) -> None:
        threads.append(threading.get_ident())
        cancel(budget, decision)
        done.set()

    def deciding(budget: Budget, estimates: Estimates) -> Decision:
        decision = decide(budget, estimates)
        threading.Timer(0.2, decided.set).start()  # when the decision is its future's
        return decision

    monkeypatch.setattr(Budget, "decide", deciding)
    monkeypatch.setattr(Budget, "cancel", noting)

    async def give_up(budget: Budget) -> None:
        routed = asyncio.ensure_future(router.aroute(PROMPTS[0], policy=budget))
        await asyncio.sleep(0)
        assert decided.wait(30)  # the loop stands still, and hears nothing of it
        routed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await routed

    with Budget(1) as budget:
        asyncio.run(give_up(budget))
        assert done.wait(30)
        assert threads != [threading.get_ident()]
        assert budget.reserved_usd == 0


@pytest.mark.usefixtures("compiled")
def test_a_cancelled_call_without_a_budget_is_just_gone(router: Router) -> None:
    async def give_up() -> None:
        routed = asyncio.ensure_future(router.aroute(PROMPTS[2]))
        await asyncio.sleep(0)
        routed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await routed

    asyncio.run(give_up())


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(
    ("prompt", "asked", "error"),
    [
        (" ", {}, PromptError),
        (17, {}, PromptError),
        ("hi", {"alpha": 2}, UsageError),
        ("hi", {"alpha": 0.5, "policy": Tradeoff(0.1)}, UsageError),
        ("hi", {"models": "no-such-*"}, UnknownModelError),
    ],
)
def test_it_refuses_what_route_refuses(
    router: Router, prompt: str, asked: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error) as refused:
        asyncio.run(router.aroute(prompt, **asked))
    with pytest.raises(error) as expected:
        router.route(prompt, **asked)
    assert str(refused.value) == str(expected.value)
