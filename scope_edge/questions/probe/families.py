"""The families of probe questions by name."""

from __future__ import annotations

from scope_edge.questions.probe import (
    algebra,
    arithmetic,
    code_output,
    dates,
    instructions,
    json_extraction,
    logic_grids,
    long_context,
    strings,
    tables,
    tool_calls,
    word_problems,
)
from scope_edge.questions.probe.item import Make

__all__ = ["FAMILIES"]

FAMILIES: dict[str, Make] = {
    "arithmetic": arithmetic.make,
    "algebra": algebra.make,
    "word_problems": word_problems.make,
    "logic_grids": logic_grids.make,
    "code_output": code_output.make,
    "strings": strings.make,
    "dates": dates.make,
    "tables": tables.make,
    "instructions": instructions.make,
    "json_extraction": json_extraction.make,
    "tool_calls": tool_calls.make,
    "long_context": long_context.make,
}
