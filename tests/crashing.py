"""Processes that spend from one budget and are killed; run in an interpreter of its own, which forks them.

Each worker writes to a file of its own what it begins and what it then knows to be done, and names every call
by a model of its own, so that the accounts can be told from what the files say.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path

import numpy as np
from comparing import crafted

from scope_edge import Budget

WORKERS = 3
ROUNDS = 10  # with one store
RECORDED = 1_234  # nano-USD, the same each time, so that their number can be told from their sum
NANO = 10**9


class Worker:
    """Decides, settles, cancels and records at random, and keeps a diary."""

    def __init__(self, name: str, store: str, limit: float, diary: Path, *, records: bool) -> None:
        self.name, self.records = name, records
        self.random = random.Random(name)
        self.diary = os.open(diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.budget = Budget(limit, store=store)
        self.open: list[tuple[str, int]] = []
        self.steps = 0

    def note(self, *words: object) -> None:
        os.write(self.diary, (json.dumps(words) + "\n").encode())

    def step(self) -> None:
        self.steps += 1
        chance = self.random.random()
        if self.open and chance < 0.45:
            ticket, reserved = self.open.pop(self.random.randrange(len(self.open)))
            cost = self.random.choice([0, self.random.randint(1, reserved), reserved])
            self.note("settles", ticket, cost)
            self.budget.settle(ticket, cost / NANO)
            self.note("settled", ticket, cost)
        elif self.records and chance < 0.6:
            self.note("records")
            self.budget.record(RECORDED / NANO)
            self.note("recorded")
        else:
            model = f"{self.name}/{self.steps}"
            usd = np.float32(self.random.uniform(1e-4, 1e-2))
            self.note("decides", model)
            decision = self.budget.decide(crafted([0.5], [usd / 2], [model], p90=usd))
            self.note("decided", model, decision.ticket)
            if decision.met:
                self.open.append((decision.ticket, int(np.float64(usd) * NANO)))


def work(*arguments, **options) -> None:
    """The life of a child, which its parent ends."""
    try:
        worker = Worker(*arguments, **options)
        while True:
            worker.step()
    except BaseException as error:
        Path(f"{arguments[3]}.error").write_text(repr(error))
    finally:
        os._exit(1)


def crash(folder: Path, limit: float, *, records: bool) -> int:
    """Rounds of children killed at random moments, while the parent spends, too; returns how many were killed."""
    store, chance = str(folder / "budget.db"), random.Random(str(folder))
    parent = Worker("parent", store, limit, folder / "parent", records=records) if chance.random() < 0.5 else None
    stop = threading.Event()

    def spend() -> None:
        while parent and not stop.is_set():
            parent.step()

    spending = threading.Thread(target=spend)
    spending.start()
    for number in range(ROUNDS):
        children = []
        for index in range(WORKERS):
            child = os.fork()
            if child == 0:
                name = f"{number}.{index}"
                work(name, store, limit, folder / name, records=records)
            children.append(child)
        for child in chance.sample(children, WORKERS):
            time.sleep(chance.uniform(0, 0.03))
            os.kill(child, signal.SIGKILL)
        for child in children:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, "a child failed"
    stop.set()
    spending.join()
    return ROUNDS * WORKERS


def check(folder: Path, limit: float) -> dict[str, int]:
    """Compare the accounts with the diaries, settle again what may or may not have been settled, and compare again."""
    assert not list(folder.glob("*.error")), [path.read_text() for path in folder.glob("*.error")]
    store = folder / "budget.db"
    begun, decided, settles, settled = set(), {}, {}, {}
    records = recorded = 0
    for diary in folder.iterdir():
        if diary.name.startswith("budget.db"):
            continue
        # A kill may cut a line short: what it says was not begun, or not known to be done.
        for line in diary.read_text().rpartition("\n")[0].splitlines():
            match json.loads(line):
                case ["decides", model]:
                    begun.add(model)
                case ["decided", model, ticket]:
                    decided[model] = ticket
                case ["settles", ticket, cost]:
                    settles[ticket] = cost
                case ["settled", ticket, cost]:
                    settled[ticket] = cost
                case ["records"]:
                    records += 1
                case ["recorded"]:
                    recorded += 1
    if not store.exists():
        return {}
    # Whoever is killed before the first commit leaves an empty file: a budget of which nothing is spent.
    Budget(limit, store=store).close()
    accounts = read(store)
    calls = {model: (ticket, reserved, cost) for ticket, model, reserved, cost in accounts["calls"]}
    assert len(calls) == len(accounts["calls"]), "a call was counted twice"
    for model, ticket in decided.items():
        assert (calls[model][0] if model in calls else "") == ticket, "an acknowledged decision was lost"
    assert set(calls) <= begun, "a call was counted that nobody began"
    pending = {model for model in begun if model not in decided}
    assert len(pending) <= ROUNDS * WORKERS
    costs = {ticket: cost for ticket, _, cost in calls.values()}
    for ticket, cost in settled.items():
        assert costs[ticket] == cost, "an acknowledged cost was lost"
    for ticket, cost in costs.items():
        assert cost is None or cost == settles[ticket], "a cost was counted that nobody reported"
    unsure = compare(accounts, recorded, records, limit)
    with Budget(limit, store=store) as budget:
        for ticket, cost in settles.items():
            budget.settle(ticket, cost / NANO)
        waiting = {call.ticket for call in budget.open_calls()}
    assert waiting == set(costs) - set(settles)
    assert compare(read(store), recorded, records, limit) == unsure
    undone = len(pending - set(calls)), len(pending & set(calls)), len(set(settles) - set(settled)), records - recorded
    return {"calls": len(calls), "settled": len(settled), **dict(zip(
        ("decisions undone", "decisions unacknowledged", "settlements unacknowledged", "records unacknowledged"),
        undone, strict=True,
    ))}  # fmt: skip


def compare(accounts: dict, recorded: int, records: int, limit: float) -> int:
    """The totals are the sums of the calls and the records, to the nano-USD; returns records nobody knew of."""
    spent = sum(cost for *_, cost in accounts["calls"] if cost is not None)
    reserved = sum(held for *_, held, cost in accounts["calls"] if cost is None)
    if not accounts["totals"]:
        assert not accounts["calls"]
        return 0
    ((spent_total, reserved_total, calls_total),) = accounts["totals"]
    counted = calls_total - len(accounts["calls"])
    assert recorded <= counted <= records, "a record was lost or counted twice"
    assert spent_total == spent + counted * RECORDED, "the spend does not add up"
    assert reserved_total == reserved, "what is reserved does not add up"
    assert spent_total + reserved_total <= limit * NANO, "more than the limit was spent"
    return counted - recorded


def read(store: Path) -> dict[str, list]:
    connection = sqlite3.connect(store)
    try:
        return {
            "calls": connection.execute("SELECT ticket, model, reserved_nano, cost_nano FROM calls").fetchall(),
            "totals": connection.execute("SELECT spent_nano, reserved_nano, calls FROM periods").fetchall(),
            "whole": connection.execute("PRAGMA integrity_check").fetchall(),
        }
    finally:
        connection.close()


def main(folder: Path, stores: int) -> None:
    killed, sums = 0, {}
    for number in range(stores):
        place = folder / str(number)
        place.mkdir()
        # Every other budget is so small that its end is met.
        limit, records = (1000.0, True) if number % 2 else (0.05, False)
        killed += crash(place, limit, records=records)
        assert not (place / "budget.db").exists() or read(place / "budget.db")["whole"] == [("ok",)]
        for name, count in check(place, limit).items():
            sums[name] = sums.get(name, 0) + count
    print(json.dumps({"killed": killed, **sums}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
