"""Asking until enough is known or the money is spent, in rounds, and adding the model.

Questions go out in rounds of a fixed size, and a round is chosen when the one before it is complete. So what is asked
depends on the answers alone, not on the order in which they come in. All that the ledger holds counts, as spent and as
known, under whatever limits it came about. A run that was killed completes the round that it had begun and goes on as
if nothing had happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.cards import check_model_name
from scope_edge.endpoint import Answer, Failure
from scope_edge.errors import EndpointError, UsageError
from scope_edge.fingerprinting.adaptive import Belief, Interval, Offer
from scope_edge.fingerprinting.forecast import Forecast
from scope_edge.fingerprinting.ledger import Ledger, Record
from scope_edge.fingerprinting.summary import Summary, summarise
from scope_edge.joining import place
from scope_edge.names import counted
from scope_edge.outcome_rows import OutcomeRow
from scope_edge.pricing import Price
from scope_edge.questions import Question, grade
from scope_edge.questions.question import PROBE
from scope_edge.router import Router

__all__ = ["Fingerprinting", "Limits"]

Float = NDArray[np.float64]
Ask = Callable[[str], Awaitable[Answer | Failure]]
Watch = Callable[["Fingerprinting"], None]


@dataclass(frozen=True)
class Limits:
    """When to stop, and how to go on until then.

    until: half of the width of the 80% interval of the mean accuracy. round_size: how many questions are chosen at
    once, and so at most under way at once. count_truncated: an answer that was cut by a limit of length is wrong
    instead of missing. at_random: ask in an order drawn at random instead of the most telling next. seed: of that
    order, or of the questions that compete for a round.
    """

    max_questions: int | None = None
    max_usd: float | None = None
    until: float | None = None
    round_size: int = 8
    count_truncated: bool = False
    at_random: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        bounds: tuple[tuple[str, float | None, bool, str], ...] = (
            ("max_questions", self.max_questions, self.max_questions is None or self.max_questions >= 1, "1 or more"),
            ("max_usd", self.max_usd, self.max_usd is None or self.max_usd >= 0, "0 USD or more"),
            ("until", self.until, self.until is None or 0 < self.until < 0.5, "a half width above 0, below 0.5"),
            ("round_size", self.round_size, self.round_size >= 1, "1 or more"),
        )
        for name, value, holds, expected in bounds:
            if value is not None and not holds:
                raise UsageError(f"Bad {name}", expected=expected, got=repr(value))


class Fingerprinting:
    """One run: a model, its questions, what was asked so far, and what is believed of the model.

    Parameters
    ----------
    router : Router
        The pool that the model will join; it is changed by `add` alone.
    questions : sequence of Question
        Each counts with its weight: those with the source "probe" with less.
    ledger : Ledger
        What was asked before is not asked again.

    Raises
    ------
    UsageError
        There are no questions, two have one id or one prompt, or the pool can have no model of that name.
    """

    def __init__(
        self, router: Router, name: str, questions: Sequence[Question], price: Price, ledger: Ledger, limits: Limits
    ) -> None:
        check_model_name(name)
        _check(questions)
        self.name, self.questions, self.ledger, self.limits, self.price = name, list(questions), ledger, limits, price
        self._router = router
        estimator = router.everyone  # what a join is judged by does not depend on the pool
        anchors = estimator.anchors
        rows = [OutcomeRow(0.0, item.prompt, item.id, weight=item.weight) for item in self.questions]
        places = place(rows, router.encoder, estimator, name)
        self._is_anchor = places.same
        # The accuracy is wanted for what the questions are about; of probes nobody wants it.
        wanted = np.flatnonzero([item.source != PROBE for item in self.questions])
        if len(wanted):
            target_a, target_b = places.a[wanted], places.b[wanted]
            everything = len(wanted) == len(self.questions)
            self._accuracy_over = (
                "all questions on offer" if everything else "the questions on offer that are no probes"
            )
        else:
            self._accuracy_over = "the bundle's anchors"
            target_a, target_b = anchors.a.astype(np.float64), anchors.b.astype(np.float64)
        self._offer = Offer(places, estimator.fingerprints.population, target_a, target_b)
        self.forecast = Forecast(places, estimator.fingerprints.population, price)
        self._order = np.random.default_rng(limits.seed).permutation(len(self.questions))
        self._row_of = {item.id: row for row, item in enumerate(self.questions)}
        self.rounds = 0
        self.stopped = ""

    @property
    def most(self) -> int:
        """How many questions may be asked."""
        return min(self.limits.max_questions or len(self.questions), len(self.questions))

    @property
    def asked(self) -> list[int]:
        """The rows of the questions that something came back to, in that order."""
        return [self._row_of[name] for name in self.ledger.records]

    @property
    def records(self) -> list[Record]:
        """What came back, in the order of the questions."""
        return [self.ledger.records[item.id] for item in self.questions if item.id in self.ledger.records]

    @property
    def belief(self) -> Belief:
        """What the verdicts so far say of the model."""
        rows = [row for row in self.asked if self._score(row) is not None]
        scores = np.array([self._score(row) for row in rows], np.float64)
        return self._offer.believe(np.array(rows, np.intp), scores)

    @property
    def interval(self) -> Interval:
        """Its mean accuracy over the questions on offer that are no probes; over the bundle's anchors if all are."""
        return self._offer.interval(self.belief)

    def next_round(self) -> list[int]:
        """The rows of the questions to ask next; nothing, and the reason in `stopped`, when the run is over.

        Raises
        ------
        UsageError
            The money is not enough for the first question.
        """
        chosen = self._chosen()
        costs = self._at_most_usd()
        admitted = self._affordable(chosen, costs)
        if chosen and not admitted:
            self._say_what_one_costs(costs[chosen[0]])
            self.stopped = "the money is spent"
        return admitted

    def _chosen(self) -> list[int]:
        """The same, whatever it costs."""
        limits, asked, belief = self.limits, self.asked, self.belief
        n = min(limits.round_size, self.most - len(asked))
        if n > 0 and (begun := self.ledger.unfinished):
            return [self._row_of[name] for name in begun[:n]]
        if limits.until is not None and asked and self._offer.interval(belief).half_width <= limits.until:
            self.stopped = "the interval is narrow enough"
        elif len(asked) == len(self.questions):
            self.stopped = "all questions were asked"
        elif n <= 0:
            self.stopped = f"the limit of {counted(self.most, 'question')} is reached"
        if self.stopped:
            return []
        if limits.at_random:
            return [int(row) for row in self._order[~np.isin(self._order, asked)][:n]]
        left = np.setdiff1d(np.arange(len(self.questions)), np.array(asked, np.intp))
        return [int(row) for row in self._offer.choose(belief, n, left, limits.seed)]

    async def run(self, ask: Ask, watch: Watch = lambda _: None) -> None:
        """Ask round after round. A question that failed is missing: it is neither wrong nor asked again.

        Raises
        ------
        EndpointError
            The key, the address or the model's name is wrong, or a whole round failed. What was answered is kept.
        UsageError
            The money is not enough for the first question.
        """
        while chosen := self.next_round():
            await self._ask_all(chosen, ask, self._at_most_usd(), watch)
            self.rounds += 1
            watch(self)

    def _affordable(self, chosen: Sequence[int], costs: Float) -> list[int]:
        """The first of the chosen that fit into the money even if every one costs the most it may."""
        if self.limits.max_usd is None:
            return list(chosen)
        spent = self.ledger.cost_usd + np.cumsum(costs[list(chosen)])
        return [row for row, usd in zip(chosen, spent, strict=True) if usd <= self.limits.max_usd]

    def _say_what_one_costs(self, usd: float) -> None:
        """Raise if the money never was enough for anything."""
        if self.ledger.records:
            return
        lost = self.ledger.cost_usd
        raise UsageError(
            "The limit in USD is too low for the first question",
            # A little more, so that what is printed suffices when it is rounded.
            expected=f"{1.01 * (lost + usd):.3g} or more (nine answers in ten cost no more)",
            got=f"{self.limits.max_usd:g}" + (f", of which interrupted calls may have cost {lost:.3g}" if lost else ""),
        )

    async def _ask_all(self, rows: Sequence[int], ask: Ask, costs: Float, watch: Watch) -> None:
        async def one(row: int) -> tuple[int, Failure] | None:
            question = self.questions[row]
            result = await ask(question.prompt)
            if isinstance(result, Failure):
                return row, result
            self.ledger.add(self._recorded(question, result, costs[row]))
            watch(self)
            return None

        self.ledger.send({self.questions[row].id: float(costs[row]) for row in rows})
        tasks = [asyncio.create_task(one(row)) for row in rows]
        try:
            failed = [failure for failure in await asyncio.gather(*tasks) if failure is not None]
        finally:
            for task in tasks:
                task.cancel()
        for _, failure in failed:
            if failure.final or (len(failed) == len(rows) and self._is_general(failure, alone=len(rows) == 1)):
                costs_usd = {self.questions[row].id: each.cost_usd if each.paid else 0.0 for row, each in failed}
                self.ledger.free({name: usd for name, usd in costs_usd.items() if usd is not None})
                kept = "What was answered is kept: run" if self.ledger.records else "Run"
                again = f"{kept} the same command again when this is put right."
                raise EndpointError(
                    "The endpoint gives no answers",
                    got=failure.message,
                    remedy=f"{failure.remedy} {again}" if failure.remedy else again,
                )
        for row, failure in failed:
            most = costs[row] if failure.paid else 0.0
            cost = most if failure.cost_usd is None else failure.cost_usd
            self.ledger.add(_without_answer(self.questions[row].id, failure.kind, failure.message, cost))

    def _is_general(self, failure: Failure, *, alone: bool) -> bool:
        """Whether a failure of a whole round, perhaps of one question alone, has to do with more than its questions."""
        nothing_yet = not self.ledger.records
        if alone:
            return failure.kind in ("connection", "busy") or (failure.retriable and nothing_yet)
        return failure.retriable or nothing_yet

    def _recorded(self, question: Question, answer: Answer, at_most_usd: float) -> Record:
        counts = not answer.truncated or self.limits.count_truncated
        return Record(
            id=question.id,
            outcome="truncated" if answer.truncated else "answered",
            score=(0.0 if answer.truncated else grade(question, answer.text).score) if counts else None,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
            reasoning_tokens=answer.reasoning_tokens,
            cached_tokens=answer.cached_tokens,
            time_to_first_token_s=answer.time_to_first_token_s,
            tokens_per_second=answer.tokens_per_second,
            cost_usd=at_most_usd if answer.cost_usd is None else answer.cost_usd,
            text=answer.text,
        )

    def rows(self) -> list[dict[str, Any]]:
        """The outcomes for `Router.add_model`, in the order of the questions."""
        found = []
        for row, question in enumerate(self.questions):
            record = self.ledger.records.get(question.id)
            if record is not None and record.score is not None:
                outcome: dict[str, Any] = {
                    "prompt": question.prompt, "score": record.score, "input_tokens": record.input_tokens,
                    # A limit cut it: how long it would have been is not known.
                    "output_tokens": None if record.outcome == "truncated" else record.output_tokens,
                    "tokens_kind": "usage", "weight": question.weight,
                }  # fmt: skip
                found.append(outcome | ({"query_id": question.id} if self._is_anchor[row] else {}))
        return found

    def summary(self) -> Summary:
        """What the run came to."""
        belief = self.belief
        interval = self._offer.interval(belief)
        equivalent = self._offer.random_equivalent(belief, interval.half_width, 20 * len(self.questions))
        return summarise(self.records, self.ledger, interval, self._accuracy_over, equivalent, self.stopped)

    def add(self, *, replace: bool = False, to: Router | None = None) -> Summary:
        """Add the model to the router, or to another one of the same encoder, with the speed that was measured.

        Raises
        ------
        UsageError
            No question has a verdict.
        """
        rows, summary = self.rows(), self.summary()
        if not rows:
            raise UsageError(f"Nothing is known of {self.name!r}", got="no question with a verdict")
        router = self._router if to is None else to
        router.add_model(self.name, rows, self.price, replace=replace)
        first, speed = summary.time_to_first_token_s, summary.tokens_per_second
        if first is not None or speed is not None:
            router.describe_model(self.name, time_to_first_token_s=first, tokens_per_second=speed)
        return summary

    def _score(self, row: int) -> float | None:
        record = self.ledger.records.get(self.questions[row].id)
        return None if record is None else record.score

    def _at_most_usd(self) -> Float:
        return self.forecast.at_most_usd(self._known_tokens())

    def _known_tokens(self) -> Float:
        """Output tokens of every question that was answered, NaN elsewhere."""
        tokens = np.full(len(self.questions), np.nan)
        for name, record in self.ledger.records.items():
            if record.outcome == "answered" and record.output_tokens is not None:
                tokens[self._row_of[name]] = record.output_tokens
        return tokens


def _without_answer(question: str, kind: str, message: str, cost_usd: float) -> Record:
    return Record(question, kind, None, None, None, None, None, None, None, cost_usd, message)


def _check(questions: Sequence[Question]) -> None:
    if not questions:
        raise UsageError("There are no questions to ask", expected="at least one")
    for what in ("id", "prompt"):
        seen: set[str] = set()
        for question in questions:
            value = getattr(question, what)
            if value in seen:
                raise UsageError(f"Two questions have the same {what}", got=repr(value[:60]), remedy="Leave one out.")
            seen.add(value)
