"""An explanation in words and tables, for a terminal or a log."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scope_edge.cards import scores_in_words
from scope_edge.explanation.steps import beyond
from scope_edge.names import apart, counted
from scope_edge.policy.limits import rounded
from scope_edge.pricing import dollars

if TYPE_CHECKING:
    from scope_edge.explanation.explaining import Explanation
    from scope_edge.explanation.rivals import RunnerUp
    from scope_edge.explanation.steps import Flip, Step
    from scope_edge.explanation.voices import Voice

__all__ = ["Part", "opening", "parts", "written"]

_SHOWN = 8  # of the anchors that spoke
_WIDTH = 44  # of the first column; a longer name is cut


@dataclass(frozen=True)
class Part:
    """A table with what is said above and below it; the first column is text, the others are figures."""

    title: str
    headings: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    marked: int | None = None
    """The row of what was chosen."""


def written(explanation: Explanation) -> str:
    """The whole as plain text, without colour."""
    lines = list(opening(explanation))
    for part in parts(explanation):
        lines += ["", part.title, *_laid_out(part), *part.notes]
    return "\n".join(lines)


def opening(explanation: Explanation) -> Iterator[str]:
    """What was decided, and by which sum."""
    e = explanation
    yield f"{e.model}: {e.reason}"
    yield (
        f"P(correct) {_p(e, e.p_correct)} (80% interval {e.p_low:.2f}-{e.p_high:.2f}), expected {_usd(e, e.cost_usd)} "
        f"(90%: {_usd(e, e.cost_usd_p90)}), {e.output_tokens:.0f} tokens"
    )
    if e.risk < 0.5:
        yield f"counted at risk {e.risk:g}: P {_p(e, e.counted_p)}, {_usd(e, e.counted_cost_usd)}"
    if e.met and 0 < e.value_usd < math.inf:
        worth = e.value_usd * e.counted_p - e.counted_cost_usd
        yield (
            f"a right answer counts as {dollars(e.value_usd)}, so the call is worth {dollars(e.value_usd)} x "
            f"{_p(e, e.counted_p)} - {_usd(e, e.counted_cost_usd)} = {dollars(worth)}"
        )
    yield f"novelty {e.novelty:.2f}: {e.novelty:.0%} of known prompts lie closer to their nearest anchors"
    yield _known(e)
    for limit in e.limits:
        effect = "decides: without it another model would be chosen" if limit.binds else "changes nothing"
        yield f"{limit.name} {limit.value}: rules out {limit.excluded} of {counted(e.candidates, 'model')}, {effect}"
    if 0 < e.within < e.candidates:
        yield f"{e.within} of {counted(e.candidates, 'model')} keep all limits"


def parts(explanation: Explanation) -> Iterator[Part]:
    """The tables, in the order in which they are read."""
    yield _why(explanation)
    yield _anchors(explanation)
    yield _second(explanation)
    yield _dial(explanation)


def _p(explanation: Explanation, p: float) -> str:
    """P, in as many digits as show on which side of the floor it lies."""
    floor = _bound(explanation, "min_accuracy", 0.0)
    told, _ = apart(p, floor, ".3f", may_look_equal=p >= floor)
    return told


def _usd(explanation: Explanation, cost_usd: float) -> str:
    """A cost, in as many digits as show on which side of the ceiling it lies."""
    return dollars(cost_usd, _bound(explanation, "max_cost_usd", math.inf))


def _bound(explanation: Explanation, name: str, without: float) -> float:
    """A limit as the figures were compared with it; `without` if none was set."""
    return next((float(rounded(float(limit.value))) for limit in explanation.limits if limit.name == name), without)


def _known(of: Explanation | RunnerUp) -> str:
    """What a model is known by, and which published scores say most of it."""
    told = f"known by: {of.evidence}"
    return f"{told}; general ability moves most by {scores_in_words(of.top_scores)}" if of.top_scores else told


def _sigmoid(logit: float) -> float:
    """The probability of a logit."""
    return 1 / (1 + math.exp(-min(max(logit, -60.0), 60.0)))


def _why(explanation: Explanation) -> Part:
    other = explanation.runner_up
    rivals = [explanation.terms] if other is None else [explanation.terms, other.terms]
    so_far, rows = 0.0, []
    for place, term in enumerate(explanation.terms):
        so_far += term.logit
        rows.append((term.says, f"{_sigmoid(so_far):.3f}", *(f"{terms[place].logit:+z.2f}" for terms in rivals)))
    sums = [sum(term.logit for term in terms) for terms in rivals]
    rows.append(("all together: the logit of P", f"{_sigmoid(sums[0]):.3f}", *(f"{one:+z.2f}" for one in sums)))
    first, *factors = explanation.factors
    tokens = [f"{first.times:.0f} ({first.says})", *(f"{factor.times:.2f} ({factor.says})" for factor in factors)]
    return Part(
        f"Why P is {_p(explanation, explanation.p_correct)}: what raises and lowers the logit, log(P / (1 - P))",
        ("", "P so far", "chosen", *([] if other is None else ["runner-up"])),
        tuple(rows),
        (f"Tokens: {' x '.join(tokens)}",),
    )


def _anchors(explanation: Explanation) -> Part:
    near = explanation.neighbours
    rows = [
        (
            _name(voice),
            f"{voice.similarity:.2f}",
            f"{voice.share:.1%}",
            f"{voice.score:.2f}",
            f"{voice.predicted:.2f}",
            f"{voice.shift:+z.3f}",
        )
        for voice in near.voices[:_SHOWN]
    ]
    rest = near.voices[_SHOWN:]
    if rest:
        mean = sum(voice.similarity for voice in rest) / len(rest)
        rows.append(
            (
                f"{len(rest)} more",
                f"{mean:.2f}",
                f"{sum(voice.share for voice in rest):.1%}",
                f"{sum(voice.score for voice in rest) / len(rest):.2f}",
                f"{sum(voice.predicted for voice in rest) / len(rest):.2f}",
                f"{sum(voice.shift for voice in rest):+z.3f}",
            )
        )
    alone = [] if rows else ["None of them speaks: the residual is 0, and P rests on the other terms."]
    if abs(near.recorded) > 1e-9:  # what is left of a sum
        alone = [f"Recorded calls on prompts like this one add {near.recorded:+z.3f} to the residual."]
    sources = ", ".join(f"{source.source} {source.share:.0%}" for source in near.sources[:4])
    more = len(near.sources) - 4
    return Part(
        f"Anchors that spoke: {near.known} of the {near.n} nearest, with {near.known_share:.0%} of the votes, have a "
        f"result of {explanation.model}",
        ("anchor", "similarity", "share", "score", "foretold", "adds"),
        tuple(rows),
        (
            *alone,
            f"All {near.n} by source: {sources}{f', {more} more' if more > 0 else ''}",
        ),
    )


def _second(explanation: Explanation) -> Part:
    other = explanation.runner_up
    if other is None:
        return Part("Runner-up: none, no other model may be chosen")
    notes = [other.why]
    if other.regret is not None:
        lost = f"{other.regret * 100:.2g} points of P" if other.regret_in == "p" else dollars(other.regret)
        notes.append(f"Regret, what taking it would lose: {lost}")
    notes.append(_known(other))
    figures = f"P {_p(explanation, other.p_correct)}, {_usd(explanation, other.cost_usd)}"
    if explanation.risk < 0.5:
        p, cost = _p(explanation, other.counted_p), _usd(explanation, other.counted_cost_usd)
        figures += f" (counted: P {p}, {cost})"
    return Part(f"Runner-up: {other.model}, {figures}", notes=tuple(notes))


def _dial(explanation: Explanation) -> Part:
    rows, marked, limited = [], None, explanation.within < explanation.candidates
    for place, step in enumerate(explanation.steps):
        if step.model == explanation.model:
            marked = place
        rows.append((step.model, _range(step), f"{step.p_correct:.3f}", dollars(step.cost_usd)))
    return Part(
        "The dial for this prompt, without limits",
        ("model", "alpha", "P", "USD"),
        tuple(rows),
        (*_turn("below", explanation.below, limited), *_turn("above", explanation.above, limited)),
        marked,
    )


def _name(voice: Voice) -> str:
    """The anchor's id, its source where the id does not say it, and its category."""
    parts = [voice.anchor, "" if voice.anchor.startswith(voice.source) else voice.source, voice.category]
    return ", ".join(part for part in parts if part)


def _range(step: Step) -> str:
    if step.alpha_from == step.alpha_to:
        return f"{step.alpha_from:g} alone"
    return f"{step.alpha_from:.3f}-{step.alpha_to:.3f}"


def _turn(which: str, flip: Flip | None, limited: bool) -> Iterator[str]:
    if flip is None:
        return
    within, value = " within the limits" if limited else "", dollars(flip.value_usd)
    if flip.alpha is None:
        where = f"{which} {value} for a right answer"
    elif 0 < flip.alpha < 1:
        where = f"{which} alpha {flip.alpha:.3f}, where a right answer is worth {value}"
    else:
        where = beyond(which, flip.alpha)
    yield f"Another choice{within} {where}: {flip.model}"


def _laid_out(part: Part) -> Iterator[str]:
    """The rows under each other, figures to the right."""
    table = [(_cut(first), *figures) for first, *figures in (part.headings, *part.rows)] if part.rows else []
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    for place, (first, *figures) in enumerate(table, -1):
        cells = (figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True))
        yield "  ".join(("*" if place == part.marked else " ", first.ljust(_WIDTH), *cells))


def _cut(name: str) -> str:
    return name if len(name) <= _WIDTH else f"{name[: _WIDTH - 3]}..."
