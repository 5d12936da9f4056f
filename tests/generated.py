"""A small invented outcome table: enough structure to train and build on, nobody's text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

TOPICS = {
    "sums": "Add the numbers {a} and {b}, then multiply by {c}. What is the result?",
    "code": "Write a Python function f{a} that returns item {b} of a list.\n```python\ndef f{a}(items):\n    ...\n```",
    "trivia": "In which century did the city number {a} of province {b} receive its charter?\nA. {c}\nB. {b}\nC. {a}",
}
STRENGTH = {"tiny": -0.8, "small": 0.0, "large": 1.0, "thinker": 1.6, "newcomer": 0.4}
BEST_AT = {"tiny": "trivia", "small": "code", "large": "sums", "thinker": "sums", "newcomer": "code"}


def write_table(folder: Path, n: int = 360, seed: int = 0) -> Path:
    """Write queries, outcomes and models as JSONL and CSV; `thinker` has no usable lengths."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    queries, outcomes = [], []
    topics = list(TOPICS)
    for index in range(n):
        topic = topics[index % len(topics)]
        a, b, c = rng.integers(2, 900, 3)
        split = "train" if index % 10 < 7 else "val" if index % 10 == 7 else "test"
        query_id = f"q{index}"
        queries.append(
            {"query_id": query_id, "source": topic, "category": f"c{index % 2}", "split": split,
             "prompt": TOPICS[topic].format(a=a, b=b, c=c)}
        )  # fmt: skip
        hardness = (a - 450) / 450
        for model, strength in STRENGTH.items():
            if model == "small" and index % 3 == 1 and index % 2:
                continue
            logit = strength + 1.5 * (BEST_AT[model] == topic) - hardness
            tokens = int(rng.lognormal(4 + strength / 2 + (topic == "code"), 0.3))
            outcomes.append(
                {"query_id": query_id, "model": model, "score": float(rng.random() < 1 / (1 + np.exp(-logit))),
                 "output_tokens": tokens, "input_tokens": 20 + int(a) % 5,
                 "tokens_kind": "bpe-visible" if model == "thinker" else "usage"}
            )  # fmt: skip
    for name, rows in (("queries", queries), ("outcomes", outcomes)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    prices = {"tiny": 0.1, "small": 0.3, "large": 2.0, "thinker": 8.0, "newcomer": 0.5}
    lines = ["model,usd_per_mtok_in,usd_per_mtok_out,params_b,thinks,role"]
    for model, price in prices.items():
        role = "join" if model == "newcomer" else "train"
        lines.append(f"{model},{price},{price * 4},{8 if model == 'tiny' else 70},{model == 'thinker'},{role}".lower())
    (folder / "models.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
