from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prompts import PROMPTS
from tokenizers import Tokenizer

from scope_edge import jit
from scope_edge.bundle import default_bundle
from scope_edge.kernels import text as kernels
from scope_edge.reading import Reader
from scope_edge.surface import describe
from scope_edge.tokens import WORD_KINDS

PATH = default_bundle() / "tokenizer.json"
SHARED = Reader(PATH, 64)
WHOLE = Tokenizer.from_file(str(PATH))

# Words of every sort, and characters that might part them.
WORDS = st.sampled_from(["the", "theorem", "x_1", "##a", "[pad]", "'s", "3.14", "\x1c", "\x0b", "zzzqqq", "q" * 120])
LINES = st.sampled_from(["\n", "\nA. ", "\n (B) ", "\n\t\x1cJ:", "K) ", "\r\nC.", "\n((A)", " A", "\nA", "(", "A)"])
TEXTS = st.lists(st.one_of(WORDS, st.text(max_size=6)), max_size=30).map(" ".join)


def whole(text: str) -> list[int]:
    """What the library says; a text without tokens is one unknown token."""
    return WHOLE.encode(text, add_special_tokens=False).ids or [1]


def ids(text: str, reader: Reader = SHARED) -> list[int]:
    return reader.read([text], [len(text)])[0].ids.tolist()


@pytest.fixture(autouse=True, params=["compiled", "plain"])
def kind(request, monkeypatch) -> str:
    """With the kernel, and with the library that serves until it is warm."""
    if request.param == "plain":
        monkeypatch.setattr(jit, "_current", jit._PLAIN)
    elif not jit.warmup():
        pytest.skip("numba's compiler is disabled (NUMBA_DISABLE_JIT)")
    return request.param


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS.filter(lambda text: text.encode("utf-8", "ignore").decode() == text))
def test_the_ids_are_what_the_library_says(text):
    assert ids(text) == whole(text.lower())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(st.one_of(WORDS, LINES, st.text(st.characters(max_codepoint=127), max_size=9))).map("".join))
def test_a_text_in_one_pass_has_the_surface_of_one_in_several(text):
    (seen,) = SHARED.read([text], [len(text) + 7])
    surface, trigrams = describe(text, len(text) + 7, 64)
    assert seen.surface.tolist() == surface.tolist()
    assert seen.trigrams.tolist() == trigrams.tolist()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet=st.characters(max_codepoint=127), max_size=80).map(str.lower))
def test_every_ascii_character_parts_words_alike(text):
    assert ids(text) == whole(text)


def test_texts_are_read_together_as_one_by_one():
    texts = ["one two", "", " \n", "Trois étés", "(A) x\n(B) y", *PROMPTS]
    together = SHARED.read(texts, range(len(texts)))
    without = SHARED.read(ascii_only := [text for text in texts if text.isascii()], range(len(ascii_only)))
    for index, (text, seen) in enumerate(zip(texts, together, strict=True)):
        assert [part.tolist() for part in seen] == [part.tolist() for part in SHARED.read([text], [index])[0]]
    for index, (text, seen) in enumerate(zip(ascii_only, without, strict=True)):
        assert [part.tolist() for part in seen] == [part.tolist() for part in SHARED.read([text], [index])[0]]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_prompts(prompt):
    assert ids(prompt) == whole(prompt.lower())


def test_markdown_and_the_prefix_of_inner_pieces():
    for text in ("# a", "## a ##b", "### instruction: ####", "##!", "a##b", "####a #", "#" * 101, "x" * 100, "x" * 101):
        assert ids(text) == whole(text), text


def test_pieces_that_share_a_slot_are_told_apart(kind):
    if kind == "plain":
        pytest.skip("only the kernel has slots")
    pieces = [b"ab", b"a", b"b", b"##b", b"##c", b"?"]
    letters = np.frombuffer(b"".join(pieces), np.uint8)
    starts = np.concatenate(([0], np.cumsum([len(piece) for piece in pieces]))).astype(np.int32)
    slots = np.zeros(8, np.int32)
    kernels.list_pieces(letters, starts, slots)
    assert sorted(slots.tolist()) == [0, 0, 1, 2, 3, 4, 5, 6]
    for text, wanted in ((b"ab abc", [0, 0, 4]), (b"acb b", [1, 4, 3, 2]), (b"abx bb", [5, 2, 3]), (b"aaaaa", [5])):
        found = np.empty(len(text), np.int64)
        limit = 4
        n = kernels.cut_words(np.frombuffer(text, np.uint8), WORD_KINDS, letters, starts, slots, 5, limit, found)
        assert found[:n].tolist() == wanted, text


def test_threads_share_a_tokenizer():
    shared, wrong = Reader(PATH, 64), []

    def ask(seed: int) -> None:
        for index in range(300):
            text = f"alpha{index * seed % 17} beta{index} gamma{seed} the end"
            if ids(text, shared) != whole(text):
                wrong.append(text)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_tokenizer_that_does_not_cut_by_words_is_asked_about_the_whole_text(tmp_path):
    from tokenizers import pre_tokenizers

    other = Tokenizer.from_file(str(PATH))
    other.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    other.save(str(tmp_path / "tokenizer.json"))
    text = "it's one, two; three"
    found = ids(text, Reader(tmp_path / "tokenizer.json", 64))
    assert found == other.encode(text, add_special_tokens=False).ids != whole(text)
