"""A message and the fields to take from it. Size: values in the JSON, 2 to 13."""

from __future__ import annotations

import json
from typing import Any

from scope_edge.questions.probe.draws import Draws
from scope_edge.questions.probe.item import Item
from scope_edge.questions.probe.words import MONTHS, NAMES, THINGS, TOWNS

__all__ = ["make"]

_FORMS = {
    "customer": "customer (string)",
    "town": "town (string)",
    "date": "date (string, YYYY-MM-DD)",
    "item": "item (string)",
    "quantity": "quantity (integer)",
    "price_cents": "price_cents (integer, for one)",
    "express": "express (true or false)",
    "items": "items (array of objects with item, a string, quantity, an integer, and price_cents, an integer, for one, "
    "in the order of the message)",
}
_KEYS = (
    ("customer", "town"),
    ("customer", "item", "quantity"),
    ("customer", "town", "item", "quantity", "price_cents"),
    ("customer", "town", "date", "item", "quantity", "price_cents", "express"),
    ("customer", "town", "date", "express", "items"),
)


def make(draws: Draws, level: int) -> Item:
    """An order; from level 3 on an earlier one is beside it, at 4 and 5 a quantity is put right."""
    name, other = draws.sample(NAMES, 2)
    town, elsewhere = draws.sample(TOWNS, 2)
    goods = draws.sample(THINGS, 4)
    year, month, day = draws.between(2020, 2032), draws.between(1, 12), draws.between(1, 28)
    count = {5: draws.between(2, 3)}.get(level, 1)
    orders: list[dict[str, Any]] = [
        {"item": thing, "quantity": draws.between(2, 60), "price_cents": 5 * draws.between(4, 90)}
        for thing in goods[:count]
    ]
    express = draws.below(2) == 1
    values: dict[str, Any] = {
        "customer": name, "town": town, "date": f"{year}-{month:02}-{day:02}", "express": express, **orders[0],
        "items": orders,
    }  # fmt: skip
    message = [f"This is {name}, I write from {town}."]
    wrong = orders[0]["quantity"] + draws.between(1, 9)
    told = [wrong if level >= 4 else orders[0]["quantity"], *(order["quantity"] for order in orders[1:])]
    wishes = [
        f"{number} {order['item']} at {order['price_cents']} cents each"
        for number, order in zip(told, orders, strict=True)
    ]  # fmt: skip
    message.append(f"Please send me {' and '.join(wishes)}.")
    if level >= 4:
        message.append(f"I need them by {day} {MONTHS[month - 1]} {year}.")
        message.append("Send them by express." if express else "There is no hurry, so no express delivery.")
        message.append(f"Wait, not {wrong} {orders[0]['item']}: make that {orders[0]['quantity']}.")
    if level >= 3:
        message.append(
            f"By the way, {other} in {elsewhere} no longer wants the {draws.between(2, 60)} {goods[3]} of last week."
        )
    keys = _KEYS[level - 1]
    fields = "\n".join(f"- {_FORMS[key]}" for key in keys)
    answer = {key: values[key] for key in keys}
    prompt = (
        f"A message:\n\n{' '.join(message)}\n\nWrite the order as one JSON object with exactly these fields:\n\n"
        f"{fields}\n\nWords are as in the message. Think as long as you need, and end "
        "with that object in a block between lines of ```."
    )
    size = len(keys) - 1 + 3 * len(orders) if level == 5 else len(keys)
    text = json.dumps(answer)
    # {"const": ...}: to be equaled, whatever its keys.
    return Item(prompt, json.dumps({"const": answer}), "json_schema", size, f"```json\n{text}\n```")
