"""The program: ``erasurehead`` after installation, ``python -m experiments`` in a checkout.

Exit codes: 0 done, 1 a check or a cell failed, 2 bad input, 70 a fault of ours, 130 interrupted.
"""

from __future__ import annotations

import sys
from functools import partial

from . import guard

DEBUG = "--debug"
"""Understood in any place of the command line."""


def main() -> None:
    """Run the command line; every error is one line on stderr."""
    with guard.one_line(sys.argv[1:]):  # before the first import that takes a while
        arguments = [each for each in sys.argv[1:] if each != DEBUG]
        code = guard.run(partial(_run, arguments), debug=DEBUG in sys.argv[1:])
    sys.exit(code)


def _run(arguments: list[str]) -> int | None:
    from .commands import app

    code: int | None = app(arguments, standalone_mode=False)
    return code


if __name__ == "__main__":
    main()
