"""Slow, obvious ways to the answers of probe questions, from their prompts alone."""

from __future__ import annotations

import contextlib
import io
import json
import re
from datetime import date, timedelta
from fractions import Fraction
from itertools import permutations

import numpy as np

from scope_edge.questions.graders.expression import evaluate
from scope_edge.questions.probe.words import MONTHS, WEEKDAYS


def arithmetic(prompt: str) -> str:
    return str(evaluate(prompt.split("\n\n")[1]))


def algebra(prompt: str, answer: str) -> bool:
    """Whether the answer solves the equations, and nothing else does."""
    equations = [line.split(" = ") for line in prompt.split("\n\n")[1].splitlines()]
    names = re.match(r"Solve for \(?([xyz, ]+)", prompt)[1].split(", ")
    numbers = [Fraction(part) for part in answer.strip("()").split(",")]

    def holds(values: dict[str, Fraction]) -> bool:
        return all(evaluate(left, values) == evaluate(right, values) for left, right in equations)

    if len(names) == 1:
        small = [Fraction(a, b) for b in range(1, 19) for a in range(-60, 61)]
        return {x for x in {*small, *numbers} if holds({"x": x})} == set(numbers)
    if not holds(dict(zip(names, numbers, strict=True))):
        return False
    zero = dict.fromkeys(names, Fraction(0))
    matrix = [
        [float(evaluate(left, zero | {name: Fraction(1)}) - evaluate(left, zero)) for name in names]
        for left, _ in equations
    ]
    return abs(np.linalg.det(np.array(matrix))) > 0.5


def word_problems(prompt: str) -> str:
    story = prompt.split("\n\n")[0]
    if "voucher" in story:
        bought = re.findall(r"buys (\d+) \w+ at (\d+) cents each", story)
        off = int(re.search(r"takes (\d+) cents off", story)[1])
        return str(sum(int(count) * int(cents) for count, cents in bought) - off)
    if "km long" in story:
        legs = re.findall(r"for (\d+) hours at (\d+) km", story)
        return str(int(re.search(r"is (\d+) km long", story)[1]) - sum(int(h) * int(speed) for h, speed in legs))
    name = story.split()[0]
    left = 0
    for sentence in re.split(r"(?<=[.?]) ", story):
        number = int((re.search(r"\d+", sentence) or ["0"])[0])
        if not sentence.startswith(name):
            continue
        if " has " in sentence:
            left = number
        elif " finds " in sentence:
            left += number
        elif " gives " in sentence:
            left -= number
        elif " twice as many" in sentence:
            left += left
        elif " half " in sentence:
            assert left % 2 == 0
            left //= 2
        else:
            assert " evenly into " in sentence
            assert left % number == 0
            left //= number
        assert left > 0
    return str(left)


def logic_grids(prompt: str) -> str:
    """The letter; every arrangement is tried, and one must be left."""
    n = int(prompt.split()[0])
    names = re.search(r"lives one of (.*?)\.", prompt)[1].replace(" and ", ", ").split(", ")
    animals = re.search(r"one animal: (.*?)\.", prompt)
    animals = animals[1].replace(" and ", ", ").split(", ") if animals else []
    clues = re.findall(r"^- (.*)\.$", prompt, re.MULTILINE)
    question = re.search(r"^Who .*\?$", prompt, re.MULTILINE)[0]
    found = []
    for people in permutations(names):
        for beasts in permutations(animals) if animals else [()]:
            house = {name: i for i, name in enumerate(people, 1)} | {beast: i for i, beast in enumerate(beasts, 1)}

            def at(text: str, house: dict[str, int] = house) -> int:
                return house[re.sub(r"^[Tt]he owner of the ", "", text)]

            def holds(clue: str, at=at) -> bool:
                if match := re.fullmatch(r"(.*) lives in house (\d)", clue):
                    return at(match[1]) == int(match[2])
                if match := re.fullmatch(r"(.*) does not live in house (\d)", clue):
                    return at(match[1]) != int(match[2])
                if match := re.fullmatch(r"(.*) lives in the house directly to the left of (.*)", clue):
                    return at(match[2]) - at(match[1]) == 1
                if match := re.fullmatch(r"(.*) lives somewhere to the left of (.*)", clue):
                    return at(match[1]) < at(match[2])
                if match := re.fullmatch(r"(.*) does not have the (.*)", clue):
                    return at(match[1]) != at(match[2])
                match = re.fullmatch(r"(.*) has the (.*)", clue)
                return at(match[1]) == at(match[2])

            if all(map(holds, clues)):
                found.append((people, beasts))
    assert len(found) == 1, (n, len(found))
    people, beasts = found[0]
    place = re.search(r"house (\d)", question)
    who = people[int(place[1]) - 1] if place else people[beasts.index(re.search(r"the (\w+)\?", question)[1])]
    return re.search(rf"^\((\w)\) {who}$", prompt, re.MULTILINE)[1]


def code_output(prompt: str) -> str:
    """What Python itself prints. The program is one that the package made, and gets no other names."""
    code = re.search(r"```python\n(.*?)\n```", prompt, re.DOTALL)[1]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, {"__builtins__": {"range": range, "print": print}})
    return out.getvalue().rstrip("\n")


def strings(prompt: str) -> str:
    letters = list(re.search(r"the letters (\w+)", prompt)[1])
    for step in numbered(prompt):
        words = step.rstrip(".").split()
        if step == "Reverse them.":
            letters.reverse()
        elif words[:2] == ["Replace", "every"]:
            letters = [words[4] if letter == words[2] else letter for letter in letters]
        elif words[:2] == ["Remove", "every"]:
            letters = [letter for letter in letters if letter != words[2]]
        elif words[:3] == ["Move", "the", "first"]:
            for _ in range({"letter": 1, "two": 2, "three": 3, "four": 4}[words[3]]):
                letters.append(letters.pop(0))
        elif words[0] == "Swap":
            letters[0], letters[-1] = letters[-1], letters[0]
        elif words[:2] == ["Write", "every"]:
            letters = [each for letter in letters for each in letter * (2 if letter == words[2] else 1)]
        elif words[:3] == ["Remove", "the", "third,"]:
            del letters[2::3]
        else:
            assert words[:2] == ["Write", "first"], step
            even = [letters[i] for i in range(1, len(letters), 2)]
            letters = [letters[i] for i in range(0, len(letters), 2)] + even
    return "".join(letters)


def dates(prompt: str) -> str:
    weekday, day, month, year = re.search(r"Start on (\w+), (\d+) (\w+) (\d+)", prompt).groups()
    at = date(int(year), MONTHS.index(month) + 1, int(day))
    assert WEEKDAYS[at.weekday()] == weekday
    for step in numbered(prompt):
        if moved := re.fullmatch(r"Go (forward|back) by (\d+) (days|weeks)\.", step):
            delta = timedelta(int(moved[2]) * (7 if moved[3] == "weeks" else 1))
            at = at + delta if moved[1] == "forward" else at - delta
        elif following := re.fullmatch(r"Go to the next (\w+) after that day\.", step):
            at += timedelta(1)
            while WEEKDAYS[at.weekday()] != following[1]:
                at += timedelta(1)
        elif step == "Go to the last day of that month.":
            while (at + timedelta(1)).month == at.month:
                at += timedelta(1)
        else:
            assert step == "Go to the first day of the month after."
            month_before = at.month
            while at.month == month_before:
                at += timedelta(1)
    return WEEKDAYS[at.weekday()] if "Which day of the week" in prompt else at.isoformat()


def tables(prompt: str) -> str:
    lines = [line.strip("|").split("|") for line in prompt.splitlines() if line.startswith("| ")]
    rows = [
        dict(zip(("seller", "town", "ware", "units", "price"), map(str.strip, line), strict=True)) for line in lines
    ]
    rows = [row | {"units": int(row["units"]), "price": int(row["price"])} for row in rows[1:]]
    assert len({row["seller"] for row in rows}) == len(rows)
    if match := re.search(r"How many units does (\w+) have", prompt):
        return str(next(row["units"] for row in rows if row["seller"] == match[1]))
    if match := re.search(r"Who has the most units in (\w+)", prompt):
        there = sorted((row["units"], row["seller"]) for row in rows if row["town"] == match[1])
        assert len(there) == 1 or there[-1][0] > there[-2][0]
        return there[-1][1]
    if match := re.search(r"How many sellers in (\w+) have more than (\d+)", prompt):
        return str(len([row for row in rows if row["town"] == match[1] and row["units"] > int(match[2])]))
    if match := re.search(r"How many units of (\w+) are there in (\w+)", prompt):
        return str(sum(row["units"] for row in rows if (row["ware"], row["town"]) == (match[1], match[2])))
    match = re.search(r"What are all the (\w+) in (\w+) worth", prompt)
    return str(sum(row["units"] * row["price"] for row in rows if (row["ware"], row["town"]) == (match[1], match[2])))


def instructions(prompt: str, text: str) -> bool:
    """Whether a text keeps to the rules as they are worded."""
    words = re.findall(r"\w+", text)
    for rule in numbered(prompt):
        if match := re.fullmatch(r"It has from (\d+) to (\d+) words\.", rule):
            holds = int(match[1]) <= len(words) <= int(match[2])
        elif match := re.fullmatch(r"It has exactly (\d) lines, empty ones not counted\.", rule):
            holds = text.count("\n") + 1 == int(match[1])
        elif match := re.fullmatch(r"It has exactly (\d) bullet points, each on a line that begins with '- '\.", rule):
            holds = sum(line.startswith("- ") for line in text.split("\n")) == int(match[1])
        elif match := re.fullmatch(r"It starts with '(\w+)'\.", rule):
            holds = words[0] == match[1] and text[0] == match[1][0]
        elif match := re.fullmatch(r"It ends with '(\w+)', with no mark after it\.", rule):
            holds = words[-1] == match[1] and text[-1] == match[1][-1]
        elif match := re.fullmatch(r"It has the word '(\w+)' exactly (twice|three times|four times)\.", rule):
            holds = words.count(match[1]) == {"twice": 2, "three times": 3, "four times": 4}[match[2]]
        elif match := re.fullmatch(r"The letter (\w) does not occur in it\.", rule):
            holds = match[1] not in text.lower()
        else:
            match = re.fullmatch(r"All of its letters are (capitals|small)\.", rule)
            holds = not re.search("[a-z]" if match[1] == "capitals" else "[A-Z]", text)
        if not holds:
            return False
    return True


def json_extraction(prompt: str) -> dict:
    message = prompt.split("\n\n")[1]
    fields = re.findall(r"^- (\w+) \(", prompt, re.MULTILINE)
    wishes = [
        {"item": item, "quantity": int(n), "price_cents": int(cents)}
        for n, item, cents in re.findall(r"(\d+) (\w+) at (\d+) cents each", message)
    ]
    if put_right := re.search(r"Wait, not (\d+) (\w+): make that (\d+)\.", message):
        wish = next(wish for wish in wishes if wish["item"] == put_right[2])
        assert wish["quantity"] == int(put_right[1])
        wish["quantity"] = int(put_right[3])
    known = {**wishes[0], "items": wishes, "express": "Send them by express" in message}
    known["customer"], known["town"] = re.search(r"This is (\w+), I write from (\w+)\.", message).groups()
    if day := re.search(r"by (\d+) (\w+) (\d{4})\.", message):
        known["date"] = date(int(day[3]), MONTHS.index(day[2]) + 1, int(day[1])).isoformat()
    return {name: known[name] for name in fields}


REQUESTS = {
    r"Is it raining in (?P<town>\w+) right now\?": "current_weather",
    r"What have I got on (?P<date>[\d-]+)\?": "list_events",
    r"How many (?P<item>\w+) have we got left\?": "stock_of_item",
    r"How do I reach (?P<person>\w+)\?": "find_contact",
    r"Will it stay dry in (?P<town>\w+) for the next (?P<days>\d+) days\?": "forecast",
    r"I cannot see (?P<person>\w+) on (?P<date>[\d-]+) after all, drop it\.": "cancel_event",
    r"We are short of (?P<item>\w+), get (?P<count>\d+) of them\.": "order_item",
    r"How much is (?P<number>\d+) metres in (?P<unit>\w+)\?": "convert_length",
    r"I want to meet (?P<person>\w+) on (?P<date>[\d-]+) at (?P<hour>\d+) o'clock, put it in\.": "create_event",
    r"My meeting with (?P<person>\w+) on (?P<date>[\d-]+) has to be on (?P<new_date>[\d-]+) instead\.": "move_event",
    r"(?P<town>\w+) needs (?P<count>\d+) of our (?P<item>\w+), ship them\.": "send_item",
    r"I have to get from (?P<town>\w+) to (?P<to_town>\w+) by rail on (?P<date>[\d-]+)\.": "book_train",
}


def tool_calls(prompt: str) -> dict:
    request = re.search(r"^The request: (.*)$", prompt, re.MULTILINE)[1]
    matches = [(match, tool) for form, tool in REQUESTS.items() if (match := re.fullmatch(form, request))]
    assert len(matches) == 1
    match, tool = matches[0]
    offered = dict(re.findall(r"^- (\w+)\((.*?)\):", prompt, re.MULTILINE))
    types = dict(part.split(": ") for part in offered[tool].split(", "))
    assert set(types) == set(match.groupdict())
    assert len(offered) == prompt.count("\n- ")
    return {
        "tool": tool,
        "arguments": {
            name: int(text) if types[name] == "integer" else text for name, text in match.groupdict().items()
        },
    }


def long_context(prompt: str) -> str:
    notes, asked = prompt.removeprefix("Notes:\n\n").split("\n\n")
    if bag := re.search(r"the bag of (\w+)\?", asked):
        place = re.findall(rf"{bag[1]} has put a bag into locker (\d+) of the station in (\w+)\.", notes)
    else:
        place = re.findall(r"locker (\d+) of the station in (\w+) open\?", asked)
    assert len(place) == 1
    codes = re.findall(rf"Locker {place[0][0]} of the station in {place[0][1]} opens with (\w+)\.", notes)
    assert len(codes) == 1
    return codes[0]


def numbered(prompt: str) -> list[str]:
    """The numbered lines."""
    return re.findall(r"^\d+\. (.*)$", prompt, re.MULTILINE)


def loaded(answer: str) -> dict:
    return json.loads(answer)["const"]
