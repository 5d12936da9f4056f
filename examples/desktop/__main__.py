"""A window that shows while you type which model would answer best, and at what price. Run: python examples/desktop"""

import multiprocessing
import sys

if __name__ == "__main__":
    # In a frozen app a child process starts this file again; here it ends, before a second window opens.
    multiprocessing.freeze_support()
    from app import main

    sys.exit(main(sys.argv[1:]))
