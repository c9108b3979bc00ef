"""The program, as a process of its own or within this one, which saves a second of starting."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from unittest import mock

from erasurehead.experiments.cli import main

ROOT = Path(__file__).parent.parent


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """``erasurehead ...`` as a person starts it."""
    return subprocess.run(
        [sys.executable, "-m", "experiments", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def inside(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same command line, output and exit code, in this process; every warning is an error."""
    command = ["erasurehead", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", command),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        else:
            code = 0
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())
