"""Which models compete on which sources: rectangles of a block-sparse outcome table.

A router can only be judged where every candidate's answer is known, so a pool is a set of sources
with the models that answered nearly all of their prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from scope_edge.errors import OutcomesError

__all__ = ["MIN_COVERAGE", "MIN_MODELS", "Pool", "find_pools", "named_pool"]

MIN_COVERAGE = 0.95
"""A model is in a pool if it answered at least this share of each of its sources' prompts."""

MIN_MODELS = 3
"""Between two models there is little to route."""

MIN_MIXED_SOURCES = 4
"""The mixed pool spans at least so many sources."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Pool:
    """Models that compete on the prompts of some sources.

    rows and columns are indices into the matrices the pool was found in. A cell may still lack its
    outcome (at most 5% of a model's); a row has at least one.
    """

    name: str
    sources: list[str]
    columns: NDArray[np.intp]
    rows: NDArray[np.intp]


def find_pools(sources: NDArray[np.str_], known: Mask) -> list[Pool]:
    """Every group of models with enough coverage on a set of sources, by name; then the mixed pool.

    Sources are merged greedily, the largest common set of models first, while the common models are
    at least half as many as a member has on average: a merger keeps more than it gives up. The mixed
    pool is the largest rectangle of prompts and models over at least four sources of at least two
    other pools, if there is one.

    Parameters
    ----------
    sources : array of str, shape (n_prompts,)
    known : array of bool, shape (n_prompts, n_models)
        Which outcomes there are.
    """
    coverage = _Coverage.of(sources, known)
    groups = _merge(coverage.models)
    pools: dict[str, Pool] = {}
    for members in groups:
        names = [coverage.names[i] for i in members]
        name = _free_name(_name(names), names, pools)
        pools[name] = _pool(name, names, _common(coverage.models[members]), sources, known)
    found = [pools[name] for name in sorted(pools)]
    mixed = _mixed(coverage, groups)
    if mixed is not None:
        members, common = mixed
        names = [coverage.names[i] for i in members]
        found.append(_pool(_free_name("mixed", names, pools), names, common, sources, known))
    return found


def named_pool(text: str, sources: NDArray[np.str_], known: Mask) -> Pool:
    """The pool that a `--pool` text asks for: NAME=SOURCES, or SOURCES alone.

    SOURCES are names or wildcards with commas between; the models are those with enough coverage on
    every one of them.

    Raises
    ------
    OutcomesError
        A name matches no source, or fewer than three models cover the sources.
    """
    coverage = _Coverage.of(sources, known)
    there = f"some of the sources {', '.join(coverage.names)}"
    name, equals, wildcards = text.partition("=") if "=" in text else ("", "", text)
    patterns = [part.strip() for part in wildcards.split(",")]
    unmatched = [part for part in patterns if not any(fnmatchcase(source, part) for source in coverage.names)]
    if unmatched or (equals and not name.strip()):
        raise OutcomesError(
            f"--pool {text!r} names no source" if unmatched else f"--pool {text!r} has no name",
            expected=f"[NAME=]SOURCES, {there}",
            got=", ".join(repr(part) for part in unmatched),
            remedy="Give names or wildcards, with commas between.",
        )
    members = [i for i, s in enumerate(coverage.names) if any(fnmatchcase(s, part) for part in patterns)]
    names = [coverage.names[i] for i in members]
    common = _common(coverage.models[members])
    if common.sum() < MIN_MODELS:
        raise OutcomesError(
            f"--pool {text!r} has too few models",
            expected=f"at least {MIN_MODELS} models with outcomes for {MIN_COVERAGE:.0%} of the prompts of each source",
            got=f"{int(common.sum())} on {', '.join(names)}",
            remedy=f"Give {there} that share their models.",
        )
    return _pool(name.strip() or _name(names), names, common, sources, known)


@dataclass(frozen=True)
class _Coverage:
    """Per source: its name, its number of prompts, and the models (n_sources, n_models) that cover it."""

    names: list[str]
    sizes: NDArray[np.intp]
    models: Mask

    @classmethod
    def of(cls, sources: NDArray[np.str_], known: Mask) -> _Coverage:
        names, sizes = np.unique(sources, return_counts=True)
        shares = [known[sources == name].mean(axis=0) for name in names]
        models = np.array(shares).reshape(len(names), known.shape[1]) >= MIN_COVERAGE
        return cls(names.tolist(), sizes, models)


def _merge(covered: Mask) -> list[list[int]]:
    """Groups of source indices, each with at least MIN_MODELS common models."""
    groups = [[i] for i in np.flatnonzero(covered.sum(axis=1) >= MIN_MODELS).tolist()]
    while len(groups) > 1:
        common = np.array([_common(covered[members]) for members in groups]).astype(np.float32)
        shared = common @ common.T
        total = np.array([covered[members].sum() for members in groups])
        size = np.array([len(members) for members in groups])
        mean = np.add.outer(total, total) / np.add.outer(size, size)
        fits = (shared >= MIN_MODELS) & (2 * shared >= mean)
        shared[~fits | np.tri(len(groups), dtype=bool)] = 0
        first, second = divmod(int(shared.argmax()), len(groups))
        if not shared[first, second]:
            break
        groups[first] = sorted(groups[first] + groups.pop(second))
    return groups


def _mixed(coverage: _Coverage, groups: list[list[int]]) -> tuple[list[int], Mask] | None:
    """Source indices and common models of the largest rectangle that spans two groups.

    Every source is tried as a start. A step adds the source that keeps the largest area, with all
    that cost no further model, so there are at most as many steps as models.
    """
    group_of = {source: index for index, members in enumerate(groups) for source in members}
    usable = np.array(sorted(group_of), np.intp)
    group = np.array([group_of[source] for source in usable.tolist()], np.intp)
    covered, sizes = coverage.models[usable], coverage.sizes[usable]
    best, largest = None, 0
    for start in range(len(usable)):
        common = covered[start]
        while common.sum() >= MIN_MODELS:
            inside = ~(common & ~covered).any(axis=1)
            n_prompts = int(sizes[inside].sum())
            area = n_prompts * int(common.sum())
            if area > largest and inside.sum() >= MIN_MIXED_SOURCES and len(set(group[inside].tolist())) > 1:
                best, largest = (usable[inside].tolist(), common), area
            left = (covered & common).sum(axis=1)
            next_area = np.where(inside | (left < MIN_MODELS), 0, (n_prompts + sizes) * left)
            if not next_area.any():
                break
            common = common & covered[next_area.argmax()]
    return best


def _common(covered: Mask) -> Mask:
    common: Mask = np.logical_and.reduce(covered, axis=0)
    return common


def _pool(name: str, names: Sequence[str], models: Mask, sources: NDArray[np.str_], known: Mask) -> Pool:
    columns = np.flatnonzero(models)
    rows = np.flatnonzero(np.isin(sources, list(names)) & known[:, columns].any(axis=1))
    return Pool(name, list(names), columns, rows)


def _name(names: Sequence[str]) -> str:
    """The one name, or the common prefix up to a dash, or all names."""
    if len(names) == 1:
        return names[0]
    prefix = []
    for parts in zip(*(name.split("-") for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        prefix.append(parts[0])
    return "-".join(prefix) or "+".join(names)


def _free_name(name: str, names: Sequence[str], taken: Iterable[str]) -> str:
    return name if name not in taken else "+".join(names)
