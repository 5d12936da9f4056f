"""Stories with numbers: a stock that changes, a bill, a journey. Size: steps of the calculation, level + 1."""

from __future__ import annotations

from scope_edge.questions.probe.draws import Draws
from scope_edge.questions.probe.item import Item, answer_line
from scope_edge.questions.probe.words import NAMES, THINGS, TOWNS

__all__ = ["make"]


def make(draws: Draws, level: int) -> Item:
    """A story of level + 1 steps; from level 3 on with a number that does not matter."""
    return draws.pick((_stock, _bill, _journey))(draws, level)


def _stock(draws: Draws, level: int) -> Item:
    name, friend = draws.sample(NAMES, 2)
    things, others = draws.sample(THINGS, 2)
    count = draws.between(10, 20 + 10 * level)
    story = [f"{name} has {count} {things}."]
    last = ""
    for _ in range(level + 1):
        ways = ["finds", "gives"] + ["doubles"] * (count < 200) + ["halves"] * (count % 2 == 0 and count > 8)
        shares = [boxes for boxes in range(3, 8) if count % boxes == 0 and count // boxes > 3]
        way = draws.pick([way for way in ways + ["packs"] * bool(shares) if way != last])
        last = way
        if way == "finds":
            more = draws.between(3, 30)
            count += more
            story.append(f"{name} finds {more} more {things}.")
        elif way == "gives":
            fewer = draws.between(2, count - 3)
            count -= fewer
            story.append(f"{name} gives {fewer} of the {things} to {friend}.")
        elif way == "doubles":
            count *= 2
            story.append(f"{name} buys {things} until there are twice as many.")
        elif way == "halves":
            count //= 2
            story.append(f"{name} sells half of the {things}.")
        else:
            boxes = draws.pick(shares)
            count //= boxes
            story.append(f"{name} packs all {things} evenly into {boxes} boxes and keeps only one box.")
    if level >= 3:
        story.insert(1 + draws.below(len(story)), f"{friend} has {draws.between(5, 60)} {others}.")
    return _item(story, f"How many {things} does {name} have in the end?", count, level)


def _bill(draws: Draws, level: int) -> Item:
    name, friend = draws.sample(NAMES, 2)
    story, total = [f"{name} goes to the market."], 0
    for thing in draws.sample(THINGS, level):
        count, cents = draws.between(2, 6 + 3 * level), 5 * draws.between(3, 30)
        total += count * cents
        story.append(f"{name} buys {count} {thing} at {cents} cents each.")
    if level >= 3:
        story.append(f"{friend} wants {draws.between(2, 9)} mirrors, but there are none.")
    off = draws.between(2, min(total - 1, 90))
    story.append(f"A voucher takes {off} cents off the bill.")
    return _item(story, f"How many cents does {name} pay?", total - off, level)


def _journey(draws: Draws, level: int) -> Item:
    name = draws.pick(NAMES)
    towns = draws.sample(TOWNS, 2)
    story, total = [], 0
    for _ in range(level):
        hours, speed = draws.between(2, 5), draws.between(4, 24) * 5 + draws.below(3)
        total += hours * speed
        story.append(f"{name} drives for {hours} hours at {speed} km per hour.")
    if level >= 3:
        story.insert(1, f"Then {name} rests for {draws.between(15, 55)} minutes.")
    left = draws.between(12, 400)
    story.insert(0, f"From {towns[0]} to {towns[1]} the road is {total + left} km long.")
    return _item(story, f"How many km of it has {name} still to go?", left, level)


def _item(story: list[str], asked: str, value: int, level: int) -> Item:
    prompt = f"{' '.join(story)} {asked}\n\n{answer_line('the number')}"
    return Item(prompt, str(value), "numeric", level + 1, str(value))
