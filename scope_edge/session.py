"""Conversations: a turn may be worth another model, but not what it costs that model to read all that was said.

Each turn sends the whole conversation again. The model that has just answered has it in its prompt cache and reads
it at its cached-input price, every other model at its full one. For a conversation of n tokens, model m costs

    cost_m = what the turn alone costs + n ratio_m (cached_m if m answered last and states that price, else input_m)

and the policy chooses by it, so that a conversation leaves its model exactly when the gain exceeds the cost of
leaving, n (ratio_new input_new - ratio_old cached_old).

A turn counts with its own costs alone, and with all of the loss. The loss comes once, for by the next turn the new
model has the conversation in its cache: where the gain comes again, less of it would do. Where the next turn wants the
old model back, more would. Neither is known before the next prompt is; in simulated conversations, half of the loss
and twice the loss were both worse, but where a right answer is worth little beside a very long conversation.

A model that was left is taken to have lost its cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from scope_edge.candidates import Candidates
from scope_edge.errors import UsageError
from scope_edge.estimator import Estimates
from scope_edge.policy import Decision, Policy
from scope_edge.policy.quantiles import at_risk
from scope_edge.ranges import is_number

if TYPE_CHECKING:
    from scope_edge.router import Router

__all__ = ["Mode", "Session", "reading_usd", "with_history"]

Mode = Literal["sticky", "escalate_only", "free"]


class _State(NamedTuple):
    """A conversation after some turns. Tokens are a typical model's; `ratio` turns them into those of `model`."""

    model: str | None = None
    turns: int = 0
    switches: int = 0
    ratio: float = 1.0
    asked: float = 0.0  # all up to the last prompt
    answer: float = 0.0  # the last answer


class Session:
    """One conversation, which stays with its model unless leaving is worth it.

    Get one with `Router.session`. A session belongs to one conversation and is not to be shared by threads.
    The same turns give the same decisions.

    Examples
    --------
    >>> from scope_edge import Router
    >>> session = Router.load().session("sticky", alpha=0.6)
    >>> decision = session.route("Which numbers below 30 are prime?")
    >>> session.answered(output_tokens=60)
    >>> decision = session.route("And which of them are twins?")
    >>> session.turns
    2
    """

    def __init__(self, router: Router, policy: Policy, mode: Mode, models: str | Sequence[str] | None = None) -> None:
        if mode not in get_args(Mode):
            raise UsageError("Bad mode", expected=" or ".join(map(repr, get_args(Mode))), got=repr(mode))
        self._router = router
        self._policy = policy
        self._mode = mode
        self._models = models
        self._state = _State()

    @property
    def mode(self) -> Mode:
        """`sticky`, `escalate_only` or `free`."""
        return self._mode

    @property
    def model(self) -> str | None:
        """The model of the last turn; None before the first."""
        return self._state.model

    @property
    def turns(self) -> int:
        """Turns so far."""
        return self._state.turns

    @property
    def switches(self) -> int:
        """Turns on which the model changed."""
        return self._state.switches

    @property
    def context_tokens(self) -> float:
        """The conversation so far, prompts and answers, in a typical model's tokens."""
        return self._state.asked + self._state.answer

    def route(self, text: str, *, cold: bool = False) -> Decision:
        """Choose a model for the next turn of the user.

        Parameters
        ----------
        text : str
            What the user adds to the conversation, without what was said before. Accuracy and the length of the
            answer are predicted from it alone.
        cold : bool
            Whether the model's prompt cache is gone, after a pause for instance: staying then spares nothing.

        Returns
        -------
        Decision
            Its cost and its estimates count with the conversation before the turn; its reason says why the
            session stayed or left. `met` of a free session is about the turn alone, as its choice is.

        Raises
        ------
        PromptError, UnknownModelError, UsageError
            The session is as it was.
        """
        before, n_tokens = self._state, self.context_tokens
        turn = self._router.estimate(text, self._models)
        names = turn.models
        current = names.index(before.model) if before.model in names else None
        again_usd = reading_usd(turn.candidates, None if cold else current)
        whole = with_history(turn, n_tokens, again_usd)
        if self._mode == "free":
            decision = self._policy.decide(turn)
            cost_usd = float(whole.cost_usd[names.index(decision.model)])
            decision = replace(decision, cost_usd=cost_usd, estimates=whole)
        else:
            if self._mode == "escalate_only" and current is not None:
                whole = self._without_weaker(whole, current)
            decision = self._policy.decide(whole)
        chosen, why = names.index(decision.model), ""
        if before.model not in (None, decision.model):
            why = self._why_left(turn, whole, chosen, current)
        elif current is not None and self._mode != "free":
            why = self._why_stayed(turn, whole, decision, current)
        if why:
            decision = replace(decision, reason=f"{why}; {decision.reason}")
        ratio = turn.candidates.cards[chosen].token_ratio
        self._state = _State(
            decision.model,
            turns=before.turns + 1,
            switches=before.switches + (before.model not in (None, decision.model)),
            ratio=ratio,
            asked=n_tokens + float(turn.input_tokens[chosen]) / ratio,
            answer=float(turn.output_tokens[chosen]) / ratio,
        )
        return decision

    def answered(self, output_tokens: float | None = None, *, input_tokens: float | None = None) -> None:
        """Say what the provider counted on the last turn; until then its answer is as long as was expected.

        Parameters
        ----------
        output_tokens : float
            Tokens of the answer that stay in the conversation: without hidden reasoning, which is not sent again.
        input_tokens : float
            Tokens of all that was sent on that turn, with the conversation before it and any system prompt.

        Raises
        ------
        UsageError
            There was no turn yet, nothing is said, or a count is out of range. The session is as it was.
        """
        # Imported here, for a first decision does not need it.
        from scope_edge.outcome_rows import MAX_TOKENS

        said = {"output_tokens": output_tokens, "input_tokens": input_tokens}
        given = {name: value for name, value in said.items() if value is not None}
        if self._state.model is None:
            raise UsageError("There is no answer yet", remedy="Call route() first.")
        if not given:
            raise UsageError("Nothing is said of the answer", expected="output_tokens or input_tokens")
        for name, value in given.items():
            if not (is_number(value) and 0 <= value <= MAX_TOKENS):
                raise UsageError(
                    f"Bad {name}", expected=f"a number of tokens from 0 to {MAX_TOKENS:g}", got=repr(value)
                )
        fields = {"output_tokens": "answer", "input_tokens": "asked"}
        typical: dict[str, Any] = {fields[name]: float(value) / self._state.ratio for name, value in given.items()}
        self._state = self._state._replace(**typical)

    def reset(self) -> None:
        """Begin anew, as if there had been no turn."""
        self._state = _State()

    def _without_weaker(self, whole: Estimates, current: int) -> Estimates:
        """The same estimates, with all models closed that are not more accurate than the current one."""
        if not self._policy.permitted(whole)[current]:
            return whole  # it has to be left, if need be for a weaker one
        better = whole.p_correct > whole.p_correct[current]
        closed = {name for column, name in enumerate(whole.models) if column != current and not better[column]}
        return replace(whole, candidates=replace(whole.candidates, closed=frozenset(closed)))

    def _why_left(self, turn: Estimates, whole: Estimates, chosen: int, current: int | None) -> str:
        """What was gained by leaving, and at what cost."""
        if current is None:
            return f"leaves {self.model}, which can no longer be chosen"
        points = 100 * float(turn.p_correct[chosen] - turn.p_correct[current])
        cost_usd = float(whole.cost_usd[chosen]) - float(whole.cost_usd[current])
        gain = f"{abs(points):.1f} points of accuracy {'more' if points >= 0 else 'less'}"
        return f"leaves {self.model}: {gain}, {_usd(cost_usd)}, {self.context_tokens:,.0f} tokens to read anew"

    def _why_stayed(self, turn: Estimates, whole: Estimates, decision: Decision, current: int) -> str:
        """What held the session where the turn alone would have left; empty if nothing did."""
        alone = int(self._policy.choose(turn).best[0])
        if alone == current:
            return ""
        name, tokens = turn.models[alone], f"{self.context_tokens:,.0f} tokens"
        if name in whole.candidates.closed:
            return f"stays: {name}, the choice for this turn alone, is not more accurate"
        p, cost_usd = (figure[0].astype(np.float64) for figure in at_risk(whole, decision.risk))
        worth = p if decision.value_usd == math.inf else decision.value_usd * p - cost_usd
        if worth[alone] > worth[current]:
            return f"stays: {name}, the choice for this turn alone, is not within the limits with {tokens} before it"
        alone_usd, whole_usd = (
            float(figure[alone]) - float(figure[current]) for figure in (turn.cost_usd, whole.cost_usd)
        )
        points = 100 * float(turn.p_correct[alone] - turn.p_correct[current])
        gain = f"for {points:.1f} points of accuracy" if points > 0 else f"to answer for {_usd(alone_usd)}"
        return f"stays: leaving for {name} would cost {_usd(whole_usd - alone_usd)} to read {tokens} anew, {gain}"


def reading_usd(candidates: Candidates, cached: int | None) -> NDArray[np.float64]:
    """USD to read one typical token again, (n_models,); column `cached` at its cached-input price, if it states one."""
    prices = [card.price.input_usd_per_mtok for card in candidates.cards]
    if cached is not None:
        price = candidates.cards[cached].price.cached_input_usd_per_mtok
        prices[cached] = prices[cached] if price is None else price
    return np.array(prices) * [card.token_ratio for card in candidates.cards] / 1e6


def with_history(turn: Estimates, n_tokens: float, again_usd: NDArray[np.float64]) -> Estimates:
    """The estimates of a turn that has so many typical tokens before it; `turn` stays as it is."""
    if not n_tokens:
        return turn
    whole = replace(turn, figures=turn.figures.copy())
    whole.input_tokens[:] += n_tokens * np.array([card.token_ratio for card in turn.candidates.cards])
    whole.cost_usd[:] += n_tokens * again_usd
    whole.cost_usd_p90[:] += n_tokens * again_usd
    return whole


def _usd(cost_usd: float) -> str:
    amount = f"${abs(cost_usd):.2g}" if abs(cost_usd) < 0.01 else f"${abs(cost_usd):.4f}"
    return f"{amount} {'more' if cost_usd >= 0 else 'less'}"
