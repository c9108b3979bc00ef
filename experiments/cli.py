"""The program: ``erasurehead`` after installation, ``python -m experiments`` in a checkout.

Exit codes: 0 done, 1 a check or a cell failed, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import sys

from experiments import interrupt


def main() -> None:
    """Run the command line; every expected error is one line on stderr."""
    with interrupt.one_line():  # before the first import that takes a while
        from experiments.commands import app
        from experiments.config.errors import ConfigError

        try:
            app()
        except ConfigError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)


if __name__ == "__main__":
    main()
