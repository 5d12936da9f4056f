"""A date that is moved step by step. Size: steps, as many as the level says."""

from __future__ import annotations

from scope_edge.questions.probe.draws import Draws
from scope_edge.questions.probe.item import Item, answer_line
from scope_edge.questions.probe.words import MONTHS, WEEKDAYS

__all__ = ["make"]

_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def make(draws: Draws, level: int) -> Item:
    """A day of the years 2001 to 2049, moved level times; asked is the date, or at times its weekday."""
    day = start = _ordinal(draws.between(2001, 2049), draws.between(1, 12), draws.between(1, 28))
    steps: list[str] = []
    last = -1
    while len(steps) < level:
        way = draws.below(5)
        if way == last:
            continue
        last = way
        forward = draws.pick((True, False))
        where = "forward" if forward else "back"
        year, month, _ = _civil(day)
        if way == 0:
            days = draws.between(9, 45 * level)
            day += days if forward else -days
            steps.append(f"Go {where} by {days} days.")
        elif way == 1:
            weeks = draws.between(2, 7 * level)
            day += 7 * weeks if forward else -7 * weeks
            steps.append(f"Go {where} by {weeks} weeks.")
        elif way == 2:
            weekday = draws.below(7)
            day += (weekday - day % 7 - 1) % 7 + 1
            steps.append(f"Go to the next {WEEKDAYS[weekday]} after that day.")
        elif way == 3:
            day = _ordinal(year, month, _length(year, month))
            steps.append("Go to the last day of that month.")
        else:
            day = _ordinal(year + month // 12, month % 12 + 1, 1)
            steps.append("Go to the first day of the month after.")
    year, month, number = _civil(start)
    told = "\n".join(f"{i}. {step}" for i, step in enumerate(steps, 1))
    # Whole weeks, and the next Friday, leave nothing to work out of the weekday.
    if last in (1, 2) or draws.below(2):
        answer = "{:04}-{:02}-{:02}".format(*_civil(day))
        asked = f"Which date is it then? {answer_line('the date as YYYY-MM-DD')}"
    else:
        answer = WEEKDAYS[day % 7]
        asked = f"Which day of the week is it then? {answer_line('its English name')}"
    weekday_name = WEEKDAYS[start % 7]
    prompt = f"Start on {weekday_name}, {number} {MONTHS[month - 1]} {year}.\n\n{told}\n\n{asked}"
    return Item(prompt, answer, "exact", level, answer)


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _length(year: int, month: int) -> int:
    return _LENGTHS[month - 1] + (month == 2 and _leap(year))


def _ordinal(year: int, month: int, day: int) -> int:
    """Days since 1 January 2001, which was a Monday; may be negative."""
    before = (year - 2001) * 365 + sum(map(_leap, range(2001, year))) - sum(map(_leap, range(year, 2001)))
    return before + sum(_length(year, each) for each in range(1, month)) + day - 1


def _civil(ordinal: int) -> tuple[int, int, int]:
    year = 2001 + ordinal // 365
    while _ordinal(year, 1, 1) > ordinal:
        year -= 1
    month = 12
    while _ordinal(year, month, 1) > ordinal:
        month -= 1
    return year, month, ordinal - _ordinal(year, month, 1) + 1
