"""Draws docs/images/how-it-works.svg: one prompt's way through the shipped bundle, with its real figures.

python docs/figure.py
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np

from scope_edge import Router
from scope_edge.fingerprints import MISSING

PROMPT = "A train leaves at 9:40 and arrives at 13:05 after a stop of 25 minutes. How long did it move?"
MODELS = [
    "o1-mini",
    "gpt-4o-2024-05-13",
    "deepseek-v2-chat-0628",
    "claude-3-haiku",
    "llama-3-8b-instruct",
    "qwen2.5-3b-instruct",
]
NEIGHBOURS = 14  # of the 80, as many as there is room for
PROMPT_LINES = [
    "“A train leaves at 9:40 and",
    "arrives at 13:05 after a stop",
    "of 25 minutes. How long did",
    "it move?”",
]
READING = [
    "word pieces, kinds of signs,",
    "byte trigrams; of a long text",
    "the first 2,048 and the last",
    "1,024 characters",
]
STUDENT = [
    "token table and a small MLP,",
    "ONNX, int8, one CPU thread;",
    "distilled from MiniLM and",
    "item-response models",
]
ENCODING = [
    "z: an embedding, 64 numbers",
    "a, b: the abilities it asks for,",
    "and how hard it is",
    "c, d: how long an answer",
]
LATENTS = [
    "θ, a model's abilities, and ψ,",
    "its habits of length: fitted to",
    "its outcomes, near the pool's",
    "average where these are few;",
    "without training. Both boxes",
    "are its fingerprint.",
]
POLICY = [
    "best value·P less cost,",
    "cheapest above a floor,",
    "best below a ceiling,",
    "or within a budget;",
    "limits and risk with all",
]
SOURCE = (
    "Drawn from the shipped bundle: the anchors on their two main axes, "
    "the 14 nearest ones' results, and what is predicted for this prompt."
)
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Inter, sans-serif; fill: #1f2933 }
.head { font-weight: 600; font-size: 14px } .small { font-size: 12px; fill: #52606d } .end { text-anchor: end }
.page { fill: #ffffff; stroke: #d2d8de } .box { fill: #f3f6f9; stroke: #9aa5b1 }
.chosen { fill: #dcebfb; stroke: #2f7ed8 } .line { stroke: #7b8794; fill: none; stroke-width: 1.5 }
.tip { fill: #7b8794 } .dot { fill: #aab4be } .near { fill: #2f7ed8 } .self { fill: #e0700f }
.right { fill: #3c9d6b } .wrong { fill: #d9534f } .none { fill: #dfe4e9 } .span { stroke: #9cc4ee; stroke-width: 7 }
.cross { fill: #ffffff; font-size: 12px; font-weight: 700; text-anchor: middle }
.scale { stroke: #d2d8de }
@media (prefers-color-scheme: dark) {
text { fill: #e4e9ee } .small { fill: #a8b3be } .page { fill: #14181d; stroke: #39424c }
.box { fill: #1f262e; stroke: #55616e } .chosen { fill: #17344f; stroke: #5aa2ee } .dot { fill: #4c5763 }
.near { fill: #5aa2ee } .span { stroke: #2b5f96 } .cross { fill: #ffffff } .none { fill: #39424c }
.scale { stroke: #39424c }
}
"""


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """One line of text, its baseline at y."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, title: str, lines: list[str], kind: str = "box") -> str:
    """A box with a title and lines of small text."""
    parts = [f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="7" class="{kind}"/>']
    parts.append(text(x + 12, y + 22, title, "head"))
    parts += [text(x + 12, y + 42 + 17 * row, line, "small") for row, line in enumerate(lines)]
    return "".join(parts)


def arrow(*points: tuple[float, float]) -> str:
    """A line through the points with a tip at the last."""
    (x0, y0), (x1, y1) = points[-2:]
    length = max(abs(x1 - x0), abs(y1 - y0))
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    path = " ".join(f"{x},{y}" for x, y in (*points[:-1], (x1 - 5 * dx, y1 - 5 * dy)))
    tip = f"{x1},{y1} {x1 - 8 * dx - 4 * dy},{y1 - 8 * dy - 4 * dx} {x1 - 8 * dx + 4 * dy},{y1 - 8 * dy + 4 * dx}"
    return f'<polyline points="{path}" class="line"/><polygon points="{tip}" class="tip"/>'


def circle(x: float, y: float, radius: float, kind: str) -> str:
    """A dot."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{kind}"/>'


def map_of_anchors(router: Router, z: np.ndarray, near: np.ndarray, corner: tuple[float, float]) -> str:
    """The anchors on the two axes on which they differ most, every twelfth of them, and the nearest ones."""
    anchors = router.estimator.anchors
    points = anchors.codes * anchors.scales[:, None]
    centre = points.mean(axis=0)
    _, _, axes = np.linalg.svd(points - centre, full_matrices=False)
    flat, own = (points - centre) @ axes[:2].T, (z - centre) @ axes[:2].T
    low, high = flat.min(axis=0), flat.max(axis=0)

    def place(point: np.ndarray) -> tuple[float, float]:
        x, y = (point - low) / (high - low)
        return corner[0] + 236 * x, corner[1] + 94 * (1 - y)

    dots = [circle(*place(point), 1.2, "dot") for point in flat[::12]]
    dots += [circle(*place(flat[row]), 2, "near") for row in near]
    return "".join([*dots, circle(*place(own), 4.5, "self")])


def results(router: Router, near: np.ndarray, corner: tuple[float, float]) -> str:
    """What the models scored on the nearest anchors."""
    scores = router.estimator.fingerprints.scores
    parts = []
    for row, model in enumerate(MODELS):
        y = corner[1] + 17 * row
        parts.append(text(corner[0] + 146, y + 11, model, "small end"))
        for column, anchor in enumerate(near[:NEIGHBOURS]):
            score = scores[anchor, router.models.index(model)]
            kind = "none" if score == MISSING else "right" if score > MISSING // 2 else "wrong"
            x = corner[0] + 154 + 17 * column
            parts.append(f'<rect x="{x}" y="{y}" width="14" height="14" rx="2" class="{kind}"/>')
            parts += [text(x + 7, y + 11, "x", "cross")] * (kind == "wrong")
    return "".join(parts)


def predictions(router: Router, chosen: str, corner: tuple[float, float]) -> str:
    """P with its interval, tokens and cost of the models."""
    x, y = corner
    heads = ((x + 154, "P(correct), 80% interval", ""), (x + 418, "tokens", "end"), (x + 508, "USD", "end"))
    parts = [text(place, y, words, f"small {kind}") for place, words, kind in heads]
    for row, model in enumerate(MODELS):
        level = y + 21 + 20 * row
        found = router.estimate(PROMPT, models=model)
        p, low, high = (x + 154 + 150 * float(value[0]) for value in (found.p_correct, found.p_low, found.p_high))
        if model == chosen:
            parts.append(f'<rect x="{x - 4}" y="{level - 14}" width="520" height="19" rx="4" class="chosen"/>')
        parts.append(text(x + 146, level, model, "small end"))
        parts.append(f'<line x1="{x + 154}" x2="{x + 304}" y1="{level - 4}" y2="{level - 4}" class="scale"/>')
        parts.append(f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{level - 4}" y2="{level - 4}" class="span"/>')
        parts.append(circle(p, level - 4, 3, "near"))
        parts.append(text(x + 316, level, f"{found.p_correct[0]:.2f}"))
        parts.append(text(x + 418, level, f"{found.output_tokens[0]:,.0f}", "end"))
        parts.append(text(x + 508, level, f"{found.cost_usd[0]:.6f}", "end"))
    return "".join(parts)


def figure(router: Router) -> str:
    """The picture."""
    encoding = router.encoder.encode(PROMPT)
    near = router.estimator.neighbourhood(encoding).rows
    decision = router.route(PROMPT, alpha=0.5, models=MODELS)
    found = router.estimate(PROMPT)
    figures = [f"P {decision.p_correct:.2f}", f"{decision.cost_usd:.6f} USD", "and why: explain()"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 600" role="img"><style>{STYLE}</style>',
        "<title>From a prompt to a decision</title>",
        '<rect x="1" y="1" width="998" height="598" rx="10" class="page"/>',
        # Read
        box(20, 20, 212, 108, "Prompt", PROMPT_LINES),
        arrow((232, 74), (262, 74)),
        box(262, 20, 212, 108, "Reading", READING),
        arrow((474, 74), (504, 74)),
        box(504, 20, 212, 108, "Student", STUDENT),
        arrow((716, 74), (746, 74)),
        box(746, 20, 218, 108, "Encoding", ENCODING),
        # Compare
        arrow((820, 128), (820, 166)),
        text(828, 152, "z", "head"),
        box(704, 166, 260, 156, f"Nearest of {len(router.estimator.anchors):,} anchors", []),
        map_of_anchors(router, encoding.z, near, (716, 198)),
        text(716, 313, f"80 speak; novelty {found.novelty:.2f}", "small"),
        arrow((704, 244), (674, 244)),
        box(246, 166, 428, 156, "Each model's results there", []),
        results(router, near, (250, 198)),
        *(circle(478 + 58 * place, 184, 4.5, kind) for place, kind in enumerate(("right", "wrong", "none"))),
        *(text(486 + 58 * place, 188, word, "small") for place, word in enumerate(("right", "wrong", "unknown"))),
        box(20, 166, 198, 156, "All outcomes of each", LATENTS),
        # Predict
        arrow((460, 322), (460, 364)),
        arrow((119, 322), (119, 364)),
        arrow((964, 74), (982, 74), (982, 343), (520, 343), (520, 364)),
        text(530, 359, "a, b, c, d", "head"),
        box(20, 364, 556, 180, "Predicted for every model", []),
        predictions(router, decision.model, (36, 408)),
        # Choose
        arrow((576, 454), (606, 454)),
        box(606, 364, 162, 180, "Policy", POLICY),
        arrow((768, 454), (792, 454)),
        box(792, 364, 172, 180, "Decision", ["at alpha 0.5", decision.model, *figures], "chosen"),
        text(20, 576, SOURCE, "small"),
        "</svg>\n",
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    out = Path(__file__).parent / "images" / "how-it-works.svg"
    out.write_text(figure(Router.load()), encoding="utf-8")
