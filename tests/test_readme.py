"""The scheme that the README shows; ``tests/docs`` executes what else stands there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim.engines.cluster import Policy
from erasurehead.sim.load_laws import Proportional
from tests.docs.blocks import page
from tests.engines.engines import batch, event

ROOT = Path(__file__).parent.parent
[SCHEME] = [each.text for each in page(ROOT / "README.md").blocks if each.about == "both.py"]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The example's class, from a module of its own."""
    (tmp_path / "readme_scheme.py").write_text(SCHEME)
    monkeypatch.syspath_prepend(tmp_path)
    import readme_scheme  # type: ignore[import-not-found]

    yield readme_scheme.Both
    del sys.modules["readme_scheme"]


def test_the_example_of_a_scheme_runs_on_both_engines(example: Any) -> None:
    (family,) = example.examples()
    scheme = family.build(12)
    tape = Tape(MODELS["exponential"](rate=1.0), 12, 0, 0)
    runs = [
        engine.simulate(scheme, [tape], Proportional(), 50, Policy.CANCEL)
        for engine in (batch, event)
    ]
    np.testing.assert_array_equal(runs[0].times, runs[1].times)
    assert (runs[0].heard.arrived.sum(axis=-1) >= 6).all()
    assert (scheme.decoder.partition_weights(runs[0].heard.arrived) == 1).all()


def test_the_example_of_a_scheme_passes_the_checks(tmp_path: Path) -> None:
    """A reader who copies it should not be told to mend it."""
    pytest.importorskip("ruff")
    file = tmp_path / "both.py"
    file.write_text(SCHEME)
    ruff = [sys.executable, "-m", "ruff"]
    config = ["--no-cache", "--config", str(ROOT / "pyproject.toml"), str(file)]
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run([*ruff, *command, *config], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
