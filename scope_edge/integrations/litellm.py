"""LiteLLM asks scope-edge which deployment takes a request (extra `litellm`).

`ScopeRouting` is a routing strategy for `litellm.Router`, `ScopeHook` a hook for LiteLLM's proxy. Both choose where a
request asks for `scope`, `scope-0.7`, `scope:cheap>=0.8` or `scope:best<=0.002` (see `scope_edge.policy.named_policy`),
and leave requests for other models alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from scope_edge.errors import MissingExtraError, UnknownModelError
from scope_edge.messages import prompt_of
from scope_edge.policy import Decision, Policy, Tradeoff, named_policy
from scope_edge.router import Router

try:
    from litellm.integrations.custom_logger import CustomLogger
    from litellm.types.router import CustomRoutingStrategyBase
except ModuleNotFoundError as _error:
    raise MissingExtraError("Routing inside LiteLLM", (_error.name or "").partition(".")[0], "litellm") from None

__all__ = ["ScopeHook", "ScopeRouting"]


class ScopeRouting(CustomRoutingStrategyBase):
    """A routing strategy for `litellm.Router`: of all its deployments, the one that is worth it.

    A deployment is of the bundle's model that `model_info["scope_model"]` names, else its `model_name`, by its name or
    an alias; those of neither, or of several models, are never chosen for `scope`.

    Where LiteLLM tries again after a failure (`num_retries`), the deployments
    that have failed are left out, so the next best model answers. It does so only within a group of deployments of
    the name that was asked for, so let those that `scope` may choose have the `model_name` "scope".

    Parameters
    ----------
    litellm_router : litellm.Router
        Its deployments are looked up at each request.
    policy : Policy
        What `scope` asks for.
    router : Router, optional
        The shipped bundle if left out. State your prices with `describe_model`.

    Examples
    --------
    >>> params = {"model": "openai/gpt-4o-2024-11-20", "api_key": key}
    >>> models = [{"model_name": "scope", "litellm_params": params, "model_info": {"scope_model": "gpt-4o-2024-11-20"}}]
    >>> router = litellm.Router(model_list=models, num_retries=2)
    >>> router.register_plugin(ScopeRouting(router, Tradeoff(0.5)))
    >>> router.completion(model="scope", messages=[{"role": "user", "content": "What is 17 * 23?"}])
    """

    def __init__(self, litellm_router: Any, policy: Policy | None = None, router: Router | None = None) -> None:
        self._deployments = litellm_router.registry
        self._policy = Tradeoff() if policy is None else policy
        self._router = Router.load() if router is None else router

    def get_available_deployment(
        self,
        model: str,
        messages: list[dict[str, str]] | None = None,
        input: str | list[Any] | None = None,  # noqa: A002 - the names are LiteLLM's
        specific_deployment: bool | None = False,  # noqa: ARG002
        request_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """The deployment that takes a request.

        Raises
        ------
        UnknownModelError, PromptError, UsageError
            No deployment is of a model that is asked for, or there is nothing to route on.
        """
        request = request_kwargs or {}
        failed = _failed(request)
        left = [deployment for deployment in self._deployments().all() if _id(deployment) not in failed]
        policy = named_policy(model, self._policy)
        if policy is None:
            of_model = [one for one in left if model in (one["model_name"], _id(one))]
        else:
            models = [_bundle_name(self._router, _scope_model(one)) for one in left]
            pool = {name for name in models if name is not None}
            chosen = _decide(self._router, policy, pool, request | {"messages": messages or input}).model
            of_model = [one for one, name in zip(left, models, strict=True) if name == chosen]
        if not of_model:
            raise UnknownModelError(f"No deployment of {model!r} is left", remedy="Add one to the model_list.")
        return random.choice(of_model)

    async def async_get_available_deployment(
        self,
        model: str,
        messages: list[dict[str, str]] | None = None,
        input: str | list[Any] | None = None,  # noqa: A002
        specific_deployment: bool | None = False,
        request_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """The same; a decision takes less time than a thread would."""
        return self.get_available_deployment(model, messages, input, specific_deployment, request_kwargs)


class ScopeHook(CustomLogger):
    """A hook for LiteLLM's proxy: puts the model that is worth it in place of `scope`.

    Its retries, fallbacks and budgets then hold for that model. In the proxy's config.yaml, an instance of it stands
    among `litellm_settings.callbacks`, and `scope` among the models that keys may use.

    Parameters
    ----------
    models : sequence of str
        The models of the proxy to choose among, by their names in the bundle or aliases of these.
    policy, router
        As of `ScopeRouting`.

    Raises
    ------
    UnknownModelError
        The bundle does not know one of the models.
    """

    def __init__(self, models: Sequence[str], policy: Policy | None = None, router: Router | None = None) -> None:
        super().__init__()
        self._policy = Tradeoff() if policy is None else policy
        self._router = Router.load() if router is None else router
        # The proxy knows the names that are given here, the bundle its own.
        self._given = {name: name for name in self._router.resolve(list(models))}
        self._given |= {self._router.resolve(name)[0]: name for name in models if not set(name) & set("*?[")}

    async def async_pre_call_hook(
        self,
        user_api_key_dict: Any,  # noqa: ARG002 - the names are LiteLLM's
        cache: Any,  # noqa: ARG002
        data: dict[str, Any],
        call_type: str,  # noqa: ARG002
    ) -> dict[str, Any]:
        """The request with the model that was chosen; `metadata["scope"]` says what was expected of it."""
        model = data.get("model")
        policy = named_policy(model, self._policy) if isinstance(model, str) else None
        if policy is None or "messages" not in data:
            return data
        decision = _decide(self._router, policy, self._given, data)
        told = {"p_correct": decision.p_correct, "cost_usd": decision.cost_usd, "reason": decision.reason}
        model = self._given[decision.model]
        return data | {"model": model, "metadata": {**(data.get("metadata") or {}), "scope": told}}


def _decide(router: Router, policy: Policy, models: Iterable[str], request: Mapping[str, Any]) -> Decision:
    said = request.get("messages")
    text = said if isinstance(said, str) else prompt_of(said, request.get("tools")).text  # type: ignore[arg-type]
    pool = sorted(models)
    if not pool:
        raise UnknownModelError("No deployment is left whose model is in the bundle", remedy="`scope-edge models`.")
    return router.route(text, policy=policy, models=pool)


def _bundle_name(router: Router, model: str) -> str | None:
    """The name of a model in the bundle; None where it is none of it, or not clear which."""
    with suppress(UnknownModelError):
        return router.estimator.candidates.look_up(model)
    return None


def _scope_model(deployment: Mapping[str, Any]) -> str:
    info = deployment.get("model_info") or {}
    return str(info.get("scope_model") or deployment["model_name"])


def _id(deployment: Mapping[str, Any]) -> Any:
    return (deployment.get("model_info") or {}).get("id")


def _failed(request: Mapping[str, Any]) -> set[Any]:
    """The deployments that this request has failed on, as LiteLLM keeps them."""
    metadata = request.get("metadata") or request.get("litellm_metadata") or {}
    return {entry.get("deployment_id") for entry in metadata.get("previous_models") or () if isinstance(entry, Mapping)}
