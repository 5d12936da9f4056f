"""The router: what users hold. It ties encoder, anchors, fingerprints and policy together."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from scope_edge import jit
from scope_edge.anchors import AnchorSet
from scope_edge.bundle import Bundle, default_bundle, read_bundle, write_bundle
from scope_edge.cards import ModelCard, check_model_name
from scope_edge.encoder import Encoder, check_prompt
from scope_edge.errors import BudgetError, PriceError, PromptError, UnknownModelError, UsageError
from scope_edge.estimator import Estimates, Estimator
from scope_edge.fingerprints import OWN_LENGTHS_FROM, Fingerprints, place_model
from scope_edge.knowledge import Knowledge
from scope_edge.loading import load_parts
from scope_edge.policy import Decision, DecisionRule, Plan, Policy, plan_within, reusable, stated_policy
from scope_edge.pool import PoolName, check_pool, current_first
from scope_edge.pricing import Price
from scope_edge.session import Mode, Session

if TYPE_CHECKING:
    from datetime import datetime

    from scope_edge.benchmarks import Benchmark, Benchmarks
    from scope_edge.learning import Experience
    from scope_edge.published import Published

__all__ = ["Router"]

_REPLACE = "Pass replace=True (on the command line --replace), or remove it first."
_WARM_AFTER = 8  # calls: a one-shot command never pays for the compiler
_LARGE = 2000  # prompts: the compiler pays for itself within one call
_BRIEF_CHARS = 100_000  # a longer prompt takes a while to be looked through, whatever reads it


class Router:
    """Predicts accuracy and cost of every model in a pool for a prompt, and chooses one.

    Get one with `Router.load`. A router may be shared by threads: queries take no lock, and a
    change of the pool replaces it as a whole.

    Examples
    --------
    >>> router = Router.load()
    >>> decision = router.route("Prove that the square root of 2 is irrational.", alpha=0.7)
    >>> decision.model in router.models
    True
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        warmup: bool = True,
        journal: str | os.PathLike[str] | None = None,
        keep_text: bool = False,
        pool: PoolName = "current",
    ) -> None:
        check_pool(pool)
        self._bundle = bundle
        self._encoder, estimator = load_parts(bundle)
        self._knowledge = Knowledge(estimator, pool)
        self._warms_itself = warmup
        self._calls = 0
        self._keeps_text = keep_text
        if journal is not None:
            self._knowledge.experience(bundle.config, journal)

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        warmup: bool = True,
        journal: str | os.PathLike[str] | None = None,
        keep_text: bool = False,
        pool: PoolName = "current",
    ) -> Router:
        """Load a bundle; without a path, the one that ships with the package.

        Parameters
        ----------
        warmup : bool
            Whether a background thread may compile the kernels after the first decisions. Decisions are the
            same without it, on numpy, three to ten times slower. `Router.warmup` compiles when you say so.
        journal : path, optional
            A file that keeps what `record` is told, made if there is none, and whose outcomes are folded in now.
            Several processes may share it. Without one, `record` lives in this process.
        keep_text : bool
            Whether the journal keeps the text of prompts beside their figures.
        pool : "current" or "all"
            Which of the bundle's models to choose among: those that could be bought or downloaded on its day, or
            all. Any model that the bundle knows can be named.

        Raises
        ------
        BundleError
            No bundle there, or one that is incomplete, altered, of a newer format, or without a current model.
        UsageError
            No such pool.
        JournalError
            The journal cannot be used.
        """
        bundle = read_bundle(default_bundle() if path is None else path)
        return cls(bundle, warmup=warmup, journal=journal, keep_text=keep_text, pool=pool)

    @property
    def models(self) -> list[str]:
        """Names of the models in the pool."""
        return list(self.estimator.names)

    @property
    def cards(self) -> list[ModelCard]:
        """Price, limits and evidence of every model, in the order of `models`."""
        return list(self.estimator.fingerprints.cards)

    @property
    def benchmarks(self) -> list[Benchmark]:
        """The linked benchmarks whose published scores `add_model` takes, with their fit; most models first.

        Scores on the anchors' own sources count too. Empty for a bundle without linked benchmarks.
        """
        linked = self._benchmarks()
        return [] if linked is None else linked.listed()

    @property
    def encoder(self) -> Encoder:
        """What turns a prompt into an embedding and loadings."""
        return self._encoder

    @property
    def estimator(self) -> Estimator:
        """The anchors and the pool's fingerprints as they are now; it is replaced, never changed, by a new pool."""
        return self._knowledge.estimator

    @property
    def everyone(self) -> Estimator:
        """The same with all models that the bundle knows, whether they are in the pool or not."""
        return self._knowledge.everyone

    def card(self, name: str) -> ModelCard:
        """The card of a model that the bundle knows, by its name or an alias of it.

        Raises
        ------
        UnknownModelError
            There is none, or the alias fits several.
        """
        prints = self.everyone.fingerprints
        return prints.cards[prints.names.index(self.estimator.candidates.name_of(name))]

    def resolve(self, models: str | Sequence[str]) -> list[str]:
        """Names of the models that names, wildcards and aliases stand for, as `models` of a query takes them.

        Raises
        ------
        UnknownModelError
            One matches nothing, or is an alias that fits several.
        """
        estimator, columns = self._knowledge.among(models)
        return estimator.names if columns is None else [estimator.names[column] for column in columns]

    def estimate(self, prompt: str, models: str | Sequence[str] | None = None) -> Estimates:
        """Predict accuracy, tokens and cost of the models for one prompt.

        Parameters
        ----------
        prompt : str
            Any non-blank text; of a very long one, head and tail are read.
        models : str or sequence of str, optional
            Names, aliases (`"openai/gpt-4o"`) or wildcards (`"gpt-4*"`) that limit the pool. A name may be that of a
            model that is not current.

        Returns
        -------
        Estimates
            Arrays of shape (n_models,).

        Raises
        ------
        PromptError, UnknownModelError
        """
        estimator, columns = self._knowledge.among(models)
        estimates = estimator.estimate(self._encoder.encode(check_prompt(prompt)))
        self._count()
        return estimates if columns is None else estimates.only(columns)

    def estimate_batch(self, prompts: Sequence[str], models: str | Sequence[str] | None = None) -> Estimates:
        """Predict for many prompts; arrays of shape (n_prompts, n_models), as `estimate` one by one."""
        if isinstance(prompts, str) or not isinstance(prompts, Iterable):
            got = type(prompts).__name__
            raise PromptError("Not a batch of prompts", expected="a list of str", got=got, remedy="See estimate().")
        estimator, columns = self._knowledge.among(models)
        checked = [check_prompt(prompt) for prompt in prompts]
        if self._warms_itself and len(checked) >= _LARGE:
            jit.start_warmup()  # it is done before all of them are encoded
        estimates = estimator.estimate_batch(self._encoder.encode_batch(checked))
        self._count()
        return estimates if columns is None else estimates.only(columns)

    def route(
        self,
        prompt: str,
        *,
        alpha: float | None = None,
        value_usd: float | None = None,
        min_accuracy: float | None = None,
        max_cost_usd: float | None = None,
        risk: float | None = None,
        policy: DecisionRule | None = None,
        models: str | Sequence[str] | None = None,
    ) -> Decision:
        """Choose a model for one prompt.

        Parameters
        ----------
        alpha : float, optional
            The dial: 0 is the cheapest model, 1 the most accurate; 0.5 if nothing is said.
        value_usd : float, optional
            The same said directly: what a right answer is worth, in USD. Maximises value_usd * P - cost.
        min_accuracy : float, optional
            P must reach it. Without a dial: the cheapest model that does.
        max_cost_usd : float, optional
            The expected cost must not exceed it. Without a dial or a floor: the most accurate model within it.
        risk : float in (0, 0.5], optional
            Count with accuracies and costs that are missed with this probability; see `Policy`.
        policy : DecisionRule, optional
            Instead of all of these: `Tradeoff`, `Cheapest`, `Best` or a running `Budget`.
        models : str or sequence of str, optional
            Names, aliases or wildcards that limit the pool.

        Returns
        -------
        Decision
            `met` says whether the limits hold; where none can be met, `model` is the nearest choice.

        Raises
        ------
        PromptError, UnknownModelError, UsageError
        """
        chosen = stated_policy(policy, alpha, value_usd, min_accuracy, max_cost_usd, risk)
        return chosen.decide(self.estimate(prompt, models))

    async def aroute(
        self,
        prompt: str,
        *,
        alpha: float | None = None,
        value_usd: float | None = None,
        min_accuracy: float | None = None,
        max_cost_usd: float | None = None,
        risk: float | None = None,
        policy: DecisionRule | None = None,
        models: str | Sequence[str] | None = None,
    ) -> Decision:
        """Choose as `route` does, from within an event loop.

        Handing a prompt to a thread and the decision back takes about as long as the compiled kernels do
        (`python bench/aroute.py`), so they decide in place. A thread decides before they are warm, on a prompt
        of more than 100,000 characters, and within a running budget, whose file somebody may have locked.

        Cancelled while a thread is at it, it returns at once; what a budget reserves then is given back.

        Parameters
        ----------
        alpha, value_usd, min_accuracy, max_cost_usd, risk, policy, models
            As in `route`.

        Raises
        ------
        PromptError, UnknownModelError, UsageError, BudgetError

        Examples
        --------
        >>> import asyncio
        >>> router = Router.load()
        >>> asyncio.run(router.aroute("What is 17 * 23?")).model == router.route("What is 17 * 23?").model
        True
        """
        rule = stated_policy(policy, alpha, value_usd, min_accuracy, max_cost_usd, risk)
        is_brief = not isinstance(prompt, str) or len(prompt) <= _BRIEF_CHARS
        if is_brief and isinstance(rule, Policy) and jit.kernels().compiled:
            return rule.decide(self.estimate(prompt, models))
        import asyncio
        from concurrent.futures import Future

        decided: Future[Decision] = Future()

        def decide() -> Decision:
            decided.set_result(rule.decide(self.estimate(prompt, models)))
            return decided.result()

        try:
            return await asyncio.to_thread(decide)
        except asyncio.CancelledError:
            # The thread cannot be stopped: it gives back what it has reserved for nobody, now or when it comes to it.
            decided.add_done_callback(
                lambda done: threading.Thread(target=_give_back, args=(rule, done.result())).start()
            )
            raise

    def route_batch(
        self,
        prompts: Sequence[str],
        *,
        alpha: float | None = None,
        value_usd: float | None = None,
        min_accuracy: float | None = None,
        max_cost_usd: float | None = None,
        risk: float | None = None,
        budget_usd: float | None = None,
        policy: DecisionRule | None = None,
        models: str | Sequence[str] | None = None,
    ) -> Plan:
        """Choose a model for each prompt: exactly as `route` would one by one, or the best plan within a budget.

        Parameters
        ----------
        budget_usd : float, optional
            USD for all prompts together, instead of a dial: the plan has the most right answers to be expected
            for it, and costs more with a probability of `risk` at most (0.05 if nothing is said). Limits, or
            those of a policy, hold too.

        Raises
        ------
        PromptError, UnknownModelError, UsageError
        """
        if budget_usd is None:
            chosen = stated_policy(policy, alpha, value_usd, min_accuracy, max_cost_usd, risk)
            return chosen.plan(self.estimate_batch(prompts, models))
        if alpha is not None or value_usd is not None:
            raise UsageError("budget_usd and a dial exclude each other", remedy="Leave alpha and value_usd out.")
        limits = reusable(stated_policy(policy, None, None, min_accuracy, max_cost_usd, None if policy else risk))
        return plan_within(self.estimate_batch(prompts, models), budget_usd, limits, risk)

    def session(
        self,
        mode: Mode = "sticky",
        *,
        alpha: float | None = None,
        value_usd: float | None = None,
        min_accuracy: float | None = None,
        max_cost_usd: float | None = None,
        risk: float | None = None,
        policy: Policy | None = None,
        models: str | Sequence[str] | None = None,
    ) -> Session:
        """Begin a conversation, whose turns count with what it costs to read it again; see `Session`.

        Parameters
        ----------
        mode : "sticky", "escalate_only" or "free"
            Stay unless the gain exceeds the cost of leaving; the same, but never leave for a weaker model; or
            choose each turn by itself.
        alpha, value_usd, min_accuracy, max_cost_usd, risk, policy, models
            As in `route`, for every turn; a running `Budget` is no policy of a conversation.

        Raises
        ------
        UsageError
            No such mode, or arguments that exclude each other or are out of range.
        """
        chosen = reusable(stated_policy(policy, alpha, value_usd, min_accuracy, max_cost_usd, risk))
        return Session(self, chosen, mode, models)

    def add_model(
        self,
        name: str,
        outcomes: Any = None,
        price: Price | None = None,
        *,
        scores: Any = None,
        replace: bool = False,
        only: str | None = None,
    ) -> None:
        """Add a model from its outcomes, its published scores, or both. Nothing is trained.

        A few dozen outcomes are enough. Published scores say how able the model is before them, and in general;
        its lengths are those of the average model until outcomes tell them.

        Parameters
        ----------
        name : str
        outcomes : path, list of dicts, or a pandas, polars or pyarrow table, optional
            See `scope_edge.outcome_rows.read_rows`. Every row fits the model's latents; rows whose
            prompt is an anchor's own (cosine of at least .999) also speak as its neighbours.
        price : Price
            Required; a free model is an explicit 0.
        scores : dict, path, list of dicts, or a pandas, polars or pyarrow table, optional
            `{"mmlu-pro": 0.81}`, or rows as `scope_edge.score_rows.read_scores` has them. A benchmark is one of
            `benchmarks`, or a source of the bundle's anchors. A name that is both is read by the linked series of the
            row's publisher; where none is named, or it is not linked, by the anchors.
        replace : bool
            Allow an existing name.
        only : str, optional
            Only the outcomes and scores with this name in their column `model`. Needed where several stand there.

        Raises
        ------
        UsageError, OutcomesError, PriceError, PromptError, BundleError
            The pool is unchanged.

        Examples
        --------
        >>> router = Router.load()
        >>> outcomes = [{"prompt": "What is 17 * 23?", "score": 1, "output_tokens": 42}]
        >>> router.add_model("my/model", outcomes, Price(0.1, 0.4))
        >>> router.card("my/model").evidence
        'own outcomes 1'
        """
        # Imported here, for a first decision needs none.
        from scope_edge.joining import learn
        from scope_edge.outcome_rows import read_rows

        check_model_name(name)
        if not isinstance(price, Price):
            raise PriceError(
                f"No price for {name!r}",
                expected="Price(input_usd_per_mtok=..., output_usd_per_mtok=...)",
                got=repr(price),
                remedy="State the price; a free model is an explicit 0.",
            )
        if name in self.everyone.names and not replace:
            raise UsageError(f"The pool has a model {name!r} already", remedy=_REPLACE)
        if outcomes is None and scores is None:
            raise UsageError(f"Nothing is said of how good {name!r} is", expected="outcomes, scores, or both")
        rows = [] if outcomes is None else read_rows(outcomes, only)
        told = None if scores is None else self._published(name, scores, only)
        if self._warms_itself and len(rows) >= _LARGE:
            jit.warmup()
        learned = learn(rows, self._encoder, self._knowledge.base, name)
        with self._knowledge.changing:
            base = self._knowledge.base
            pool = base.fingerprints
            ability = None if told is None else told.ability
            part = place_model(learned.evidence, learned.sources, pool.population, base.reach, ability)
            card = ModelCard(
                model=name,
                price=price,
                token_ratio=learned.token_ratio,
                length_source="own" if part.n_lengths >= OWN_LENGTHS_FROM else "prior",
                n_outcomes=len(rows),
                n_scores=0 if told is None else told.n,
                top_scores=() if told is None else told.top,
            )
            if name in pool.names:
                if not replace:
                    raise UsageError(f"The pool has a model {name!r} already", remedy=_REPLACE)
                pool = pool.without_model(name)
            self._knowledge.replace_pool(pool.with_model(card, part, learned.anchor_scores, learned.anchor_lengths))

    def describe_model(
        self,
        name: str,
        *,
        price: Price | None = None,
        price_date: str | None = None,
        context_window: int | None = None,
        time_to_first_token_s: float | None = None,
        tokens_per_second: float | None = None,
        local: bool | None = None,
    ) -> None:
        """Say what is known of a model; what is left out stays as it was.

        Parameters
        ----------
        name : str
            Of any model that the bundle knows, or an alias of it.
        price : Price
            In place of the whole price. Sessions count with its cached-input price.
        price_date : str
            The day the price is of, YYYY-MM-DD.
        context_window : int
            Tokens that prompt and answer may take together. Longer prompts are not given to the model.
        time_to_first_token_s, tokens_per_second : float
            The model's speed; `max_latency_s` of a policy needs both.
        local : bool
            Whether the model runs on the user's machine, which `local_only` of a policy asks for.

        Raises
        ------
        UnknownModelError, UsageError, PriceError
            No such model, nothing is said, or a value is out of range. The pool is unchanged.

        Examples
        --------
        >>> router = Router.load()
        >>> from scope_edge import Tradeoff
        >>> router.describe_model("qwen3-32b", context_window=32_768, local=True)
        >>> router.route("hi", policy=Tradeoff(local_only=True)).model
        'qwen3-32b'
        """
        with self._knowledge.changing:
            name, pool = self.estimator.candidates.name_of(name), self._knowledge.base.fingerprints
            stated = pool.cards[pool.names.index(name)].stating(
                price=price,
                price_date=price_date,
                context_window=context_window,
                time_to_first_token_s=time_to_first_token_s,
                tokens_per_second=tokens_per_second,
                local=local,
            )
            self._knowledge.replace_pool(pool.with_card(stated), same_latents=price is None)

    def remove_model(self, name: str) -> None:
        """Remove a model that the bundle knows, by its name or an alias of it.

        Raises
        ------
        UnknownModelError, UsageError
            No such model, or it is the last one of the pool.
        """
        with self._knowledge.changing:
            name, pool = self.estimator.candidates.name_of(name), self._knowledge.base.fingerprints
            if self.models == [name]:
                raise UsageError(f"{name!r} is the last model of the pool", remedy="Add another one first.")
            self._knowledge.replace_pool(pool.without_model(name))

    def save(self, path: str | Path) -> None:
        """Write the router with all its present models as a bundle, all or nothing; `compact` adds what was recorded.

        Models that are not in the pool are written too.
        """
        base = self._knowledge.base
        self._write(path, base.anchors, base.fingerprints, self._bundle.config, "saved by `Router.save`")

    def record(
        self,
        asked: Decision | str,
        model: str | None = None,
        *,
        score: float | None = None,
        output_tokens: float | None = None,
        cost_usd: float | None = None,
    ) -> None:
        """Tell how a call went, and learn from it at once.

        The next estimates for prompts like this one count with it, for this model and, half as loudly, for all
        others. It is kept in the journal of `Router.load`, else in this process; figures alone, unless `keep_text`.

        Parameters
        ----------
        asked : Decision or str
            The decision, or the prompt.
        model : str, optional
            The model that was called, by its name or an alias; the decision's, if it was made by one.
        score : float in [0, 1], optional
            How right the answer was. A call that failed has none.
        output_tokens, cost_usd : float, optional
            What was counted and charged. Tokens that are not given are worked out from the cost.

        Raises
        ------
        PromptError, UnknownModelError, UsageError, JournalError
            Nothing is recorded.
        """
        from scope_edge.learning import outcome_of

        text = ""
        if isinstance(asked, Decision):
            model = asked.model if model is None else model
            if asked.estimates.evidence is None:
                raise UsageError("The decision came without its prompt", remedy="Record the prompt itself.")
            if self._keeps_text:
                raise UsageError("A decision does not hold its text", remedy="Record the prompt itself.")
            encoding = asked.estimates.evidence.encoding
        else:
            text = check_prompt(asked)
            encoding = self._encoder.encode(text)
        if model is None:
            raise UnknownModelError("No model is named", remedy="Beside a prompt, pass the model that was called.")
        model = self.estimator.candidates.name_of(model)
        outcome = outcome_of(
            encoding, model, time.time(), score, output_tokens, cost_usd, text if self._keeps_text else ""
        )
        with self._knowledge.changing:
            self._knowledge.learn(self._experience().recorded(outcome))

    def refresh(self) -> int:
        """Fold in what other processes have recorded since; returns how many outcomes the journal holds."""
        with self._knowledge.changing:
            return self._knowledge.learn(self._experience().caught_up()).held

    def forget(self, model: str | None = None, *, before: float | datetime | None = None) -> int:
        """Delete recorded outcomes, and what was learned from them beyond the bundle; returns how many.

        What `compact` wrote into a bundle stays in it: to be rid of that too, compact anew from the bundle that was
        there before, with the same journal.

        Parameters
        ----------
        model : str, optional
            Only those of this model, by the very name under which they are kept.
        before : datetime or float, optional
            Only those from before a time: a datetime, which without a time zone is the machine's, or seconds since
            the epoch.

        Raises
        ------
        UsageError, JournalError
            Nothing is deleted, unless the error says so, and what is left to be done.
        """
        with self._knowledge.changing:
            n, experience = self._experience().forgetting(model, before)
            self._knowledge.learn(experience).journal.clear()
            return n

    def export(self, path: str | Path) -> int:
        """Write the recorded outcomes as JSONL, all or nothing; returns how many.

        Columns: number, recorded_at, model, and what is known of score, output_tokens, cost_usd; `prompt` if its text
        was kept, with which `add_model` reads the file.

        Raises
        ------
        UsageError, JournalError
        """
        with self._knowledge.changing:
            return self._experience().export(path)

    def compact(self, path: str | Path) -> None:
        """Write a bundle that holds what was recorded: the moved fingerprints, and outcomes as anchors.

        A router that is loaded from it with the same journal does not count those outcomes again, and `forget` does
        not take them out of it.

        Raises
        ------
        BundleError, JournalError
        """
        with self._knowledge.changing:
            experience = self._knowledge.learn(self._experience().caught_up())
            anchors, prints = experience.learner.compacted()
            self._write(path, anchors, prints, experience.noted(self._bundle.config), "compacted by `Router.compact`")

    def warmup(self) -> bool:
        """Compile the kernels now instead of after the first decisions, and wait for it; decisions stay the same.

        Returns
        -------
        bool
            Whether compiled kernels serve now. False where nothing can compile them: numba's JIT is disabled, or a
            frozen application left numba out.
        """
        return jit.warmup()

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "A router is neither copied nor pickled", remedy="Load another one, from a bundle that `save` has written."
        )

    def _count(self) -> None:
        self._calls += 1
        if self._warms_itself and self._calls >= _WARM_AFTER:
            jit.start_warmup()

    def _benchmarks(self) -> Benchmarks | None:
        """The bundle's linked benchmarks; None where it has none."""
        from scope_edge.benchmarks import Benchmarks

        found = self._bundle.benchmarks
        return None if found is None else Benchmarks.from_json(found)

    def _published(self, name: str, scores: Any, only: str | None) -> Published:
        """What published scores say of a model."""
        from scope_edge.published import published
        from scope_edge.score_rows import read_scores

        rows, linked = read_scores(scores, only), self._benchmarks()
        if linked is None:
            raise UsageError(
                "The bundle has no linked benchmarks, so published scores say nothing",
                expected="a bundle with benchmarks.json",
                remedy="Give outcomes, or build a bundle from a table with published scores (scorecards).",
            )
        return published(rows, linked, self._knowledge.base, name)

    def _experience(self) -> Experience:
        """The journal with what was learned from it; the first to ask opens it."""
        return self._knowledge.experience(self._bundle.config)

    def _write(
        self, path: str | Path, anchors: AnchorSet, prints: Fingerprints, config: dict[str, Any], how: str
    ) -> None:
        prints = current_first(prints)
        manifest = write_bundle(
            path,
            config=config,
            encoder=self._bundle.path,
            manifest=self._bundle.manifest,
            fingerprints=prints.tensors(),
            models=[card.to_json() for card in prints.cards],
            anchors=anchors.tensors(),
            anchor_labels=anchors.labels(),
            index=anchors.index,
            benchmarks=self._bundle.benchmarks,
            card=f"# A scope-edge bundle\n\n{len(prints.cards)} models over {len(anchors)} anchors; {how}.\n",
        )
        if Path(path).samefile(self._bundle.path):
            self._bundle = replace(self._bundle, manifest=manifest)


def _give_back(rule: DecisionRule, decision: Decision) -> None:
    """Free what a running budget holds for a decision."""
    from scope_edge.budget import Budget

    if decision.ticket and isinstance(rule, Budget):
        with suppress(BudgetError):  # it stays counted then, and is listed by `open_calls`
            rule.cancel(decision)
