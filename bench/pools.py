"""Pools of any size made from the shipped bundle, and prompts of any length."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scope_edge.anchors import AnchorSet
from scope_edge.bundle import Bundle
from scope_edge.cards import ModelCard
from scope_edge.fingerprints import Fingerprints

__all__ = ["TEXT", "anchors_of", "bundle_of", "fingerprints_of", "prompt_of", "prompts_of", "queries_of"]

TEXT = """
A researcher wants to know whether a new fertiliser changes the height of tomato plants. She divides forty seedlings
at random into two groups, gives one group the fertiliser every week and the other plain water, and measures all plants
after sixty days. The treated plants have a mean height of 82.4 cm with a standard deviation of 9.1 cm; the untreated
ones 77.9 cm with 8.6 cm. Which test should she use, which assumptions does it rest on, and is the difference
significant at the five percent level? Explain each step, state the degrees of freedom, and say what she may not
conclude from this experiment alone. Finally, suggest one change of the design that would raise its power without more
plants, and justify it briefly. The following Python function should return the second largest value of a list, but
fails for some inputs: def second(values): best = max(values); return max(v for v in values if v != best). Describe an
input for which it raises an exception, another for which its answer may surprise a reader, and rewrite it so that it
runs in linear time, keeps duplicates apart, and documents what happens when fewer than two values are given. Under the
treaty, the two parties agreed to settle disputes by arbitration within ninety days. The buyer claims that the
machinery, delivered in March, never reached the output promised in annex B; the seller replies that the annex was
superseded by an e-mail of 17 February which both managers signed. Which document prevails, and what would each side
have to prove before the tribunal? Let f be a continuous function on the closed interval from 0 to 1 with f(0) = f(1).
Show that for every natural number n there is a point x such that f(x) = f(x + 1/n), and give an example which shows
that the claim is false if 1/n is replaced by 2/5. Translate the summary into French, then write three questions that a
careful examiner could ask about it.
"""


def prompt_of(n_words: int, first: int = 0) -> str:
    """A prompt of that many words, from the text's word number `first` on."""
    words = TEXT.split()
    return " ".join(words[(first + index) % len(words)] for index in range(n_words))


def prompts_of(n_words: int, n: int = 16) -> list[str]:
    """Different prompts of that many words: a processor learns the branches of one that comes again and again."""
    return [prompt_of(n_words, 23 * index) for index in range(n)]


def queries_of(anchors: AnchorSet, n: int) -> NDArray[np.float32]:
    """Embeddings (n, dim) as those of prompts are: each lies beside an anchor."""
    rng = np.random.default_rng(1)
    rows = rng.integers(0, len(anchors), n)
    z = anchors.codes[rows] * anchors.scales[rows, None]
    z += rng.normal(0, 0.3 / np.sqrt(z.shape[1]), z.shape).astype(np.float32)
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def _on_cache_lines(*shape: int) -> NDArray[np.int8]:
    """An empty int8 array that begins as the codes of a bundle do."""
    room = np.empty(math.prod(shape) + 64, np.int8)
    start = -room.ctypes.data % 64
    return room[start : start + math.prod(shape)].reshape(shape)


def anchors_of(bundle: Bundle, n_anchors: int) -> AnchorSet:
    """Anchors that lie as the shipped ones do: between two of them, and a little beside."""
    shipped = AnchorSet.from_tensors(bundle.anchors, bundle.anchor_labels)
    rng = np.random.default_rng(0)
    rows = np.arange(n_anchors) % len(shipped)
    codes, scales = _on_cache_lines(n_anchors, shipped.codes.shape[1]), np.empty(n_anchors, np.float32)
    embeddings = shipped.codes * shipped.scales[:, None]
    for part in np.array_split(np.arange(n_anchors), -(-n_anchors // 65536)):
        share = rng.uniform(0.5, 1, (len(part), 1)).astype(np.float32)
        z = share * embeddings[rows[part]] + (1 - share) * embeddings[rng.integers(0, len(shipped), len(part))]
        z += rng.normal(0, 0.3 / np.sqrt(z.shape[1]), z.shape).astype(np.float32)
        z /= np.linalg.norm(z, axis=1, keepdims=True)
        scales[part] = np.abs(z).max(axis=1) / 127
        codes[part] = np.rint(z / scales[part, None])
    ids = shipped.ids
    return replace(
        shipped,
        codes=codes,
        scales=scales,
        loadings=shipped.loadings[rows],
        names=np.frombuffer("\n".join(f"{ids[row]}#{index}" for index, row in enumerate(rows)).encode(), np.uint8),
        source=shipped.source[rows],
        category=shipped.category[rows],
        provenance=shipped.provenance[rows],
        length_noise=shipped.length_noise[rows],
    )


def bundle_of(bundle: Bundle, n_anchors: int, n_models: int) -> Bundle:
    """The bundle with another pool, as if it had been read; give it to `Router`."""
    anchors, fingerprints = anchors_of(bundle, n_anchors), fingerprints_of(bundle, n_anchors, n_models)
    return replace(
        bundle,
        models=[card.to_json() for card in fingerprints.cards],
        anchors=anchors.tensors(),
        anchor_labels=anchors.labels(),
        fingerprints=fingerprints.tensors(),
    )


def fingerprints_of(bundle: Bundle, n_anchors: int, n_models: int) -> Fingerprints:
    """The shipped fingerprints, repeated for that many anchors and models."""
    cards = [ModelCard.from_json(entry) for entry in bundle.models]
    shipped = Fingerprints.from_tensors(bundle.fingerprints, cards)
    rows = np.arange(n_anchors) % len(shipped.scores)
    columns = np.arange(n_models) % len(cards)
    pool = shipped.only(columns)
    return replace(
        pool,
        cards=[replace(cards[column], model=f"{cards[column].model}#{index}") for index, column in enumerate(columns)],
        scores=pool.scores[rows],
        log_tokens=pool.log_tokens[rows],
    )
