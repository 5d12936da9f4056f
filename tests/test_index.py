from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from processes import run_python
from reports import synthetic_report
from rich.progress import Progress

from scope_edge import Router, mapping
from scope_edge.anchors import AnchorSet
from scope_edge.build import BuildOptions, build
from scope_edge.bundle import default_bundle, read_bundle
from scope_edge.encoder import quantise
from scope_edge.errors import BundleError
from scope_edge.evaluate.markdown import write_into_card
from scope_edge.index import INDEX_FILE, INDEX_FROM, AnchorIndex


@pytest.fixture(scope="module")
def anchors() -> AnchorSet:
    bundle = read_bundle(default_bundle())
    return AnchorSet.from_tensors(bundle.anchors, bundle.anchor_labels)


@pytest.fixture(scope="module")
def graph(anchors, tmp_path_factory) -> AnchorIndex:
    path = tmp_path_factory.mktemp("index") / INDEX_FILE
    AnchorIndex.build(anchors.codes).save(path)
    return AnchorIndex.view(path, *anchors.codes.shape)


@pytest.fixture(scope="module")
def indexed_bundle(table_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("indexed") / "bundle"
    build(table_folder, out, None, BuildOptions(n_anchors=96, index=True), Progress(disable=True))
    return out


def test_an_evaluation_that_writes_into_the_card_keeps_the_graph(indexed_bundle, tmp_path):
    bundle = Path(shutil.copytree(indexed_bundle, tmp_path / "bundle"))
    write_into_card(synthetic_report(), bundle)
    assert (bundle / INDEX_FILE).read_bytes() == (indexed_bundle / INDEX_FILE).read_bytes()


def test_where_small_files_are_read_nothing_of_a_bundle_may_map_and_it_decides_alike(
    indexed_bundle, tmp_path, monkeypatch
):
    maps = Path("/proc/self/maps")
    if not maps.is_file():
        pytest.skip("what is mapped is read on Linux")
    mapped = Router.load(indexed_bundle)
    monkeypatch.setattr(mapping, "_MAPPED_FROM", 2**26)
    bundle = Path(shutil.copytree(indexed_bundle, tmp_path / "bundle"))
    read = Router.load(bundle)
    found, expected = (router.estimate("What is 17 * 23?").figures for router in (read, mapped))
    np.testing.assert_array_equal(found, expected)
    assert str(indexed_bundle) in maps.read_text(encoding="utf-8")
    assert str(bundle) not in maps.read_text(encoding="utf-8")


def queries(anchors: AnchorSet, n: int) -> np.ndarray:
    """Unit vectors a little beside some of the anchors."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(anchors), n)
    z = anchors.codes[rows] * anchors.scales[rows, None] + rng.normal(0, 0.05, (n, anchors.codes.shape[1]))
    return (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)


def with_index(anchors: AnchorSet, graph: AnchorIndex) -> AnchorSet:
    return replace(anchors, index=graph)


def test_nearly_all_of_the_nearest_anchors_are_found(anchors, graph):
    z = queries(anchors, 200)
    exact, found = anchors.nearest(z, 10), with_index(anchors, graph).nearest(z, 10)
    recall = np.mean([len(set(x) & set(y)) / 10 for x, y in zip(exact.rows.tolist(), found.rows.tolist(), strict=True)])
    assert recall >= 0.95


def test_what_is_found_has_exact_cosines_best_first_and_ties_by_row(anchors, graph):
    z = queries(anchors, 30)
    every = anchors.nearest(z, len(anchors))
    found = with_index(anchors, graph).nearest(z, 80)
    for query in range(len(z)):
        exact = dict(zip(every.rows[query].tolist(), every.cosines[query].tolist(), strict=True))
        rows, cosines = found.rows[query].tolist(), found.cosines[query].tolist()
        assert cosines == [exact[row] for row in rows]
        pairs = [(-cosine, row) for cosine, row in zip(cosines, rows, strict=True)]
        assert pairs == sorted(pairs)


def test_a_batch_is_looked_up_as_one_by_one(anchors, graph):
    z, indexed = queries(anchors, 20), with_index(anchors, graph)
    together = indexed.nearest(z, 40)
    for query in range(len(z)):
        assert np.array_equal(indexed.nearest(z[query], 40).rows, together.rows[query])


def test_the_same_codes_give_the_same_graph(anchors, tmp_path):
    parts: list[int] = []
    for name in "ab":
        AnchorIndex.build(anchors.codes[:500], parts.append).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sum(parts) == 2 * 500


def test_threads_share_an_index(anchors, graph):
    codes = [quantise(z)[0] for z in queries(anchors, 40)]
    wanted, wrong = [graph.candidates(query, 80).tolist() for query in codes], []

    def ask() -> None:
        for query, rows in zip(codes * 3, wanted * 3, strict=True):
            if graph.candidates(query, 80).tolist() != rows:
                wrong.append(query)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_small_set_needs_no_index(small_bundle):
    assert not (small_bundle / INDEX_FILE).exists()
    assert INDEX_FROM > 8192


def test_a_bundle_with_an_index_decides_and_is_saved_with_it(indexed_bundle, tmp_path):
    router = Router.load(indexed_bundle)
    assert router.estimator.anchors.index is not None
    assert read_bundle(indexed_bundle).config["build"]["index"] is True
    wanted = router.route("Add 3 and 4, then multiply by 5.")
    router.save(tmp_path / "saved")
    again = Router.load(tmp_path / "saved").route("Add 3 and 4, then multiply by 5.")
    assert (again.model, again.p_correct, again.cost_usd) == (wanted.model, wanted.p_correct, wanted.cost_usd)
    assert (tmp_path / "saved" / INDEX_FILE).read_bytes() == (indexed_bundle / INDEX_FILE).read_bytes()


def test_a_decision_is_the_same_before_and_after_the_kernels_are_warm(indexed_bundle):
    code = (
        "import sys\n"
        "from scope_edge import Router\n"
        "router = Router.load(sys.argv[1])\n"
        "print(router.estimate('Add 3 and 4.').figures.tobytes().hex())\n"
        "router.warmup()\n"
        "print(router.estimate('Add 3 and 4.').figures.tobytes().hex())\n"
    )
    run = run_python(code, str(indexed_bundle), env={"NUMBA_DISABLE_JIT": None})
    before, after = run.stdout.split()
    assert before == after


def test_an_index_of_other_anchors_is_refused(anchors, tmp_path):
    AnchorIndex.build(anchors.codes[:40]).save(tmp_path / INDEX_FILE)
    with pytest.raises(BundleError, match="belongs to other anchors"):
        AnchorIndex.view(tmp_path / INDEX_FILE, 41, anchors.codes.shape[1])


def test_a_truncated_index_is_refused(anchors, indexed_bundle, tmp_path):
    AnchorIndex.build(anchors.codes[:500]).save(tmp_path / "whole")
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:10_000])
    with pytest.raises(BundleError, match="Cannot read"):
        AnchorIndex.view(tmp_path / "cut", 500, anchors.codes.shape[1])
    shutil.copytree(indexed_bundle, tmp_path / "bundle")
    file = tmp_path / "bundle" / INDEX_FILE
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BundleError, match="wrong size"):
        Router.load(tmp_path / "bundle")


def test_only_a_bundle_with_an_index_imports_usearch(indexed_bundle):
    code = "import sys; from scope_edge import Router; Router.load(sys.argv[1]); print('usearch' in sys.modules)"
    assert run_python(code, str(indexed_bundle)).stdout.split() == [b"True"]
