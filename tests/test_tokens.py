from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompts import PROMPTS
from tokenizers import Tokenizer

from scope_edge import tokens
from scope_edge.bundle import default_bundle
from scope_edge.tokens import Tokens

PATH = default_bundle() / "tokenizer.json"
SHARED = Tokens(PATH)
WHOLE = Tokenizer.from_file(str(PATH))

# Words that come again and again, and every character that might part them.
WORDS = st.sampled_from(["the", "theorem", "x_1", "##a", "[pad]", "'s", "3.14", "\x1c", "\x0b", "zzzqqq", "q" * 120])
TEXTS = st.lists(st.one_of(WORDS, st.text(max_size=6)), max_size=30).map(" ".join)


def whole(text: str) -> list[int]:
    return WHOLE.encode(text, add_special_tokens=False).ids


@given(text=TEXTS.map(str.lower).filter(lambda text: text.encode("utf-8", "ignore").decode() == text))
def test_words_from_memory_are_what_the_tokenizer_says_of_the_whole_text(text):
    assert SHARED.ids(text) == whole(text)
    assert SHARED.ids(text) == whole(text)


@given(text=st.text(alphabet=st.characters(max_codepoint=127), max_size=80).map(str.lower))
def test_every_ascii_character_parts_words_alike(text):
    assert SHARED.ids(text) == whole(text)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_prompts(prompt):
    assert SHARED.ids(prompt.lower()) == whole(prompt.lower())


def test_a_full_memory_starts_anew(monkeypatch):
    monkeypatch.setattr(tokens, "_MEMORY", 50)
    small = Tokens(PATH)
    for index in range(200):
        text = f"word{index} and other{index % 7} things"
        assert small.ids(text) == whole(text)
        assert small._size <= 50 + len(text)
        assert len(small._known) <= 20


def test_threads_share_a_memory(monkeypatch):
    monkeypatch.setattr(tokens, "_MEMORY", 100)
    shared, wrong = Tokens(PATH), []

    def ask(seed: int) -> None:
        for index in range(300):
            text = f"alpha{index * seed % 17} beta{index} gamma{seed} the end"
            if shared.ids(text) != whole(text):
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
    found = Tokens(tmp_path / "tokenizer.json").ids(text)
    assert found == other.encode(text, add_special_tokens=False).ids != whole(text)
