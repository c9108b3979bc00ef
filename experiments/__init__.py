"""From a config to records and pictures: the one place where names become objects."""

import sys

if __name__ == "experiments" and sys.argv[:1] != ["-m"]:  # python -m experiments is the program
    raise ImportError(
        "experiments is a part of erasurehead: write erasurehead.experiments instead of experiments"
    )
