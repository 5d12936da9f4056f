"""Judging a bundle on held-out prompts, beside baselines. Needs the extra `evaluate`."""

from scope_edge.evaluate.harness import evaluate
from scope_edge.evaluate.left_out import leave_source_out
from scope_edge.evaluate.markdown import write_into_card
from scope_edge.evaluate.page import write_page
from scope_edge.evaluate.plots import write_plots
from scope_edge.evaluate.report import show

__all__ = ["evaluate", "leave_source_out", "show", "write_into_card", "write_page", "write_plots"]
