"""The graders by name; see `docs/graders.md`."""

from scope_edge.questions.graders import choice, constraints, literal, math, numeric, schema, text
from scope_edge.questions.graders.verdict import Judge, Prepare, Verdict

__all__ = ["GRADERS", "Judge", "Prepare", "Verdict"]

GRADERS: dict[str, Prepare] = {
    "exact": text.prepare_exact,
    "numeric": numeric.prepare,
    "math": math.prepare,
    "literal": literal.prepare,
    "choice": choice.prepare,
    "json_schema": schema.prepare,
    "code_output": text.prepare_output,
    "constraints": constraints.prepare,
}
