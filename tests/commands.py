"""Commands that are run in this process, which saves most of a second each time."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

ROUTE_FIELDS = ["model", "p_correct", "cost_usd", "alpha", "met", "reason", "risk", "novelty", "estimates"]
"""What `route --json` prints."""


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str

    def json(self):
        assert self.code == 0, self.err
        return json.loads(self.out)


def refused(run: Run, *words: str) -> str:
    """The one line of an expected error."""
    assert run.code == 2, run
    assert run.out == ""
    assert re.fullmatch(r"scope-edge: [^\n]+\n", run.err), run.err
    for word in words:
        assert word in run.err
    return run.err
