"""Broken configs, tables and labels end in a result, or in one readable line; see the judge.

The sample is small, so that `make test` is quick; the slow test runs every case.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.__main__ import KINDS, made

ROOT = Path(__file__).parents[2]

SAMPLE = {"configs": "0:10", "tables": "0:12", "labels": "0:3", "results": "0:3", "searches": "0:2"}
WHOLE = {
    **dict.fromkeys(("configs", "tables"), "0:2000"),
    **dict.fromkeys(("labels", "searches"), "0:200"),
    "results": "0:300",
}

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="forks with limits and pidfd: Linux"
)


def run(kind: str, numbers: str) -> None:
    command = [sys.executable, "-m", "tests.fuzz", kind, numbers]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_ends_well(kind: str) -> None:
    run(kind, SAMPLE[kind])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_case_ends_well(kind: str) -> None:
    run(kind, WHOLE[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_is_made_from_its_number_alone(kind: str) -> None:
    assert made(kind, 7) == made(kind, 7)
    assert made(kind, 7) != made(kind, 8)
