"""``python -m experiments`` in a checkout: the same program as ``erasurehead``."""

from experiments.cli import main

if __name__ == "__main__":
    main()
