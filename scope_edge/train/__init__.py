"""Training the student encoder. Needs the extra `train`; nothing at run time imports this."""

from scope_edge.train.recipe import Recipe, smoke_recipe, train

__all__ = ["Recipe", "smoke_recipe", "train"]
