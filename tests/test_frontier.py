"""What the dial would buy for some prompts, in Python and by `scope-edge plan`."""

from __future__ import annotations

import itertools
import json
import math
import re
from statistics import NormalDist

import numpy as np
import pytest
from comparing import crafted
from hypothesis import given
from hypothesis import strategies as st
from prompts import PROMPTS
from typer.testing import CliRunner

from scope_edge import Estimates, Tradeoff
from scope_edge.cli.app import app
from scope_edge.errors import OutcomesError, UsageError
from scope_edge.outcome_rows import read_prompts
from scope_edge.plots import plan_figure
from scope_edge.policy.frontier import frontier, point, reaching, within

RUN = CliRunner()


@pytest.fixture(scope="module")
def batch(router) -> Estimates:
    return router.estimate_batch(PROMPTS)


# --- the frontier ---


def test_a_point_is_what_routing_at_its_position_gives(router, batch):
    for alpha in (0.0, 0.3, 0.7, 1.0):
        found, plan = point(batch, alpha), router.route_batch(PROMPTS, alpha=alpha)
        assert found.accuracy == pytest.approx(plan.expected_accuracy, rel=1e-6)
        assert found.cost_usd == pytest.approx(plan.expected_cost_usd, rel=1e-6)
        assert found.models == {name: plan.models.count(name) for name in found.models}
        assert sum(found.models.values()) == len(PROMPTS)
        assert list(found.models.values()) == sorted(found.models.values(), reverse=True)


def test_cost_and_accuracy_rise_with_alpha(batch):
    points = frontier(batch)
    assert [p.alpha for p in points] == pytest.approx(np.linspace(0, 1, 11))
    for lower, higher in itertools.pairwise(points):
        assert lower.cost_usd <= higher.cost_usd
        if lower.alpha > 0:
            assert lower.accuracy <= higher.accuracy


def test_intervals_hold_what_is_uncertain():
    n = 400
    estimates = crafted(np.full((n, 2), 0.7), np.full((n, 2), 0.01))
    estimates.p_low[:], estimates.p_high[:], estimates.cost_usd_p90[:] = 0.6, 0.8, 0.01
    found = point(estimates, 0.5)
    half = math.hypot(0.1, NormalDist().inv_cdf(0.9) * math.sqrt(0.7 * 0.3 / n))
    assert found.accuracy_low == pytest.approx(0.7 - half, rel=1e-5)
    assert found.accuracy_high == pytest.approx(0.7 + half, rel=1e-5)
    # No call's cost varies: what is left is the bias of the whole.
    bias = estimates.candidates.cost_bias
    assert found.cost_high_usd == pytest.approx(4 * (1 + NormalDist().inv_cdf(0.9) * bias), rel=1e-5)
    assert found.cost_limit_usd == pytest.approx(4 * (1 + NormalDist().inv_cdf(0.95) * bias), rel=1e-5)


def test_intervals_end_where_shares_and_costs_do():
    for p in (0.05, 0.95):
        found = point(crafted([[p]], [[1.0]], p90=5.0), 0.5)
        assert (found.accuracy_low, found.accuracy_high)[p > 0.5] == float(p > 0.5)
        assert found.cost_low_usd == 0


@given(share=st.floats(0.0, 1.2))
def test_the_position_within_a_budget_is_the_highest_one(batch, share):
    low, high = point(batch, 0.0).cost_limit_usd, point(batch, 1.0).cost_limit_usd
    budget = low * (high / low) ** share
    found = within(batch, budget)
    assert found is not None
    assert found.cost_limit_usd <= budget
    if found.alpha < 1:
        assert point(batch, min(found.alpha + 1e-6, 1.0)).cost_limit_usd > budget


@given(share=st.floats(0.0, 1.0))
def test_the_position_that_reaches_a_target_is_the_lowest_one(batch, share):
    low, high = point(batch, 0.0).accuracy, point(batch, 1.0).accuracy
    target = low + share * (high - low)
    found = reaching(batch, target)
    assert found is not None
    assert found.accuracy >= target
    if found.alpha > 1e-6:
        assert point(batch, found.alpha - 1e-6).accuracy < target


def test_what_cannot_be_had_is_none(batch):
    assert within(batch, 0.0) is None
    assert reaching(batch, 1.0) is None


@pytest.mark.parametrize("bad", [-1, math.nan, "x"])
def test_what_means_nothing_is_an_error(batch, bad):
    with pytest.raises(UsageError, match="Bad budget"):
        within(batch, bad)
    with pytest.raises(UsageError, match="Bad target"):
        reaching(batch, bad)


# --- files of prompts ---


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.txt", "What is 2 + 2?\n\nName a river.\n"),
        ("p.jsonl", '{"prompt": "What is 2 + 2?", "id": 1}\n{"prompt": "Name a river."}\n'),
        ("p.json", '[{"prompt": "What is 2 + 2?"}, {"prompt": "Name a river."}]'),
        ("p.csv", "id,prompt\n1,What is 2 + 2?\n2,Name a river.\n"),
    ],
)
def test_prompts_are_read(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_prompts(tmp_path / name) == ["What is 2 + 2?", "Name a river."]


@pytest.mark.parametrize("mark", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"], ids=ascii)
def test_what_parts_lines_elsewhere_does_not_part_prompts(tmp_path, mark):
    (tmp_path / "p.txt").write_bytes(f"a{mark}b\r\nc\n".encode())
    assert read_prompts(tmp_path / "p.txt") == [f"a{mark}b", "c"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.txt", "\n \n", "holds no prompts"),
        ("p.jsonl", '{"prompt": "a"}\n{"question": "b"}\n', "row 2: no prompt"),
        ("p.jsonl", '{"prompt": "a"}\n{"prompt": "  "}\n', "row 2: no prompt"),
        ("p.jsonl", '["a"]\n', "row 1: no prompt"),
        ("p.jsonl", '{"prompt": ["a"]}\n', "row 1: the prompt is not text"),
        ("p.jsonl", '{"prompt": "a"}\n\n{', "p.jsonl, line 3: not JSON"),
        ("p.json", "{", "Cannot read the prompts in"),
        ("p.docx", "a", "Unknown kind"),
    ],
)
def test_a_file_without_usable_prompts_is_an_error(tmp_path, name, text, message):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(OutcomesError, match=message):
        read_prompts(tmp_path / name)


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(OutcomesError, match=r"No such file: .*none\.txt, expected prompts"):
        read_prompts(tmp_path / "none.txt")


# --- the command ---


@pytest.fixture
def prompts_file(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": text}) for text in PROMPTS), encoding="utf-8")
    return path


def test_plan_says_which_position_keeps_the_budget(prompts_file, batch):
    document = json.loads(RUN.invoke(app, ["plan", str(prompts_file), "--budget-usd", "0.05", "--json"]).stdout)
    assert document["n_prompts"] == len(PROMPTS)
    assert len(document["frontier"]) == 11
    assert document["dial"]["cost_limit_usd"] <= 0.05
    assert document["dial"]["alpha"] == pytest.approx(within(batch, 0.05).alpha)
    assert len(document["plan"]["models"]) == len(PROMPTS)
    assert document["plan"]["cost_limit_usd"] <= 0.05
    assert document["plan"]["expected_accuracy"] >= document["dial"]["accuracy"] - 1e-9


def test_plan_without_a_limit_is_valid_json(prompts_file):
    run = RUN.invoke(app, ["plan", str(prompts_file), "--budget-usd", "inf", "--json"])
    assert run.exit_code == 0, run.exception
    document = json.loads(run.stdout)
    assert document["asked"] == {"budget_usd": None, "target": None}
    assert document["dial"]["alpha"] == 1
    assert document["plan"]["met"]


def test_plan_shows_a_table_and_the_answer(prompts_file):
    shown = RUN.invoke(app, ["plan", str(prompts_file), "--target", "0.7"])
    assert shown.exit_code == 0
    assert "For 70% right: alpha" in shown.stdout
    impossible = RUN.invoke(app, ["plan", str(prompts_file), "--target", "1.0"])
    assert "No position of the dial is enough" in impossible.stdout


def test_what_is_missed_by_a_hair_is_not_said_to_be_reached(prompts_file, batch):
    best = point(batch, 1.0)
    for option, value in (
        ("--target", best.accuracy + 1e-5),
        ("--budget-usd", point(batch, 0.0).cost_limit_usd * (1 - 1e-5)),
    ):
        said = RUN.invoke(app, ["plan", str(prompts_file), option, repr(value)]).stdout
        said = " ".join(said.split())
        (limit, least, right) = re.search(
            r"enough (?:for|within) ([\d.e-]+).* may cost ([\d.e-]+) USD, .* get ([\d.]+)% right", said
        ).groups()
        assert float(right) < float(limit) if option == "--target" else float(least) > float(limit)


@pytest.mark.parametrize("kind", ["png", "PNG", "svg", "pdf"])
def test_plan_draws_a_picture_that_is_the_same_on_every_run(prompts_file, tmp_path, kind):
    pictures = []
    for path in (tmp_path / f"one.{kind}", tmp_path / f"two.{kind}"):
        result = RUN.invoke(app, ["plan", str(prompts_file), "--budget-usd", "0.05", "--plot", str(path)])
        assert result.exit_code == 0, result.output
        pictures.append(path.read_bytes())
    assert len(pictures[0]) > 3000
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("cost", [[0, 0, 0], [0, 0, 1e-3], [0, 1e-4, 1e-2], [1e-5, 1e-4, 1e-2]])
def test_names_in_the_picture_of_a_plan_do_not_cover_each_other(cost):
    points = frontier(crafted([[0.5, 0.7, 0.9]] * 3, [cost] * 3))
    figure = plan_figure(points, None, None, "")
    figure.draw_without_rendering()
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    extents = [text.get_window_extent() for text in texts]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(extents, 2))
    # Every position is named, or lies between two that are.
    alphas = [[float(alpha) for alpha in re.findall(r"[\d.]+", text.get_text())] for text in texts]
    assert (min(map(min, alphas)), max(map(max, alphas))) == (0, 1)
    for first, *last in alphas:
        there = {(one.accuracy, one.cost_usd) for one in points if first <= one.alpha <= (last or [first])[0]}
        assert len(there) == 1


def test_plan_refuses_what_it_cannot_do(prompts_file, tmp_path):
    with pytest.raises(UsageError, match="exclude each other"):
        RUN.invoke(app, ["plan", str(prompts_file), "--budget-usd", "1", "--target", "0.5"], catch_exceptions=False)
    with pytest.raises(UsageError, match="Cannot draw into such a file"):
        RUN.invoke(app, ["plan", str(prompts_file), "--plot", str(tmp_path / "a.bmp")], catch_exceptions=False)


def test_a_plan_is_never_worse_than_the_dial(router, batch):
    for budget in (0.003, 0.02, 0.2, 2.0):
        dial, plan = within(batch, budget), router.route_batch(PROMPTS, budget_usd=budget)
        assert dial is not None
        assert plan.expected_accuracy >= Tradeoff(dial.alpha).plan(batch).expected_accuracy - 1e-6
