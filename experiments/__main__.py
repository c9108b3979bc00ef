"""``python -m experiments`` in a checkout: the same program as ``erasurehead``."""

from erasurehead.__main__ import main

if __name__ == "__main__":
    main()
