from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from prompts import PROMPTS

from scope_edge import jit
from scope_edge.bundle import default_bundle, encoder_hash, read_bundle
from scope_edge.encoder import Encoder, check_prompt, quantise, slice_text
from scope_edge.surface import SURFACE_DIM, describe

LOWER, UPPER, DIGIT, BLANK, BREAK, STOP, QUESTION, OPERATOR, BRACKET, QUOTE, SIGN, BEYOND, OPTIONS, LENGTH = range(14)


def counts(text: str, n_chars: int | None = None) -> list[int]:
    features, _ = describe(text, len(text) if n_chars is None else n_chars, 1)
    return np.rint(np.expm1(features.astype(float))).astype(int).tolist()


def named(**expected: int) -> list[int]:
    wanted = [0] * SURFACE_DIM
    for name, count in expected.items():
        wanted[globals()[name]] = count
    return wanted


def test_the_names_above_are_all_the_features():
    assert LENGTH + 1 == SURFACE_DIM


def test_every_class_of_characters_is_counted():
    text = 'Add 12 + 3, then (say) "yes"?\n\t$x_1'
    assert counts(text) == named(
        LOWER=13, UPPER=1, DIGIT=4, BLANK=7, BREAK=1, STOP=1, QUESTION=1, OPERATOR=1, BRACKET=2, QUOTE=2, SIGN=2,
        LENGTH=35,
    )  # fmt: skip


def test_characters_outside_ascii_count_by_their_bytes():
    assert counts("é東🙂") == named(BEYOND=2 + 3 + 4, LENGTH=3)


def test_control_characters_are_of_no_class():
    assert counts("\x00\x07\x7f") == named(LENGTH=3)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("A. yes\nB. no", 2),
        ("(A) yes\n(B) no\n(C) perhaps", 3),
        ("  A) yes\n\tJ: no", 2),
        ("\n\n \r\n  A. after empty lines\n\n\n(B) too", 2),
        ("K. not an option", 0),
        ("say A. here", 0),
        ("A yes", 0),
        ("a. yes", 0),
        ("AB. yes", 0),
    ],
)
def test_lines_that_look_like_answer_options(text, options):
    assert counts(text)[OPTIONS] == options


def test_features_are_log1p_in_float32():
    features, _ = describe("aaa", 7, 1)
    assert features.dtype == np.float32
    assert features.shape == (SURFACE_DIM,)
    assert features[LOWER] == np.float32(np.log1p(3.0))
    assert features[LENGTH] == np.float32(np.log1p(7.0))


@given(left=st.text(alphabet=st.characters(codec="utf-8")), right=st.text(alphabet=st.characters(codec="utf-8")))
def test_counts_of_characters_add_up(left, right):
    both = [x + y for x, y in zip(counts(left)[:OPTIONS], counts(right)[:OPTIONS], strict=True)]
    assert counts(left + right)[:OPTIONS] == both


# --- slicing and checking ---


@pytest.mark.parametrize(
    ("text", "part"), [("abcdefgh", "abcde\ngh"), ("abcdefg", "abcdefg"), ("ab", "ab"), ("", "")]
)  # fmt: skip
def test_a_long_text_is_cut_to_head_and_tail(text, part):
    assert slice_text(text, 5, 2) == part


def test_a_checked_prompt_has_no_white_space_around_it():
    assert check_prompt(" \n a b\u2003") == "a b"


# --- quantising ---


@given(z=arrays(np.float32, 16, elements=st.floats(-1, 1, width=32)))
def test_a_quantised_vector_is_within_half_a_step(z):
    codes, scale = quantise(z)
    assert codes.dtype == np.int8
    assert np.abs(codes.astype(int)).max() <= 127
    # The division rounds too, by far less than a thousandth of a step.
    assert (np.abs(codes * np.float64(scale) - z) <= 0.501 * scale).all()


def test_the_largest_entry_takes_the_whole_range():
    codes, scale = quantise(np.array([0.5, -1.0, 0.25], np.float32))
    assert codes.tolist() == [64, -127, 32]
    assert scale == np.float32(1 / 127)


def test_a_zero_vector_stays_zero():
    codes, scale = quantise(np.zeros(4, np.float32))
    assert codes.tolist() == [0, 0, 0, 0]
    assert scale > 0


# --- the encoder ---


@pytest.fixture(scope="module")
def config() -> dict:
    return read_bundle(default_bundle()).config["encoder"]


@pytest.fixture(scope="module")
def encoder(config) -> Encoder:
    return Encoder(default_bundle(), config)


def same_bits(left, right) -> bool:
    arrays_equal = all(np.array_equal(getattr(left, name), getattr(right, name)) for name in "zabcd")
    return arrays_equal and left.n_tokens == right.n_tokens


def test_the_config_knows_its_encoder(config):
    assert config["hash"] == encoder_hash(default_bundle())


def test_an_encoding_has_the_shapes_of_the_config(encoder, config):
    encoding = encoder.encode("What is 2 + 2?")
    assert encoding.z.shape == (config["dim"],)
    assert encoding.a.shape == (config["rank"],)
    assert encoding.c.shape == (config["length_rank"],)
    assert encoding.b.shape == encoding.d.shape == ()
    assert {getattr(encoding, name).dtype for name in "zabcd"} == {np.dtype(np.float32)}


def test_embeddings_have_unit_norm(encoder):
    for prompt in PROMPTS:
        assert np.linalg.norm(encoder.encode(prompt).z.astype(float)) == pytest.approx(1, abs=1e-4)


def test_a_batch_is_encoded_as_one_by_one(encoder):
    for prompt, encoding in zip(PROMPTS, encoder.encode_batch(PROMPTS), strict=True):
        assert same_bits(encoding, encoder.encode(prompt)), prompt[:40]


def test_the_order_of_a_batch_does_not_matter(encoder):
    forth, back = encoder.encode_batch(PROMPTS), encoder.encode_batch(PROMPTS[::-1])
    assert all(same_bits(x, y) for x, y in zip(forth, back[::-1], strict=True))


def test_an_empty_batch_has_no_encodings(encoder):
    assert encoder.encode_batch([]) == []


def test_case_is_seen_by_the_surface_alone(encoder):
    assert encoder.tokenize("WHAT IS THIS?").tolist() == encoder.tokenize("what is this?").tolist()
    assert not same_bits(encoder.encode("WHAT IS THIS?"), encoder.encode("what is this?"))


def test_an_encoding_is_the_same_before_and_after_the_kernels_are_warm(encoder, monkeypatch):
    jit.warmup()
    warm = [encoder.encode(prompt) for prompt in PROMPTS]
    monkeypatch.setattr(jit, "_current", jit._PLAIN)
    cold = [encoder.encode(prompt) for prompt in PROMPTS]
    assert all(same_bits(left, right) for left, right in zip(cold, warm, strict=True))


def test_of_a_long_text_head_and_tail_are_tokenized(encoder, config):
    head, tail = config["head_chars"], config["tail_chars"]
    long = "Begin. " + "middle of it all " * 1000 + "the end."
    ids = encoder.tokenize(long).tolist()
    assert ids == encoder.tokenize(slice_text(long, head, tail)).tolist()
    assert ids == encoder.tokenize(long[:head] + "\n" + long[-tail:]).tolist()
    other_middle = long[:head] + "!" * 5000 + long[-tail:]
    assert encoder.tokenize(other_middle).tolist() == ids


def test_the_tokens_of_a_long_text_are_extrapolated(encoder, config):
    size = config["head_chars"] + config["tail_chars"]
    once = encoder.encode(("words and words " * size)[:size]).n_tokens
    tenfold = encoder.encode(("words and words " * size)[: 10 * size]).n_tokens
    assert tenfold == pytest.approx(10 * once, rel=0.02)


def test_tokens_are_counted_in_a_typical_models_tokens(encoder, config):
    ids = encoder.tokenize("What is 2 + 2?")
    assert encoder.encode("What is 2 + 2?").n_tokens == pytest.approx(len(ids) * config["tokens_per_id"])


def test_a_text_without_tokens_is_one_unknown_token(encoder):
    encoding = encoder.encode("\x00")
    assert encoding.n_tokens > 0
    assert np.isfinite(encoding.z).all()
