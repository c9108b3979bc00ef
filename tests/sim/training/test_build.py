"""Problems from a config."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from erasurehead import ConfigError
from erasurehead.experiments.config.cells import cells
from erasurehead.plugins import InvalidParameter
from erasurehead.problems import DATASETS
from erasurehead.sim.training.problems import LOSSES, ProblemConfig, ProblemSettings
from erasurehead.sim.training.problems.losses import DATA_STREAM, SHUFFLE_STREAM, START_STREAM

# From a section to a problem in one call.


def build_problem(section, partitions, seed, data_dir=None):
    """The problem and its start."""
    shared = {field.name for field in fields(ProblemSettings)}
    settings = ProblemSettings(**{key: section[key] for key in shared & set(section)})
    own = {key: value for key, value in section.items() if key not in shared}
    family = DATASETS[settings.dataset](**own)
    return ProblemConfig(settings, family).build(partitions, seed, data_dir)


# The problem section of a config: what it means and what it refuses.


SMALL: dict[str, Any] = {"loss": "logistic", "dataset": "synthetic", "rows": 40, "features": 3}


def test_every_loss_and_data_set_has_a_page() -> None:
    for cls in (*LOSSES.values(), *DATASETS.values()):
        assert cls.__doc__
    for name, family in DATASETS.items():
        assert family.name == name


def test_a_flat_mapping_is_a_problem() -> None:
    problem, initial = build_problem({**SMALL, "l2": 0.25}, partitions=4, seed=1)
    assert isinstance(problem, LOSSES["logistic"])
    assert problem.X.shape == (40, 3)
    assert (problem.partitions, problem.l2) == (4, 0.25)
    np.testing.assert_array_equal(initial, np.zeros(3))


def test_l2_of_one_over_rows() -> None:
    problem, _ = build_problem({**SMALL, "l2": "1/rows"}, 4, 1)
    assert problem.l2 == 1 / 40


def test_the_same_seed_gives_the_same_problem_whatever_k_is() -> None:
    settings = {**SMALL, "initial": "normal", "shuffle": True}
    (one, start), (two, other) = (build_problem(settings, k, 7) for k in (2, 5))
    assert one.X.tobytes() == two.X.tobytes()
    assert start.tobytes() == other.tobytes()
    different, elsewhere = build_problem(settings, 2, 8)
    assert not np.array_equal(one.X, different.X)
    assert not np.array_equal(start, elsewhere)


def test_shuffle_permutes_training_rows_and_their_targets_together() -> None:
    settings = {**SMALL, "loss": "least_squares"}
    plain, _ = build_problem(settings, 4, 1)
    shuffled, _ = build_problem({**settings, "shuffle": True}, 4, 1)
    assert not np.array_equal(plain.X, shuffled.X)

    def rows(problem: Any) -> list[tuple[float, ...]]:
        return sorted(map(tuple, np.column_stack([problem.X, problem.y]).tolist()))

    assert rows(plain) == rows(shuffled)
    np.testing.assert_array_equal(plain.X_test, shuffled.X_test)


def test_normal_start_is_standard_and_not_drawn_from_the_data_stream() -> None:
    assert len({DATA_STREAM, START_STREAM, SHUFFLE_STREAM}) == 3
    _, start = build_problem({**SMALL, "features": 4000, "rows": 4, "initial": "normal"}, 2, 1)
    assert abs(start.mean()) < 5 / np.sqrt(4000)
    assert abs(start.var() - 1) < 5 * np.sqrt(2 / 4000)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"row": 40}, ConfigError, "no field row;"),
        ({"rows": "many"}, ConfigError, "rows"),
        ({"rows": 3}, InvalidParameter, "rows = 3: must be at least the number of partitions, 4"),
        ({"partitions": 0}, InvalidParameter, "partitions = 0: must be a whole number >= 1"),
        ({"l2": -1.0}, ValidationError, "l2"),
        ({"l2": "2/rows"}, ValidationError, "l2"),
        ({"l2": float("nan")}, ValidationError, "l2"),
        ({"initial": "ones"}, ValidationError, "initial"),
        ({"dataset": "diabetes", "rows": 40}, ConfigError, "rows"),
    ],
)
def test_bad_settings_are_refused(change, error, says):
    section = {**SMALL, **change}
    partitions = section.pop("partitions", 4)
    with pytest.raises(error, match=says):
        build_problem(section, partitions, 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"loss": "hinge"}, "problem.loss = 'hinge': must be one of: least_squares, logistic"),
        ({"loss": "hinge"}, "in Python plugins="),
        ({"dataset": "mnist"}, "problem.dataset = 'mnist': must be one of: amazon, "),
        (
            {"loss": "mlp", "hidden": [3], "start": {"seed": 1}, "initial": "normal"},
            "problem.initial = 'normal': must be left out, since start is given",
        ),
    ],
)
def test_a_section_is_refused_before_anything_is_loaded(change: dict[str, Any], says: str) -> None:
    document = {
        "workers": 4,
        "iterations": 2,
        "delay": {"model": "exponential", "rate": 1.0},
        "schemes": [{"name": "uncoded"}],
        "problem": SMALL | change,
        "optimizer": {"rule": "gd", "learning_rate": 0.1},
    }
    with pytest.raises(ConfigError, match=says):
        cells(document)


def test_a_loss_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"is for regression: least_squares"):
        build_problem({"loss": "logistic", "dataset": "diabetes"}, 4, 0)


def good_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "X": rng.standard_normal((12, 3)),
        "y": rng.choice([-1, 1], 12),
        "X_test": rng.standard_normal((4, 3)),
        "y_test": np.array([-1, 1, 1, -1]),
        "initial": rng.standard_normal(3),
    }


def from_file(tmp_path: Path, arrays: dict[str, Any], **change: Any) -> tuple[Any, np.ndarray]:
    np.savez(tmp_path / "data.npz", **arrays)
    settings = {"loss": "logistic", "dataset": "file", "path": str(tmp_path / "data.npz")}
    return build_problem({**settings, **change}, 4, 0)


def test_a_file_brings_its_arrays_and_its_start(tmp_path: Path) -> None:
    arrays = good_arrays()
    problem, initial = from_file(tmp_path, arrays)
    for name in ("X", "y", "X_test", "y_test"):
        np.testing.assert_array_equal(getattr(problem, name), arrays[name])
    np.testing.assert_array_equal(initial, arrays["initial"])
    bare, initial = from_file(tmp_path, {name: arrays[name] for name in ("X", "y")})
    assert bare.X_test is None
    np.testing.assert_array_equal(initial, np.zeros(3))


def test_labels_of_zero_and_one_are_signs(tmp_path: Path) -> None:
    arrays = good_arrays()
    binary = {**arrays, "y": arrays["y"] > 0, "y_test": (arrays["y_test"] + 1) // 2}
    problem, _ = from_file(tmp_path, binary)
    np.testing.assert_array_equal(problem.y, arrays["y"])
    np.testing.assert_array_equal(problem.y_test, arrays["y_test"])
    squares, _ = from_file(tmp_path, binary, loss="least_squares")
    np.testing.assert_array_equal(squares.y, binary["y"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"X": None}, "holds no array X"),
        ({"y": None}, "holds no array y"),
        ({"y_test": None}, "only one of X_test and y_test"),
        ({"X": np.ones(12)}, r"array X has shape \(12,\)"),
        ({"y": np.ones(11)}, r"array y has shape \(11,\) *; valid: \(12,\)"),
        ({"X_test": np.ones((4, 2))}, r"array X_test has shape \(4, 2\); valid: \(4, 3\)"),
        ({"initial": np.ones(2)}, r"array initial has shape \(2,\); valid: \(3,\)"),
        ({"X": np.where(np.eye(12, 3) > 0, np.nan, 1.0)}, r"array X is not finite at \(0, 0\)"),
        ({"y": np.array([np.inf] * 12)}, "array y is not finite"),
        ({"y": np.array(["a"] * 12)}, "array y has shape"),
        ({"y": np.arange(12)}, r"labels are \[-1.0, 0.0, 1.0, 2.0, 3.0\]; valid for logistic loss"),
        ({"y": np.zeros(12)}, "valid for logistic loss"),
        ({"X": np.array([[object()] * 3] * 12)}, "type object"),
        ({"X": np.ones((0, 3)), "y": np.ones(0)}, "array X has shape"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    arrays = {name: a for name, a in {**good_arrays(), **change}.items() if a is not None}
    with pytest.raises(InvalidParameter, match=says) as refused:
        from_file(tmp_path, arrays)
    assert refused.value.field == "path"


def test_what_is_not_an_npz_file_is_refused(tmp_path: Path) -> None:
    settings = {"loss": "logistic", "dataset": "file"}
    np.save(tmp_path / "bare.npy", np.ones(3))
    (tmp_path / "text.npz").write_text("hello")
    for name, says in (
        ("none.npz", "no such file"),
        ("bare.npy", "is not an NPZ file"),
        ("text.npz", "is not an NPZ file"),
    ):
        with pytest.raises(InvalidParameter, match=says):
            build_problem({**settings, "path": str(tmp_path / name)}, 4, 0)


def test_a_second_start_beside_the_files_own_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="brings its own start"):
        from_file(tmp_path, good_arrays(), initial="normal")
