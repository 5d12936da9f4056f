"""A journal and what was learned from it, kept in step."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from scope_edge.errors import JournalError, UsageError
from scope_edge.estimator import Estimator
from scope_edge.learning.journal import AT_ONCE, Journal
from scope_edge.learning.learner import Learner
from scope_edge.learning.outcome import Outcome
from scope_edge.paths import PATH, is_path
from scope_edge.ranges import is_number
from scope_edge.whole_file import whole_file

__all__ = ["Experience"]


@dataclass(frozen=True, eq=False)
class Experience:
    """A journal and what was learned from it so far: its own records and those of other processes.

    It stays as it is: to learn more makes another one, which whoever holds this one puts in its place, once it is
    whole. The latest goes on, or the one that it was made from if that failed; not both.

    journal: what is read. learner: what came of it. known: the outcomes up to this number were in the bundle already.
    folded: the number of the last one that was folded in. held: how many the journal held up to it. forgotten: how
    often outcomes had been deleted then.
    """

    journal: Journal
    learner: Learner
    known: int
    folded: int
    held: int
    forgotten: int

    @classmethod
    def begin(cls, base: Estimator, config: Mapping[str, Any], path: str | os.PathLike[str] | None) -> Experience:
        """All of a journal, over the estimator of a bundle whose config.json may note that it holds some of it.

        It notes under "journals" the names of those that it holds, each with the number of the last outcome.
        """
        anchors = base.anchors
        journal = Journal(path, config["encoder"]["hash"], anchors.codes.shape[1], anchors.loadings.shape[1])
        known = _noted(config).get(journal.name, 0)
        return cls(journal, Learner(base), known, known, 0, 0).rebased(base)

    @property
    def estimator(self) -> Estimator:
        """The estimator with everything that was folded in."""
        return self.learner.estimator

    def noted(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The config.json of a bundle, made from one with this config, that holds what was learned.

        The journals that were noted before still are; one that ends with this process is not.
        """
        if self.journal.path is None:
            return dict(config)
        others = {name: value for name, value in config.items() if name != "journal"}
        return {**others, "journals": {**_noted(config), self.journal.name: self.folded}}

    def rebased(self, base: Estimator) -> Experience:
        """Begin anew from another pool, with the whole journal."""
        forgotten = self.journal.forgotten  # before they are counted: what is deleted meanwhile is counted anew
        held = self.journal.count(self.known)
        return replace(self, learner=Learner(base), folded=self.known, held=held, forgotten=forgotten).caught_up()

    def restated(self, base: Estimator) -> Experience:
        """Go on from the same pool, whose cards say other things than before, but no other prices: what an outcome has
        cost may have told its length.
        """
        learner = self.learner.copy()
        learner.restate(base)
        return replace(self, learner=learner)

    def caught_up(self) -> Experience:
        """Fold in what the journal holds since, whoever wrote it."""
        if self.journal.forgotten != self.forgotten:
            return self.rebased(self.learner.base)
        learner, folded, held = self.learner.copy(), self.folded, self.held
        outcomes = self.journal.after(folded)
        while block := list(islice(outcomes, AT_ONCE)):
            learner.fold(block)
            folded, held = block[-1][0], held + len(block)
        return replace(self, learner=learner, folded=folded, held=held)

    def recorded(self, outcome: Outcome) -> Experience:
        """Write an outcome down, and fold it in: both or neither."""
        latest = self.caught_up()  # of others, which may take long: let them write meanwhile
        with self.journal.transaction():
            self.journal.append(outcome)
            return latest.caught_up()

    def forgetting(self, model: Any, before: Any) -> tuple[int, Experience]:
        """Delete outcomes, and what was learned from them; how many. `Journal.clear` is to follow."""
        if hasattr(before, "timestamp"):
            with suppress(TypeError, ValueError, OverflowError, OSError):  # too early or late for the system's clock
                before = before.timestamp()
        if before is not None and not is_number(before):
            raise UsageError("Bad before", expected="a datetime or seconds since the epoch", got=repr(before))
        if model is not None and not isinstance(model, str):
            raise UsageError("Bad model", expected="the name of a model", got=repr(model))
        n = self.journal.forget(model, None if before is None else float(before))
        try:
            return n, self.caught_up()
        except JournalError as error:
            self.journal.clear()
            raise JournalError(
                f"What was to be forgotten is deleted, but counts until the rest can be read: {error.what}",
                expected=error.expected, got=error.got, remedy=error.remedy,
            ) from error  # fmt: skip

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


def _noted(config: Mapping[str, Any]) -> dict[str, int]:
    """Of each journal that a bundle holds, the number of the last outcome; once there was room for one."""
    last = config.get("journal")
    return {**({last["name"]: last["up_to"]} if last else {}), **config.get("journals", {})}
