"""Training the student encoder. Needs the extra `train`; nothing at run time imports this."""

from scope_edge.runtime import without_telemetry

without_telemetry()  # before optimum imports onnxruntime

from scope_edge.train.recipe import Recipe, smoke_recipe, train  # noqa: E402

__all__ = ["Recipe", "smoke_recipe", "train"]
