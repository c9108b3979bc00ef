"""On a disk that is full or read-only: one line, whole files, and a run that goes on later."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN_MOUNTS = ("unshare", "--user", "--map-root-user", "--mount")


def obstacle(folder: Path) -> str | None:
    """Why a test cannot mount a file system here."""
    if shutil.which("unshare") is None:
        return "there is no unshare(1) to mount a file system with"
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    tried = subprocess.run([*OWN_MOUNTS, *mount], capture_output=True, text=True, check=False)
    return f"no tmpfs: {tried.stderr.strip()}" if tried.returncode else None


@pytest.mark.slow
def test_commands_on_a_disk_that_is_too_small(tmp_path: Path) -> None:
    if reason := obstacle(tmp_path):
        pytest.skip(reason)
    command = [*OWN_MOUNTS, sys.executable, "-m", "tests.fuzz.disk"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
