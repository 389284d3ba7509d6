"""`python -m ops` is `presscheck`, for a supervisor that must start stages with its own interpreter."""

from __future__ import annotations

from ops.cli import main

if __name__ == "__main__":
    main()
