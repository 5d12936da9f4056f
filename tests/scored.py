"""A small invented table folder with all that a build can know beside outcomes: scores, catalogue, names, usage.

Everything follows from one skill per model, so what a build should find is known. The sources are called as real ones
are, for published benchmarks with their questions are looked up by these names.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

TOPICS = {
    "zeroeval-gsm": "Add the numbers {a} and {b}, then multiply by {c}. What is the result?",
    "zeroeval-crux": "What does f({a}) return?\n```python\ndef f(x):\n    return x * {b} - {c}\n```",
    "mmlu-pro": "In which century did the city number {a} of province {b} receive its charter?\nA. {c}\nB. {b}\nC. {a}",
    "bpmn-sol": "Draw the process of order {a} in department {b} as a BPMN diagram with {c} steps.",
}
HARDNESS = {"zeroeval-gsm": -1.0, "zeroeval-crux": 0.0, "mmlu-pro": 0.5, "bpmn-sol": 1.5}
OUTCOMES = {f"model-{letter}": skill for letter, skill in zip("abcdefgh", np.linspace(-1.5, 1.5, 8), strict=True)}
"""Models with outcomes, and their skill."""
UNPRICED = {"lab-only": 0.8}
"""With outcomes, but nobody sells it."""
BY_SCORES = {"paper-low": -1.2, "paper-mid": 0.0, "paper-high": 1.2, "retired": 0.3, "model-h-low": 0.9}
"""Known by published scores alone. The last is a setting of a model with outcomes, and borrows its catalogue entry."""
FEW_SCORES, NO_PRICE = "paper-short", "paper-free"
"""Scored too seldom; scored enough, but without a price."""
SERIES = (
    ("exam-a", "board-a"), ("exam-b", "board-b"), ("exam-c", "board-c"), ("exam-d/part", "board-d"),
    ("exam-d/whole", "board-d"), ("gsm8k", "board-e"), ("mmlu-pro", "board-f"),
)  # fmt: skip


def write_scored_table(folder: Path, n: int = 240, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    everyone = OUTCOMES | UNPRICED
    queries, outcomes = [], []
    for index in range(n):
        topic = list(TOPICS)[index % len(TOPICS)]
        a, b, c = rng.integers(2, 900, 3)
        split = "val" if index % 10 == 7 else "test" if index % 10 == 8 else "train"
        queries.append({"query_id": f"q{index}", "source": topic, "category": "", "split": split,
                        "prompt": TOPICS[topic].format(a=a, b=b, c=c)})  # fmt: skip
        for model, skill in everyone.items():
            logit = 1.5 * skill - HARDNESS[topic] + rng.normal(0, 0.3)
            outcomes.append({"query_id": f"q{index}", "model": model,
                             "score": float(rng.random() < 1 / (1 + np.exp(-logit))),
                             "output_tokens": int(rng.lognormal(4.5 + skill / 4, 0.3)), "input_tokens": 25,
                             "tokens_kind": "usage"})  # fmt: skip
    for name, rows in (("queries", queries), ("outcomes", outcomes)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lines = ["model,usd_per_mtok_in,usd_per_mtok_out,params_b,thinks,role,base"]
    lines += [f"{name},{0.1 * (i + 1):.1f},{0.4 * (i + 1):.1f},,false,train," for i, name in enumerate(OUTCOMES)]
    _write(folder, "models", [*lines, *(f"{name},,,,false,train," for name in UNPRICED)])
    _write(folder, "scorecards", _scorecards(rng))
    _write(folder, "catalogue", [
        "model,date,provider,input_usd_per_mtok,output_usd_per_mtok,cached_input,reasoning,context_window,max_output,"
        "released,thinks,open_weights,modalities",
        "model-a,2026-05-20,Maker A,0.05,0.2,,,100000,4000,2025-11-01,false,false,text",
        "model-h,2026-05-20,Maker H,1,9,0.5,,200000,,2026-01-15,true,false,text+image",
        "paper-low,2026-05-20,Maker P,0.1,0.3,,,,,2025-12,false,true,text",
        "paper-mid,2026-05-20,Maker P,0.2,0.6,,,,,2025-12,false,true,text",
        "paper-high,2026-05-20,Maker P,0.8,3,,,,,2025-12,true,true,text",
        "paper-short,2026-05-20,Maker P,0.8,3,,,,,2025-12,false,true,text",
        "paper-free,,,,,,,,,2025-12,false,true,text",
        "retired,2024-03-01,Maker R,5,15,,,,,2023-06,false,false,text",
    ])  # fmt: skip
    _write(folder, "names", [
        "model,base,raw_name,thinking,effort",
        "model-a,model-a,Model A (preview),,",
        "model-a,model-a,maker-a/model-a,,",
        "model-h-low,model-h,model-h with low effort,true,low",
        "paper-high,paper-high,Paper Pro,,",
        "retired,retired,retired-2023,,",
    ])  # fmt: skip
    _write(folder, "usage", ["model,benchmark,mean_output_tokens", *_usage(rng)])
    kinds = {name: "judge,de" if name == "bpmn-sol" else "verifier,en" for name in TOPICS}
    _write(folder, "sources", ["source,grading,language", *(f"{name},{kind}" for name, kind in kinds.items())])
    return folder


def _write(folder: Path, name: str, lines: list[str]) -> None:
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _scorecards(rng: np.random.Generator) -> list[str]:
    lines = ["model,base,benchmark,setting,score,publisher,grade"]
    scored = OUTCOMES | UNPRICED | BY_SCORES | {NO_PRICE: 0.5, FEW_SCORES: 0.5}
    for model, skill in scored.items():
        base = "model-h" if model == "model-h-low" else ""
        for k, (benchmark, publisher) in enumerate(SERIES):
            if model == FEW_SCORES and k > 2:
                continue
            score = 1 / (1 + np.exp(-(1.2 * skill - 0.1 * k + rng.normal(0, 0.15))))
            lines.append(f"{model},{base},{benchmark},,{score:.4f},{publisher},A")
    return lines


def _usage(rng: np.random.Generator) -> list[str]:
    spent = {name: 5 + skill / 2 for name, skill in (OUTCOMES | BY_SCORES).items()}
    return [
        f"{name},{exam},{np.exp(level + rng.normal(0, 0.1)):.0f}"
        for name, level in spent.items()
        for exam in ("exam-a", "exam-b")
    ]
