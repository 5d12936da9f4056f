"""Which model a request goes to, the next best where that one fails, and what the calls have cost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from scope_edge.budget import Budget
from scope_edge.bundle import default_bundle, read_bundle
from scope_edge.candidates import Candidates
from scope_edge.cards import ModelCard
from scope_edge.endpoint.usage import Usage
from scope_edge.errors import ConfigError, PriceError, PromptError, UnknownModelError
from scope_edge.estimator import Estimates
from scope_edge.messages import prompt_of
from scope_edge.policy import Decision, DecisionRule, Policy, named_policy
from scope_edge.pricing import Price
from scope_edge.router import Router
from scope_edge.serve.config import Config
from scope_edge.serve.cooldown import Cooldown
from scope_edge.session import reading_usd, with_history

__all__ = ["Chooser"]

_CHARS_PER_TOKEN = 4.0  # of what is sent beside the prompt, where nothing was tokenized


class Chooser:
    """The router with the models that can be called, and the money.

    candidates: the models with a fingerprint, which alone are chosen. prices: of all models that can be called.
    cooldown: which of them rest, for they keep failing.
    """

    def __init__(self, config: Config) -> None:
        bundle = read_bundle(config.bundle or default_bundle())
        cards = [ModelCard.from_json(entry) for entry in bundle.models]
        model_of = _bundle_names([upstream.model for upstream in config.upstreams], cards)
        prices = {
            model_of[upstream.model]: upstream.price
            for upstream in config.upstreams
            if upstream.price is not None and upstream.model in model_of
        }
        # Before the router is made: with each change of a price it goes through the whole journal again.
        cards = [_priced(card, prices) for card in cards]
        self.router = Router(replace(bundle, models=[card.to_json() for card in cards]), journal=config.journal)
        self.policy: Policy = config.policy
        self.cooldown = Cooldown(config.cooldown_s)
        known = {card.model: card.price for card in cards}
        self.candidates = list(model_of)
        self.prices: dict[str, Price] = {}
        for upstream in config.upstreams:
            price = upstream.price or known.get(model_of.get(upstream.model, ""))
            if price is None:
                raise PriceError(
                    f"No price is known for {upstream.model!r}, which is not in the bundle",
                    expected="input_usd_per_mtok and output_usd_per_mtok in its [[upstream]]",
                    remedy="A free model has an explicit 0. `scope-edge models` lists the names that the bundle knows.",
                )
            self.prices[upstream.model] = price
        if not self.candidates:
            raise ConfigError(
                "None of the models has a fingerprint, so none can be chosen",
                expected="an [[upstream]] whose model is in the bundle",
                got=", ".join(self.prices),
                remedy="`scope-edge models` lists the names that the bundle knows; `add-model` adds one.",
            )
        self._models = self.router.resolve([model_of[name] for name in self.candidates])
        # In the names that clients know, which are those of the configuration.
        client_name = {model: name for name, model in model_of.items()}
        own = tuple(replace(self.router.card(model), model=client_name[model]) for model in self._models)
        self._among = replace(self.router.estimator.candidates, cards=own, known=None)
        self._again_usd = reading_usd(self._among, None)
        self.budget: Budget | None = config.budget.open(self.policy) if config.budget else None

    def rule(self, model: str) -> DecisionRule | None:
        """What a request for this model is decided by; None where the model itself is named.

        Raises
        ------
        UsageError, UnknownModelError
            A form that asks for routing but is none that is known; no such model.
        """
        if model in self.prices:
            return None
        asked = named_policy(model, self.policy)
        if asked is None:
            raise UnknownModelError(
                f"The model {model[:200]!r} does not exist", remedy="GET /v1/models lists those that do."
            )
        return self.budget if asked is self.policy and self.budget else asked

    def estimate(self, request: Mapping[str, Any]) -> tuple[Estimates, dict[str, int]]:
        """What is predicted of each candidate, and the parts of the messages that were not read, by type.

        Raises
        ------
        PromptError
        """
        asked = prompt_of(request.get("messages"), request.get("tools"))  # type: ignore[arg-type]  # refused there
        turn = replace(self.router.estimate(asked.text, self._models), candidates=self._among)
        return with_history(turn, asked.context_chars / _CHARS_PER_TOKEN, self._again_usd), asked.unread

    def decide(self, rule: DecisionRule, estimates: Estimates, failed: Collection[str] = ()) -> Decision:
        """The choice among the models that have not failed, of which there has to be one, and do not rest, if any.

        Raises
        ------
        BudgetError
        """
        left_out = self.cooldown.resting() | frozenset(failed)
        if left_out.issuperset(self.candidates):
            left_out = frozenset(failed)
        if left_out:
            candidates = replace(estimates.candidates, closed=left_out)
            estimates = replace(estimates, candidates=candidates)
        return rule.decide(estimates)

    def cost_usd(self, model: str, usage: Usage) -> float:
        """What a call has cost, by the prices that are stated."""
        return usage.cost_usd(self.prices[model])

    def settle(self, model: str, request: Mapping[str, Any], decision: Decision | None, cost_usd: float | None) -> None:
        """Count a call in the budget; one whose usage did not come back at the 90% quantile of its cost.

        Raises
        ------
        BudgetError, UsageError
        """
        if self.budget is None:
            return
        if cost_usd is None:
            cost_usd = self._cost_usd_p90(model, request, decision)
        if cost_usd is None:
            return
        if decision is not None:
            self.budget.settle(decision, cost_usd)
        else:
            self.budget.record(cost_usd)

    def _cost_usd_p90(self, model: str, request: Mapping[str, Any], decision: Decision | None) -> float | None:
        """None where nothing is known of the model, or there was nothing to read."""
        try:
            estimates = self.estimate(request)[0] if decision is None else decision.estimates
        except PromptError:
            return None
        return float(estimates.cost_usd_p90[estimates.models.index(model)]) if model in estimates.models else None

    def cancel(self, decision: Decision | None) -> None:
        """Give back what was reserved for a call that failed.

        Raises
        ------
        BudgetError
        """
        if self.budget is not None and decision is not None and decision.ticket:
            self.budget.cancel(decision)


def _bundle_names(names: Sequence[str], cards: Sequence[ModelCard]) -> dict[str, str]:
    """The models of the bundle that configured names stand for, by these names, in their order.

    A name that is none of the bundle's, or not clear, is left out; so is an alias of a model that is named otherwise.
    """
    current = Candidates(tuple(card for card in cards if card.current), known=Candidates(tuple(cards)))
    exact = {card.model for card in cards} & set(names)
    found = dict[str, str]()
    for name in names:
        with suppress(UnknownModelError):
            model = current.look_up(name)
            if model is not None and (name == model or model not in {*exact, *found.values()}):
                found[name] = model
    return found


def _priced(card: ModelCard, prices: Mapping[str, Price]) -> ModelCard:
    return card.stating(price=prices[card.model]) if card.model in prices else card
