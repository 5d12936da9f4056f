"""What all policies share: limits that must hold, and a choice among the models within them.

Every policy maximises v P - cost among the models within its limits, which combine; what v is, `objectives` says.
A limit is given up where no model keeps it together with the more important ones; of the models that keep the rest
those nearest to what was given up are left, and the decision says what that was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.candidates import Candidates
from scope_edge.dial import Dial
from scope_edge.errors import UsageError
from scope_edge.estimator import Estimates
from scope_edge.jit import kernels
from scope_edge.policy.decision import Decision, Plan, expect
from scope_edge.policy.limits import Limit, Mask, rounded
from scope_edge.policy.quantiles import Figures, at_risk, cost_at
from scope_edge.ranges import is_number

__all__ = ["Choices", "Options", "Policy"]

Names = str | Sequence[str]

_AT = frozenset({"mean", *(f"p{percent}" for percent in range(50, 100))})


class Choices(NamedTuple):
    """Of n prompts: the chosen columns (n,) int64, whether all limits hold (n,), and why, in words."""

    best: NDArray[np.int64]
    met: Mask
    reasons: list[str]


class Options(NamedTuple):
    """What n prompts may choose from.

    p, cost: what to count with, (n, n_models). open: the models within all limits, or else those that are nearest,
    (n, n_models). met: whether all limits hold, (n,). reasons: where they do not, or another rule has decided.
    """

    p: Figures
    cost: Figures
    open: Mask
    met: Mask
    reasons: list[str]

    def best(self, value_usd: float, order: NDArray[np.int32]) -> NDArray[np.int64]:
        """The open columns that maximise value_usd P - cost, (n,); `order` of the names breaks ties."""
        return _best(
            _figures(np.where(self.open, self.p, -1), np.where(self.open, self.cost, np.inf)), value_usd, order
        )

    def row(self, index: int) -> Options:
        """What one of the prompts may choose from, as a batch of one."""
        one = slice(index, index + 1)
        return Options(self.p[one], self.cost[one], self.open[one], self.met[one], self.reasons[one])


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What all policies share: limits, and how cautious to be.

    Parameters
    ----------
    min_accuracy : float in [0, 1], optional
        P(correct) must reach it.
    max_cost_usd : float, optional
        The cost of the call must not exceed it, in USD.
    at : str
        What of the cost must not: "mean", or a quantile from "p50" to "p99".
    allow, forbid : str or sequence of str, optional
        Names or wildcards of models; what is not allowed, or is forbidden, is never chosen.
    local_only : bool
        Only models that run on the user's machine, as their cards say; no other is ever chosen.
    max_latency_s : float, optional
        The expected time to the last token. Models that do not state their speed do not meet it, none by more than
        another.
    risk : float in (0, 0.5], optional
        Count with P at this quantile of its credible interval, and with the cost that is exceeded with this
        probability. 0.5 takes both as expected, and is what is taken if nothing is said.
    safe_model : str, optional
        The model to take for prompts that are unlike every anchor, whatever the limits. It has to be one that may be
        chosen.
    max_novelty : float in [0, 1]
        The novelty above which `safe_model` is taken.

    A context window that a model states is always kept to, by the prompt and the 90% quantile of its answer.

    Raises
    ------
    UsageError
        A value outside of its range.
    """

    min_accuracy: float | None = None
    max_cost_usd: float | None = None
    at: str = "mean"
    allow: Names | None = None
    forbid: Names | None = None
    local_only: bool = False
    max_latency_s: float | None = None
    risk: float | None = None
    safe_model: str | None = None
    max_novelty: float = 0.99

    default_risk: ClassVar[float] = 0.5
    needed: ClassVar[frozenset[str]] = frozenset({"max_novelty"})
    """The numbers that may not be left out."""

    def __post_init__(self) -> None:
        self._check("min_accuracy", "a probability", 0, 1)
        self._check("max_cost_usd", "USD, 0 or more", 0, math.inf)
        self._check("max_latency_s", "seconds, 0 or more", 0, math.inf)
        self._check("max_novelty", "a number from 0 to 1", 0, 1)
        self._check("risk", "a probability above 0, at most 0.5", 1e-6, 0.5)
        if not isinstance(self.at, str) or self.at not in _AT:
            raise UsageError("Bad at", expected='"mean", or a quantile from "p50" to "p99"', got=repr(self.at))
        if not isinstance(self.local_only, bool):
            raise UsageError("Bad local_only", expected="True or False", got=repr(self.local_only))
        for name in ("allow", "forbid"):
            names = getattr(self, name)
            if isinstance(names, Iterable) and not isinstance(names, str):
                object.__setattr__(self, name, tuple(names))  # an iterator could be asked once only

    def _check(self, name: str, expected: str, low: float, high: float) -> None:
        """Keep a number of the caller's as a float, if it is one within these bounds."""
        value = getattr(self, name)
        if value is None and name not in self.needed:
            return
        if not (is_number(value) and low <= value <= high):
            raise UsageError(f"Bad {name}", expected=expected, got=repr(value))
        object.__setattr__(self, name, float(value))

    def decide(self, estimates: Estimates) -> Decision:
        """Choose for one prompt.

        Raises
        ------
        UnknownModelError, UsageError
            A name that matches no model; what may be chosen at all leaves no model, or not the safe one; a batch.
        """
        expect(estimates, batch=False)
        candidates = estimates.candidates
        alpha, value_usd = self._objective(candidates.dial)
        if self._is_unlimited(candidates):
            best = int(_best(estimates.figures[None], value_usd, candidates.order)[0])
            met, reason = True, self._aim
        else:
            choices = self.choose(estimates)
            best, met, reason = int(choices.best[0]), bool(choices.met[0]), choices.reasons[0]
        return Decision(
            model=candidates.names[best],
            p_correct=float(estimates.p_correct[best]),
            cost_usd=float(estimates.cost_usd[best]),
            alpha=alpha,
            value_usd=value_usd,
            estimates=estimates,
            policy=self,
            met=met,
            reason=reason,
            risk=self._risk,
        )

    def plan(self, estimates: Estimates) -> Plan:
        """Choose for each prompt of a batch, and sum up.

        Raises
        ------
        UnknownModelError, UsageError
            As of `decide`; one prompt.
        """
        expect(estimates, batch=True)
        choices = self.choose(estimates)
        return Plan.of(estimates, choices.best, choices.met, choices.reasons)

    def choose(self, estimates: Estimates) -> Choices:
        """Choose for each prompt; estimates of one prompt are a batch of one.

        A choice depends on its own prompt alone. Of equal trades the cheaper one is taken, then the more accurate
        one, then the first by name.

        Raises
        ------
        UnknownModelError, UsageError
        """
        candidates = estimates.candidates
        _, value = self._objective(candidates.dial)
        if self._is_unlimited(candidates):
            figures = estimates.figures.reshape(-1, *estimates.figures.shape[-2:])
            n = len(figures)
            return Choices(_best(figures, value, candidates.order), np.ones(n, np.bool_), [self._aim] * n)
        options = self.options(estimates)
        reasons = [reason or self._aim for reason in options.reasons]
        return Choices(options.best(value, candidates.order), options.met, reasons)

    def options(self, estimates: Estimates) -> Options:
        """What the limits leave to choose from, whatever the objective is.

        Raises
        ------
        UnknownModelError, UsageError
        """
        candidates = estimates.candidates
        p, cost = at_risk(estimates, self._risk)
        permitted = self.permitted(estimates)
        within = np.tile(permitted, (len(p), 1))
        limits, given_up = self._limits(estimates, p, cost), []
        for limit in limits:
            narrower = within & limit.holds
            kept = narrower.any(axis=1)
            within[kept] = narrower[kept]
            given_up.append((limit, np.flatnonzero(~kept)))
        # Only now: how near a model is to what was given up counts among those that keep the rest.
        for limit, rows in given_up:
            within[rows] = limit.nearest(within, rows)
        reasons, met = [""] * len(p), np.ones(len(p), np.bool_)
        for limit, rows in given_up:
            met[rows] = False
            for row in rows.tolist():
                says = limit.says(row, permitted, within[row])
                reasons[row] = f"{reasons[row]}; {says}" if reasons[row] else says
        if self.safe_model is not None:
            safe = self._safe(candidates, permitted)
            novel = np.flatnonzero((np.atleast_1d(estimates.novelty) > self.max_novelty) & permitted[safe])
            within[novel] = np.arange(within.shape[1]) == safe
            for row in novel.tolist():
                broken = [limit.name for limit in limits if not limit.holds[row, safe]]
                met[row] = not broken
                breaks = f", which breaks {', '.join(broken)}" if broken else ""
                reasons[row] = f"unlike every anchor, with a novelty above {self.max_novelty:g}: the safe model{breaks}"
        return Options(p, cost, within, met, reasons)

    def permitted(self, estimates: Estimates) -> Mask:
        """Which models may be chosen at all, (n_models,): what no prompt can change.

        Raises
        ------
        UnknownModelError, UsageError
            A name that matches no model; none is left.
        """
        candidates = estimates.candidates
        permitted = np.array([name not in candidates.closed for name in candidates.names])
        if self.allow is not None:
            permitted[np.setdiff1d(np.arange(len(permitted)), candidates.find(self.allow))] = False
        if self.forbid is not None:
            permitted[candidates.find(self.forbid)] = False
        if self.local_only:
            permitted &= [card.local for card in candidates.cards]
        if not permitted.any():
            raise UsageError(
                "No model may be chosen",
                expected="a model within allow, forbid and local_only",
                got=f"none of {len(permitted)}",
                remedy="Permit another one; router.describe_model(name, local=True) says that one is local.",
            )
        return permitted

    def _safe(self, candidates: Candidates, permitted: Mask) -> int:
        """The column of the safe model. One that is closed this time is passed over; one that never may be, refused."""
        found = candidates.find(self.safe_model)
        if len(found) != 1:
            raise UsageError("Bad safe_model", expected="one model", got=f"{len(found)} match {self.safe_model!r}")
        safe = int(found[0])
        if not permitted[safe] and candidates.names[safe] not in candidates.closed:
            raise UsageError(
                f"The safe model {candidates.names[safe]!r} may not be chosen",
                expected="one within allow, forbid and local_only",
                remedy="Name another one, or permit it.",
            )
        return safe

    def within(self, estimates: Estimates) -> Mask:
        """Which models keep all limits, (n_prompts, n_models).

        Raises
        ------
        UnknownModelError, UsageError
            As `permitted` does.
        """
        p, cost = at_risk(estimates, self._risk)
        within = np.tile(self.permitted(estimates), (len(p), 1))
        for limit in self._limits(estimates, p, cost):
            within &= limit.holds
        return within

    def broken(self, estimates: Estimates, column: int) -> list[str]:
        """Which limits a model breaks for one prompt, each with its value."""
        p, cost = at_risk(estimates, self._risk)
        return [limit.name for limit in self._limits(estimates, p, cost) if not limit.holds[0, column]]

    def _objective(self, dial: Dial) -> tuple[float | None, float]:
        """The position of the dial, if it was set by one, and what a right answer counts as worth, in USD."""
        raise NotImplementedError

    @cached_property
    def _aim(self) -> str:
        """The objective in words."""
        raise NotImplementedError

    @property
    def _risk(self) -> float:
        return self.default_risk if self.risk is None else self.risk

    def _is_unlimited(self, candidates: Candidates) -> bool:
        """Whether nothing stands between the estimates and the arg max."""
        return self._states_no_limit and candidates.context_window is None and not candidates.closed

    @cached_property
    def _states_no_limit(self) -> bool:
        wanted = (self.min_accuracy, self.max_cost_usd, self.allow, self.forbid, self.max_latency_s, self.safe_model)
        return self._risk == 0.5 and not self.local_only and all(value is None for value in wanted)

    def _limits(self, estimates: Estimates, p: Figures, cost: Figures) -> list[Limit]:
        """The limits, the most important first: what comes later is given up first."""
        candidates, limits = estimates.candidates, []
        n_models = len(candidates.cards)
        if candidates.context_window is not None:
            tokens = (estimates.input_tokens + estimates.output_tokens_p90).reshape(-1, n_models)
            over = (tokens - candidates.context_window).astype(np.float32)
            aim = "has a context window with room for prompt and answer"
            limits.append(Limit("its context window", over <= 0, over, 0.0, aim, "lacks {value} tokens", ".0f"))
        if self.max_cost_usd is not None:
            limited = cost if self.at == "mean" else cost_at(estimates, int(self.at[1:]) / 100)
            name, most, aim = f"max_cost_usd {self.max_cost_usd:g}", self.max_cost_usd, "costs at most {bound} USD"
            limits.append(Limit(name, limited <= rounded(most), limited, most, aim, "costs {value} USD", ".2g"))
        if self.min_accuracy is not None:
            name, least, aim = f"min_accuracy {self.min_accuracy:g}", self.min_accuracy, "reaches P = {bound}"
            limits.append(Limit(name, p >= rounded(least), -p, least, aim, "has {value}", ".3f"))
        if self.max_latency_s is not None:
            tokens = np.maximum(estimates.output_tokens, 1)  # none at an unstated speed would take no number of seconds
            latency = candidates.latency_s(tokens).reshape(-1, n_models).astype(np.float32)
            name, most, aim = f"max_latency_s {self.max_latency_s:g}", self.max_latency_s, "answers within {bound} s"
            limits.append(Limit(name, latency <= rounded(most), latency, most, aim, "takes {value} s", ".3g"))
        return limits


def _best(figures: Figures, value_usd: float, order: NDArray[np.int32]) -> NDArray[np.int64]:
    """The columns that maximise value P - cost; P and the cost are the first and the last row of the figures."""
    best = np.empty(len(figures), np.int64)
    kernels().choose_best(figures, value_usd, order, best)
    return best


def _figures(p: NDArray[Any], cost: NDArray[Any]) -> Figures:
    """P and the cost in the form in which the kernel takes them."""
    return np.stack([p, cost], axis=1).astype(np.float32)
