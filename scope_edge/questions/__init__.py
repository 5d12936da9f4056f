"""Questions whose answers a program can grade: the user's own, and those of the anchors."""

from scope_edge.questions.grading import Verdict, grade
from scope_edge.questions.question import Question, read_questions

__all__ = ["Question", "Verdict", "grade", "read_questions"]
