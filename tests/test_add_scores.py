"""Models that are added by published scores, against planted benchmarks and an independent optimiser."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from bundles import changed, planted
from commands import refused
from comparing import same
from generated import TOPICS
from hypothesis import given
from hypothesis import strategies as st
from prompts import PROMPTS

from scope_edge import Price, Router
from scope_edge.anchors import BUILT
from scope_edge.benchmarks import HUBER, Benchmarks, Score, strongest
from scope_edge.bundle import BENCHMARKS_FILE, read_bundle
from scope_edge.cards import ModelCard
from scope_edge.difficulty import difficulties
from scope_edge.errors import BundleError, OutcomesError, UsageError
from scope_edge.fingerprints import PUBLISHED
from scope_edge.joining import learn
from scope_edge.published import EFFECTIVE_ITEMS, published

PRICE = Price(0.1, 0.4)
FREE = ("--price-in", "0", "--price-out", "0")
EXAMS = [f"exam-{letter}" for letter in "abcdefghijkl"]
ASKED = [text.format(a=a, b=40, c=7) for text in TOPICS.values() for a in range(11, 500, 61)]
"""Prompts of the kinds that the anchors are of: all ask for the planted ability."""
SOURCES = ("code", "sums", "trivia")
"""Of the anchors; the first is a linked benchmark too."""


@pytest.fixture(scope="module")
def folder(small_bundle: Path, tmp_path_factory) -> Path:
    """The small bundle with planted benchmarks; read only."""
    out = tmp_path_factory.mktemp("planted") / "bundle"
    planted(small_bundle, out)
    return out


@pytest.fixture(scope="module")
def benchmarks(folder: Path) -> Benchmarks:
    return Benchmarks.from_json(read_bundle(folder).benchmarks)


@pytest.fixture(scope="module")
def router(folder: Path) -> Router:
    """Left as it is."""
    return Router.load(folder)


@pytest.fixture
def own(folder: Path) -> Router:
    return Router.load(folder)


def added(router: Router, scores=None, outcomes=None, name: str = "guest", **options) -> Router:
    router.add_model(name, outcomes, PRICE, scores=scores, **options)
    return router


def latents(router: Router, name: str = "guest") -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of a model's theta."""
    prints = router.everyone.fingerprints
    column = prints.names.index(name)
    return prints.theta_mean[column].astype(float), np.linalg.inv(prints.theta_precision[column].astype(float))


def general(router: Router, name: str = "guest") -> float:
    """What a model's theta says of the usual prompt, in logits."""
    return float(latents(router, name)[0] @ router.estimator.anchors.a.astype(float).mean(axis=0))


def chances(router: Router, name: str = "guest") -> np.ndarray:
    return router.estimate_batch(ASKED, models=name).p_correct[:, 0]


def width(router: Router) -> float:
    estimates = router.estimate_batch(PROMPTS, models="guest")
    return float((estimates.p_high - estimates.p_low).mean())


def shown(benchmarks: Benchmarks, x: np.ndarray, k: int) -> float:
    """The score that a model with factors x has on a series, without noise."""
    return 1 / (1 + math.exp(-float(benchmarks.loadings[k] @ x + benchmarks.intercepts[k])))


def of_x(benchmarks: Benchmarks, x: tuple[float, float], names=EXAMS) -> dict[str, float]:
    place = {item.benchmark: k for k, item in enumerate(benchmarks.series)}
    return {name: shown(benchmarks, np.array(x), place[name]) for name in names}


# --- what scores do to the posterior ---


def test_good_scores_raise_a_model_and_bad_ones_lower_it(folder, benchmarks):
    weak, usual, strong = (added(Router.load(folder), of_x(benchmarks, (x, 0.0))) for x in (-1.5, 0.0, 1.5))
    assert general(weak) < general(usual) < general(strong)
    assert (chances(weak) < chances(usual)).all()
    assert (chances(usual) < chances(strong)).all()
    assert general(strong) - general(usual) == pytest.approx(1.2 * 1.5, rel=0.1)


def test_more_scores_narrow_the_interval(folder, benchmarks):
    widths = [width(added(Router.load(folder), of_x(benchmarks, (0.5, 0.2), EXAMS[:n]))) for n in (1, 3, 12)]
    assert widths[0] > widths[1] > widths[2]


def test_a_score_that_contradicts_the_others_says_little(folder, benchmarks):
    scores = of_x(benchmarks, (1.0, 0.0))
    honest = general(added(Router.load(folder), scores))
    wrong = general(added(Router.load(folder), {**scores, "exam-f": 0.01}))
    missing = general(added(Router.load(folder), {name: s for name, s in scores.items() if name != "exam-f"}))
    weak = general(added(Router.load(folder), of_x(benchmarks, (-1.0, 0.0))))
    assert abs(wrong - missing) < 0.05 * (honest - weak)


def test_runs_count_by_their_mean_and_boards_hold_copies(folder):
    twice = [{"benchmark": "exam-a", "score": score, "publisher": "board-a"} for score in (0.6, 0.8)]
    once = [{"benchmark": "exam-a", "score": 0.7, "publisher": "board-a"}]
    assert same(*(added(Router.load(folder), rows).estimate(PROMPTS[0]) for rows in (twice, once)))


def test_the_board_s_own_data_says_more_than_a_maker(folder):
    row = {"benchmark": "exam-a", "score": 0.9, "publisher": "board-a"}
    maker, board, many, few = (
        general(added(Router.load(folder), [{**row, **more}]))
        for more in ({}, {"grade": "A"}, {"n_items": 10_000}, {"n_items": 10})
    )
    assert few < many <= maker < board


def test_a_release_is_read_by_its_own_series(router, benchmarks):
    known = published(
        [Score("livebench", 0.5, "livebench.ai", "2024_11_25", None, "A")], benchmarks, router.everyone
    ).ability
    k = [item.release for item in benchmarks.series].index("2024_11_25")
    loading, noise = benchmarks.loadings[k], benchmarks.noise[k]
    trust = 1.0
    for _ in range(5):
        covariance = np.linalg.inv(np.outer(loading, loading) * trust / noise + np.eye(2))
        x = covariance @ loading * trust / noise * -benchmarks.intercepts[k]
        trust = min(1.0, HUBER / (abs(-benchmarks.intercepts[k] - loading @ x) / noise**0.5))
    for told, wanted in zip(known, benchmarks.prior.of(x, covariance), strict=True):
        assert told == pytest.approx(wanted)


@given(st.sampled_from(range(15)), st.lists(st.floats(-1.5, 1.5), min_size=2, max_size=2))
def test_a_better_score_never_lowers_the_usual_chance(router, benchmarks, k, places):
    # A score beyond what nine in ten models reach is less and less believed.
    item, along = benchmarks.series[k], router.estimator.anchors.a.astype(float).mean(axis=0)
    low, high = (
        published([Score(item.benchmark, shown(benchmarks, np.array([x, 0.0]), k), item.publisher, item.release)],
                  benchmarks, router.everyone).ability[0]
        for x in sorted(places)
    )  # fmt: skip
    assert (high - low) @ along >= -1e-9


@given(st.sampled_from(SOURCES), st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_a_better_score_on_anchors_never_lowers_what_is_expected_there(router, benchmarks, source, scores):
    rows = np.flatnonzero(np.array(router.everyone.anchors.sources) == source)
    a, b = router.everyone.anchors.a[rows].astype(float), difficulties(
        router.everyone.anchors, router.everyone.fingerprints, rows
    )  # fmt: skip
    low, high = (
        (1 / (1 + np.exp(b - a @ published([Score(source, score)], benchmarks, router.everyone).ability[0]))).mean()
        for score in sorted(scores)
    )
    assert high >= low - 1e-6


@pytest.mark.parametrize("name", ["exam-a", "exam-l"])
def test_p_rises_with_a_score_whose_loading_is_positive(folder, benchmarks, name):
    places = np.linspace(-1.5, 1.5, 7).tolist()
    rows = [chances(added(Router.load(folder), of_x(benchmarks, (x, 0.0), [name]))) for x in places]
    for worse, better in itertools.pairwise(rows):
        assert (better > worse - 1e-6).all()


# --- scores on the anchors' own sources ---


def brute_force(router: Router, mean, covariance, told: dict[str, tuple[float, float]]) -> np.ndarray:
    """The mode of theta by gradient descent with a numeric gradient, preconditioned with the prior."""
    everyone = router.everyone
    questions = {}
    for source in told:
        rows = np.flatnonzero(np.array(everyone.anchors.sources) == source)
        questions[source] = (
            everyone.anchors.a[rows].astype(float),
            difficulties(everyone.anchors, everyone.fingerprints, rows),
        )
    inverse = np.linalg.inv(covariance)

    def loss(theta) -> float:
        total = (theta - mean) @ inverse @ (theta - mean) / 2
        for source, (score, n) in told.items():
            a, b = questions[source]
            p = np.clip((1 / (1 + np.exp(b - a @ theta))).mean(), 1e-9, 1 - 1e-9)
            total -= n * (score * np.log(p) + (1 - score) * np.log(1 - p))
        return float(total)

    theta, size = np.array(mean, float), 1.0
    steps = 1e-4 * np.eye(len(mean))
    for _ in range(2000):
        gradient = np.array([(loss(theta + step) - loss(theta - step)) / 2e-4 for step in steps])
        along = covariance @ gradient
        while size > 1e-12 and loss(theta - size * along) > loss(theta) - size * (gradient @ along) / 2:
            size /= 2
        theta = theta - size * along
        if np.abs(size * along).max() < 1e-8:
            break
        size *= 2
    return theta


@pytest.mark.parametrize(
    "scores",
    [
        {"sums": 0.8}, {"sums": 0.02}, {"sums": 1.0}, {"sums": 0.0, "trivia": 1.0},
        {"sums": 0.9, "trivia": 0.4, "code": 0.7}, {"sums": 0.7, "exam-a": 0.9, "exam-b": 0.8},
    ],
)  # fmt: skip
def test_anchors_are_used_as_the_response_model_says(router, benchmarks, scores):
    rows = [Score(*item) for item in scores.items()]
    mean, covariance = published(rows, benchmarks, router.everyone).ability
    linked = [row for row in rows if row.benchmark in EXAMS]
    sizes = {source: router.everyone.anchors.sources.count(source) for source in SOURCES}
    told = {name: (score, min(EFFECTIVE_ITEMS, sizes[name])) for name, score in scores.items() if name in SOURCES}
    prior = benchmarks.ability(linked)
    assert mean == pytest.approx(brute_force(router, *prior, told), abs=1e-4)
    eigenvalues = np.linalg.eigvalsh(prior[1] - covariance)
    assert eigenvalues.min() > -1e-9  # a score never makes less sure
    assert eigenvalues.max() > 1e-3


def test_a_name_that_is_both_is_read_by_the_series_of_its_publisher(router, benchmarks):
    def mean(*scores: Score) -> np.ndarray:
        return published(list(scores), benchmarks, router.everyone).ability[0]

    unnamed, elsewhere = mean(Score("code", 0.9)), mean(Score("code", 0.9, "a blog"))
    linked = mean(Score("code", 0.9, "its board"))
    assert np.array_equal(unnamed, elsewhere)
    assert linked == pytest.approx(benchmarks.ability([Score("code", 0.9, "its board")])[0])
    assert not np.allclose(unnamed, linked, atol=1e-3)
    several = mean(Score("code", 0.9, "a blog"), Score("code", 0.7, "another"))
    assert several == pytest.approx(mean(Score("code", 0.8)))


def test_few_questions_say_less(router, benchmarks):
    few, many = (published([Score("sums", 0.95, n_items=n)], benchmarks, router.everyone).ability[1] for n in (5, 5000))
    assert np.trace(few) > np.trace(many)


def test_a_model_is_not_judged_by_its_own_results(folder):
    ids = Router.load(folder).estimator.anchors.ids
    rows = [{"query_id": name, "score": i % 2} for i, name in enumerate(ids[::2])]
    first = added(Router.load(folder), {"sums": 0.7})
    again = added(added(Router.load(folder), outcomes=rows), {"sums": 0.7}, replace=True)
    assert np.allclose(latents(first)[0], latents(again)[0], atol=1e-5)
    assert same(first.estimate(PROMPTS[3]), again.estimate(PROMPTS[3]))


def test_what_was_recorded_is_no_benchmark(own, tmp_path):
    own.record(PROMPTS[0], own.models[0], score=1)
    own.compact(tmp_path / "bundle")
    compacted = Router.load(tmp_path / "bundle")
    assert (compacted.everyone.anchors.provenance != BUILT).sum() == 1
    with pytest.raises(OutcomesError, match="No linked benchmark 'learned'"):
        added(compacted, {"learned": 0.5})
    again = Router.load(tmp_path / "bundle")
    assert same(*(added(one, {"sums": 0.8}).estimate(PROMPTS[5], models="guest") for one in (compacted, again)))


# --- scores and outcomes ---


def test_scores_and_outcomes_know_more_than_either(folder, benchmarks):
    rng = np.random.default_rng(5)
    router = Router.load(folder)
    anchors, prints = router.everyone.anchors, router.everyone.fingerprints
    every = np.arange(len(anchors))
    a, b = anchors.a.astype(float), difficulties(anchors, prints, every)
    errors = {"scores": 0.0, "outcomes": 0.0, "both": 0.0}
    for _ in range(40):
        x = rng.normal(size=2)
        theta = rng.multivariate_normal(*benchmarks.prior.of(x, np.zeros((2, 2))))
        p = 1 / (1 + np.exp(b - a @ theta))
        logits = benchmarks.loadings @ x + benchmarks.intercepts + rng.normal(0, np.sqrt(benchmarks.noise))
        scores = [
            {"benchmark": name, "publisher": f"board-{name[-1]}", "score": 1 / (1 + np.exp(-logits[k])), "grade": "A"}
            for k, name in enumerate(EXAMS)
        ]
        asked = rng.choice(every, 48, replace=False)
        outcomes = [{"query_id": anchors.ids[row], "score": float(rng.random() < p[row])} for row in asked]
        for kind, told in {
            "scores": (scores, None), "outcomes": (None, outcomes), "both": (scores, outcomes),
        }.items():  # fmt: skip
            found = latents(added(router, *told, replace=True))[0]
            errors[kind] += float(((1 / (1 + np.exp(b - a @ found)) - p) ** 2).mean())
    assert errors["both"] < 0.95 * min(errors["scores"], errors["outcomes"])


def test_scores_alone_leave_no_results_and_the_lengths_of_the_average_model(own):
    columns = own.everyone.fingerprints.scores.shape[1]
    added(own, {"exam-a": 0.8})
    prints, card = own.everyone.fingerprints, own.card("guest")
    assert (prints.results_of[-1], prints.scores.shape[1]) == (-1, columns)
    assert (card.n_scores, card.n_outcomes, card.length_source) == (1, 0, "prior")
    assert card.evidence == "published scores 1"
    assert np.array_equal(prints.psi_mean[-1], prints.population.psi_mean.astype(np.float32))
    assert prints.reach[-1] == pytest.approx(own.estimator.reach.of([PUBLISHED]))


def test_no_rows_teach_nothing(router):
    learned = learn([], router.encoder, router.everyone)
    assert (learned.anchor_scores, learned.anchor_lengths, learned.token_ratio, learned.sources) == (None, None, 1, [])
    assert learned.evidence.a.shape == (0, router.everyone.anchors.rank)


def test_both_kinds_of_evidence_are_counted(own):
    rows = [{"query_id": name, "score": 1, "output_tokens": 30} for name in own.estimator.anchors.ids[:40]]
    added(own, {"exam-a": 0.8, "sums": 0.7}, rows)
    card, anchors = own.card("guest"), own.estimator.anchors
    assert card.evidence == "own outcomes 40, published scores 2"
    assert card.length_source == "own"
    sources = {*anchors.sources[:40], PUBLISHED}
    assert own.everyone.fingerprints.reach[-1] == pytest.approx(own.estimator.reach.of(sources))
    assert own.everyone.fingerprints.results_of[-1] >= 0


def test_outcomes_and_price_stay_where_they_were(folder):
    rows = [{"prompt": prompt, "score": 1} for prompt in PROMPTS[:10]]
    one, two = Router.load(folder), Router.load(folder)
    one.add_model("guest", rows, PRICE)
    two.add_model("guest", price=PRICE, outcomes=rows)
    assert same(one.estimate(PROMPTS[0]), two.estimate(PROMPTS[0]))
    assert one.card("guest").evidence == "own outcomes 10"


# --- what is refused ---


@pytest.mark.parametrize(
    ("scores", "error", "message"),
    [
        ({"exam": 0.5}, OutcomesError, "No linked benchmark 'exam'. Did you mean exam-a, exam-b"),
        ({"exam-a": 0.5, "Livebench": 0.5}, OutcomesError, "'Livebench'. Did you mean livebench?"),
        ({"sum": 0.5}, OutcomesError, "'sum'. Did you mean sums?"),
        ({"something else": 0.5}, OutcomesError, "`scope-edge benchmarks` lists them"),
        ({"exam-a": 81}, OutcomesError, "81 percent is 0.81, got 81"),
        ({}, OutcomesError, "The scores are empty"),
        (None, UsageError, "Nothing is said of how good 'guest' is, expected outcomes, scores, or both"),
    ],
)
def test_what_says_nothing_is_refused_and_the_pool_stays(own, scores, error, message):
    before = own.models
    with pytest.raises(error, match=message):
        added(own, scores)
    assert own.models == before


def test_an_existing_model_is_only_replaced_if_asked(own):
    name = own.models[0]
    with pytest.raises(UsageError, match="already"):
        added(own, {"exam-a": 0.5}, name=name)
    added(own, {"exam-a": 0.5}, name=name, replace=True)
    assert own.card(name).evidence == "published scores 1"
    assert own.models[-1] == name


def test_a_bundle_without_benchmarks_says_so(small_bundle, cli):
    router = Router.load(small_bundle)
    assert router.benchmarks == []
    with pytest.raises(UsageError, match=r"no linked benchmarks.*benchmarks\.json.*Give outcomes"):
        added(router, {"exam-a": 0.5})
    assert cli("benchmarks", "--json", "-b", small_bundle).json() == []
    assert "0 linked benchmarks" in cli("benchmarks", "-b", small_bundle).out


def test_broken_benchmarks_are_refused_when_they_are_asked_for(folder, tmp_path):
    out = shutil.copytree(folder, tmp_path / "bundle")
    for data in (b"[]", b"{}", b'{"series": [{}], "ability": {}}'):
        with changed(out, BENCHMARKS_FILE, data, honest=True):
            router = Router.load(out)
            router.route("hi")
            with pytest.raises(BundleError, match=r"benchmarks\.json"):
                added(router, {"exam-a": 0.5})
            assert "guest" not in router.models


def test_benchmarks_of_a_bundle_that_was_replaced_are_not_mixed_in(folder, tmp_path):
    out = shutil.copytree(folder, tmp_path / "bundle")
    router = Router.load(out)
    other = json.loads((out / BENCHMARKS_FILE).read_text(encoding="utf-8"))
    other["series"][0]["intercept"] = 3.0
    with changed(out, BENCHMARKS_FILE, json.dumps(other).encode(), honest=True):
        for ask in (lambda: added(router, {"exam-a": 0.5}), lambda: router.save(tmp_path / "saved")):
            with pytest.raises(BundleError, match="another bundle than the one that was loaded"):
                ask()
    added(router, {"exam-a": 0.5})


# --- saving, recording ---


def test_a_saved_model_is_the_same_and_so_are_the_benchmarks(own, folder, tmp_path):
    added(own, {"exam-a": 0.8, "sums": 0.7, "exam-c": 0.3})
    own.save(tmp_path / "saved")
    again = Router.load(tmp_path / "saved")
    assert same(own.estimate_batch(PROMPTS), again.estimate_batch(PROMPTS))
    assert again.card("guest") == own.card("guest")
    assert again.benchmarks == own.benchmarks == Router.load(folder).benchmarks
    added(again, {"exam-b": 0.8}, name="next")
    again.save(tmp_path / "saved")
    again.save(tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / BENCHMARKS_FILE).read_bytes() == (
        tmp_path / "saved" / BENCHMARKS_FILE
    ).read_bytes()
    assert Router.load(tmp_path / "elsewhere").card("next").n_scores == 1


def test_recorded_calls_teach_a_model_that_is_known_by_scores(folder, tmp_path):
    journal, saved = tmp_path / "journal.db", tmp_path / "saved"
    added(Router.load(folder), {"exam-a": 0.8}).save(saved)
    router = Router.load(saved, journal=journal)
    before = chances(router)
    for prompt in ASKED[:12]:
        router.record(prompt, "guest", score=0, output_tokens=40)
    learned = chances(router)
    assert (learned[:12] < before[:12]).all()
    assert np.array_equal(chances(Router.load(saved, journal=journal)), learned)
    added(router, {"exam-b": 0.9}, name="second")  # a change of the pool learns anew
    assert chances(router) == pytest.approx(learned, abs=1e-6)
    router.compact(tmp_path / "compacted")
    compacted = Router.load(tmp_path / "compacted", journal=journal)
    assert compacted.card("guest").evidence == "own outcomes 12, published scores 1"
    assert compacted.everyone.fingerprints.results_of[compacted.models.index("guest")] >= 0
    assert compacted.everyone.fingerprints.results_of[compacted.models.index("second")] == -1
    assert len(compacted.benchmarks) == len(router.benchmarks) > 0
    assert router.forget("guest") == 12
    assert chances(router) == pytest.approx(before, abs=1e-6)


# --- the scores that say most ---


def test_the_scores_that_move_a_model_most_are_on_its_card(own, benchmarks):
    scores = of_x(benchmarks, (1.0, 0.0), EXAMS[:7])
    top = added(own, scores).card("guest").top_scores
    assert len(top) == 5
    assert [abs(shift) for _, _, shift in top] == sorted((abs(shift) for _, _, shift in top), reverse=True)
    reach = own.estimator.reach
    direction = np.array(reach.typical) if reach.typical else np.eye(len(latents(own)[0]))[0]
    rows = [Score(*item) for item in scores.items()]
    assert top == benchmarks.top(rows, direction)
    for benchmark, score, shift in top:
        rest = added(own, {name: s for name, s in scores.items() if name != benchmark}, replace=True)
        without = latents(rest)[0]
        whole = latents(added(own, scores, replace=True))[0]
        assert shift == pytest.approx((whole - without) @ direction, abs=2e-3)
        assert score == pytest.approx(scores[benchmark], abs=1e-4)


def test_scores_on_anchors_are_among_them(own):
    (told,) = added(own, {"sums": 0.99}).card("guest").top_scores
    assert told[:2] == ("sums", 0.99)
    assert told[2] != 0


def test_the_strongest_are_told_in_either_direction():
    scores = [Score("a", 0.1), Score("b", 0.25), Score("c", 0.333333)]
    assert strongest(scores, np.array([0.1, -2.0, 0.50049])) == (("b", 0.25, -2.0), ("c", 0.3333, 0.5), ("a", 0.1, 0.1))
    assert strongest(scores, np.array([0.1, -2.0, 0.5]), 1) == (("b", 0.25, -2.0),)


def test_a_card_keeps_its_top_scores_and_refuses_others():
    card = ModelCard("m", PRICE, n_scores=1, top_scores=(("exam-a", 0.8, 0.25),))
    entry = json.loads(json.dumps(card.to_json()))
    assert ModelCard.from_json(entry) == card
    assert "top_scores" not in ModelCard("m", PRICE).to_json()
    for bad in ("exam-a", [["exam-a", 0.8]], [["exam-a", 1.8, 0]], [["exam-a", 0.8, None]], [[3, 0.8, 0.1]], 5):
        with pytest.raises(BundleError, match=r"models\.json"):
            ModelCard.from_json({**entry, "top_scores": bad})


def test_an_explanation_says_what_models_are_known_by(own):
    rows = [{"prompt": prompt, "score": 1} for prompt in PROMPTS[:10]]
    added(own, {"exam-a": 0.8, "exam-b": 0.7}, rows)
    explanation = own.route(PROMPTS[1], models=["guest", "large"], alpha=0.9).explain()
    assert {explanation.model, explanation.runner_up.model} == {"guest", "large"}
    for one in (explanation, explanation.runner_up):
        card = own.card(one.model)
        assert (one.evidence, one.top_scores) == (card.evidence, card.top_scores)
        assert f"known by: {card.evidence}" in str(explanation)
    benchmark, score, shift = own.card("guest").top_scores[0]
    assert f"general ability moves most by {benchmark} {score:g} ({shift:+.2f})" in str(explanation)
    document = json.loads(json.dumps(explanation.to_json()))
    told = document if document["model"] == "guest" else document["runner_up"]
    assert told["top_scores"][0] == [benchmark, score, shift]


# --- the list ---


def test_benchmarks_are_listed_most_models_first(router, benchmarks, folder, cli):
    listed = router.benchmarks
    assert listed == benchmarks.listed()
    assert [row.models for row in listed] == sorted((row.models for row in listed), reverse=True)
    told = cli("benchmarks", "--json", "-b", folder).json()
    assert [row["benchmark"] for row in told] == [row.benchmark for row in listed]
    assert told[0] == {"benchmark": "exam-a", "publisher": "board-a", "release": "", "models": 100, "r2": 0.9,
                       "noise": 0.2}  # fmt: skip
    assert [row["release"] for row in cli("benchmarks", "LIVE*", "--json", "-b", folder).json()] == [
        "2024_08_31", "2024_11_25",
    ]  # fmt: skip
    run = cli("benchmarks", "exam", "--top", "3", "-b", folder)
    assert "12 of 15 linked benchmarks" in run.out
    assert "9 more, see --top" in run.out
    assert "exam-c" in run.out
    assert "exam-d" not in run.out
    assert "0 of 15 linked benchmarks" in cli("benchmarks", "none such", "-b", folder).out


# --- the command line ---


def test_a_model_is_added_by_scores_on_the_command_line(cli, folder, tmp_path):
    out, file = tmp_path / "out", tmp_path / "scores.csv"
    file.write_text("benchmark,score,publisher\nexam-c,0.7,board-c\nsums,0.6,\n", encoding="utf-8")
    arguments = ("add-model", "guest", *FREE, "-o", out, "-b", folder)
    card = cli(*arguments, "--score", "exam-a=0.81", "--score", "exam-b=0.7", "--json").json()
    assert (card["n_scores"], card["bundle"]) == (2, str(out))
    assert {row[0] for row in card["top_scores"]} == {"exam-a", "exam-b"}
    by_library = added(Router.load(folder), {"exam-a": 0.81, "exam-b": 0.7})
    assert np.array_equal(chances(Router.load(out)), chances(by_library))
    assert "Added guest from 2 published scores\n" in cli(*arguments, "--scores", file).out
    assert np.array_equal(chances(Router.load(out)), chances(added(Router.load(folder), file)))
    assert "from 3 published scores\n" in cli(*arguments, "--scores", file, "--score", "exam-a=0.81").out
    told = cli("models", "guest", "large", "--json", "-b", out).json()
    assert [card["model"] for card in told] == ["guest", "large"]
    assert len(told[0]["top_scores"]) == 3
    shown = cli("models", "gues*", "-b", out).out
    assert "guest: general ability moves most by" in shown
    assert "more model" not in shown
    explained = cli("explain", PROMPTS[0], "-m", "guest", "--json", "-b", out).json()
    assert (explained["evidence"], len(explained["top_scores"])) == ("published scores 3", 3)


def test_scores_and_outcomes_on_the_command_line(cli, folder, outcomes, tmp_path):
    arguments = ("add-model", "guest", *FREE, "-o", tmp_path / "out", "-b", folder)
    told = cli(*arguments, outcomes, "--score", "exam-a=1").out
    assert "Added guest from 30 outcomes and 1 published score\n" in told
    assert Router.load(tmp_path / "out").card("guest").n_outcomes == 30
    rows = b'{"benchmark": "exam-a", "score": 0.5}\n'
    assert cli(*arguments, "--scores", "-", "--json", stdin=rows).json()["n_scores"] == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), ("expected outcomes, scores, or both",)),
        (("--score", "exam-a"), ("Bad --score", "BENCHMARK=SCORE", "got 'exam-a'")),
        (("--score", "=0.5"), ("Bad --score",)),
        (("--score", "exam-a="), ("Bad --score",)),
        (("--score", "exam-a=81"), ("81 percent is 0.81", "got '81'")),
        (("--score", "exam=0.5"), ("No linked benchmark 'exam'", "exam-a")),
        (("-", "--scores", "-"), ("Standard input is read once",)),
        (("--scores", "none.csv"), ("No such file: none.csv",)),
    ],
)
def test_what_the_command_line_refuses(cli, folder, tmp_path, options, words):
    out = tmp_path / "out"
    refused(cli("add-model", "guest", *options, *FREE, "-o", out, "-b", folder), *words)
    assert not out.exists()
