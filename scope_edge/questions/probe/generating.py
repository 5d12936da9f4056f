"""The probe set: so many questions of every family, levels in turn."""

from __future__ import annotations

from scope_edge.errors import UsageError
from scope_edge.questions.probe.draws import Draws
from scope_edge.questions.probe.families import FAMILIES
from scope_edge.questions.probe.item import Item
from scope_edge.questions.question import PROBE, Question

__all__ = ["LEVELS", "PER_FAMILY", "probe_items", "probe_questions"]

LEVELS = 5
PER_FAMILY = 40


def probe_questions(seed: int = 0, per_family: int = PER_FAMILY) -> list[Question]:
    """Questions made by the package itself, the same everywhere for the same arguments.

    Parameters
    ----------
    seed : int
        Another seed makes other questions.
    per_family : int
        How many of each family, levels 1 to 5 in turn. More are the same ones and others after them.

    Returns
    -------
    list of Question
        With the ids "probe/FAMILY/LEVEL/NUMBER" ("probe-SEED/..." if it is not 0), the source "probe" and the family
        as category.

    Raises
    ------
    UsageError
        per_family is below 1.

    Examples
    --------
    >>> probe_questions(per_family=1)[0].id
    'probe/arithmetic/1/0000'
    """
    return [
        Question(name, item.prompt, item.answer, item.grader, item.choices, PROBE, name.split("/")[1])
        for name, item in probe_items(seed, per_family).items()
    ]


def probe_items(seed: int = 0, per_family: int = PER_FAMILY) -> dict[str, Item]:
    """The same by id, with what the generator knows beside: how large each is, and a right output."""
    if per_family < 1:
        raise UsageError("Bad per_family", expected="1 or more", got=repr(per_family))
    prefix = PROBE if seed == 0 else f"{PROBE}-{seed}"
    items: dict[str, Item] = {}
    for family, make in FAMILIES.items():
        prompts: set[str] = set()
        for number in range(per_family):
            level = number % LEVELS + 1
            draws = Draws(f"{seed}/{family}/{number}")
            while (item := make(draws, level)).prompt in prompts:
                pass
            prompts.add(item.prompt)
            items[f"{prefix}/{family}/{level}/{number:04}"] = item
    return items
