"""Importing logs of outcomes: other forms, messy rows and a million of them, to a table folder."""

from scope_edge.importing.formats import FORMATS
from scope_edge.importing.pipeline import ImportOptions, import_logs

__all__ = ["FORMATS", "ImportOptions", "import_logs"]
