"""Models of the user's own, in JAX (and in PyTorch, where it is installed)."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import erasurehead as eh
from erasurehead.experiments.config.cells import cells
from erasurehead.problems import Mlp, OwnModel
from tests.experiments.run.commands import assert_same_tables

HAS_JAX = importlib.util.find_spec("jax") is not None  # importing it takes seconds
pytestmark = pytest.mark.skipif(not HAS_JAX, reason="jax is not installed")

LAYERS = """
import jax
import jax.numpy as jnp

def init(seed, features, classes):
    a, b = jax.random.split(jax.random.key(seed))
    return [jax.random.normal(a, (features, 4)), jnp.zeros(4),
            jax.random.normal(b, (4, classes)), jnp.zeros(classes)]

def scores(p, X):
    return jax.nn.relu(X @ p[0] + p[1]) @ p[2] + p[3]

def row_losses(p, X, y):
    return -jnp.take_along_axis(jax.nn.log_softmax(scores(p, X)), y[:, None], axis=1)[:, 0]

def accuracy(p, X, y):
    return scores(p, X).argmax(axis=1) == y
"""
IN_TORCH = """
import torch

def module(features, classes):
    return torch.nn.Sequential(
        torch.nn.Linear(features, 4), torch.nn.ReLU(), torch.nn.Linear(4, classes))

def row_losses(outputs, y):
    return torch.nn.functional.cross_entropy(outputs, y, reduction="none")

def accuracy(outputs, y):
    return outputs.argmax(axis=1) == y
"""
TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not TORCH, reason="torch is not installed")
FRAMEWORKS = [LAYERS, pytest.param(IN_TORCH, marks=needs_torch)]


def written(folder: Path, text: str = LAYERS) -> str:
    path = folder / "my_model.py"
    path.write_text(text)
    return str(path)


def data(rows: int = 31) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((rows, 3)), rng.integers(0, 3, rows).astype(float)


def config(**problem: Any) -> dict[str, Any]:
    return {
        "workers": 6, "iterations": 50, "replications": 3, "seed": 2,
        "delay": {"model": "exponential", "rate": 1.0},
        "problem": {"dataset": "synthetic", "rows": 60, "features": 3} | problem,
        "optimizer": {"rule": "gd", "learning_rate": 0.1},
        "schemes": [
            {"name": "uncoded"}, {"name": "erasurehead", "load": 2, "wait_for": 3},
            {"name": "asynchronous"}, {"name": "local_sgd", "steps": 2},
        ],
    }  # fmt: skip


@pytest.mark.long("imports JAX")
@pytest.mark.parametrize("text", FRAMEWORKS)
def test_the_same_network_in_another_framework_has_the_same_numbers(text, tmp_path):
    """Losses, accuracies, weighted and single gradients, at several models of two sets."""
    X, y = data()
    ours: Any = Mlp(X, y, hidden=(4,), partitions=4, X_test=X[:9], y_test=y[:9])
    own = OwnModel(X, y, model=written(tmp_path, text), partitions=4, X_test=X[:9], y_test=y[:9])
    assert own.parameters == ours.parameters == 31
    rng = np.random.default_rng(1)
    beta, weights = rng.standard_normal((2, 31, 5)), rng.uniform(0, 2, (5, 4))
    there = turned(beta) if text == IN_TORCH else beta
    assert_allclose(own.loss_at(there), ours.loss_at(beta), rtol=1e-12)
    assert_array_equal(own.test_accuracy(there), ours.test_accuracy(beta))
    gradients = ours.gradient_at(beta, weights)
    expected = turned(gradients) if text == IN_TORCH else gradients
    assert_allclose(own.gradient_at(there, weights), expected, rtol=1e-9, atol=1e-15)
    lost = there.copy()
    lost[1, 0, 2] = np.nan  # a model that has diverged is not right by chance
    assert np.isnan(own.test_accuracy(lost)).sum() == 1
    each = np.stack([own.gradient_of(i, there) for i in range(4)])
    found = np.einsum("klpr,rk->lpr", each, weights)
    assert np.abs(found - own.gradient_at(there, weights)).max() < 1e-12 * np.abs(found).max()


def turned(beta: np.ndarray) -> np.ndarray:
    """In the order of PyTorch, whose weights are outputs x inputs."""
    first, second = beta[..., :12, :], beta[..., 16:28, :]
    lead, r = beta.shape[:-2], beta.shape[-1]
    a = first.reshape(*lead, 3, 4, r).swapaxes(-2, -3).reshape(*lead, 12, r)
    b = second.reshape(*lead, 4, 3, r).swapaxes(-2, -3).reshape(*lead, 12, r)
    return np.concatenate([a, beta[..., 12:16, :], b, beta[..., 28:, :]], axis=-2)


@pytest.mark.long("JAX compiles each scheme's steps")
def test_a_run_of_a_model_is_the_run_of_the_same_network(tmp_path: Path) -> None:
    """From the same start, which the model's ``init`` reads from a file: losses of 12 iterations
    under four schemes, local steps and single gradients among them."""
    rng = np.random.default_rng(3)
    start = rng.standard_normal((3 + 1) * 4 + (4 + 1) * 2)
    X, y = rng.standard_normal((60, 3)), rng.integers(0, 2, 60).astype(float)
    np.savez(tmp_path / "d.npz", X=X, y=y, X_test=X[:8], y_test=y[:8], initial=start)
    brought = {"dataset": "file", "path": str(tmp_path / "d.npz")}
    runs = []
    for problem in ({"loss": "mlp", "hidden": [4]}, {"model": written(tmp_path)}):
        document = config() | {"problem": brought | problem, "iterations": 12, "replications": 2}
        runs.append(eh.run(document, output=None).iterations)
    for column in ("time", "train_loss", "test_loss", "test_accuracy"):
        assert_allclose(runs[0][column], runs[1][column], rtol=1e-9)


def test_the_model_and_its_library_are_part_of_a_cells_key(tmp_path, monkeypatch):
    """Its bytes, not its place; a changed file is another cell, and so is another version."""
    (tmp_path / "b").mkdir()

    def keys(folder: Path, text: str = LAYERS) -> list[str]:
        return [cell.key for cell in cells(config(model=written(folder, text)))]

    first = keys(tmp_path)
    assert keys(tmp_path / "b") == first
    assert not {*keys(tmp_path, LAYERS + "\n")} & {*first}
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0")
    assert not {*keys(tmp_path)} & {*first}


GOOD = "def row_losses(p, X, y): return (X @ p - y) ** 2\n"
INIT = "import jax.numpy as jnp\ndef init(seed, features, classes): return jnp.ones(features)\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD, "defines neither init nor module; valid: init(seed, features, classes)"),
        (INIT, "defines no function row_losses"),
        (INIT + GOOD + "def module(f, c): pass\n", "defines both init and module"),
        ("1 / 0", "raises ZeroDivisionError: division by zero"),
        ("def init(:", "raises SyntaxError"),
        (GOOD + "def init(*_): raise KeyError('no')\n", "init raises KeyError: 'no'"),
        (GOOD + "def init(*_): return 'text'\n", "init returns a str that holds no numbers"),
        (GOOD + "def init(*_): return []\n", "init returns 0 numbers; must be 1 to"),
        (INIT.replace("ones", "nan * jnp.ones") + GOOD, "init returns NaN or infinite numbers"),
        (
            "import numpy as np\ndef init(s, f, c): return np.random.rand(f)\n" + GOOD,
            "init returns other numbers when it is called again with one seed",
        ),
        (INIT + "def row_losses(p, X, y): return X\n", "row_losses returns shape (8, 3) for 8"),
        (INIT + "def row_losses(p, X, y): return ((X @ p - y) ** 2).mean()\n", "returns shape ()"),
        (INIT + "def row_losses(p, X, y): return X @ q\n", "row_losses raises NameError: name 'q'"),
        (
            f"import numpy as np\n{INIT}def row_losses(p, X, y): return np.log(X @ p)\n",
            "row_losses computes with NumPy, which JAX cannot differentiate; write it with jax",
        ),
        (
            INIT + "def row_losses(p, X, y): return jnp.log(-(X @ p) ** 2)\n",
            "row_losses returns nan at the start; must be finite",
        ),
        (
            INIT + "def row_losses(p, X, y):\n    X[:] = 0\n    return X @ p\n",
            "row_losses writes to its inputs; it must leave them as they are",
        ),
        (
            "import numpy as np\n" + INIT
            + "def row_losses(p, X, y): return X @ p + np.random.rand()\n",
            "row_losses returns other numbers when it is called again: randomness",
        ),
        (
            INIT + "def row_losses(p, X, y): return ((X - X.mean(0)) @ p - y) ** 2\n",
            "row_losses of a row depends on the rows beside it, as batch normalisation does",
        ),
        (  # at zeros the loss of a row is that of any other rows
            INIT.replace("ones", "zeros")
            + "def row_losses(p, X, y): return ((X - X.mean(0)) @ p) ** 2\n",
            "row_losses of a row depends on the rows beside it, as batch normalisation does",
        ),
        (
            INIT + "def row_losses(p, X, y): return jnp.sqrt((X * 0) @ p)\n",
            "the gradient of row_losses is not finite at the start",
        ),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_trained_is_refused_in_one_line(text, says, tmp_path):
    """It names the file, the function, and what was returned."""
    path = written(tmp_path, text)
    with pytest.raises(eh.ConfigError) as caught:
        eh.run(config(model=path, targets="numbers", dataset="synthetic"), output=None)
    line = str(caught.value)
    assert line.startswith("problem.model = 'my_model.py': ")
    assert says in line
    assert "\n" not in line


CENTRED = """
import torch

class Centred(torch.nn.Module):
    def __init__(self, features):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.START(features))

    def forward(self, X):
        return (X - X.mean(0)) @ self.weights

def module(features, classes):
    return Centred(features)

def row_losses(outputs, y):
    return outputs ** 2
"""
NORMALISED = """
import torch

def module(features, classes):
    return torch.nn.Sequential(torch.nn.BatchNorm1d(features), torch.nn.Linear(features, 1))

def row_losses(outputs, y):
    return (outputs[:, 0] - y) ** 2
"""


@needs_torch
@pytest.mark.parametrize(
    "text",
    [
        CENTRED.replace("START", "ones"),
        CENTRED.replace("START", "zeros"),
        NORMALISED.replace("(features)", "(features, track_running_stats=False)"),
    ],
    ids=["ones", "zeros", "batch_norm"],
)
def test_a_module_whose_rows_depend_on_each_other_is_refused(text: str, tmp_path: Path) -> None:
    """At zeros the losses of a centred model are those of any other rows: catches a check at the
    start alone."""
    with pytest.raises(eh.ConfigError, match="row_losses of a row depends on the rows beside it"):
        eh.run(config(model=written(tmp_path, text), targets="numbers"), output=None)


@needs_torch
def test_a_module_that_changes_its_buffers_is_refused_until_it_evaluates(tmp_path: Path) -> None:
    """Catches the line of PyTorch about a captured tensor that the gradient would mutate."""
    with pytest.raises(eh.ConfigError, match="forward changes the module's buffers, as BatchNorm"):
        eh.run(config(model=written(tmp_path, NORMALISED), targets="numbers"), output=None)
    evaluating = NORMALISED.replace("features, 1))", "features, 1)).eval()")
    document = config(model=written(tmp_path, evaluating), targets="numbers")
    slow = {"optimizer": {"rule": "gd", "learning_rate": 0.001}}
    ran = eh.run(document | slow, output=None)
    assert np.isfinite(ran.iterations["train_loss"]).all()


SAYS_ITS_SEED = """
import jax.numpy as jnp

def init(seed, features, classes):
    return jnp.full(features, float(seed))

def row_losses(p, X, y):
    return (p ** 2).sum() + 0 * y
"""
SAYS_ITS_SEED_IN_TORCH = """
import torch

class Constant(torch.nn.Module):
    def __init__(self, features):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.full((features,), float(torch.initial_seed())))

    def forward(self, X):
        return (self.weights ** 2).sum() + 0 * X[:, 0]

def module(features, classes):
    return Constant(features)

def row_losses(outputs, y):
    return outputs
"""


@pytest.mark.parametrize(
    "text", [SAYS_ITS_SEED, pytest.param(SAYS_ITS_SEED_IN_TORCH, marks=needs_torch)]
)
def test_the_seed_of_a_start_is_what_init_is_called_with(text: str, tmp_path: Path) -> None:
    """The loss is the sum of squares of three parameters that are the seed. Catches a start that
    is drawn with a number drawn from that seed."""
    problem = {"model": written(tmp_path, text), "targets": "numbers", "start": {"seed": 3}}
    document = config(**problem) | {"iterations": 1, "schemes": [{"name": "uncoded"}]}
    iterations = eh.run(document, output=None).iterations
    first = iterations.loc[iterations["iteration"] == 0, "train_loss"]
    assert_array_equal(first, 27.0)


def test_a_library_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(eh.ConfigError, match="needs torch, which is not installed: pip install to"):
        eh.run(config(model=written(tmp_path, "import torch\n" + GOOD)), output=None)


def test_a_missing_model_and_a_wrong_target_are_lines(tmp_path: Path) -> None:
    with pytest.raises(eh.ConfigError, match=r"problem.model = 'none.py': no such file"):
        eh.run(config(model=str(tmp_path / "none.py")), output=None)
    with pytest.raises(eh.ConfigError, match="targets = 'labels': must be 'classes' or 'numbers'"):
        eh.run(config(model=written(tmp_path), targets="labels"), output=None)
    says = "targets = 'classes': must be numbers: dataset diabetes is for regression"
    with pytest.raises(eh.ConfigError, match=says):
        eh.run(
            config() | {"problem": {"model": written(tmp_path), "dataset": "diabetes"}},
            output=None,
        )


@pytest.mark.slow
def test_processes_train_the_same_models(tmp_path: Path) -> None:
    """Each reads the file again."""
    schemes = [{"name": "erasurehead", "load": 2, "wait_for": 3}, {"name": "asynchronous"}]
    document = config(model=written(tmp_path)) | {"iterations": 5, "schemes": schemes}
    alone, apart = (eh.run(document, output=None, jobs=jobs).iterations for jobs in (1, 2))
    pd.testing.assert_frame_equal(alone, apart, check_exact=True)


@pytest.mark.slow
def test_a_stopped_sweep_goes_on_and_a_changed_model_begins_anew(tmp_path: Path) -> None:
    """What a killed sweep leaves are cells: those are not computed again, and the tables are the
    bytes of a sweep that was never stopped. Catches a start or a program that depends on what the
    process has trained before."""
    schemes = [{"name": "erasurehead", "load": 2, "wait_for": 3}, {"name": "asynchronous"}]
    swept = {"iterations": 4, "schemes": schemes, "sweep": {"delay.rate": [1.0, 2.0]}}
    document = config(model=written(tmp_path)) | swept
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    eh.sweep(document, output=whole)
    shutil.copytree(whole, stopped)
    for unfinished in (stopped / "manifest.json", *stopped.glob("*.parquet")):
        unfinished.unlink()
    kept, lost = (sorted((stopped / "cells").iterdir())[first::2] for first in range(2))
    for cell in lost:
        cell.unlink()
    eh.sweep(document, output=stopped)
    assert_same_tables(stopped, whole)
    for cell in kept:  # a cell that is written again is another file
        assert cell.stat().st_mtime_ns == (whole / "cells" / cell.name).stat().st_mtime_ns
    assert len(kept) == len(lost) == 2
    before = pd.read_parquet(whole / "iterations.parquet")
    written(tmp_path, LAYERS.replace("jax.nn.relu", "jnp.tanh"))
    eh.sweep(document, output=whole)
    changed = pd.read_parquet(whole / "iterations.parquet")
    assert not np.isclose(changed["train_loss"], before["train_loss"]).any()
