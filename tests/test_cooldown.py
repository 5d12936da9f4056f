from __future__ import annotations

import pytest

from scope_edge.serve.cooldown import Cooldown


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cooldown(clock):
    return Cooldown(10, clock)


def test_a_model_rests_after_three_failures_in_a_row(cooldown, clock):
    assert [cooldown.failed("m") for _ in range(3)] == [0, 0, 10]
    clock.now += 9.9
    assert cooldown.resting() == {"m"}
    clock.now += 0.2
    assert not cooldown.resting()


def test_after_its_rest_one_failure_is_enough(cooldown, clock):
    for _ in range(3):
        cooldown.failed("m")
    clock.now += 11
    assert cooldown.failed("m") == 10
    assert cooldown.resting() == {"m"}


def test_an_answer_ends_it(cooldown):
    for _ in range(3):
        cooldown.failed("m")
    cooldown.answered("m")
    assert not cooldown.resting()
    assert cooldown.failed("m") == 0


def test_an_answer_in_between_counts(cooldown):
    for _ in range(5):
        cooldown.failed("m")
        cooldown.failed("m")
        cooldown.answered("m")
    assert not cooldown.resting()


@pytest.mark.parametrize(("asked_s", "rests_s"), [(7, 7), (0, 0), (3600, 60)])
def test_a_pause_that_the_upstream_asks_for_is_kept_at_once_within_bounds(cooldown, asked_s, rests_s):
    assert cooldown.failed("m", asked_s) == rests_s
    assert cooldown.resting() == ({"m"} if rests_s else set())


def test_models_are_told_apart(cooldown):
    for other in ("n", "o", "n"):
        cooldown.failed("m")
        cooldown.failed(other)
    assert cooldown.resting() == {"m"}


def test_0_is_never(clock):
    cooldown = Cooldown(0, clock)
    assert [cooldown.failed("m", 5) for _ in range(9)] == [0] * 9
    assert not cooldown.resting()
