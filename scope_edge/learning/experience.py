"""A journal and what was learned from it, kept in step."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from scope_edge.errors import UsageError
from scope_edge.estimator import Estimator
from scope_edge.learning.journal import Journal
from scope_edge.learning.learner import Learner
from scope_edge.learning.outcome import Outcome
from scope_edge.paths import PATH, is_path
from scope_edge.whole_file import whole_file

__all__ = ["Experience"]


class Experience:
    """Folds a journal into an estimator, its own records and those of other processes. Not to be shared by threads.

    Parameters
    ----------
    base : Estimator
        That of the bundle.
    journal : Journal
    known : int
        The outcomes up to this number are in the bundle already.
    """

    def __init__(self, base: Estimator, journal: Journal, known: int = 0) -> None:
        self.journal = journal
        self._known = known
        self.rebase(base)

    @property
    def estimator(self) -> Estimator:
        """The estimator with everything that was folded in."""
        return self.learner.estimator

    @property
    def folded(self) -> int:
        """The number of the last outcome that was folded in."""
        return self._folded

    def rebase(self, base: Estimator) -> Estimator:
        """Begin anew from another pool, with the whole journal."""
        self.learner = Learner(base)
        self._folded, self._forgotten = self._known, self.journal.forgotten
        return self.catch_up()

    def restate(self, base: Estimator) -> Estimator:
        """Go on from the same pool, whose cards say other things than before, but no other prices: what an outcome has
        cost may have told its length.
        """
        self.learner.restate(base)
        return self.catch_up()

    def catch_up(self) -> Estimator:
        """Fold in what the journal holds since, whoever wrote it."""
        if self.journal.forgotten != self._forgotten:
            return self.rebase(self.learner.base)
        outcomes = list(self.journal.after(self._folded))
        if outcomes:
            self._folded = outcomes[-1][0]
            self.learner.fold(outcomes)
        return self.estimator

    def record(self, outcome: Outcome) -> Estimator:
        """Write an outcome down, and fold it in."""
        self.journal.append(outcome)
        return self.catch_up()

    def export(self, path: str | os.PathLike[str]) -> int:
        """Write the journal as JSONL, all or nothing; returns how many outcomes.

        `prompt` is there if the text was kept.
        """
        if not is_path(path) or not Path(path).name:
            raise UsageError("Not the path of a file to write", expected=f"{PATH}, that ends in a name", got=repr(path))
        n = 0
        with whole_file(Path(path)) as partial, partial.open("w", encoding="utf-8") as file:
            for number, outcome in self.journal.after(0):
                file.write(json.dumps(_row(number, outcome), ensure_ascii=False) + "\n")
                n += 1
        return n


def _row(number: int, outcome: Outcome) -> dict[str, object]:
    figures = {name: getattr(outcome, name) for name in ("score", "output_tokens", "cost_usd")}
    known = {name: value for name, value in figures.items() if value == value}  # NaN is not equal to itself
    text = {"prompt": outcome.text} if outcome.text else {}
    when = datetime.fromtimestamp(outcome.at, UTC).isoformat(timespec="seconds")
    return {"number": number, "recorded_at": when, "model": outcome.model, **text, **known}
