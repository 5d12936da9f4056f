"""The command line, `scope-edge`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; Ctrl-C stops it with one line and exit code 130."""
    try:
        # Imported here, for it takes long enough to be stopped meanwhile.
        from scope_edge.cli.app import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("scope-edge: stopped\n")
        sys.exit(130)
