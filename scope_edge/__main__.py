"""`python -m scope_edge` is the command `scope-edge`."""

from scope_edge.cli import main

main()
