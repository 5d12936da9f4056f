from __future__ import annotations

import numpy as np
import pytest

from scope_edge.errors import OutcomesError
from scope_edge.evaluate.pools import find_pools, named_pool


def table(blocks: dict[str, tuple[int, range | list[int]]], n_models: int = 12):
    """Sources with their number of prompts and the models that answered all of them."""
    sources = np.concatenate([[name] * n for name, (n, _) in blocks.items()])
    known = np.zeros((len(sources), n_models), bool)
    for name, (_, models) in blocks.items():
        known[np.ix_(sources == name, list(models))] = True
    return sources, known


def shape(pool) -> tuple[list[str], list[int], int]:
    return pool.sources, pool.columns.tolist(), len(pool.rows)


def test_sources_that_share_their_models_merge_and_are_named_by_their_prefix():
    sources, known = table({"zero-eval-b": (3, range(5)), "zero-eval-a": (2, range(6)), "other": (4, range(6, 10))})
    other, zero = find_pools(sources, known)
    assert (other.name, *shape(other)) == ("other", ["other"], [6, 7, 8, 9], 4)
    assert (zero.name, *shape(zero)) == ("zero-eval", ["zero-eval-a", "zero-eval-b"], [0, 1, 2, 3, 4], 5)
    assert other.rows.tolist() == [5, 6, 7, 8]


def test_a_merger_keeps_at_least_half_of_the_models():
    def names(shared: int) -> list[str]:
        sources, known = table({"a": (2, range(8)), "b": (2, range(8 - shared, 16 - shared))}, 16)
        return [pool.name for pool in find_pools(sources, known)]

    assert names(4) == ["a+b"]
    assert names(3) == ["a", "b"]
    # A small source does not pull a large one down to its few models.
    sources, known = table({"large": (2, range(12)), "small": (2, range(3))})
    assert [pool.name for pool in find_pools(sources, known)] == ["large", "small"]


def test_the_closest_sources_merge_first():
    # b shares 4 models with a and 3 with c; the two together share 3 with no one.
    sources, known = table({"a": (1, range(6)), "b": (1, range(2, 8)), "c": (1, range(5, 11))})
    assert [pool.name for pool in find_pools(sources, known)] == ["a+b", "c"]


def test_a_model_needs_95_percent_of_every_source():
    sources, known = table({"a": (20, range(5))})
    known[0, 0] = known[:2, 1] = False
    (pool,) = find_pools(sources, known)
    assert pool.columns.tolist() == [0, 2, 3, 4]


def test_a_row_without_any_outcome_of_the_pool_is_left_out():
    sources, known = table({"a": (20, range(4))})
    known[7] = False
    known[7, 11] = True  # a model outside of the pool
    (pool,) = find_pools(sources, known)
    assert pool.rows.tolist() == [*range(7), *range(8, 20)]


def test_two_models_are_no_pool():
    assert find_pools(*table({"a": (5, range(2))})) == []


def test_pools_do_not_depend_on_the_order_of_the_rows():
    sources, known = table({"z-b": (3, range(5)), "z-a": (2, range(6)), "other": (4, range(6, 10))})
    order = np.random.default_rng(0).permutation(len(sources))
    for pool, again in zip(find_pools(sources, known), find_pools(sources[order], known[order]), strict=True):
        assert (pool.name, *shape(pool)) == (again.name, *shape(again))
        assert sorted(order[again.rows]) == pool.rows.tolist()


def test_the_mixed_pool_is_the_largest_rectangle_over_four_sources_of_two_pools():
    blocks = {"z-1": (10, range(8)), "z-2": (10, range(8)), "z-3": (10, range(8)), "z-4": (10, range(8))}
    # With far, 70 prompts of 3 models; with near, 45 of 4; with both, 75 of none.
    apart = {"far": (30, [0, 1, 2, *range(8, 12)]), "near": (5, [4, 5, 6, 7, *range(12, 19)])}
    sources, known = table({**blocks, **apart}, 19)
    pools = find_pools(sources, known)
    assert [pool.name for pool in pools] == ["far", "near", "z", "mixed"]
    assert shape(pools[-1]) == (["far", "z-1", "z-2", "z-3", "z-4"], [0, 1, 2], 70)


def test_without_a_rectangle_over_two_pools_there_is_no_mixed_pool():
    blocks = {f"z-{i}": (10, range(8)) for i in range(4)}
    assert [pool.name for pool in find_pools(*table(blocks))] == ["z"]
    assert [pool.name for pool in find_pools(*table({**blocks, "far": (9, [0, 1, 8, 9])}))] == ["far", "z"]


def test_many_sources_take_no_exponential_time():
    rng = np.random.default_rng(0)
    blocks = {f"s{i}": (2, np.flatnonzero(rng.random(30) < 0.7).tolist()) for i in range(60)}
    pools = find_pools(*table(blocks, 30))
    assert pools[-1].name == "mixed"
    assert len(pools[-1].columns) >= 3
    assert len(pools[-1].sources) >= 4


@pytest.mark.parametrize(
    ("text", "name", "wanted"),
    [
        ("z-*", "z", ["z-a", "z-b"]),
        ("mine = z-a, other", "mine", ["other", "z-a"]),
        ("z-a,other", "other+z-a", ["other", "z-a"]),
        ("z-a", "z-a", ["z-a"]),
    ],
)
def test_a_pool_can_be_named(text, name, wanted):
    sources, known = table({"z-a": (3, range(5)), "z-b": (2, range(6)), "other": (4, range(2, 10))})
    pool = named_pool(text, sources, known)
    assert (pool.name, pool.sources) == (name, wanted)
    columns = {"z": range(5), "z-a": range(5)}.get(name, range(2, 5))
    assert pool.columns.tolist() == list(columns)
    assert pool.rows.tolist() == np.flatnonzero(np.isin(sources, wanted)).tolist()


@pytest.mark.parametrize("text", ["nobody", "z-a,nobody", "name=", "", "=z-a", "z-a,"])
def test_a_pool_of_no_source_names_those_there_are(text):
    with pytest.raises(OutcomesError, match="sources other, z-a"):
        named_pool(text, *table({"z-a": (3, range(5)), "other": (4, range(6, 10))}))


def test_a_pool_of_too_few_models_is_an_error():
    with pytest.raises(OutcomesError, match=r"too few models, expected at least 3 .* got 2 on a, b"):
        named_pool("*", *table({"a": (3, range(5)), "b": (4, range(3, 10))}))
