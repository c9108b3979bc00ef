"""Whoever has version 0.2 is led over: its configs, folders and plugins, written by its own code.

``version_0_2`` was made at the commit that set version 0.2.0; nothing in it is ever renewed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import erasurehead as eh
from tests.tools import ROOT, inside

MADE = Path(__file__).parent / "version_0_2"
CONFIGS = sorted((MADE / "configs").glob("*.yaml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_configs_run(config: Path) -> None:
    """Every example that it wrote."""
    result = eh.run(config, set={"iterations": 2, "replications": 2, "engine": "auto"})
    assert not result.failed
    assert len(result.summary) >= 2


def test_a_folder_opens(tmp_path: Path) -> None:
    """With its numbers, in Python and on the command line; a resumed sweep computes again."""
    folder = tmp_path / "folder"
    shutil.copytree(MADE / "folder", folder)
    result = eh.load(folder)
    means = result.summary.set_index(["delay.rate", "scheme"])["iteration_time_mean"]
    assert means[0.5, "uncoded"] > means[0.5, "erasurehead"] > means[1.0, "erasurehead"] > 0
    assert np.isfinite(result.iterations["train_loss"]).all()
    assert len(result.workers) == 2 * 2 * 6
    for command in ("plot", "report"):
        done = inside(command, folder)
        assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "plots" / "loss_time.png").exists()
    assert (folder / "report.html").stat().st_size > 100_000


@pytest.mark.parametrize("scheme", [{"name": "most_groups", "wait_for": 3}, {"name": "claimed"}])
def test_a_plugin_runs_and_warns(tmp_path: Path, scheme: dict[str, object]) -> None:
    """The how-to's own, and one with claims: both import the program's parts by old names."""
    file = f"{scheme['name']}.py"
    shutil.copy(MADE / file, tmp_path)
    config = {
        "plugins": [str(tmp_path / file)],
        "workers": 12,
        "iterations": 3,
        "delay": {"model": "exponential", "rate": 1.0},
        "schemes": [scheme | {"load": 3}],
    }
    with pytest.warns(DeprecationWarning, match="write erasurehead|is now called") as warnings:
        assert not eh.run(config).failed
    assert f"{file}: write erasurehead.sim for sim" in "\n".join(str(w.message) for w in warnings)


def test_a_command_tells_each_new_name(tmp_path: Path) -> None:
    """Catches a warning that Python hides: it is no error in a process of its own."""
    shutil.copy(MADE / "claimed.py", tmp_path)
    scheme = "plugins: [claimed.py]\nworkers: 6\nschemes: [{name: claimed, load: 3}]"
    delay = "iterations: 3\ndelay: {model: exponential, rate: 1.0}"
    (tmp_path / "c.yaml").write_text(f"{scheme}\n{delay}\n")
    command = [sys.executable, "-m", "erasurehead", "run", "c.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    for told in (
        "write erasurehead.sim for sim",
        "write erasurehead.sim.schemes.base for sim.schemes.claims",
        "Claims is now called Guarantees",
        "claims is now called guarantees",
    ):
        assert told in done.stderr


def test_every_page_links_to_the_way() -> None:
    """The changelog and the site's navigation name the page that leads over."""
    for name in ("CHANGELOG.md", "mkdocs.yml"):
        assert "migration.md" in (ROOT / name).read_text()
