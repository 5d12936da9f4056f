from __future__ import annotations

from reports import KNN, MEAN, POOL, interval, synthetic_report

from scope_edge.evaluate.summary import summary


def test_the_summary_says_by_how_much_and_against_whom():
    first, second, third, fourth = summary(synthetic_report())
    assert first == (
        "Over all 1,200 test prompts and 4 models, scope-edge's log loss is 0.500: better than that of the best of "
        f"3 baselines, {KNN}, by 0.0300 (95% interval 0.0200 to 0.0400)."
    )
    assert second == (
        "With the pools weighted equally, scope-edge's log loss is 0.450: better than that of the best of "
        f"3 baselines, {KNN}, by 0.0100 (95% interval -0.0010 to 0.0210), which is within the noise."
    )
    assert third == (
        "Routing those pools, scope-edge's area under the frontier is 0.6900: worse than that of the best of "
        f"3 baselines, {MEAN}, by 0.0100 (95% interval 0.0050 to 0.0200); "
        "at 98% of Best Single's accuracy it saves 50.0% of Best Single's cost."
    )
    assert fourth.startswith("It does not win everywhere: ")
    where = f"in {POOL} (160 prompts)"
    assert f"{where} {MEAN} has the better Brier score by 0.0100 (95% interval 0.0040 to 0.0160)" in fourth
    assert f"also a baseline is ahead, within the noise, in area under the frontier {where}." in fourth
    assert "log loss" not in fourth


def test_the_summary_says_where_nobody_is_ahead():
    rows = {"scope-edge": {"log_loss": 0.5, "brier": None}, "a": {"log_loss": 0.6, "brier": 0.2}}
    nowhere = "Nowhere, over all prompts or in any pool, is a baseline ahead of it in log loss."
    assert summary({"overall": rows, "n_prompts": 30, "n_models": 2})[-1] == nowhere


def test_the_summary_counts_clear_defeats_beyond_four():
    rows = {"scope-edge": {"log_loss": 0.5}, "a": {"log_loss": 0.4}}
    clear = {"a": {"log_loss": interval(0.1, 0.05, 0.15)}}
    pools = {f"p{i}": {"n_prompts": 5, "predictions": rows, "differences": clear} for i in range(6)}
    (text,) = summary({"pools": pools})
    assert "in p3 (5 prompts) a has the better log loss" in text
    assert "in p4" not in text
    assert text.endswith("; so it is in 2 more cases.")


def test_what_shows_as_no_difference_is_the_same():
    rows = {"scope-edge": {"log_loss": 0.50003}, "a": {"log_loss": 0.5}}
    equal = {"routing": {"scope-edge": {"area": 0.6, "cost_save_98": -0.0002}, "a": {"area": 0.60001}}}
    first, second, third = summary({"overall": rows, "n_prompts": 300, "n_models": 2, "equal": equal})
    assert first == (
        "Over all 300 test prompts and 2 models, scope-edge's log loss is 0.500: "
        "the same as that of the only baseline, a."
    )
    assert second.endswith(
        "the same as that of the only baseline, a; at 98% of Best Single's accuracy it costs the same as Best Single."
    )
    assert third.startswith("Nowhere")


def test_where_nothing_can_be_routed_it_is_said():
    rows = {"scope-edge": {"log_loss": 0.5}, "a": {"log_loss": 0.6}}
    *_, last = summary({"overall": rows, "n_prompts": 300, "n_models": 2, "pools": {}})
    assert last == "Routing is not judged: no source has 3 models with outcomes for 95% of its prompts."


def test_too_few_prompts_and_those_of_training_are_said():
    rows = {"scope-edge": {"log_loss": 0.5}, "a": {"log_loss": 0.25}}
    report = {"overall": rows, "n_prompts": 1, "n_models": 1, "split": "train"}
    first, *_, last = summary(report)
    assert first.startswith("Over the one train prompt and 1 model, ")
    assert last == (
        "Bundles and baselines are fitted on split=train: on new prompts, figures are worse than these. "
        "A set of 1 prompt is too small to tell a difference from chance, which takes 20 or more."
    )
    assert "too small" not in " ".join(summary(report | {"n_prompts": 20, "split": "test"}))


def test_without_ours_or_baselines_nothing_is_claimed():
    assert summary({"overall": {"a": {"log_loss": 0.5}}}) == []
    assert summary({"overall": {"scope-edge": {"log_loss": 0.5}}}) == []
