"""Processes that spend from one budget are killed at random points: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from processes import run_python


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_hundreds_of_kills_lose_and_double_nothing(tmp_path):
    code = (
        "import sys, warnings; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; import crashing\n"
        # Forking beside a busy thread is what is tried here.
        "warnings.simplefilter('ignore', DeprecationWarning)\n"
        "crashing.main(Path(sys.argv[2]), int(sys.argv[3]))\n"
    )
    run = run_python(code, str(Path(__file__).parent), str(tmp_path), "20")
    assert run.returncode == 0, run.stderr.decode()
    found = json.loads(run.stdout)
    assert found["killed"] == 600
    # The kills did hit calls in the making, on both sides of their commit.
    assert found["settled"] > 600
    assert found["decisions undone"] > 0
    assert found["settlements unacknowledged"] > 0
