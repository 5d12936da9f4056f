"""What a raw output is worth as an answer to a question."""

from __future__ import annotations

from functools import lru_cache

from scope_edge.errors import OutcomesError
from scope_edge.questions.finding import visible
from scope_edge.questions.graders import GRADERS, Judge, Verdict
from scope_edge.questions.question import Question

__all__ = ["Verdict", "grade"]


def grade(question: Question, output: str) -> Verdict:
    """Grade the raw text that a model gave to a question.

    The same text has the same verdict anywhere: no model is asked, no code is executed, and time is bounded by the
    length of the text.

    Parameters
    ----------
    question : Question
        The question, with its answer and the name of its grader.
    output : str
        All that the model wrote; thinking in <think> tags is left out first.

    Returns
    -------
    Verdict
        `score` in [0, 1], and `found`, the answer that was read out of the text, or None.

    Raises
    ------
    OutcomesError
        The grader is unknown, or cannot take the question's answer.

    Examples
    --------
    >>> grade(Question("q1", "How far?", "1200", "numeric"), "They drive **1,200 km**.")
    Verdict(score=1.0, found='1,200')
    """
    return _judge(question)(visible(output))


@lru_cache(maxsize=1024)
def _judge(question: Question) -> Judge:
    if question.grader not in GRADERS:
        raise OutcomesError("Unknown grader", expected=f"one of {', '.join(GRADERS)}", got=repr(question.grader))
    try:
        return GRADERS[question.grader](question.answer, question.choices)
    except ValueError as error:
        raise OutcomesError(f"Question {question.id!r} cannot be graded: {error}") from None
