"""What else chooses a model for a prompt: each is prepared once, and then given one text at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from minilm import MiniLM, export, quantised

__all__ = ["CHOOSERS"]

Choose: TypeAlias = Callable[[str], object]
Make: TypeAlias = Callable[[Path, int, int], Choose]
"""Prepares a choice from the folder of MiniLM, and the numbers of anchors and models."""

NEIGHBOURS = 80
EXAMPLES = 10  # of each route


def nearest_outcomes(embed: MiniLM, n_anchors: int, n_models: int) -> Choose:
    """An embedding, scikit-learn's nearest neighbours, the mean of their outcomes for every model, the best trade.

    Embeddings and outcomes are random: an exact search takes the same time over any.
    """
    from sklearn.neighbors import KNeighborsRegressor

    rng = np.random.default_rng(0)
    anchors = rng.normal(size=(n_anchors, 384)).astype(np.float32)
    anchors /= np.linalg.norm(anchors, axis=1, keepdims=True)
    outcomes = rng.integers(0, 2, (n_anchors, n_models)).astype(np.float32)
    cost_usd = rng.uniform(1e-5, 1e-2, n_models)
    # By euclidean distance, which ranks unit vectors as the cosine does, and is the faster one.
    model = KNeighborsRegressor(NEIGHBOURS, algorithm="brute", metric="euclidean", n_jobs=1).fit(anchors, outcomes)
    return lambda text: int(np.argmax(0.01 * model.predict(embed(text)[None])[0] - cost_usd))


def semantic_routes(embed: MiniLM, n_models: int) -> Choose:
    """semantic-router: the route whose examples are nearest, by the same embedding and an index in memory."""
    from semantic_router import Route
    from semantic_router.encoders import DenseEncoder
    from semantic_router.routers import IndexedRouter

    class Encoder(DenseEncoder):  # type: ignore[misc]
        name: str = "all-MiniLM-L6-v2"
        type: str = "minilm"

        def __call__(self, docs: list[Any]) -> list[list[float]]:
            return [embed(text).tolist() for text in docs]

    routes = [
        Route(name=f"model {model}", utterances=[f"example {example} for model {model}" for example in range(EXAMPLES)])
        for model in range(n_models)
    ]
    return IndexedRouter(encoder=Encoder(), routes=routes)


def complexity_rules() -> Choose:
    """litellm's complexity router: rules and key words give a tier, which has a model; what its hook calls."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or its import asks the network
    from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter

    tiers = {"SIMPLE": "small", "MEDIUM": "middle", "COMPLEX": "large", "REASONING": "largest"}
    router = ComplexityRouter(model_name="auto", ctx=None, complexity_router_config={"tiers": tiers})
    return lambda text: router.get_model_for_tier(router.classify(text)[0])


CHOOSERS: dict[str, Make] = {
    "litellm complexity router": lambda *_: complexity_rules(),
    "MiniLM int8 + scikit-learn kNN": lambda folder, n_anchors, n_models: nearest_outcomes(
        MiniLM(quantised(export(folder))), n_anchors, n_models
    ),
    "MiniLM float + scikit-learn kNN": lambda folder, n_anchors, n_models: nearest_outcomes(
        MiniLM(export(folder)), n_anchors, n_models
    ),
    "semantic-router on MiniLM float": lambda folder, _, n_models: semantic_routes(MiniLM(export(folder)), n_models),
}
