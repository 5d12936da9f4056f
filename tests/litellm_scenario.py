"""LiteLLM's own router with scope-edge as its routing strategy, run once in a process of its own.

Prints what was seen as JSON; `test_litellm.py` judges it. It has a process of its own for LiteLLM leaves sockets and
event loops behind, which the suite takes for errors.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would ask for a newer list on the network

import litellm
from proxies import CHEAP, DEAR, STRANGER
from upstreams import FakeUpstream, running

from scope_edge import Router, Tradeoff
from scope_edge.errors import ScopeEdgeError
from scope_edge.integrations.litellm import ScopeHook, ScopeRouting

MESSAGES = [{"role": "user", "content": "What is 17 * 23?"}]
cheap, dear = FakeUpstream(), FakeUpstream()
router = Router.load()
seen: dict[str, Any] = {}


def deployment(name: str, model: str, upstream: FakeUpstream, **info: Any) -> dict[str, Any]:
    return {
        "model_name": name,
        "litellm_params": {"model": f"openai/{model}", "api_base": upstream.url, "api_key": "sk-x"},
        "model_info": {"id": f"id of {model}", **info},
    }


def asked() -> list[str]:
    """The models that were called since the last time, in the names of the upstreams."""
    names = [request["model"] for upstream in (cheap, dear) for request in upstream.requests]
    cheap.requests.clear()
    dear.requests.clear()
    return names


def text(answer: Any) -> str:
    return answer.choices[0].message.content


def error(call: Any, **arguments: Any) -> str:
    """The name of the error that a call of ours or of LiteLLM's ends with."""
    try:
        call(**arguments)
    except ScopeEdgeError as refused:
        return type(refused).__name__
    return "none"


async def with_asyncio(made: Any) -> None:
    seen["async"] = text(await made.acompletion(model="scope-0", messages=MESSAGES)), asked()
    stream = await made.acompletion(model="scope:cheap>=0.5", messages=MESSAGES, stream=True)
    parts = [chunk.choices[0].delta.content or "" async for chunk in stream]
    seen["stream"] = "".join(parts).strip(), asked()


with running(cheap, dear):
    models = [
        deployment("scope", CHEAP, cheap, scope_model=CHEAP),
        deployment("scope", "my-gpt", dear, scope_model=DEAR),
        deployment(STRANGER, STRANGER, dear),
    ]
    made = litellm.Router(model_list=models, num_retries=1, retry_after=0)
    made.register_plugin(ScopeRouting(made, Tradeoff(0.5), router))
    seen["sync"] = text(made.completion(model="scope", messages=MESSAGES)), asked()
    asyncio.run(with_asyncio(made))
    seen["named"] = text(made.completion(model=STRANGER, messages=MESSAGES)), asked()
    seen["nobody"] = error(made.completion, model="nobody", messages=MESSAGES)
    cheap.mode = 500
    seen["fallback"] = text(made.completion(model="scope", messages=MESSAGES)), asked()
    answer = asyncio.run(made.acompletion(model="scope", messages=MESSAGES))
    seen["async fallback"] = text(answer), asked()

hook = ScopeHook([CHEAP, DEAR], Tradeoff(0.5), router)


def hooked(**data: Any) -> Any:
    return asyncio.run(hook.async_pre_call_hook(None, None, data, "completion"))


seen["hooked"] = {model: hooked(model=model, messages=MESSAGES, metadata={"a": 1}) for model in ("scope", "scope-1")}
seen["not hooked"] = [
    hooked(model=DEAR, messages=MESSAGES),
    hooked(model="scope", input="x"),
    hooked(messages=MESSAGES),
]
seen["hook refuses"] = error(hooked, model="scope-3", messages=MESSAGES)
seen["hook without models"] = error(ScopeHook, models=["nobody"], router=router)
print(json.dumps(seen))
