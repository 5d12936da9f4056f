"""What a choice came to: for one prompt, and for a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from scope_edge.errors import UsageError
from scope_edge.estimator import Estimates
from scope_edge.names import counted

if TYPE_CHECKING:
    from scope_edge.explanation import Explanation
    from scope_edge.policy.rules import Policy

__all__ = ["Decision", "DecisionRule", "Plan", "expect"]


def expect(estimates: Estimates, *, batch: bool) -> None:
    """Refuse the estimates of a batch where one prompt is to be decided on, or those of one where a plan is made.

    Raises
    ------
    UsageError
    """
    if (estimates.figures.ndim == 3) == batch:
        return
    if batch:
        raise UsageError("plan() takes a batch", got="one prompt", remedy="Use decide().")
    raise UsageError("decide() takes one prompt", got="a batch", remedy="Use plan().")


@dataclass(frozen=True, eq=False)  # as `Estimates`
class Decision:
    """The chosen model for one prompt, with what was expected of it and of all others.

    Attributes
    ----------
    model : str
    p_correct, cost_usd : float
        The probability of a right answer, and the expected cost in USD.
    alpha : float or None
        The position of the dial; None if the value of a right answer was given directly, or bought what is left
        of a budget.
    value_usd : float
        What a right answer counts as worth: 0 asks for the cheapest model, infinity for the best.
    estimates : Estimates
    policy : Policy
        What was asked for.
    met : bool
        Whether everything that was asked for holds. If not, `model` is the nearest choice, and `reason` says
        which limit could not be met.
    reason : str
        Why this model, in words.
    risk : float
        The probability, up to 0.5, with which accuracy may be lower and cost higher than was counted with.
    ticket : str
        The entry of a running budget that this decision holds money by; empty without one.
    """

    model: str
    p_correct: float
    cost_usd: float
    alpha: float | None
    value_usd: float
    estimates: Estimates = field(repr=False)
    policy: Policy = field(repr=False)
    met: bool = True
    reason: str = ""
    risk: float = 0.5
    ticket: str = field(default="", repr=False)

    def explain(self) -> Explanation:
        """The evidence: anchors, terms of the prediction, the runner-up, and where the choice would change.

        Raises
        ------
        UsageError
            The decision came without its evidence: from another process, or from estimates of a batch.
        """
        from scope_edge.explanation import explain

        return explain(self)


@dataclass(frozen=True, eq=False)  # as `Estimates`
class Plan:
    """Decisions for a batch: one model per prompt, and the expected totals.

    Attributes
    ----------
    models : list of str, one per prompt
    expected_accuracy : float
        The mean of P over the prompts.
    expected_cost_usd : float
        The sum of the expected costs.
    estimates : Estimates
    met : bool
        Whether every limit holds for every prompt, and the budget, if there was one, for all of them.
    reason : str
        If not, what could not be met.
    unmet : int64 array of shape (k,)
        The prompts for which a limit could not be met.
    value_usd : float
        Within a budget: what a right answer is worth there, the price of the dearest step up that was taken.
    cost_limit_usd : float
        Within a budget: the sum that is exceeded with the given risk; 0 without one.
    gap : float
        Within a budget: by how much, as a share, a plan that leaves as much of it for what is not expected could have
        more right answers, at most.
    tickets : list of str
        The entries of a running budget, one per prompt, empty where nothing is reserved; no entries without one.
    """

    models: list[str]
    expected_accuracy: float
    expected_cost_usd: float
    estimates: Estimates = field(repr=False)
    met: bool = True
    reason: str = ""
    unmet: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    value_usd: float = 0.0
    cost_limit_usd: float = 0.0
    gap: float = 0.0
    tickets: list[str] = field(default_factory=list, repr=False)

    @classmethod
    def of(
        cls,
        estimates: Estimates,
        best: NDArray[np.int64],
        met: NDArray[np.bool_],
        reasons: list[str],
        tickets: Sequence[str] = (),
    ) -> Plan:
        """The plan that takes column best[i] for prompt i."""
        rows, unmet = np.arange(len(best)), np.flatnonzero(~met)
        return cls(
            models=[estimates.models[column] for column in best.tolist()],
            expected_accuracy=float(estimates.p_correct[rows, best].astype(np.float64).mean()) if len(best) else 0.0,
            expected_cost_usd=math.fsum(estimates.cost_usd[rows, best].tolist()),
            estimates=estimates,
            met=not len(unmet),
            reason=f"{len(unmet):,} of {counted(len(best), 'prompt')}: {reasons[unmet[0]]}" if len(unmet) else "",
            unmet=unmet,
            tickets=list(tickets),
        )


@runtime_checkable
class DecisionRule(Protocol):
    """What turns estimates into choices: a policy, or a running budget."""

    def decide(self, estimates: Estimates) -> Decision:
        """Choose for one prompt."""

    def plan(self, estimates: Estimates) -> Plan:
        """Choose for each prompt of a batch."""
