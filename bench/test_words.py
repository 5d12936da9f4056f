"""Every stage on prompts of any length. Run: make bench, or python -m pytest bench/test_words.py"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import N_ANCHORS, N_MODELS
from minilm import MiniLM, export, quantised, tokenizer
from pools import prompt_of, prompts_of
from tokenizers import Tokenizer
from turns import Contest, Timed, cycle

from scope_edge import Router
from scope_edge.bundle import Bundle
from scope_edge.encoder import Encoder

WORDS = (20, 120, 2_000)
MEGABYTE = prompt_of(200_000)[:1_000_000]
BATCH = 64
OURS, TOKENIZERS, BERT = "scope-edge", "tokenizers library, same vocabulary", "tokenizers library, bert-base-uncased"
ENTRIES = (
    ("tokenizer", OURS), ("tokenizer", TOKENIZERS), ("tokenizer", BERT),
    ("encoder", OURS), ("encoder", "MiniLM int8"), ("encoder", "MiniLM float"),
    ("estimate", OURS), ("route", OURS), ("batch", OURS),
)  # fmt: skip


@pytest.fixture(scope="module", params=WORDS)
def n_words(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def timed(
    n_words: int, bundle: Bundle, router: Router, minilm_folder: Path, new_contest: Callable[[], Contest]
) -> dict[tuple[str, str], Timed]:
    contest, prompts = new_contest(), prompts_of(n_words)
    encoder = Encoder(bundle.path, bundle.config["encoder"])
    batches = [[prompts[(first + index) % len(prompts)] for index in range(BATCH)] for first in range(len(prompts))]
    same = Tokenizer.from_file(str(bundle.path / "tokenizer.json"))
    contest.enter(("tokenizer", OURS), lambda: cycle(encoder.tokenize, prompts))
    contest.enter(("tokenizer", TOKENIZERS), lambda: cycle(same.encode, prompts))
    contest.enter(("tokenizer", BERT), lambda: cycle(tokenizer().encode, prompts))
    contest.enter(("encoder", OURS), lambda: cycle(encoder.encode, prompts))
    contest.enter(("encoder", "MiniLM int8"), lambda: cycle(MiniLM(quantised(export(minilm_folder))), prompts))
    contest.enter(("encoder", "MiniLM float"), lambda: cycle(MiniLM(export(minilm_folder)), prompts))
    contest.enter(("estimate", OURS), lambda: cycle(router.estimate, prompts))
    contest.enter(("route", OURS), lambda: cycle(router.route, prompts))
    contest.enter(("batch", OURS), lambda: cycle(router.route_batch, batches))
    return contest.run(8)


@pytest.mark.parametrize(("stage", "peer"), ENTRIES)
def test_words(
    timed: dict[tuple[str, str], Timed], n_words: int, stage: str, peer: str, report: Callable[..., None]
) -> None:
    pool = {"anchors": N_ANCHORS, "models": N_MODELS} if stage in ("estimate", "route", "batch") else {}
    prompts = {"prompts": BATCH} if stage == "batch" else {}
    report(timed[stage, peer], table="words", stage=stage, peer=peer, words=n_words, **pool, **prompts)


def test_megabyte(router: Router, new_contest: Callable[[], Contest], report: Callable[..., None]) -> None:
    """Of a long prompt, head and tail are read; the rest costs a look for surrounding space and lone surrogates."""
    contest = new_contest()
    contest.enter(OURS, lambda: cycle(router.route, [MEGABYTE]))
    words = len(MEGABYTE.split())
    pool = {"anchors": N_ANCHORS, "models": N_MODELS}
    report(contest.run(2)[OURS], table="words", stage="route", peer=OURS, words=words, characters=len(MEGABYTE), **pool)
