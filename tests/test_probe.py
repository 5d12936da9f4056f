"""Questions that the package makes itself: right, the same everywhere, of rising size, and graded as they should be."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import asdict

import probe_checks
import pytest

from scope_edge.errors import UsageError
from scope_edge.joining import place
from scope_edge.outcome_rows import OutcomeRow
from scope_edge.questions import Question, grade, read_questions
from scope_edge.questions.probe import FAMILIES, LEVELS, PER_FAMILY, probe_questions
from scope_edge.questions.probe.draws import Draws
from scope_edge.questions.probe.generating import probe_items
from scope_edge.questions.probe.long_context import LENGTHS

# A change of any question changes it: outcomes on the old ones are then no outcomes on the new ones.
DIGEST = "cc8e98875927e24547df4437d6b0729d0836a2877a734db23fd9b99eef311b59"


@pytest.fixture(scope="module")
def items():
    return probe_items()


@pytest.fixture(scope="module")
def questions():
    return {question.id: question for question in probe_questions()}


def digest(questions) -> str:
    return hashlib.sha256(json.dumps([asdict(question) for question in questions]).encode()).hexdigest()


def of_family(items, family):
    return {name: item for name, item in items.items() if name.split("/")[1] == family}


# --- the set ---


def test_there_are_hundreds_of_every_level_with_ids_and_prompts_of_their_own(questions):
    assert len(questions) == len(FAMILIES) * PER_FAMILY == 480
    assert len({question.prompt for question in questions.values()}) == len(questions)
    counts = Counter()
    for name, question in questions.items():
        prefix, family, level, number = name.split("/")
        assert (prefix, family) == (question.source, question.category)
        assert re.fullmatch(r"\d{4}", number)
        counts[family, int(level)] += 1
    assert counts == {(family, level): PER_FAMILY // LEVELS for family in FAMILIES for level in range(1, LEVELS + 1)}


def test_the_set_is_the_same_everywhere(questions):
    assert digest(questions.values()) == DIGEST


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_no_hash_decides(hash_seed):
    code = (
        "from test_probe import digest; from scope_edge.questions.probe import probe_questions as p; print(digest(p()))"
    )
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.path.dirname(__file__)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == DIGEST


def test_a_larger_set_begins_with_the_smaller_and_another_seed_is_another_set(questions):
    few = probe_questions(per_family=7)
    assert len(few) == 7 * len(FAMILIES)
    assert all(questions[question.id] == question for question in few)
    other = probe_questions(seed=1, per_family=7)
    assert other[0].id == "probe-1/arithmetic/1/0000"
    assert not {question.prompt for question in other} & {question.prompt for question in questions.values()}
    assert all(question.source == "probe" for question in other)
    with pytest.raises(UsageError, match="Bad per_family"):
        probe_questions(per_family=0)


def test_a_result_on_them_counts_less(questions):
    assert {question.weight for question in questions.values()} == {0.56}
    assert Question("q", "p", "1", "numeric", source="mine").weight == 1.0


def test_none_of_them_is_an_anchor(questions, router):
    rows = [OutcomeRow(1.0, question.prompt, question.id) for question in questions.values()]
    assert not place(rows, router.encoder, router.estimator).same.any()


def test_they_are_written_and_read_as_any_questions(questions, tmp_path):
    file = tmp_path / "probe.jsonl"
    file.write_text("".join(json.dumps(question.to_json()) + "\n" for question in questions.values()), encoding="utf-8")
    assert read_questions(file) == list(questions.values())


def test_draws_cover_what_they_may():
    draws = Draws("a seed")
    assert {draws.below(3) for _ in range(200)} == {0, 1, 2}
    assert {draws.between(-1, 1) for _ in range(200)} == {-1, 0, 1}
    assert {draws.pick("ab") for _ in range(200)} == {"a", "b"}
    assert sorted(draws.shuffled("abc")) == ["a", "b", "c"]
    assert len(set(draws.sample(range(5), 4))) == 4


# --- difficulty ---


@pytest.mark.parametrize("family", FAMILIES)
def test_every_item_of_a_level_is_larger_than_all_below(items, family):
    sizes = defaultdict(list)
    for name, item in of_family(items, family).items():
        sizes[int(name.split("/")[2])].append(item.size)
    assert sorted(sizes) == [1, 2, 3, 4, 5]
    assert all(max(sizes[level]) < min(sizes[level + 1]) for level in range(1, LEVELS))


def test_sizes_are_what_the_prompts_show(items):
    counted = {
        "arithmetic": lambda prompt: len(re.findall(r" [-+*/] ", prompt.split("\n\n")[1])),
        "algebra": lambda prompt: len(re.findall(r"\d*x\^2|\d*[xyz]|(?<![\^\d])\d+", prompt.split("\n\n")[1])),
        "logic_grids": lambda prompt: int(prompt[0]) * (2 if "one animal" in prompt else 1),
        "strings": lambda prompt: len(probe_checks.numbered(prompt)),
        "dates": lambda prompt: len(probe_checks.numbered(prompt)),
        "instructions": lambda prompt: len(probe_checks.numbered(prompt)),
        "tables": lambda prompt: 5 * (prompt.count("\n| ")),
        "long_context": lambda prompt: len(prompt.split("\n\n")[1].split()),
    }
    for name, item in items.items():
        if count := counted.get(name.split("/")[1]):
            assert count(item.prompt) == item.size, name


def test_long_notes_are_as_long_as_stated(items):
    for name, item in of_family(items, "long_context").items():
        length = LENGTHS[int(name.split("/")[2]) - 1]
        assert length <= len(item.prompt.split("\n\n")[1].split()) < length + 12


# --- right answers ---


@pytest.mark.parametrize(
    "family",
    ["arithmetic", "word_problems", "logic_grids", "code_output", "strings", "dates", "tables", "long_context"],
)
def test_answers_are_what_another_way_comes_to(items, family):
    for name, item in of_family(items, family).items():
        assert getattr(probe_checks, family)(item.prompt) == item.answer, name


def test_solutions_solve_their_equations_alone(items):
    for name, item in of_family(items, "algebra").items():
        assert probe_checks.algebra(item.prompt, item.answer), name


def test_rules_can_be_kept(items):
    for name, item in of_family(items, "instructions").items():
        assert probe_checks.instructions(item.prompt, item.solution), name


@pytest.mark.parametrize("family", ["json_extraction", "tool_calls"])
def test_objects_are_what_another_way_comes_to(items, family):
    for name, item in of_family(items, family).items():
        assert getattr(probe_checks, family)(item.prompt) == probe_checks.loaded(item.answer), name


def test_no_letter_is_the_best_guess(items):
    letters = Counter(item.answer for item in of_family(items, "logic_grids").values())
    assert max(letters.values()) < PER_FAMILY / 2
    assert set(letters) >= {"A", "B", "C", "D"}


# --- graded ---


def wrapped(text: str) -> list[str]:
    return [
        text,
        f"Let me see: first 7, then (D).\n\nAnswer: {text}",
        f"**Answer:** {text}",
        f"It is neither 3 nor 4.\n\nThe answer is **{text}**",
        f"So the answer is **{text.removesuffix('.')}**.",
        f"<think>Answer: 999</think>\n\nAnswer: {text}\n",
        json.dumps({"reasoning": "12 or (B)", "answer": text}),
        f"```json\n{json.dumps({'answer': text}, indent=2)}\n```",
    ]


def right(question, item) -> list[str]:
    """Right answers, as models write them."""
    answer = question.answer
    if question.grader == "numeric":
        number = int(answer)
        texts = [answer, f"{number:,}", f"{number}.0", f"{number} in all", f"2 * 3 = {number}", f"\u2212{-number}"]
        texts = texts if number < 0 else texts[:-1]
        return [*(output for text in texts for output in wrapped(text)), f"So it is \\boxed{{{number}}}."]
    if question.grader == "math":
        latex = re.sub(r"(\d+)/(\d+)", r"\\frac{\1}{\2}", answer)
        texts = [answer, latex, answer.replace(", ", ","), f"${latex}$"]
        if answer.startswith("("):
            texts += [f"\\left{answer[:-1]}\\right)", f"(x, y) = {answer}" if answer.count(",") == 1 else answer]
        elif "," in answer:
            one, other = answer.split(", ")
            texts += [f"{other}, {one}", f"x = {one} or x = {other}", f"{{{other}, {one}}}", f"{one} and {other}"]
        else:
            texts += [f"x = {answer}"]
        return [*(output for text in texts for output in wrapped(text)), f"Hence \\boxed{{{latex}}}."]
    if question.grader == "choice":
        name = question.choices["ABCDEFGHIJ".index(answer)]
        texts = [answer, f"({answer})", f"{answer}.", f"({answer}) {name}", name, answer.lower()]
        return [output for text in texts for output in wrapped(text)]
    if question.grader == "exact":
        return [output for text in (answer, f"`{answer}`", f'"{answer}"', f"{answer}.") for output in wrapped(text)]
    if question.grader == "code_output":
        return [
            item.solution, f"Step by step.\n\n{item.solution}\n\nThat is all.", f"Output:\n{answer}", answer,
            f"```python\nprint(1)\n```\nThis prints\n\n```text\n{answer}\n```", json.dumps({"answer": answer}),
            f"<think>```\n0\n```</think>{item.solution}",
        ]  # fmt: skip
    if question.grader == "json_schema":
        value = probe_checks.loaded(answer)
        turned = dict(reversed(value.items()))
        return [
            item.solution, json.dumps(value, indent=4), f"I take {{it}} so:\n\n{json.dumps(turned)}\n\nDone.",
            f"<think>{{}}</think>```\n{json.dumps(turned)}\n```", f"First {{\"a\": 1}}, but then\n{item.solution}",
        ]  # fmt: skip
    return [item.solution, f"\n{item.solution}\n\n", f"<think>LONG thoughts, 1, 2.</think>\n{item.solution}"]


def near(question, item) -> list[str]:
    """Wrong answers that are almost right."""
    answer = question.answer
    if question.grader == "numeric":
        number = int(answer)
        texts = [
            str(number + 1),
            str(number - 1),
            f"{number}.5",
            f"{number}0" if number else "1",
            f"{number} - 1 = {number - 1}",
        ]
        return [output for text in [*texts, *([str(-number)] if number else [])] for output in wrapped(text)]
    if question.grader == "math":
        numbers = re.findall(r"-?\d+(?:/\d+)?", answer)
        texts = [
            answer.replace(numbers[-1], numbers[-1] + "1", 1) if len(set(numbers)) == len(numbers) else f"{answer}, 3"
        ]
        if len(numbers) > 1:
            texts += [numbers[0], answer.rstrip(")") + ", 77" + ")" * answer.startswith("(")]
        if answer.startswith("(") and numbers[::-1] != numbers:
            texts.append(f"({', '.join(numbers[::-1])})")
        texts.append(re.sub(r"-?\d+", lambda found: str(-int(found[0])), answer, count=1) if numbers[0] != "0" else "1")
        return [output for text in texts for output in wrapped(text) if text != answer]
    if question.grader == "choice":
        others = [letter for letter in "ABCDEFGHIJ"[: len(question.choices)] if letter != answer]
        names = [name for i, name in enumerate(question.choices) if "ABCDEFGHIJ"[i] != answer]
        return [output for text in [*others, *names, f"({answer}) or ({others[0]})"] for output in wrapped(text)]
    if question.grader == "exact":
        texts = [answer + answer[-1], answer[:-1], answer[1:] + answer[0], answer.swapcase(), f"not {answer}"]
        return [output for text in texts for output in wrapped(text) if text != answer and text]
    if question.grader == "code_output":
        lines = answer.split("\n")
        wrong = [answer + "\n0", answer + "0", "-" + answer, "\n".join([*lines[:-1], lines[-1] + " 1"])]
        wrong += ["\n".join(lines[:-1]), "\n".join(lines[::-1]), " ".join(lines)] if len(lines) > 1 else []
        return [
            output for text in wrong for output in (text, f"```\n{text}\n```", f"{item.solution}\n```\n{text}\n```")
        ]
    if question.grader == "json_schema":
        value = probe_checks.loaded(answer)
        wrong = [{**value, "more": 1}, {"order": value}, [value], *changed(value)]
        return [output for each in wrong for output in (json.dumps(each), f"```json\n{json.dumps(each)}\n```")]
    return [broken(item.solution, check) for check in json.loads(answer)]


def changed(value):
    """The JSON with one leaf changed or one key left out, in every way."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {name: each for name, each in value.items() if name != key}
            yield from ({**value, key: each} for each in changed(inner))
    elif isinstance(value, list):
        yield value[:-1]
        yield [*value, value[0]]
        for i, inner in enumerate(value):
            yield from ([*value[:i], each, *value[i + 1 :]] for each in changed(inner))
    elif isinstance(value, bool):
        yield not value
        yield str(value)
    elif isinstance(value, int):
        yield from (value + 1, -value, str(value))
    else:
        yield from (value + "s", value.upper() if value.upper() != value else value[::-1], None)


def broken(text: str, check) -> str:
    """The text with one rule broken."""
    kind, extra = check["check"], check.get("text", "")
    return {
        "words": lambda: text + " it" * check.get("max", 0),
        "lines": lambda: text + "\nit",
        "bullets": lambda: text + "\n- it",
        "starts": lambda: "It " + text,
        "ends": lambda: text + ".",
        "word": lambda: text + " " + extra,
        "letter": lambda: text + " " + extra,
        "upper": lambda: text + "x",
        "lower": lambda: text + "X",
    }[kind]()


@pytest.mark.parametrize("family", FAMILIES)
def test_right_answers_are_accepted_in_any_form(items, questions, family):
    for name, item in of_family(items, family).items():
        outputs = right(questions[name], item)
        assert len(outputs) >= 3
        for output in outputs:
            assert grade(questions[name], output).score == 1, (name, output[-200:])


@pytest.mark.parametrize("family", FAMILIES)
def test_near_misses_are_refused(items, questions, family):
    for name, item in of_family(items, family).items():
        outputs = [*near(questions[name], item), "I cannot tell.", ""]
        assert len(outputs) >= 3
        for output in outputs:
            assert grade(questions[name], output).score == 0, (name, output[-200:])
