from __future__ import annotations

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from prompts import PROMPTS

from scope_edge.surface import describe

TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=200)


def trigram_histogram(text: str, bins: int) -> np.ndarray:
    return describe(text, len(text), bins)[1]


def by_hand(text: str, bins: int) -> np.ndarray:
    _, counts = reference.count_bytes(text.encode(), [0] * 256, 1, bins)
    logs = np.array([np.log1p(count) for count in counts])
    return logs / max(np.linalg.norm(logs), 1e-9)


@given(text=TEXTS, bins=st.sampled_from([1, 7, 256, 2048]))
def test_it_is_what_counting_one_by_one_gives(text, bins):
    np.testing.assert_allclose(trigram_histogram(text, bins), by_hand(text, bins), atol=1e-6)


@pytest.mark.parametrize("text", ["", "a", "ab"])
def test_a_text_below_three_bytes_has_none(text):
    assert not trigram_histogram(text, 16).any()


@given(text=TEXTS)
def test_it_has_unit_norm_and_the_asked_shape(text):
    histogram = trigram_histogram(text + "abc", 64)
    assert histogram.shape == (64,)
    assert histogram.dtype == np.float32
    assert np.linalg.norm(histogram) == pytest.approx(1, abs=1e-5)


def test_case_and_order_are_seen():
    assert (trigram_histogram("abc", 2048) != trigram_histogram("Abc", 2048)).any()
    assert (trigram_histogram("abc", 2048) != trigram_histogram("cab", 2048)).any()


def test_bins_are_used_evenly():
    counts = sum(trigram_histogram(text, 32) > 0 for text in PROMPTS)
    assert (counts > 0).all()
