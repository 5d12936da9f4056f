"""The command line, `scope-edge`."""

from scope_edge.cli.app import main

__all__ = ["main"]
