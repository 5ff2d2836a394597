"""`python -m swimlb` is the command `swimlb`."""

from __future__ import annotations

from swimlb.cli.main import main

if __name__ == "__main__":
    main()
