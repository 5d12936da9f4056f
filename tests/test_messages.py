from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope_edge import Router, prompt_of
from scope_edge.encoder import check_prompt
from scope_edge.errors import PromptError
from scope_edge.messages import FOLLOW_UP_CHARS

LONG = "Prove that the square root of 2 is irrational, and say where the proof would fail for the square root of 4."


def user(content):
    return {"role": "user", "content": content}


def test_one_message_is_its_own_text():
    assert prompt_of([user("  What is 17 * 23?\n")]) == ("What is 17 * 23?", 0, {})


def test_the_last_long_turn_is_read_alone():
    assert len(LONG) >= FOLLOW_UP_CHARS
    asked = prompt_of([user("Hello, my name is Ada."), {"role": "assistant", "content": "Hi."}, user(LONG)])
    assert asked.text == LONG
    assert asked.context_chars == len("Hello, my name is Ada.") + len("Hi.")


def test_a_short_turn_is_read_after_those_before_it():
    turns = [LONG, "Give an example.", "And why?"]
    messages = [message for turn in turns for message in (user(turn), {"role": "assistant", "content": "..."})]
    assert prompt_of(messages).text == "\n".join(turns)
    # No further back than it takes.
    assert prompt_of([user("Hello."), *messages]).text == "\n".join(turns)


def test_a_loop_of_tool_calls_is_routed_as_its_question():
    question = [{"role": "system", "content": "You book trains."}, user(LONG)]
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"to": "Bern"}'}}
    loop = [
        *question,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "07:02, 08:02, 09:02"},
    ]
    first, later = prompt_of(question), prompt_of(loop)
    assert first.text == later.text == LONG
    assert later.context_chars > first.context_chars + len("07:02, 08:02, 09:02")


def test_tool_definitions_count_as_context_only():
    tools = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]
    plain, with_tools = prompt_of([user(LONG)]), prompt_of([user(LONG)], tools)
    assert plain.text == with_tools.text
    assert plain.context_chars == 0
    assert with_tools.context_chars > 50


def test_tools_that_json_cannot_hold_are_refused():
    cycle, deep = [{}], []
    cycle[0]["inner"] = cycle
    for _ in range(100_000):
        deep = [deep]
    for bad in ({(1, 2): 3}, cycle, deep):
        with pytest.raises(PromptError, match="tools: no JSON"):
            prompt_of([user(LONG)], bad)
        with pytest.raises(PromptError, match="tool_calls of message 1: no JSON"):
            prompt_of([user(LONG), {"role": "assistant", "tool_calls": bad}])


def test_parts_that_are_no_text_are_counted_and_left_out():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    audio = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    parts = [{"type": "text", "text": "What is on"}, image, image, audio, {"type": "text", "text": "these?"}]
    asked = prompt_of([user(parts)])
    assert asked.text == "What is on\nthese?"
    assert asked.unread == {"image_url": 2, "input_audio": 1}


def test_a_turn_of_an_image_alone_leaves_the_turn_before_it():
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    assert prompt_of([user(LONG), user([image])]).text == LONG


def test_without_a_turn_of_the_user_the_last_text_is_read():
    system, developer = (
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Write a limerick."},
    )
    assert prompt_of([system, developer]).text == "Write a limerick."


def test_lone_surrogates_are_replaced_and_pairs_joined():
    assert prompt_of([user("a\ud800b \ud83d\ude00")]).text == "a\ufffdb \U0001f600"


@pytest.mark.parametrize(
    "messages",
    [[], [user("")], [user(" \n")], [user(None)], [user([])], [user([{"type": "image_url"}])], [{"role": "user"}],
     "hello", None, 7, {"role": "user", "content": "hi"}, ["hello"], [None], [user("hi"), 3]],
)  # fmt: skip
def test_what_has_no_text_is_refused(messages):
    with pytest.raises(PromptError):
        prompt_of(messages)


def test_an_error_does_not_repeat_the_messages():
    secret = "sesame"
    with pytest.raises(PromptError) as error:
        prompt_of([{"role": "user", "content": [{"type": secret, "url": secret}]}, secret])
    assert secret not in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["type", "text", "role", "x"]), inner),
    max_leaves=8,
)
ROLES = st.sampled_from(["user", "assistant", "system", "tool", "developer"])
PARTS = st.lists(JSON | st.fixed_dictionaries({"type": st.just("text"), "text": st.text(st.characters())}), max_size=3)
MESSAGE = st.fixed_dictionaries({"role": ROLES | JSON, "content": st.text(st.characters()) | PARTS | JSON})


@given(messages=st.lists(MESSAGE | JSON, max_size=5) | JSON, tools=JSON)
def test_any_json_is_routed_or_refused(messages, tools):
    try:
        asked = prompt_of(messages, tools)
    except PromptError as error:
        str(error).encode()
    else:
        assert check_prompt(asked.text) == asked.text
        assert asked.context_chars >= 0


@given(st.lists(st.tuples(ROLES, st.text(max_size=150)), min_size=1, max_size=8))
def test_what_the_model_says_never_changes_the_route(turns):
    messages = [{"role": role, "content": text} for role, text in turns]
    if not any(role == "user" and text.strip() for role, text in turns):
        return
    silent = [m | {"content": ""} if m["role"] in ("assistant", "tool") else m for m in messages]
    assert prompt_of(messages).text == prompt_of(silent).text


def test_the_router_takes_it(router: Router):
    assert router.route(prompt_of([user("What is 17 * 23?")]).text).model in router.models
