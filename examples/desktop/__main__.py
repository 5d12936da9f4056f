"""A window that shows while you type which model would answer best, and at what price. Run: python examples/desktop"""

import multiprocessing
import sys

if __name__ == "__main__":
    # In a frozen app a child process starts this file again; here it ends, before a second window opens.
    multiprocessing.freeze_support()
    try:
        from app import main
    except ModuleNotFoundError as error:
        if error.name not in ("PySide6", "scope_edge"):
            raise
        print(f'scope-edge-desktop: {error.name} is not installed. Run: pip install ".[desktop]"', file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1:]))
