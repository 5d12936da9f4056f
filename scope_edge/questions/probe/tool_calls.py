"""A request, and tools of which one fits. Size: tools on offer and arguments of the right one, together."""

from __future__ import annotations

import json
from typing import NamedTuple

from scope_edge.questions.probe.draws import Draws
from scope_edge.questions.probe.item import Item
from scope_edge.questions.probe.words import NAMES, THINGS, TOWNS

__all__ = ["make"]

_OFFERED = (2, 3, 4, 6, 9)
_ARGUMENTS = (1, 1, 2, 2, 3)


class _Tool(NamedTuple):
    name: str
    arguments: tuple[str, ...]
    does: str
    request: str


_TOOLS = (
    _Tool("current_weather", ("town",), "the weather of this moment", "Is it raining in {town} right now?"),
    _Tool("list_events", ("date",), "what stands in the calendar on a day", "What have I got on {date}?"),
    _Tool("stock_of_item", ("item",), "how many of an item are in the store", "How many {item} have we got left?"),
    _Tool("find_contact", ("person",), "telephone number and address of a person", "How do I reach {person}?"),
    _Tool("forecast", ("town", "days"), "the weather of the coming days",
          "Will it stay dry in {town} for the next {days} days?"),
    _Tool("cancel_event", ("person", "date"), "takes a meeting out of the calendar",
          "I cannot see {person} on {date} after all, drop it."),
    _Tool("order_item", ("item", "count"), "orders an item for the store",
          "We are short of {item}, get {count} of them."),
    _Tool("convert_length", ("number", "unit"), "a length in metres, in another unit",
          "How much is {number} metres in {unit}?"),
    _Tool("create_event", ("person", "date", "hour"), "puts a meeting into the calendar",
          "I want to meet {person} on {date} at {hour} o'clock, put it in."),
    _Tool("move_event", ("person", "date", "new_date"), "moves a meeting to another day",
          "My meeting with {person} on {date} has to be on {new_date} instead."),
    _Tool("send_item", ("item", "count", "town"), "sends items of the store to a town",
          "{town} needs {count} of our {item}, ship them."),
    _Tool("book_train", ("town", "to_town", "date"), "books a seat on a train",
          "I have to get from {town} to {to_town} by rail on {date}."),
)  # fmt: skip
_TYPES = {"days": "integer", "count": "integer", "number": "integer", "hour": "integer"}


def make(draws: Draws, level: int) -> Item:
    """From 2 to 9 tools, of which one takes what the request gives."""
    right = draws.pick([tool for tool in _TOOLS if len(tool.arguments) == _ARGUMENTS[level - 1]])
    others = [tool for tool in _TOOLS if tool is not right]
    offered = draws.shuffled([right, *draws.sample(others, _OFFERED[level - 1] - 1)])
    town, to_town = draws.sample(TOWNS, 2)
    date, new_date = sorted(
        f"{draws.between(2025, 2031)}-{month:02}-{draws.between(1, 28):02}" for month in draws.sample(range(1, 13), 2)
    )
    values: dict[str, str | int] = {
        "town": town, "to_town": to_town, "date": date, "new_date": new_date, "item": draws.pick(THINGS),
        "person": draws.pick(NAMES), "days": draws.between(2, 9), "count": draws.between(2, 80),
        "number": draws.between(2, 900), "hour": draws.between(8, 18), "unit": draws.pick(("feet", "inches", "yards")),
    }  # fmt: skip
    tools = "\n".join(f"- {tool.name}({_typed(tool)}): {tool.does}" for tool in offered)
    request = right.request.format(**values)
    prompt = (
        f"You may call one of these tools:\n\n{tools}\n\nThe request: {request}\n\nAnswer with the call as a JSON "
        'object with the fields "tool" and "arguments", in a block between lines of ```. Dates are YYYY-MM-DD; names '
        "are as in the request."
    )
    call = {"tool": right.name, "arguments": {name: values[name] for name in right.arguments}}
    size = len(offered) + len(right.arguments)
    return Item(prompt, json.dumps({"const": call}), "json_schema", size, f"```json\n{json.dumps(call)}\n```")


def _typed(tool: _Tool) -> str:
    return ", ".join(f"{name}: {_TYPES.get(name, 'string')}" for name in tool.arguments)
