"""What went is named nowhere, so that no reader looks for it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GONE = re.compile(
    r"erasurehead (?:atlas|schema|measure|attack|compare|cite)\b"  # commands
    r"|sequential_persistence\b|network_digits\b"  # figures
    r"|reproduce (?:printed|local_steps)\b"
    r"|--replay\b|explore .*--host\b|recommend .*--(?:trace|law)\b"  # options
    r"|changes\.md\b|benchmarks_all\b|renamed\.py\b"  # files
)
# Where what went has to be named: the history, the names that still work, and this file.
ALLOWED = {
    "CHANGELOG.md",
    "experiments/commands/aliases.py",
    "experiments/config/moved_modules.py",
    "tests/experiments/commands/test_aliases.py",
    "tests/repository/test_gone.py",
}


def text_files() -> list[Path]:
    """Every text file that git holds."""
    command = ["git", "ls-files", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a clone of the repository")
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [file for file in files if file.is_file() and b"\0" not in file.read_bytes()]


def test_what_went_is_not_named() -> None:
    found = []
    for file in text_files():
        name = file.relative_to(ROOT).as_posix()
        text = "" if name in ALLOWED else file.read_text("utf-8", errors="replace")
        if GONE.search(text):
            lines = enumerate(text.splitlines(), start=1)
            found += [f"{name}:{number}: {line}" for number, line in lines if GONE.search(line)]
    assert not found, "\n".join(found)


def test_the_test_would_find_it() -> None:
    for line in ("run `erasurehead attack demo.yaml`", "explore out --host 0.0.0.0", "--replay"):
        assert GONE.search(line)
    for line in ("erasurehead verify --worst", "scheme.local_steps", "recommend demo.yaml"):
        assert not GONE.search(line)
