"""Pictures of decisions, of plans and of evaluations. matplotlib is loaded on the first call, and pyplot never."""

from scope_edge.plots.canvas import write_figure
from scope_edge.plots.decision import decision_figure
from scope_edge.plots.plan import plan_figure

__all__ = ["decision_figure", "plan_figure", "write_figure"]
