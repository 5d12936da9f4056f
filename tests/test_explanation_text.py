"""What the text of an explanation says in figures, against the explanation itself."""

from __future__ import annotations

import re

import numpy as np
import pytest

from scope_edge.pricing import dollars


def test_the_text_says_how_many_models_keep_all_limits(router):
    explanation = router.route("hi", max_cost_usd=1e-3).explain()
    assert 0 < explanation.within < explanation.candidates
    said = f"\n{explanation.within} of {explanation.candidates} models keep all limits\n"
    assert said in str(explanation)
    assert "keep all limits" not in str(router.route("hi").explain())


def test_figures_are_told_apart_from_the_limits_that_they_miss_or_keep(router):
    prompt, model = "What is 17 * 23?", "o1-mini"
    free = router.route(prompt, models=model)
    p, cost_usd = free.p_correct, free.cost_usd
    missed = str(
        router.route(prompt, models=model, min_accuracy=p + 1e-4, max_cost_usd=cost_usd * (1 - 1e-4)).explain()
    )
    kept = str(router.route(prompt, models=model, min_accuracy=p - 1e-4, max_cost_usd=cost_usd * (1 + 1e-4)).explain())
    for text, is_met in ((missed, False), (kept, True)):
        said_p, said_usd = re.search(r"^P\(correct\) ([\d.]+) .* expected \$([\d.e-]+) ", text, re.MULTILINE).groups()
        floor, ceiling = (
            float(re.search(rf"^{name} ([\d.e-]+): rules", text, re.MULTILINE).group(1))
            for name in ("min_accuracy", "max_cost_usd")
        )
        assert (float(said_p) >= floor) == (float(said_usd) <= ceiling) == is_met


def test_limits_are_said_in_full(router):
    ceiling = router.route("What is 17 * 23?", models="o1-mini").cost_usd * (1 + 1e-6)
    kept = str(router.route("What is 17 * 23?", models="o1-mini", max_cost_usd=ceiling).explain())
    assert f"max_cost_usd {ceiling:.15g}: rules out 0 " in kept
    assert float(re.search(r"expected \$([\d.]+) ", kept).group(1)) <= ceiling


def test_a_regret_is_said_in_points_where_the_cost_does_not_count(router):
    by_chance, by_worth = (router.route("What is 17 * 23?", alpha=alpha).explain() for alpha in (1, 0.5))
    regret = by_chance.runner_up.regret
    assert regret > 0
    assert f"Regret, what taking it would lose: {regret * 100:.2g} points of P\n" in str(by_chance)
    assert f"Regret, what taking it would lose: {dollars(by_worth.runner_up.regret)}\n" in str(by_worth)


def test_the_anchors_that_are_not_shown_are_summed_up(router):
    explanation = router.route("What is 17 * 23?", models="o1-mini").explain()
    rest = explanation.neighbours.voices[8:]
    (line,) = re.findall(rf"^ +{len(rest)} more +(.*)$", str(explanation), re.MULTILINE)
    similarity, share, score, predicted, shift = (float(figure.strip("%")) for figure in line.split())
    means = [np.mean([getattr(voice, name) for voice in rest]) for name in ("similarity", "score", "predicted")]
    assert [similarity, score, predicted] == pytest.approx(means, abs=0.0051)
    assert share == pytest.approx(100 * sum(voice.share for voice in rest), abs=0.051)
    assert shift == pytest.approx(sum(voice.shift for voice in rest), abs=0.00051)
