"""Judging a bundle on held-out prompts, beside baselines. Needs the extra `evaluate`."""

from scope_edge.evaluate.harness import evaluate
from scope_edge.evaluate.joining import joining
from scope_edge.evaluate.report import show, show_joining

__all__ = ["evaluate", "joining", "show", "show_joining"]
