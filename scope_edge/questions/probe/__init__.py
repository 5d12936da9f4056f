"""Questions that the package makes itself, for models that nobody has outcomes of.

Each family is a module, and makes items of five levels. No model's outcomes on them exist yet: how hard they are, only
their size and the encoder's guess say.
"""

from scope_edge.questions.probe.families import FAMILIES
from scope_edge.questions.probe.generating import LEVELS, PER_FAMILY, probe_questions

__all__ = ["FAMILIES", "LEVELS", "PER_FAMILY", "probe_questions"]
