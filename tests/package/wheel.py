"""``make wheel-test``: build the sdist and the wheel, and use the wheel as a stranger would.

The wheel is built from the sdist, and installed into an empty environment with the oldest libraries
that it allows. Everything then runs in an empty folder: a config of ``erasurehead init``, the
figures, and a notebook. With ``--suite``, the tests of the sdist run in that environment too.

    python -m tests.package.wheel [--suite] [--newest] [--output dist]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

CLEAN = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
"""Nothing leads back to the checkout."""

TYPER = "ignore:'click:DeprecationWarning"
"""Old versions of typer use names that the newest click deprecates."""

CELLS = [
    "import erasurehead as eh\neh.run('demo.yaml', set={'replications': 2})",
    "result = eh.sweep('demo.yaml', set={'replications': 2, 'seed': [0, 1]}, jobs=2)",
    "axes = result.plot.loss_time()",
    "try:\n    eh.run('demo.yaml', set={'workers': 0})\nexcept eh.ConfigError as error:\n"
    "    print(error)",
]
"""What the notebook does."""


def oldest(requirement: str) -> str:
    """The lowest version that a range allows: ``numpy>=2.2`` gives ``numpy==2.2.*``."""
    parsed = Requirement(requirement)
    (bound,) = parsed.specifier
    exact = bound.version.count(".") >= 2
    return f"{parsed.name}=={bound.version}{'' if exact else '.*'}"


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command, show it, and stop when it fails."""
    print("+", *command, flush=True)
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=CLEAN, capture_output=True, text=True
    )
    if done.returncode:
        print(done.stdout[-8000:], done.stderr[-8000:], sep="\n")
        raise SystemExit(f"failed: {' '.join(map(str, command))}")
    return done.stdout


def environment(folder: Path, *packages: str | Path) -> Path:
    """A new virtual environment; returns its folder of programs."""
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    run(programs / "python", "-m", "pip", "install", "--quiet", *packages, cwd=folder)
    return programs


def build(folder: Path) -> tuple[Path, Path]:
    """The sdist and the wheel that is built from it, both checked as PyPI would."""
    tools = environment(folder / "tools", "build", "twine")
    output = folder / "dist"
    run(tools / "python", "-m", "build", "--outdir", output, ROOT, cwd=folder)
    sdist, wheel = sorted(output.iterdir(), key=lambda file: file.suffix != ".gz")
    run(tools / "twine", "check", "--strict", sdist, wheel, cwd=folder)
    return sdist, wheel


def notebook() -> dict[str, Any]:
    """The cells as a notebook."""
    cells = [
        {"cell_type": "code", "source": s, "metadata": {}, "outputs": [], "execution_count": None}
        for s in CELLS
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}


def check_notebook(programs: Path, folder: Path) -> None:
    """Execute the notebook; look at what each cell shows."""
    (folder / "demo.ipynb").write_text(json.dumps(notebook()))
    convert = [programs / "jupyter", "nbconvert", "--to", "notebook", "--execute", "--inplace"]
    run(*convert, "demo.ipynb", cwd=folder)
    done = json.loads((folder / "demo.ipynb").read_text())
    first, second, third, fourth = [cell["outputs"] for cell in done["cells"]]
    errors = [out for outs in (first, second, third, fourth) for out in outs if "ename" in out]
    noise = [
        o for outs in (first, second, third, fourth) for o in outs if o.get("name") == "stderr"
    ]
    assert not errors, errors
    assert not noise, noise
    bar, table = ["".join(out["data"]["text/html"]) for out in first]
    assert "<progress" in bar
    assert "<table" in table
    assert "Result demo" in table
    assert len(second) == 1, "a bar, and nothing else"
    assert any("image/png" in out["data"] for out in third), third
    assert "workers = 0: must be" in "".join(fourth[0]["text"])


def main() -> None:
    """Everything, in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", action="store_true", help="also run the tests of the sdist")
    parser.add_argument("--newest", action="store_true", help="newest libraries, not the oldest")
    parser.add_argument("--output", type=Path, help="where sdist and wheel go once all is well")
    options = parser.parse_args()
    libraries = PROJECT["dependencies"]
    if not options.newest:
        libraries = [oldest(requirement) for requirement in libraries]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sdist, wheel = build(folder)
        programs = environment(folder / "env", wheel, *libraries, "nbconvert", "ipykernel")
        empty = folder / "empty"
        empty.mkdir()
        command = programs / "erasurehead"
        print(run(programs / "python", "-m", "pip", "list", cwd=empty))
        run(command, "init", "demo", cwd=empty)
        print(run(command, "run", "demo.yaml", cwd=empty))
        check_notebook(programs, empty)
        run(command, "reproduce", "--jobs", "2", cwd=empty)
        assert (empty / "results/reproduce/summary.md").is_file()
        if options.suite:
            with tarfile.open(sdist) as archive:
                archive.extractall(folder, filter="data")
            (source,) = folder.glob("erasurehead_simulator-*")
            extras = PROJECT["optional-dependencies"]
            pip = [programs / "python", "-m", "pip", "install", "--quiet"]
            run(*pip, *extras["test"], *extras["cluster"], *libraries, cwd=folder)
            tests = [programs / "pytest", "-n", "2", "-m", "not slow and not browser"]
            print(run(*tests, "-W", TYPER, cwd=source)[-400:])
        if options.output:
            options.output.mkdir(parents=True, exist_ok=True)
            for file in (sdist, wheel):
                shutil.copy(file, options.output)
    print("the wheel works")


if __name__ == "__main__":
    main()
