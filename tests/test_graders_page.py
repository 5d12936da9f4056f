"""What docs/graders.md shows is what the graders and the generated questions do."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from scope_edge.questions import Question, grade
from scope_edge.questions.graders import GRADERS
from scope_edge.questions.probe.generating import probe_items

PAGE = Path(__file__).parents[1] / "docs" / "graders.md"


@pytest.fixture(scope="module")
def page() -> str:
    if not PAGE.exists():
        pytest.skip("docs/ is not beside the tests")
    return PAGE.read_text(encoding="utf-8")


def examples(page: str) -> dict[str, list[tuple[Question, str, str]]]:
    """By grader: the question, what the page says of an output, and the output."""
    found = defaultdict(list)
    for grader in GRADERS:
        for block in re.findall(rf"^```{grader}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
            choices, answer = None, ""
            for line in block.splitlines():
                what, text = line.replace("⏎", "\n").split(": ", 1)
                if what == "choices":
                    choices = tuple(text.split(" | "))
                elif what == "answer":
                    answer = text
                else:
                    found[grader].append((Question("q", "p", answer, grader, choices), what, text))
    return found


def test_every_example_is_graded_as_it_says(page):
    shown = examples(page)
    assert set(shown) == set(GRADERS)
    for grader, rows in shown.items():
        assert {what for _, what, _ in rows} >= {"right", "wrong"}, grader
        for question, what, output in rows:
            verdict = grade(question, output)
            said = "none" if verdict.found is None else "right" if verdict.score == 1 else "wrong"
            assert said == what, (grader, question.answer, output, verdict)


def test_the_table_of_sizes_is_that_of_the_questions(page):
    sizes = defaultdict(list)
    graders = defaultdict(dict)
    for name, item in probe_items().items():
        _, family, level, _ = name.split("/")
        sizes[family, int(level)].append(item.size)
        graders[family][f"`{item.grader}`"] = True
    rows = {
        row[0]: row for row in (line.strip("| ").split(" | ") for line in page.splitlines() if line.count("|") == 9)
    }
    for family, named in graders.items():
        ranges = [(min(sizes[family, level]), max(sizes[family, level])) for level in range(1, 6)]
        cells = [str(least) if least == most else f"{least}-{most}" for least, most in ranges]
        assert rows[family][1] == ", ".join(named)
        assert rows[family][3:] == cells


def test_the_example_of_every_family_is_one_of_the_questions(page):
    items = probe_items()
    form = r"^\*\*(\w+)\.\*\*[^`]*`(probe/[^`]+)`, with the answer `([^`]+)`:\n\n~~~text\n(.*?)\n~~~$"
    shown = re.findall(form, page, re.DOTALL | re.MULTILINE)
    assert sorted(family for family, *_ in shown) == sorted({name.split("/")[1] for name in items})
    for family, name, answer, text in shown:
        assert name.split("/")[1] == family
        assert items[name].answer == answer
        assert items[name].prompt == text or items[name].prompt.startswith(text.removesuffix(" ..."))
