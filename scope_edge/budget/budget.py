"""A budget that is spent over a stream of calls, of which nobody knows how many will come."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple, Self, get_args

import numpy as np

from scope_edge.budget.choosing import choose
from scope_edge.budget.ledger import NANO, Entry, Ledger, Period
from scope_edge.budget.pacing import (
    Pace,
    calls_ahead,
    calls_left,
    largest_share,
    spend_at,
    spend_curve,
    target_of_share,
    value_for,
)
from scope_edge.budget.periods import Per, Span, span_at
from scope_edge.budget.reasons import nothing_fits
from scope_edge.dial import Dial
from scope_edge.errors import UsageError
from scope_edge.estimator import Estimates
from scope_edge.policy import Decision, Plan, Policy
from scope_edge.policy.decision import expect
from scope_edge.ranges import is_number

__all__ = ["Budget", "OpenCall"]

_MOST_USD = 1e6  # keeps sums within SQLite's integers
_KEPT_S = 7 * 86_400  # how long a settled call is remembered, so that settling it again is told
_TIDY_EVERY = 256  # calls
_LOW_ALPHA = 0.2  # of the dial: below, P falls faster than the cost does
_LARGEST_SHARE = 0.05  # of the budget, that a call may cost on average while nothing is known of their number


class OpenCall(NamedTuple):
    """A call that money is reserved for: its cost is not known yet.

    Attributes
    ----------
    ticket : str
    model : str
    reserved_usd : float
    age_s : float
        Seconds since it was decided on.
    """

    ticket: str
    model: str
    reserved_usd: float
    age_s: float


class Budget:
    """USD for a stream of calls, spent so that they last, however many calls come.

    Each decision reserves the 90% quantile of its cost; `settle` replaces it by what the call has cost. No
    decision lets spent and reserved money exceed the budget, so that calls made one after another can exceed it
    by as much as the last one costs beyond its 90% quantile.

    May be shared by threads, and with `store` by any number of processes, all with the same terms. Killed at any
    point, a process leaves each of its changes done or undone as a whole. What it had reserved and not settled
    stays counted, and is listed by `open_calls`. A power cut may undo the changes of the last moments.

    Parameters
    ----------
    usd : float
        USD to spend, above 0.
    per : {"total", "day", "month"}
        For each calendar day or month in UTC, or once and for all. What is left of a period expires.
    store : path, optional
        A file on a local disk that keeps the budget, made if there is none. Without it, the budget lives in
        this process alone.
    within : Policy, optional
        A policy whose limits hold too, such as `Tradeoff(forbid="gpt-4*")`; its own objective gives way.
    expected_calls : int, optional
        About how many calls will come per period. Without it their number is learned from the calls themselves;
        a total of which nothing is known is spent the slower, the less of it is left.
    clock : callable
        Seconds since the epoch; for tests and simulations.

    Raises
    ------
    UsageError
        A value outside of its range.
    BudgetError
        The store cannot be used, is locked, or holds another budget. Any other method may raise it too.

    Examples
    --------
    >>> router, budget = Router.load(), Budget(5, per="day")
    >>> decision = router.route("What is 7 * 8?", policy=budget)
    >>> budget.settle(decision, 0.00012)  # what the call has cost
    >>> budget.spent_usd
    0.00012
    """

    def __init__(
        self,
        usd: float,
        *,
        per: Per = "total",
        store: str | os.PathLike[str] | None = None,
        within: Policy | None = None,
        expected_calls: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not (is_number(usd) and 1 / NANO <= usd <= _MOST_USD):
            raise UsageError("Bad usd", expected=f"USD above 0, at most {_MOST_USD:g}", got=repr(usd))
        if per not in get_args(Per):
            raise UsageError("Bad per", expected='"day", "month" or "total"', got=repr(per))
        if store is not None and not isinstance(store, str | os.PathLike):
            raise UsageError("Bad store", expected="the path of a file", got=repr(store))
        if within is not None and not isinstance(within, Policy):
            raise UsageError("Bad within", expected="a policy such as Tradeoff(forbid=...)", got=repr(within))
        if expected_calls is not None and not (is_number(expected_calls) and 1 <= expected_calls <= 1e12):
            raise UsageError("Bad expected_calls", expected="a number of calls, 1 or more", got=repr(expected_calls))
        self._limit = int(usd * NANO)
        self._per = per
        self._within = Policy() if within is None else within
        self._expected_calls = expected_calls
        self._clock = clock
        self._ledger = Ledger(store, self._limit, per)

    def decide(self, estimates: Estimates) -> Decision:
        """Choose for one prompt, and reserve the 90% quantile of the cost.

        `ticket` of the decision is what it is reserved under. `met` is False, and nothing is reserved, where no
        model's 90% quantile fits into what is left: `model` is the cheapest then, and `settle` counts its cost
        should it be called all the same. It is also False where a limit of `within` cannot be met.

        Raises
        ------
        BudgetError, UnknownModelError, UsageError
        """
        expect(estimates, batch=False)
        (chosen,) = self._choose(estimates)
        return Decision(
            model=estimates.models[chosen.column],
            p_correct=float(estimates.p_correct[chosen.column]),
            cost_usd=float(estimates.cost_usd[chosen.column]),
            alpha=None,
            value_usd=chosen.value_usd,
            estimates=estimates,
            policy=self._within,
            met=chosen.met,
            reason=chosen.reason,
            risk=self._within.risk or self._within.default_risk,
            ticket=chosen.ticket,
        )

    def plan(self, estimates: Estimates) -> Plan:
        """Choose for each prompt of a batch, one after another, all of them or none; `tickets` has one for each.

        Raises
        ------
        BudgetError, UnknownModelError, UsageError
        """
        expect(estimates, batch=True)
        chosen = self._choose(estimates)
        best = np.array([choice.column for choice in chosen], np.int64)
        met = np.array([choice.met for choice in chosen], np.bool_)
        tickets = [choice.ticket for choice in chosen]
        return Plan.of(estimates, best, met, [choice.reason for choice in chosen], tickets)

    def settle(self, decision: Decision | str, cost_usd: float) -> None:
        """Count what a call has cost instead of what was reserved for it, in the period of its decision.

        Settling a call again at the same cost changes nothing, so that it may be tried again after a failure.
        The cost of a decision that nothing was reserved for is counted as by `record`.

        Parameters
        ----------
        decision : Decision or str
            The decision, or its ticket.
        cost_usd : float
            USD, 0 or more.

        Raises
        ------
        UsageError
            No such ticket; or it is settled already at another cost. Settled calls are remembered for a week.
        BudgetError
        """
        cost = _nano(cost_usd)
        ticket = decision.ticket if isinstance(decision, Decision) else decision
        if not ticket and isinstance(decision, Decision):
            self.record(cost_usd)
            return
        with self._ledger.transaction():
            entry = self._ledger.entry(ticket) if isinstance(ticket, str) else None
            period = self._ledger.period(entry.start_s) if entry else None
            if entry is None or period is None:
                raise UsageError(
                    f"No call of this budget has the ticket {ticket!r}",
                    remedy="Count a cost that nothing was reserved for by record().",
                )
            if entry.cost_nano is None:
                period.reserved_nano -= entry.reserved_nano
                period.spent_nano += cost
                self._ledger.write_entry(entry._replace(cost_nano=cost))
                self._ledger.write_period(period)
            elif entry.cost_nano != cost:
                raise UsageError(
                    "The call is settled already",
                    expected=f"{entry.cost_nano / NANO:.9g} USD again",
                    got=f"{cost / NANO:.9g} USD",
                    remedy="Count what came on top of it by record().",
                )

    def cancel(self, decision: Decision | str) -> None:
        """Give back what was reserved for a call that was not made, if anything was: settle it at 0 USD.

        Raises
        ------
        UsageError, BudgetError
            As of `settle`.
        """
        if decision.ticket if isinstance(decision, Decision) else decision:
            self.settle(decision, 0.0)

    def record(self, cost_usd: float) -> None:
        """Count the cost of a call that was not decided on here, in the present period.

        Unlike `settle` it has no ticket to know a call by: tried again after a failure, it may count twice.

        Raises
        ------
        UsageError, BudgetError
        """
        cost = _nano(cost_usd)
        with self._ledger.transaction():
            period = self._period(span_at(self._clock(), self._per))
            period.spent_nano += cost
            period.calls += 1
            self._ledger.write_period(period)

    def open_calls(self) -> list[OpenCall]:
        """The calls of all periods that are neither settled nor cancelled, the oldest first."""
        now_s = self._clock()
        return [
            OpenCall(entry.ticket, entry.model, entry.reserved_nano / NANO, now_s - entry.opened_s)
            for entry in self._ledger.open_entries()
        ]

    @property
    def spent_usd(self) -> float:
        """What the settled and recorded calls of this period have cost."""
        return self._present().spent_nano / NANO

    @property
    def reserved_usd(self) -> float:
        """What is reserved for the open calls of this period."""
        return self._present().reserved_nano / NANO

    @property
    def left_usd(self) -> float:
        """What is neither spent nor reserved in this period; 0 if more than all is."""
        return max(self._left(self._present()), 0) / NANO

    @property
    def calls(self) -> int:
        """The calls of this period: decided on, with money reserved, or recorded."""
        return self._present().calls

    @property
    def period_start(self) -> datetime | None:
        """When this day or month began, in UTC; None for a total."""
        span = span_at(self._clock(), self._per)
        return None if span.end_s is None else datetime.fromtimestamp(span.start_s, UTC)

    @property
    def period_end(self) -> datetime | None:
        """When the next day or month begins, in UTC; None for a total."""
        end_s = span_at(self._clock(), self._per).end_s
        return None if end_s is None else datetime.fromtimestamp(end_s, UTC)

    def close(self) -> None:
        """Close the store, and end this object's use; open calls stay open."""
        self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Budget({self._limit / NANO:g}, per={self._per!r})"

    def _choose(self, estimates: Estimates) -> list[_Chosen]:
        """Choose for each prompt, and reserve, in one transaction; what needs no ledger is worked out before."""
        names, order, dial = estimates.models, estimates.candidates.order, estimates.candidates.dial
        options, permitted = self._within.options(estimates), self._within.permitted(estimates)
        curves = [
            spend_curve(p, np.where(within, cost, np.inf))
            for p, cost, within in zip(options.p, options.cost, options.open, strict=True)
        ]
        p90 = estimates.cost_usd_p90.reshape(options.p.shape).astype(np.float64)
        p90_nano = np.ceil(np.minimum(p90, _MOST_USD * 2) * NANO).astype(np.int64)
        chosen = []
        with self._ledger.transaction():
            now_s = self._clock()
            span = span_at(now_s, self._per)
            period = self._period(span)
            pace = Pace.from_bytes(period.pace)
            for row, curve in enumerate(curves):
                pace.learn(curve, span.share(now_s))
                left = max(self._left(period), 0)
                ahead = self._calls_ahead(pace, span.share(now_s))
                value_usd = self._value_usd(pace, ahead, left / NANO, dial)
                share_usd = largest_share(left / NANO, ahead, float(pace.curve[0]))
                # In USD of whole nano, as the ledger counts.
                choice = choose(
                    options.row(row), permitted, p90_nano[row] / NANO, left / NANO, share_usd, value_usd, names, order
                )
                column, ticket, reason = choice.column, "", choice.reason
                if choice.fits:
                    ticket = self._reserve(period, now_s, names[column], int(p90_nano[row, column]))
                else:
                    reason = nothing_fits(left / NANO, self._limit / NANO, span, names[column], float(p90[row, column]))
                chosen.append(_Chosen(column, value_usd, choice.fits and bool(options.met[row]), reason, ticket))
            period.pace = pace.to_bytes()
            self._ledger.write_period(period)
        return chosen

    def _reserve(self, period: Period, now_s: float, model: str, nano: int) -> str:
        """Open a call; returns its ticket. The period's row is the caller's to write."""
        ticket = _ticket(now_s)
        self._ledger.write_entry(Entry(ticket, period.start_s, model, now_s, nano))
        period.reserved_nano += nano
        period.calls += 1
        if period.calls % _TIDY_EVERY == 0:
            self._ledger.forget_before(_ticket(now_s - _KEPT_S))
        return ticket

    def _calls_ahead(self, pace: Pace, share: float) -> float | None:
        """The calls to come, the present one among them; None for a total of which nothing is known."""
        if self._per != "total":
            return calls_ahead(pace, share)
        return None if self._expected_calls is None else calls_left(pace, self._expected_calls)

    def _value_usd(self, pace: Pace, ahead: float | None, left_usd: float, dial: Dial) -> float:
        """What a right answer is worth now, up to the end of the dial."""
        if ahead is not None:
            target_usd = left_usd / ahead
        else:
            limit_usd = self._limit / NANO
            cheapest_usd = max(spend_at(dial.value_usd(_LOW_ALPHA), pace.curve), 1 / NANO)
            dearest_usd = min(spend_at(dial.v_max_usd, pace.curve), _LARGEST_SHARE * limit_usd)
            target_usd = target_of_share(1 - left_usd / limit_usd, cheapest_usd, max(dearest_usd, cheapest_usd))
        return min(value_for(target_usd, pace.curve), dial.v_max_usd)

    def _period(self, span: Span) -> Period:
        """The period's row; a new one goes on with what the last one has learned."""
        period = self._ledger.period(span.start_s)
        if period is None:
            last = self._ledger.period_before(span.start_s)
            pace = Pace.from_bytes(last.pace).next() if last else Pace.expecting(self._expected_calls or 0)
            period = Period(span.start_s, pace=pace.to_bytes())
        return period

    def _present(self) -> Period:
        start_s = span_at(self._clock(), self._per).start_s
        return self._ledger.period(start_s) or Period(start_s)

    def _left(self, period: Period) -> int:
        return self._limit - period.spent_nano - period.reserved_nano


class _Chosen(NamedTuple):
    """What one prompt came to."""

    column: int
    value_usd: float
    met: bool
    reason: str
    ticket: str


def _nano(cost_usd: Any) -> int:
    if not (is_number(cost_usd) and 0 <= cost_usd <= _MOST_USD):
        raise UsageError("Bad cost_usd", expected=f"USD from 0 to {_MOST_USD:g}", got=repr(cost_usd))
    return round(float(cost_usd) * NANO)


def _ticket(now_s: float) -> str:
    """A name that no other call has, and that rises with time."""
    return f"{max(math.floor(now_s * 1000), 0):012x}{os.urandom(10).hex()}"
