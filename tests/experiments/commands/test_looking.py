"""A result that somebody sent: to look at it runs none of its code, whatever command or function
looks; to compute from it does, once it is allowed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

import erasurehead as eh
from tests.experiments.config.test_plugins import BASE, PLUGIN
from tests.tools import Place, agg, inside, places_of_commands, process

# what the plugin does when it is run: this file comes into being
LEAVES = '\n\nfrom pathlib import Path\n\nPath("{}").touch()\n'


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A result with a law and a scheme of a plugin, and the file that its code leaves. It was
    made by another process and moved, and its originals are gone."""
    folder = tmp_path_factory.mktemp("sent")
    ran = folder / "ran"
    (folder / "made").mkdir()
    plugin, config = folder / "made" / "my_code.py", folder / "made" / "c.yaml"
    plugin.write_text(PLUGIN + LEAVES.format(ran))
    config.write_text(
        "name: mine\nworkers: 6\niterations: 5\nreplications: 2\nplugins: [my_code.py]\n"
        "delay: {model: flat, most: 1}\nsweep: {delay.most: [1, 2]}\n"
        "schemes: [{name: uncoded}, {name: both, load: 2}]\n"
    )
    made = process("run", config, "--output", folder / "made" / "result")
    assert made.returncode == 0, made.stderr
    assert ran.is_file()
    ran.unlink()
    (folder / "made" / "result").rename(folder / "result")
    shutil.rmtree(folder / "made")
    return folder / "result", ran


@pytest.fixture
def unseen(sent: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """A copy of it whose code this process has never run, whatever other tests have."""
    result, ran = sent
    copy = tmp_path / "unseen"
    shutil.copytree(result, copy)
    with (copy / "code" / "my_code.py").open("a") as file:
        file.write(f"# {tmp_path}\n")
    return copy, ran


@pytest.fixture
def fresh() -> Iterator[None]:
    """This process has run no plugin that the test runs."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("erasurehead_plugin_"):
            del sys.modules[name]


def lines(result: Path) -> dict[str, list[list[object]]]:
    """By command, its lines in which each place for a path is the result, its config or its code.
    They are found in the table of commands, so that a new one is among them."""
    found = dict[str, list[list[object]]]()
    for name, places in places_of_commands().items():
        arguments = [place for place in places if not place.word]
        if not any(place.takes_path for place in arguments):
            continue
        plans = [[], ["--dry-run"]] if Place("--dry-run", takes_path=False) in places else [[]]
        for path in (result, result / "config.yaml", result / "code" / "my_code.py"):
            words = [path if place.takes_path else "schemes" for place in arguments]
            found.setdefault(name, []).extend([name, *words, *plan] for plan in plans)
    schema: list[object] = ["list", "--schema", result / "config.yaml"]
    found["list"].append(schema)
    return found


@pytest.mark.long("every command is tried in every way")
def test_no_command_that_looks_runs_code_of_a_result(unseen: tuple[Path, Path]) -> None:
    """Catches a command that imports a plugin to draw, list or plan, and one that computes from a
    result that was sent without being allowed to."""
    result, ran = unseen
    commands = lines(result)
    assert {"run", "sweep", "verify", "live", "recommend", "report", "plot", "list"} <= {*commands}
    for name, every in commands.items():
        computes = Place("--allow-plugins", takes_path=False) in places_of_commands()[name]
        for words in every:
            done = inside(*words)
            assert not ran.exists(), words
            assert done.returncode in (0, 2), (words, done.stderr)
            if computes and result / "config.yaml" in words:
                assert done.returncode == 2, words
                assert "my_code.py; read it, then add --allow-plugins" in done.stderr, words
    assert inside("report", result).returncode == 0
    assert "Delays" not in (result / "report.html").read_text()
    assert "not run and not listed" in inside("list", "schemes", result / "config.yaml").stderr


@pytest.mark.parametrize("command", ["run", "sweep", "verify"])
def test_a_result_that_was_sent_is_computed_from_where_that_is_allowed(
    sent: tuple[Path, Path], tmp_path: Path, command: str, fresh: None
) -> None:
    """Catches a flag without effect."""
    result, ran = sent
    where = [] if command == "verify" else ["--output", tmp_path / "out"]
    done = inside(command, result / "config.yaml", "--allow-plugins", *where)
    assert done.returncode == 0, done.stderr
    assert ran.exists()
    ran.unlink()


def test_a_moved_result_is_resumed(sent: tuple[Path, Path], tmp_path: Path, fresh: None) -> None:
    """Catches copies whose place is part of a key, or of the result's id."""
    result, ran = sent
    moved = tmp_path / "elsewhere" / "moved"
    shutil.copytree(result, moved)
    cells = {path.name: path.stat().st_mtime_ns for path in (moved / "cells").iterdir()}
    tables = (moved / "summary.parquet").read_bytes()
    config = (moved / "config.yaml").read_bytes()
    code = (moved / "code" / "my_code.py").read_bytes()
    (moved / "manifest.json").unlink()
    done = inside("run", moved / "config.yaml", "--allow-plugins", "--output", moved)
    assert done.returncode == 0, done.stderr
    ran.unlink()
    assert {path.name: path.stat().st_mtime_ns for path in (moved / "cells").iterdir()} == cells
    assert (moved / "summary.parquet").read_bytes() == tables
    assert (moved / "config.yaml").read_bytes() == config
    assert (moved / "code" / "my_code.py").read_bytes() == code
    assert eh.load(moved).id == eh.load(result).id


def test_no_function_that_looks_runs_code_of_a_result(unseen: tuple[Path, Path]) -> None:
    """Catches a property, picture or table of a result that imports its plugins."""
    directory, ran = unseen
    result = eh.load(directory)
    with agg():
        for name in dir(type(result)):
            if not name.startswith("_") and not callable(getattr(type(result), name)):
                getattr(result, name)
        for shown in (result, result.plot, result.where({"delay.most": 1}).plot):
            repr(shown)
        for name in dir(type(result.plot)):
            if not name.startswith("_"):
                try:
                    getattr(result.plot, name)()
                except eh.ConfigError:
                    assert name in ("delays", "gantt", "loss_iteration", "loss_time")
    assert not ran.exists()


@pytest.mark.parametrize("of_mapping", [False, True])
def test_python_computes_from_a_result_with_the_plugins_that_are_listed(
    sent: tuple[Path, Path], of_mapping: bool, fresh: None
) -> None:
    """Catches a config of a result that runs its code as if the user had written it."""
    directory, ran = sent
    config: Any = eh.load(directory).config if of_mapping else directory / "config.yaml"
    computing = [call for call in (eh.run, eh.sweep, eh.recommend) if takes_plugins(call)]
    assert len(computing) == 3
    for call in computing:
        with pytest.raises(eh.ConfigError, match=r"my_code.py; read it, then list it in plugins="):
            call(config)
    assert not ran.exists()
    copy = directory / "code" / "my_code.py"
    result = eh.run(config, plugins=[copy])
    assert ran.exists()
    ran.unlink()
    assert result.iterations.equals(eh.load(directory).iterations)


def takes_plugins(call: Any) -> bool:
    return "plugins" in signature(call).parameters


def test_a_process_that_has_run_a_law_draws_it(tmp_path: Path, fresh: None) -> None:
    """Catches a picture of the user's own law that is lost, since the result's copy is another
    file than the one that was run."""
    plugin = tmp_path / "my_code.py"
    plugin.write_text(PLUGIN)
    result = eh.run(BASE, plugins=[plugin], output=tmp_path / "out")
    assert "/out/code/my_code.py" in result.config["plugins"][0]
    with agg():
        assert result.plot.delays() is not None


def test_copies_are_of_the_code_that_ran(tmp_path: Path, fresh: None) -> None:
    """Catches a copy of before an edit, two files of one name of which one is lost, and a file of
    the user's that is replaced."""
    plugin, other = tmp_path / "a" / "x.py", tmp_path / "b" / "x.py"
    for path, names in ((plugin, ("both", "flat")), (other, ("both_of_b", "flat_of_b"))):
        path.parent.mkdir()
        own = PLUGIN.replace('"both"', f'"{names[0]}"').replace('"flat"', f'"{names[1]}"')
        path.write_text(own)
    out = tmp_path / "out"
    both = BASE | {"plugins": [str(plugin), str(other)]}
    eh.run(both, output=out)
    copies = [out / "code" / name for name in ("x.py", "x-2.py")]
    assert [copy.read_text() for copy in copies] == [plugin.read_text(), other.read_text()]
    plugin.write_text(plugin.read_text() + "\n# edited\n")
    eh.run(BASE | {"plugins": [str(plugin)]}, output=out)
    assert copies[0].read_text() == plugin.read_text()
    assert not copies[1].exists()
    eh.run(
        BASE | {"delay": {"model": "exponential", "rate": 1.0}, "schemes": [{"name": "uncoded"}]},
        output=out,
    )
    assert not (out / "code").exists()
    (out / "code").mkdir()
    (out / "code" / "mine.py").write_text("mine")
    with pytest.raises(eh.ConfigError, match=r"code: holds mine.py"):
        eh.run(both, output=out)
    assert (out / "code" / "mine.py").read_text() == "mine"


MODEL = """
import jax.numpy as jnp

def init(seed, features, classes):
    return jnp.zeros(features)

def row_losses(parameters, X, y):
    return (X @ parameters - y) ** 2
"""


@pytest.mark.slow
def test_a_model_is_carried_and_asked_about_like_a_plugin(tmp_path: Path) -> None:
    """Catches a guard that knows plugins alone."""
    pytest.importorskip("jax")
    ran = tmp_path / "ran"
    (tmp_path / "net.py").write_text(LEAVES.format(ran) + MODEL)
    problem = {"model": str(tmp_path / "net.py"), "targets": "numbers", "dataset": "synthetic"}
    config = BASE | {
        "delay": {"model": "exponential", "rate": 1.0},
        "schemes": [{"name": "uncoded"}],
        "problem": problem | {"rows": 40, "features": 3},
        "optimizer": {"rule": "gd", "learning_rate": 0.01},
    }
    made = eh.run(config, output=tmp_path / "made")
    ran.unlink()
    (tmp_path / "net.py").unlink()
    moved = (tmp_path / "made").rename(tmp_path / "moved")
    assert inside("report", moved).returncode == 0
    refused = inside("run", moved / "config.yaml", "--dry-run")
    assert (refused.returncode, "code/net.py; read it" in refused.stderr) == (2, True)
    assert not ran.exists()
    again = inside("run", moved / "config.yaml", "--allow-plugins", "--output", moved)
    assert "0 cells computed" in again.stdout, again.stderr
    assert eh.load(moved).id == made.id
