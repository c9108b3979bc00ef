"""What every command line offers: version, help, completion, a first config."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from erasurehead.experiments import listing
from erasurehead.experiments.commands import app
from erasurehead.experiments.config.errors import ConfigError
from tests.program import inside

ROOT = Path(__file__).parent.parent


def erasurehead(*arguments: object, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "erasurehead", *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_version() -> None:
    done = erasurehead("--version")
    assert done.stdout == f"erasurehead {metadata.version('erasurehead-simulator')}\n"
    assert (done.returncode, done.stderr) == (0, "")


COMMANDS = [c.name or c.callback.__name__ for c in app.registered_commands if c.callback]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = inside(command, "--help")
    assert done.returncode == 0
    assert f"Example: erasurehead {command} " in done.stdout
    assert command in inside("--help").stdout


def test_help_waits_for_no_library() -> None:
    """Catches an import at the top of a file that makes `--help` take a second."""
    program = (
        "import sys, erasurehead.experiments.commands;"
        "print({'numpy', 'pandas', 'scipy', 'matplotlib', 'pyarrow', 'simpy'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_completion_can_be_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "erasurehead"],
        cwd=ROOT,
        env=os.environ
        | {
            "_ERASUREHEAD_COMPLETE": "complete_bash",
            "COMP_WORDS": "erasurehead re",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "reproduce" in done.stdout, done.stderr
    assert "--install-completion" in erasurehead("--help").stdout


def test_init_and_run_in_an_empty_folder(tmp_path: Path) -> None:
    done = erasurehead("init", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["demo.yaml"]
    done = erasurehead("run", "demo.yaml", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "results/demo/summary.parquet").is_file()


@pytest.mark.parametrize("name", listing.names())
def test_init_writes_every_example_and_overwrites_nothing(name: str, tmp_path: Path) -> None:
    path = listing.write(name, tmp_path)
    assert path == tmp_path / f"{name}.yaml"
    assert path.read_bytes() == (ROOT / "experiments/configs" / path.name).read_bytes()
    assert isinstance(yaml.safe_load(path.read_text()), dict)
    path.write_text("mine")
    with pytest.raises(ConfigError, match=f"{name}.yaml: exists already"):
        listing.write(f"{name}.yaml", tmp_path)
    assert path.read_text() == "mine"


def test_init_without_such_an_example(tmp_path: Path) -> None:
    done = erasurehead("init", "dmeo", folder=tmp_path)
    assert done.returncode == 2
    assert "did you mean demo?" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
