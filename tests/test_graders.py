from __future__ import annotations

import json
import time
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope_edge.errors import OutcomesError
from scope_edge.questions import Question, Verdict, grade
from scope_edge.questions.finding import boxed, json_answers, phrases, visible
from scope_edge.questions.graders import GRADERS
from scope_edge.questions.graders.expression import UnreadableError, evaluate
from scope_edge.questions.graders.literal import parse

OPTIONS = ("Paris", "Rome", "Oslo", "None of the above")


def question(grader, answer, choices=None):
    return Question("q", "Some question", answer if isinstance(answer, str) else json.dumps(answer), grader, choices)


def score(grader, answer, output, choices=None):
    return grade(question(grader, answer, choices), output).score


# Wrappings that every grader of a single answer must read.
WRAPPINGS = [
    "The answer is {}",
    "**Answer:** {}",
    "The answer is **{}**.",
    "The answer is: **{}**",
    "First I thought of 7 and of (D).\n\nAnswer: {}",
    "<think>The answer is 999. Or (D)?</think>\nThe answer is {}",
    "It may be 3.\n\n#### {}",
]
SINGLE = [
    ("exact", "blue whale", "white whale"),
    ("exact", "AbC", "abc"),
    ("numeric", "1234.5", "1234.6"),
    ("numeric", "-7", "7"),
    ("math", r"\frac{3}{4}", r"\frac{4}{3}"),
    ("math", "12", "13"),
    ("literal", "[1, 'a', None]", "[1, 'b', None]"),
    ("choice", "B", "C"),
    ("choice", "3", "4"),
]


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize(("grader", "right", "wrong"), SINGLE)
def test_wrapped_answers_are_read(grader, right, wrong, wrapping):
    verdict = grade(question(grader, right), wrapping.format(right))
    assert verdict.score == 1
    assert verdict.found
    wrong_verdict = grade(question(grader, right), wrapping.format(wrong))
    assert wrong_verdict.score == 0
    assert wrong_verdict.found


@pytest.mark.parametrize(("grader", "right", "wrong"), SINGLE)
def test_json_answers_are_read_whole_fenced_cut_off_and_misquoted(grader, right, wrong):
    for text, worth in ((right, 1), (wrong, 0)):
        whole = json.dumps({"reasoning": "It was 5, then (D).", "answer": text})
        fenced = f"```json\n{whole}\n```\nHope that helps!"
        cut_off = whole[:-1]
        single = "{'reasoning': 'because', 'answer': " + (repr(text) if "'" not in text else json.dumps(text)) + "}"
        for output in (whole, fenced, cut_off, single):
            assert score(grader, right, output) == worth, output


@pytest.mark.parametrize("grader", sorted(GRADERS))
def test_nothing_said_is_no_answer(grader):
    answers = {
        "numeric": "1", "math": "1", "literal": "1", "choice": "A", "json_schema": "{}", "exact": "a",
        "code_output": "a", "constraints": [{"check": "words", "min": 0}],
    }  # fmt: skip
    for output in ("", "  \n", "<think>The answer is 1", "<think>A</think>"):
        assert grade(question(grader, answers[grader]), output) == Verdict(0.0, None)


@pytest.mark.parametrize(
    ("grader", "output"),
    [
        ("numeric", "I cannot tell."),
        ("math", "I cannot tell from what is given here."),
        ("literal", "It returns something else."),
        ("choice", "A train leaves Paris, and I cannot say when."),
        ("json_schema", "There is no JSON {here}."),
    ],
)
def test_a_text_without_an_answer_has_none(grader, output):
    answers = {"numeric": "5", "math": "5", "literal": "5", "choice": "A", "json_schema": '{"a": 1}'}
    assert grade(question(grader, answers[grader]), output) == Verdict(0.0, None)


# --- finding ---


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ("a<think>b</think>c", "ac"),
        ("a<think>b", "a"),
        ("b</think>c", "c"),
        ("<think>b</think>c<think>d</think>e", "ce"),
        ("<thinking>b</thinking>c", "c"),
        ("I think <b>", "I think <b>"),
    ],
)
def test_thinking_is_not_visible(output, shown):
    assert visible(output) == shown


def test_the_last_json_answer_counts():
    assert json_answers('{"answer": "1"} no: {"answer": "2"}') == ["2"]
    assert json_answers('{"answer": 3, "why": "4"}') == ["3"]
    assert json_answers('{"answer": null}') == []
    assert json_answers('{"my_answer": 3}') == []


def test_quotes_that_are_not_escaped_are_mended():
    assert json_answers('{"answer": "["a", "b"]"}')[0] == '["a", "b"]'
    assert json_answers('{"answer": "say "hi"", "x": "y"}')[0] == 'say "hi"'


def test_latex_in_json_keeps_its_backslash():
    assert json_answers(r'{"answer": "\frac{1}{2}"}') == [r"\frac{1}{2}"]
    assert json_answers(r'{"answer": "\\frac{1}{2}"}')[0] == r"\frac{1}{2}"


def test_boxes_are_closed_by_their_own_brace():
    assert boxed(r"\boxed{\frac{1}{2}} and \boxed{3} and \boxed{4") == [r"\frac{1}{2}", "3"]


def test_a_line_may_state_two_answers():
    assert phrases("The closest answer is 5. The answer is (C).") == ["5. The", "(C)."]


# --- numeric ---


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ("1200", "1,200"), ("1200", "$1,200.00"), ("1200", "about 1200 km"), ("1,200", "1200"),
        ("18", "18 eggs per day."),
        ("0.5", "1/2"), ("1/2", "0.5"), ("3.5", "3 1/2"), ("50%", "50 percent"), ("50%", "0.5"), ("50", "50%"),
        ("0.5", "50%"), ("1500000", "1.5 million"), ("120000", "1.2e5"), ("120000", r"1.2 \times 10^{5}"),
        ("-7", "\u22127"), ("-7", "-$7"), ("110", "190 - 80 = 110"), ("70000", r"\$70{,}000"), ("0.75", r"\frac{3}{4}"),
        ("3.14159265", "3.1415927"), ("12", "12.0"), ("7", "(7)"), ("12", "$$12$$"), ("12", "**12**"),
    ],
)  # fmt: skip
def test_numeric_right(answer, output):
    for text in (output, f"The answer is {output}", f"After 3 steps: \\boxed{{{output}}}"):
        assert score("numeric", answer, text) == 1, text


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ("1200", "1,20"), ("1200", "12000"), ("50%", "0.5%"), ("50%", "5000"), ("0.5", "2"), ("18", "-18"),
        ("123456789012", "123456789013"), ("3.14159265", "3.1416"), ("100", "100 million"), ("12", "190 - 12 = 178"),
        ("5", "5/0"), ("5", "1e999999999"), ("1", "x1"), ("2", "1.2.3"),
    ],
)  # fmt: skip
def test_numeric_wrong(answer, output):
    assert score("numeric", answer, output) == 0


@given(st.integers(-(10**15), 10**15))
def test_any_integer_is_itself_and_not_its_neighbour(number):
    assert score("numeric", str(number), f"So it is {number:,}.") == 1
    assert score("numeric", str(number), f"So it is {number + 1:,}.") == 0


def test_the_last_number_of_a_text_counts_if_nothing_is_stated():
    assert grade(question("numeric", "12"), "4 and 8 make 12.") == Verdict(1.0, "12")


# --- math ---


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ("1/2", r"\frac12"), ("1/2", "0.5"), (r"\frac{1}{2}", r"\dfrac{1}{2}"), (r"\frac{\sqrt{2}}{2}", r"1/\sqrt{2}"),
        (r"2\sqrt{3}", r"\sqrt{12}"), (r"\pi/2", r"0.5\pi"), (r"2^{10}", "1024"), ("1024", "2**10"), ("12", "x = 12"),
        ("12", r"12 \text{ cm}"), ("12", "12 square units"), ("90", r"90^\circ"), ("90", "90 degrees"), ("10", r"10\%"),
        ("1234", "1,234"), (r"(1, 2)", r"\left(1, 2\right)"), ("[0, 1)", "x \\in [0,1)"), ("1, 2", "2 and 1"),
        (r"\{1, 2\}", "{2,1}"), ("1, 2", "x = 1 or x = 2"), (r"1 \pm \sqrt{2}", r"1+\sqrt2, 1-\sqrt2"),
        (r"(-\infty, 0) \cup (1, \infty)", r"(1,\infty)\cup(-\infty,0)"), ("x^2 + 2x + 1", "(x+1)^2"), ("3i", "3 i"),
        ("-221_3", "-221_{3}"), ("-221_3", "-221"), (r"\text{Monday}", "Monday"), ("5", r"$\boxed{5}$"), ("24", "4!"),
        (r"\sqrt[3]{8}", "2"), ("9", "The largest radius is 9 meters"), (r"e^{i\pi}", "-1"), ("-2", r"\sqrt[3]{-8}"),
        ("2xy", "2yx"), (r"\frac{1}{3}", "1/3"), ("0", "-2 + 5 - 3 = -0"), (r"\log 100", "2"), ("3", "|{-3}|"),
    ],
)  # fmt: skip
def test_math_right(answer, output):
    assert score("math", answer, f"The answer is {output}") == 1
    assert score("math", answer, json.dumps({"reasoning": "5 and 6", "answer": output})) == 1


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ("1/2", "0.49"), ("1/3", "0.33"), ("(1, 2)", "(2, 1)"), ("[0, 1)", "[0, 1]"), ("1, 2", "1, 2, 3"),
        ("1, 2", "1"),
        ("x^2", "x^3"), ("2xy", "2x"), ("6", r"6\sqrt{2}"), ("49", r"\frac{49}{2}"), ("12", "9 = 3 + 6"),
        ("-221_3", "221_3"),
        ("-221_3", "-221_4"), ("5", r"\text{Monday}"), ("1, 1", "1, 2"), (r"\pi", "3.14"), ("4", "4x^2"),
        ("12", "1 2"), ("on", "no"), ("xy", "xz"),
        ("(1, 2)", r"\{1, 2\}"), ("12", "The 3 parts of 12 are 4 each"), ("1", "0^{-1}"), ("0", r"\frac{0}{0}"),
    ],
)  # fmt: skip
def test_math_wrong(answer, output):
    assert score("math", answer, f"The answer is {output}") == 0


@pytest.mark.parametrize("output", ["x = -8 or x = 8", "x = 8 and x = - 8", "\\sqrt{64} , 2 - 10"])
def test_a_line_of_mathematics_alone_is_an_answer(output):
    assert score("math", "-8, 8", output) == 1


def test_rational_values_are_exact():
    assert evaluate(r"\frac{1}{3}+\frac{1}{6}") == Fraction(1, 2)
    assert evaluate("2^-3") == Fraction(1, 8)
    assert evaluate("-2^2") == -4
    assert evaluate("2^3^2") == 512
    assert evaluate("6/2(3)") == 9
    assert evaluate("2x", {"x": 3}) == 6


HOSTILE = [
    "9**9**9", "9^{9^{9^9}}", "9!" * 300, "((((" * 5000, "(" * 900 + "1" + ")" * 900, "-" * 100_000 + "1",
    "1+" * 50_000 + "1",
    "[" * 50_000, "{" * 50_000 + '"a":' * 50_000, "9" * 500_000, "1e999999999", r"\frac{" * 20_000, r"\sqrt" * 20_000,
    "2^" * 10_000 + "2", "200!^200!", "(((200!)!)!)!", r"\boxed{" * 30_000, "'answer': \"" * 30_000,
    "<think>" * 100_000,
    "answer is " * 50_000, "The answer is " + "a " * 100_000, "1," * 100_000, "x = " * 50_000, "```\n" * 50_000,
    " " * 300_000,
    "\n" * 300_000, "1 1/" * 50_000, "cm " * 50_000, "12 " + "ab" * 40_000, "# " * 90_000, "**" * 200_000,
    "`" * 200_000,
    '{"answer": "' + '\\"' * 60_000, '[{"a":' * 20_000, "±" * 50_000, "\u222a" * 50_000, ". " * 100_000,
    "output:\n" * 40_000,
]  # fmt: skip


def cpu_s(work) -> float:
    """CPU seconds: whatever else the machine does is not counted."""
    began = time.process_time()
    work()
    return time.process_time() - began


@pytest.fixture(scope="module")
def yardstick_s() -> float:
    """What Python takes to walk through a million letters: on a slow machine, graders may take longer too."""
    letters = "x" * 1_000_000
    return min(cpu_s(lambda: sum(map(ord, letters))) for _ in range(3))


@pytest.mark.parametrize("grader", sorted(GRADERS))
def test_hostile_text_neither_hangs_nor_fails(grader, yardstick_s):
    answers = {
        "numeric": "7654321", "math": "(1, 2)", "literal": "[1]", "choice": "A",
        "json_schema": '{"a": 1}', "exact": "abc",
        "code_output": "abc", "constraints": [{"check": "words", "min": 3}, {"check": "starts", "text": "Dear"}],
    }  # fmt: skip
    asked = question(grader, answers[grader], OPTIONS if grader == "choice" else None)
    for text in HOSTILE:
        for output in (text, f'{{"answer": "{text}"}}', f"\\boxed{{{text}}}"):
            verdicts = []
            took = cpu_s(lambda output=output, verdicts=verdicts: verdicts.append(grade(asked, output)))
            assert verdicts[0].score == 0, output[:60]
            assert took < 100 * yardstick_s, (output[:60], len(output))


@pytest.mark.parametrize("grader", sorted(GRADERS))
def test_what_reading_takes_grows_with_the_length_up_to_ten_megabytes(grader, yardstick_s):
    answers = {
        "numeric": "12", "math": "12", "literal": "12", "choice": "B", "json_schema": '{"answer": 12}', "exact": "12",
        "code_output": "12", "constraints": [{"check": "contains", "text": "12"}],
    }  # fmt: skip
    asked = question(grader, answers[grader])
    ending = '\n{"answer": "B"}' if grader == "choice" else '\n{"answer": 12}'

    def took(n: int) -> float:
        output = "Let us see, (7) or { 8 }. " * n + ending
        return cpu_s(lambda: grade(asked, output))

    assert grade(asked, "Let us see, (7) or { 8 }. " * 400_000 + ending).score == 1
    # Ten times as long takes ten times as long, and not a hundred times.
    assert took(400_000) < 40 * took(40_000) + 10 * yardstick_s


@pytest.mark.parametrize(
    "text", ["9**9**9", "2^100000", "1/0", "", "1 2", "x", "__import__", "(1", "1)", "a.b", "1e5000", "cat"]
)
def test_what_cannot_be_evaluated_is_refused(text):
    with pytest.raises(UnreadableError):
        evaluate(text)


@given(st.text(max_size=60))
def test_any_text_is_graded_without_error(text):
    for grader, answer in (("numeric", "1"), ("math", "x^2+1"), ("literal", "[1]"), ("choice", "A"), ("exact", "?")):
        for output in (text, f"Answer: {text}", f'{{"answer": "{text}'):
            assert 0 <= grade(question(grader, answer), output).score <= 1


@given(st.recursive(st.integers(-99, 99), lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner), max_leaves=12))
def test_sums_and_products_agree_with_python(tree):
    def text(node):
        return f"({node})" if isinstance(node, int) else f"({text(node[0])} {node[1]} {text(node[2])})"

    assert evaluate(text(tree)) == eval(text(tree))  # the text is built from integers and signs above


# --- literal ---


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ("'qq'", "qq"), ("'qq'", '"qq"'), ("'qq'", "`'qq'`"), ("[1, 2]", "[1,2]"),
        ("{'a': 1, 'b': 2}", '{"b": 2, "a": 1}'),
        ("(1,)", "( 1, )"), ("{1, 2}", "{2, 1}"), ("1", "1.0"), ("'1 '", "'1 '"), ("[-4]", "assert f([0]) == [-4]"),
        ("None", "None"), ("b'a'", "b'a'"), ("'a\\nb'", "'a\\nb'"), ("\"say 'x'\"", "'say 'x''"),
        ("'***'", "'***'"), ("'qq'", "'qq\""),
        ("\"1: b'1'\"", "'1: b'1'"),
    ],
)  # fmt: skip
def test_literal_right(answer, output):
    assert score("literal", answer, f"Answer: {output}") == 1
    assert score("literal", answer, json.dumps({"answer": output})) == 1


def test_a_bare_string_keeps_its_white_space_and_signs_in_json():
    assert score("literal", "'1 '", '{"answer": "1 "}') == 1
    assert score("literal", "'1 '", '{"answer": "1"}') == 0
    assert score("literal", "'5*3***'", '{"answer": "5*3***"}') == 1
    assert score("literal", "'a\\nb'", '{"answer": "\'a\\nb\'"}') == 1


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ("[1, 2]", "[2, 1]"), ("[1, 2]", "(1, 2)"), ("True", "1"), ("1", "True"), ("1", "'1'"), ("'a'", "'b'"),
        ("{'a': 1}", "{'a': True}"), ("[1]", "[1] + [2]"), ("'qq'", "f('qq')"), ("[0]", "__import__('os')"),
        ("''", "' '"), ("''", "'\""), ("'qq'", "'qqq"),
    ],
)  # fmt: skip
def test_literal_wrong(answer, output):
    assert score("literal", answer, json.dumps({"answer": output})) == 0


def test_literals_are_limited():
    for text in ("[" * 100 + "]" * 100, "1," * 20_000, "f(x)", "1 +", "9" * 5000, "(" * 10):
        with pytest.raises(ValueError, match="literal"):
            parse(text)


# --- choice ---


@pytest.mark.parametrize(
    "output",
    [
        "B", "(B)", "b", "B.", " **B** ", "B: because it is so", "B) Rome", "Option B", "Rome", "rome.", "\\boxed{B}",
        "\\boxed{\\text{B}}", "The answer is (B).", "The answer is B", "Answer: B",
        "answer: **(B)**", '{"answer": "B"}',
        '{"answer": "B. Rome"}', "The answer is Rome.", "So, the answer should be (B).",
        "It is Rome, which makes (B) correct.",
        "The answer is (B).\n\nQ: And then?\nThe answer is (C).", "The closest answer is 5. The answer is (B).",
        "The answer is option (B).", "The answer is (B", "The answer (B) is right, for it is in Italy.",
        "(B) is the correct answer. It is in Italy.", "Here (B) is correct. The others are not in Italy.",
        "That makes (B) the correct option. (A) is in France.",
        "The answer is Oslo.\nFinal answer: B", "The answer is Oslo. **Final answer:** (B)\n\nQ: And?\nFinal answer: A",
    ],
)  # fmt: skip
def test_choice_right(output):
    assert grade(question("choice", "B", OPTIONS), output) == Verdict(1.0, "B")
    assert score("choice", "C", output, OPTIONS) == 0


@pytest.mark.parametrize(
    "output",
    [
        "The answer is (A) and (B).",
        "The answer is B, C",
        "A",
        "2",
        "The answer is (A, B).",
        "The answer is (BC).",
        "The answer is (B,C).",
        "A: no. B: yes.\nThe answer is B and C.",
        "Both (A) is the correct answer and (B) is the correct answer",
    ],
)
def test_choice_wrong(output):
    assert score("choice", "B", output, OPTIONS) == 0


def test_the_gold_of_a_choice_may_be_the_text_or_a_number():
    assert score("choice", "Oslo", "(C)", OPTIONS) == 1
    assert score("choice", "3", "The answer is 3.") == 1
    assert score("choice", "3", "The answer is 4.") == 0
    assert score("choice", "P", "The answer is (P).") == 1


# --- json_schema ---

PERSON = {
    "type": "object", "required": ["name", "age"], "additionalProperties": False,
    "properties": {"name": {"type": "string", "minLength": 1}, "age": {"type": "integer",
    "minimum": 0, "maximum": 150}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("output", "worth"),
    [
        ('{"name": "Ann", "age": 5}', 1), ('Here: {"age": 5.0, "name": "Ann"}. Done.', 1), ('{"name": "Ann"}', 0),
        ('```json\n{"name": "Ann", "age": 5}\n```', 1), ('{"name": "Ann", "age": "5"}', 0),
        ('{"name": "", "age": 5}', 0),
        ('{"name": "Ann", "age": 5, "x": 1}', 0), ('{"name": "Ann", "age": true}', 0),
        ('{"name": "Ann", "age": 151}', 0),
        ('[{"name": "Ann", "age": 5}]', 0), ('{"name": "Ann", "age": 5', 0), ('{"name": "Ann", "age": 5.5}', 0),
        ('not {"name": 1}\nbut {"name": "Bo", "age": 6}', 1), ('{"name": "Ann", "age": NaN}', 0),
    ],
)  # fmt: skip
def test_json_against_a_schema(output, worth):
    assert score("json_schema", PERSON, output) == worth


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"enum": ["a", 1]}, "1", "2"), ({"const": {"type": "string"}}, '{"type": "string"}', '{"type": "number"}'),
        ({"type": ["string", "null"]}, "null", "0"), ({"anyOf": [{"type": "string"}, {"minimum": 5}]}, "6", "4"),
        ({"allOf": [{"minimum": 1}, {"maximum": 3}]}, "2", "4"),
        ({"oneOf": [{"minimum": 1}, {"maximum": 3}]}, "4", "2"),
        ({"not": {"type": "string"}}, "1", '"a"'), ({"type": "array", "minItems": 2}, "[1, 2]", "[1]"),
        ({"type": "array", "maxItems": 1}, "[1]", "[1, 2]"), ({"items": {"type": "integer"}}, "[1]", '["a"]'),
        ({"uniqueItems": True}, "[1, 2]", "[1, 1.0]"), ({"exclusiveMinimum": 1}, "1.5", "1"),
        ({"multipleOf": 0.1}, "0.3", "0.35"),
        ({"exclusiveMaximum": 1}, "0.5", "1"), ({"maxLength": 2}, '"ab"', '"abc"'),
        ({"minProperties": 1}, '{"a": 1}', "{}"),
        ({"maxProperties": 1}, '{"a": 1}', '{"a": 1, "b": 2}'),
        ({"additionalProperties": {"type": "null"}}, '{"a": null}', '{"a": 1}'),
        ({"properties": {"a": False}}, '{"b": 1}', '{"a": 1}'), ({"type": "boolean"}, "true", "1"),
        ({"type": "number"}, "1", "true"),
    ],
)  # fmt: skip
def test_each_keyword_counts(schema, right, wrong):
    assert score("json_schema", schema, right) == 1
    assert score("json_schema", schema, wrong) == 0


def test_a_value_that_is_no_schema_must_be_equaled():
    gold = {"tool": "weather", "arguments": {"city": "Oslo", "days": [1, 2]}}
    assert (
        score(
            "json_schema",
            gold,
            'I call\n```\n{"arguments": {"days": [1.0, 2], "city": "Oslo"}, "tool": "weather"}\n```',
        )
        == 1
    )
    assert score("json_schema", gold, '{"tool": "weather", "arguments": {"city": "Oslo", "days": [2, 1]}}') == 0


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "object", "pattern": "a+"}, "'pattern', which is not supported"),
        ({"properties": {"a": {"$ref": "#"}}}, "at /properties/a has the keyword '$ref'"),
        ({"items": {"minimun": 1}}, "at /items has the keyword 'minimun', which is unknown"),
        ({"type": "cat"}, "bad value of 'type'"), ({"minLength": -1}, "minLength"), ({"required": "a"}, "required"),
        ({"anyOf": []}, "anyOf"), ({"multipleOf": 0}, "multipleOf"), ("no JSON", "JSON was expected"),
    ],
)  # fmt: skip
def test_a_schema_that_cannot_be_checked_is_refused(schema, words):
    with pytest.raises(OutcomesError, match=r"'q' cannot be graded") as caught:
        score("json_schema", schema, "{}")
    assert words in str(caught.value)


# --- code_output and exact ---


@pytest.mark.parametrize(
    ("output", "worth"),
    [
        ("1 2\n3", 1), ("```\n1 2\n3\n```", 1), ("It runs.\n\n```text\n1  2 \n3\n\n```\nDone.", 1),
        ("Output:\n1 2\n3", 1),
        ("The loop ends.\n**Output:**\n1 2\n3", 1), ("1 2 3", 0), ("3\n1 2", 0), ("12\n3", 0), ("1 2\n3\n4", 0),
        ('```json\n{"answer": "1 2\\n3"}\n```', 1), ("```python\nprint(1)\n```\nprints\n```\n1 2\n3\n```", 1),
    ],
)  # fmt: skip
def test_code_output(output, worth):
    assert score("code_output", "1 2\n3\n", output) == worth


@pytest.mark.parametrize(
    ("output", "worth"),
    [
        ("blue whale", 1), (" Blue whale", 0), ("'blue whale'.", 1), ("**blue  whale**", 1), ("“blue whale”", 1),
        ("The answer is `blue whale`.", 1), ("It swims.\nblue whale", 1), ("blue whale or not", 0), ("a blue whale", 0),
    ],
)  # fmt: skip
def test_exact(output, worth):
    assert score("exact", "blue whale", output) == worth


def test_exact_keeps_what_belongs_to_the_answer():
    assert score("exact", "e.g.", "Answer: e.g.") == 1
    assert score("exact", "'x'", "Answer: 'x'") == 1


# --- constraints ---


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        ({"check": "words", "min": 2, "max": 3}, "don't stop", "stop"),
        ({"check": "characters", "max": 3}, "abc", "abcd"),
        ({"check": "lines", "min": 2, "max": 2}, "a\n\nb", "a"),
        ({"check": "sentences", "min": 2, "max": 2}, "Hi. 3.5 it is!", "Hi."),
        ({"check": "paragraphs", "min": 2}, "a\n\nb", "a\nb"),
        ({"check": "bullets", "min": 2, "max": 2}, "- a\n* b", "- a\n-b"),
        ({"check": "letter", "text": "e", "max": 1}, "the", "eE"),
        ({"check": "word", "text": "the", "min": 2}, "The the", "the then"),
        ({"check": "contains", "text": "Sea"}, "a Sea", "a sea"),
        ({"check": "excludes", "text": "sea"}, "lake", "a Sea"),
        ({"check": "starts", "text": "Dear"}, "  Dear", "dear"),
        ({"check": "ends", "text": "END"}, "the END\n", "END."),
        ({"check": "lines_start", "text": "> "}, "> a\n> b", "> a\nb"), ({"check": "lower"}, "a 1", "A"),
        ({"check": "upper"}, "A 1", "Aa"),
        ({"check": "sorted_lines"}, "a\nB\nc", "b\na"),
    ],
)  # fmt: skip
def test_each_check(check, right, wrong):
    assert score("constraints", [check], right) == 1
    assert score("constraints", [check], wrong) == 0


def test_all_checks_must_hold():
    checks = [{"check": "words", "max": 3}, {"check": "lower"}]
    assert [score("constraints", checks, text) for text in ("a b", "A b", "a b c d")] == [1, 0, 0]
    assert score("constraints", checks, "<think>LONG AND LOUD THINKING FIRST</think>a b") == 1


@pytest.mark.parametrize(
    "checks", ["", "[]", "{}", [{"check": "rhymes"}], [{"check": "words"}], [{"check": "words", "min": "2"}], [1],
               [{"check": "contains"}], [{"check": "lower", "min": 1}], [{"check": "words", "min": 1, "text": "a"}]],
)  # fmt: skip
def test_checks_that_mean_nothing_are_refused(checks):
    with pytest.raises(OutcomesError, match="cannot be graded"):
        score("constraints", checks, "a")


# --- golds ---


@pytest.mark.parametrize(
    ("grader", "answer", "choices"),
    [
        ("numeric", "many", None), ("numeric", "1 and 2", None), ("math", " ", None), ("literal", "f(x)", None),
        ("choice", "Q", None), ("choice", "E", OPTIONS), ("choice", "Bern", OPTIONS), ("exact", " ", None),
        ("code_output", "\n", None),
    ],
)  # fmt: skip
def test_a_gold_that_the_grader_cannot_take_is_refused(grader, answer, choices):
    with pytest.raises(OutcomesError, match="'q' cannot be graded"):
        score(grader, answer, "1", choices)


def test_an_unknown_grader_is_refused():
    with pytest.raises(OutcomesError, match="Unknown grader"):
        grade(replace(question("exact", "a"), grader="vibes"), "a")
