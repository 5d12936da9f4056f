"""What counts as missing, in whatever a row is read from."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scope_edge.outcome_rows import number_in, text_in
from scope_edge.rows import is_missing


@pytest.mark.parametrize("value", [None, "", math.nan, np.float32("nan"), np.float64("nan")], ids=repr)
def test_what_is_missing(value):
    assert is_missing(value)
    assert text_in(value) is None
    assert number_in(value) is None


@pytest.mark.parametrize("value", [0, 0.0, False, " ", "nan", "0", math.inf, 10**400, [], {}, np.zeros(2)], ids=repr)
def test_what_is_there(value):
    assert not is_missing(value)
