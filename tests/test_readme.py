"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from delay_models import MODELS, Tape
from sim.engines.policy import Policy
from sim.load_laws import Proportional
from tests.engines.engines import batch, event
from tests.figures import agg

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
USE, SCHEME, CHECK = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_use_from_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program runs where there are a config and a measured table, and says what it found."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "experiments" / "configs" / "demo.yaml", "demo.yaml")
    seconds = np.random.default_rng(0).gamma(3.0, size=(40, 30))
    np.savetxt("my_cluster.csv", seconds, delimiter=",")
    with agg():
        exec(compile(USE, "README.md", "exec"), {"__name__": "readme"})
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith("<Result demo: ")
    assert Path("loss_time.pdf").stat().st_size > 1000
    assert len(USE.splitlines()) <= 12


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


def test_the_example_conforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test that the reader is shown, with the scheme as a plugin."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "both.py").write_text(SCHEME)
    scope: dict[str, Any] = {}
    exec(CHECK, scope)
    scope["test_both"]()


def test_commands_name_what_there_is() -> None:
    """Subcommands, options and config files of every command line that is shown."""
    from typer.main import get_command

    from experiments.commands import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    shown = re.findall(r"^\.venv/bin/erasurehead (.*?)(?: +#.*)?$", README, flags=re.MULTILINE)
    assert len(shown) >= 8
    for line in shown:
        name, *words = line.split()
        options = {option for each in commands[name].params for option in each.opts}
        assert {word for word in words if word.startswith("--")} <= options, line
        for path in (word for word in words if word.startswith("experiments/")):
            assert (ROOT / path).is_file(), line
