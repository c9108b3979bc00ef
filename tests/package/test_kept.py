"""What is kept: every public object pickles, and a result that is saved is loaded again."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal

import erasurehead as eh
from erasurehead import delays, load_laws, optimizers, problems, schemes, stopping
from tests.tools import SMALL, inside

TABLE = np.random.default_rng(0).exponential(1.0, (40, 5))
NETWORK = {"uplink": {"model": "exponential", "rate": 9.0}}
QUICK = {"delay": {"model": "exponential", "rate": 1000.0}}
FAILURES = {
    "time_to_failure": {"model": "exponential", "rate": 0.01},
    "time_to_repair": {"model": "exponential", "rate": 1.0},
}
SWEPT = SMALL | {"sweep": {"workers": [4, 6], "delay.rate": [1.0, 2.0]}}


def simulated(scheme: Any) -> eh.Simulation:
    return eh.simulate(
        scheme,
        delays.Exponential(rate=1.0),
        workers=6,
        iterations=5,
        network=NETWORK,
        failures=FAILURES,
    )


@cache
def advice() -> eh.Advice:
    return eh.recommend(SMALL | {"target_loss": 0.6}, only="uncoded,erasurehead")


# by public name, what makes an object of it; each of the others has its reason
MAKERS: dict[str, Callable[[], Any]] = {
    "Advice": advice,
    "ConfigError": lambda: eh.ConfigError("workers = 0: must be at least 1"),
    "Fitted": lambda: eh.fit(TABLE),
    "Result": lambda: eh.run(SMALL, timeline=True),
    "Simulation": lambda: simulated(schemes.ErasureHead(load=2, wait_for=3)),
    "TableRead": lambda: eh.read_table(TABLE),
    "WhatIf": lambda: eh.whatif(TABLE),
    "delays": lambda: [example for law in delays.MODELS.values() for example in law.examples()],
    "fit": lambda: eh.fit(np.exp(np.random.default_rng(1).normal(0, [[1, 2, 3]] * 90))),
    "load": lambda: eh.run(SMALL),
    "load_laws": lambda: [
        load_laws.Additive(seconds_per_partition=0.5),
        load_laws.PartlyProportional(fixed=0.5),
    ],
    "optimizers": lambda: [optimizers.Nesterov(learning_rate=0.5)],
    "problems": lambda: problems.Logistic(TABLE, np.sign(TABLE[:, 0] - 1), partitions=4),
    "read_table": lambda: eh.read_table(pd.DataFrame(TABLE)),
    "recommend": advice,
    "run": lambda: eh.run(SMALL, set={"delay.rate": 1.5}),
    "schemes": lambda: [
        example for scheme in schemes.SCHEMES.values() for example in scheme.examples()
    ],
    "simulate": lambda: simulated(schemes.Asynchronous()),
    "stopping": lambda: stopping.Earliest(
        any=(stopping.FirstK(first=6), stopping.Deadline(deadline=2.0))
    ),
    "sweep": lambda: eh.sweep(SWEPT),
    "train": lambda: eh.train(
        eh.simulate(schemes.Uncoded(), delays.Exponential(rate=1.0), workers=4, iterations=5),
        problems.Logistic(TABLE, np.sign(TABLE[:, 0] - 1), partitions=4),
        optimizers.GradientDescent(learning_rate=0.1),
    ),
    "whatif": lambda: eh.whatif(pd.DataFrame(TABLE)),
}
NONE = {
    "__version__": "a text",
    "sample": "gives a path",
    "testing": "functions that check and return words",
    "theory": "functions that return numbers and laws of the package's own",
}


@pytest.mark.parametrize("name", eh.__all__)
def test_every_public_object_pickles(name: str) -> None:
    """Catches a closure, a lambda or an open file in what a user sends to another process, and a
    new public name of which nobody has tried it."""
    if name in NONE:
        assert name not in MAKERS
        return
    made = MAKERS[name]()
    again = pickle.loads(pickle.dumps(made))
    assert_same(again, made)


def assert_same(again: Any, made: Any) -> None:
    """Two objects are equal, or all of their public attributes are."""
    assert type(again) is type(made)
    if isinstance(made, pd.DataFrame):
        assert_frame_equal(again, made)
    elif isinstance(made, pd.Series):
        assert_series_equal(again, made)
    elif isinstance(made, np.ndarray):
        np.testing.assert_array_equal(again, made)
    elif isinstance(made, Mapping):
        for one, other in zip(again.items(), made.items(), strict=True):
            assert_same(one, other)
    elif isinstance(made, list | tuple):
        assert len(again) == len(made)
        for one, other in zip(again, made, strict=True):
            assert_same(one, other)
    elif type(made).__eq__ is object.__eq__ and not isinstance(made, type | ModuleType):
        attributes = [each for each in dir(made) if not each.startswith("_") and each != "plot"]
        for attribute in attributes:
            value = attribute_of(made, attribute)
            if not callable(value):
                assert_same(attribute_of(again, attribute), value)
    else:
        # a ``partial`` is no other one, whatever is in it, and NaN not even itself
        assert again == made or repr(again) == repr(made)


def attribute_of(value: Any, name: str) -> Any:
    """An attribute, or what it is refused with."""
    try:
        return getattr(value, name)
    except (eh.ConfigError, ValueError) as error:
        return str(error)


TABLES = ("summary", "iterations", "workers", "config", "failed")


@pytest.mark.parametrize("name", ["run", "sweep", "part", "timeline", "folder", "live"])
def test_what_is_saved_is_loaded(name: str, tmp_path: Path) -> None:
    """Catches a table, a failed cell or a warning that is lost between ``save`` and ``load``."""
    folder = tmp_path / "ran"
    if name == "run":
        result = eh.run(SMALL)
    elif name == "sweep":
        result = eh.sweep(SWEPT)
    elif name == "part":
        result = eh.sweep(SWEPT).where({"workers": 4})
    elif name == "timeline":
        result = eh.run(SMALL, timeline=True)
    else:
        config = tmp_path / "c.json"
        config.write_text(json.dumps(SMALL | QUICK))
        done = inside("run" if name == "folder" else "live", config, "--output", folder)
        assert done.returncode == 0, done.stderr
        result = eh.load(folder)
    files = result.save(tmp_path / "saved")
    assert all(file.is_file() for file in files)
    loaded = eh.load(tmp_path / "saved")
    for table in TABLES:
        assert_same(getattr(loaded, table), getattr(result, table))
    if result.directory is not None:
        assert loaded.id == result.id
        with pytest.raises(eh.ConfigError, match="must be another folder"):
            result.save(folder)
    assert inside("report", tmp_path / "saved").returncode == 0
    if name == "timeline":
        assert (tmp_path / "saved" / "timeline.parquet").is_file()


def test_saving_again_replaces_and_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    """Catches a table of the result before that stays beside the new ones."""
    eh.run(SMALL, timeline=True).save(tmp_path / "saved")
    other = eh.run(SMALL, set={"seed": 7})
    other.save(tmp_path / "saved")
    assert_same(eh.load(tmp_path / "saved").iterations, other.iterations)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(eh.ConfigError, match=r"holds notes\.txt"):
        other.save(tmp_path / "mine")
