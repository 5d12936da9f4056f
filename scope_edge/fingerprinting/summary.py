"""What a run came to, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from scope_edge.fingerprinting.adaptive import Interval
from scope_edge.fingerprinting.ledger import Ledger, Record

__all__ = ["Summary", "summarise"]


@dataclass(frozen=True)
class Summary:
    """One run; of a resumed one, everything since it began.

    missing: questions without a verdict by reason, "truncated" among them. sent_twice: calls that a kill
    interrupted. tokens are None where the endpoint reported none. accuracy and half_width: the mean accuracy over the
    questions that accuracy_over names, and half of its 80% interval. random_equivalent: how many questions drawn at
    random would be expected to make it so narrow; saved: how many more these are.
    """

    asked: int
    verdicts: int
    right: float
    missing: dict[str, int]
    truncated: int
    sent_twice: int
    cost_usd: float
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    time_to_first_token_s: float | None
    tokens_per_second: float | None
    accuracy: float
    half_width: float
    accuracy_over: str
    random_equivalent: int
    saved: int
    stopped: str


def summarise(
    records: Sequence[Record], ledger: Ledger, interval: Interval, over: str, random_equivalent: int, stopped: str
) -> Summary:
    """The numbers of a run with these records."""
    verdicts = [record for record in records if record.score is not None]
    return Summary(
        asked=len(records),
        verdicts=len(verdicts),
        right=sum(record.score or 0.0 for record in verdicts),
        missing=dict(sorted(Counter(record.outcome for record in records if record.score is None).items())),
        truncated=sum(record.outcome == "truncated" for record in records),
        sent_twice=sum(max(len(costs) - 1, 0) for costs in ledger.sent.values()),
        cost_usd=ledger.cost_usd,
        input_tokens=_sum(record.input_tokens for record in records),
        cached_tokens=_sum(record.cached_tokens for record in records),
        output_tokens=_sum(record.output_tokens for record in records),
        reasoning_tokens=_sum(record.reasoning_tokens for record in records),
        time_to_first_token_s=_median(record.time_to_first_token_s for record in records),
        tokens_per_second=_median(record.tokens_per_second for record in records),
        accuracy=interval.mean,
        half_width=interval.half_width,
        accuracy_over=over,
        random_equivalent=random_equivalent,
        saved=max(random_equivalent - len(verdicts), 0),
        stopped=stopped,
    )


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
