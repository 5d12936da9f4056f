"""Other names of models: how providers, gateways and local runners write one model's name.

Pure functions over names. `scope_edge.candidates` asks them for a name that is none of a pool's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["AliasIndex", "alias_index", "find_alias", "normalised", "split_date"]

_MARKS = str.maketrans(".:@", "---")
_DATE = re.compile(r"(?<=.)-(20[0-9]{2})(-?)(0[1-9]|1[0-2])\2(0[1-9]|[12][0-9]|3[01])$", re.DOTALL)


def normalised(name: str) -> str:
    """A name as it is compared: without its provider, in lower case, with dashes, its date in eight digits.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        What follows the last `/`, case-folded; `.`, `:` and `@` are dashes, and a date at its end is `-YYYYMMDD`.
        Empty where nothing follows.

    Examples
    --------
    >>> normalised("openrouter/anthropic/Claude-Sonnet-4.5"), normalised("qwen3:32b")
    ('claude-sonnet-4-5', 'qwen3-32b')
    >>> normalised("gpt-4o-2024-08-06")
    'gpt-4o-20240806'
    """
    bare = name.rpartition("/")[2].strip().casefold().translate(_MARKS)
    return _DATE.sub(r"-\1\3\4", bare)


def split_date(name: str) -> tuple[str, str | None]:
    """A normalised name without the date at its end, and the date, YYYYMMDD; None for a name without one.

    Examples
    --------
    >>> split_date("claude-sonnet-4-5-20250929"), split_date("gpt-4-0613")
    (('claude-sonnet-4-5', '20250929'), ('gpt-4-0613', None))
    """
    found = _DATE.search(name)
    return (name, None) if found is None else (name[: found.start()], name[found.start() + 1 :])


class AliasIndex(NamedTuple):
    """The names of n models, ready to be looked up; columns are positions of models, from 0 to n - 1.

    by_name: columns by the normalised name. by_alias: by each normalised other name. by_stem: of models with a dated
    name, by that name without its date. dates: the dates in the names of each model.
    """

    by_name: dict[str, list[int]]
    by_alias: dict[str, list[int]]
    by_stem: dict[str, list[int]]
    dates: list[frozenset[str]]


def alias_index(models: Iterable[tuple[str, Sequence[str]]]) -> AliasIndex:
    """Index models, each by its name and its other names.

    Parameters
    ----------
    models : iterable of (str, sequence of str)
    """
    index = AliasIndex({}, {}, {}, [])
    for column, (name, others) in enumerate(models):
        keys = dict.fromkeys(map(normalised, (name, *others)))
        dates = set()
        for place, key in enumerate(keys):
            _add(index.by_alias if place else index.by_name, key, column)
            stem, date = split_date(key)
            if date is not None:
                _add(index.by_stem, stem, column)
                dates.add(date)
        index.dates.append(frozenset(dates))
    return index


def find_alias(name: str, index: AliasIndex) -> list[int]:
    """The models that a name may stand for, by the first of these rules that finds one.

    1. The normalised names are the same.
    2. The normalised name is another name of the model.
    3. One of the two has a date at its end, the other has none, and they are the same without it. A model with other
       dates in its names is another version, and not meant.

    Returns
    -------
    list of int
        Columns, rising; more than one where the name is ambiguous, none where it is nobody's.
    """
    wanted = normalised(name)
    if not wanted:
        return []
    for group in (index.by_name, index.by_alias):
        if wanted in group:
            return group[wanted]
    stem, date = split_date(wanted)
    if date is None:
        return index.by_stem.get(wanted, [])
    undated = {*index.by_name.get(stem, ()), *index.by_alias.get(stem, ())}
    return sorted(column for column in undated if not index.dates[column])


def _add(groups: dict[str, list[int]], key: str, column: int) -> None:
    columns = groups.setdefault(key, [])
    if column not in columns[-1:]:
        columns.append(column)
