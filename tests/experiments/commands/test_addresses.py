"""Addresses in place of paths: files rest on locks and on renaming in one step, which stores of
objects lack, so each is refused, and no folder of that name comes into being."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import erasurehead as eh
from erasurehead import delays, problems, schemes
from tests.tools import SMALL, inside, places_of_commands

ADDRESSES = ("s3://bucket/x", "gs://bucket/x", "http://host/x", "file:///tmp/x")
REMEDY = "copy or mount it"
COVERTYPE = "problem={loss: logistic, dataset: covertype}"


@pytest.fixture(autouse=True)
def nothing_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In a folder with a config, a table and a result, in which nothing may appear."""
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(yaml.safe_dump(SMALL))
    Path("t.csv").write_text("a,b\n1.0,2.0\n1.5,2.5\n")
    before = {path.name for path in tmp_path.iterdir()}
    yield
    assert {path.name for path in tmp_path.iterdir()} == before


def lines(address: str) -> Iterator[list[object]]:
    """Each place of each command that takes a path, with the address in it, as the table of
    commands has them; other arguments have a file that is there."""
    for name, places in places_of_commands().items():
        for place in places:
            if not place.takes_path:
                continue
            words = list[object]()
            for other in places:
                if other == place:
                    words += [other.word, address] if other.word else [address]
                elif not other.word:
                    words += [{"fit": "t.csv", "whatif": "t.csv"}.get(name, "c.yaml")]
                if other == place and not other.word:
                    break
            yield [name, *words]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_option_of_a_command_takes_an_address(address: str) -> None:
    """Catches an option, also of a new command, that makes a folder ``s3:`` in silence."""
    every = list(lines(address))
    assert len(every) > 25
    for words in every:
        done = inside(*words)
        assert done.returncode == 2, (words, done.stdout, done.stderr)
        assert REMEDY in done.stderr, (words, done.stderr)
        assert address.replace("///", "//") in done.stderr, (words, done.stderr)


def test_neither_does_a_list_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a path that comes by another way than an option for a path."""
    for words in (
        ["list", "--schema", "s3://bucket/c.yaml"],
        ["run", "c.yaml", "--set", "plugins=[s3://bucket/x.py]"],
        ["run", "c.yaml", "--set", "problem={model: 's3://bucket/x.py', dataset: synthetic}"],
        ["run", "c.yaml", "--set", "delay={model: trace, path: 's3://bucket/x.csv'}"],
        ["whatif", "s3://bucket/rank*.json"],
    ):
        done = inside(*words)
        assert done.returncode == 2, (words, done.stdout, done.stderr)
        assert REMEDY in done.stderr, (words, done.stderr)
    monkeypatch.setenv("ERASUREHEAD_DATA", "s3://bucket")
    for words in (["data", "slow_host"], ["run", "c.yaml", "--set", COVERTYPE]):
        done = inside(*words)
        assert (done.returncode, REMEDY in done.stderr) == (2, True), (words, done.stderr)


CALLS: dict[str, Callable[[str], Any]] = {
    "run config": lambda address: eh.run(address),
    "run output": lambda address: eh.run(SMALL, output=address),
    "run data_dir": lambda address: eh.run(SMALL, data_dir=address),
    "run plugins": lambda address: eh.run(SMALL, plugins=[f"{address}.py"]),
    "sweep config": lambda address: eh.sweep(address),
    "sweep output": lambda address: eh.sweep(SMALL, output=address),
    "sweep data_dir": lambda address: eh.sweep(SMALL, data_dir=address),
    "sweep plugins": lambda address: eh.sweep(SMALL, plugins=[f"{address}.py"]),
    "recommend config": lambda address: eh.recommend(address),
    "recommend output": lambda address: eh.recommend(SMALL, output=address),
    "recommend data_dir": lambda address: eh.recommend(SMALL, data_dir=address),
    "recommend plugins": lambda address: eh.recommend(SMALL, plugins=[f"{address}.py"]),
    "load directory": lambda address: eh.load(address),
    "read_table table": lambda address: eh.read_table(f"{address}.csv"),
    "fit table": lambda address: eh.fit(f"{address}.csv"),
    "whatif table": lambda address: eh.whatif(f"{address}.csv"),
    "whatif output": lambda address: eh.whatif(np.ones((4, 3)), output=address),
    "sample folder": lambda address: eh.sample("slow_host", address),
    "testing plugins": lambda address: eh.testing.check_scheme(
        "x", workers=4, plugins=[f"{address}.py"]
    ),
    "a law's path": lambda address: eh.simulate(
        schemes.Uncoded(), delays.MeasuredTrace(path=f"{address}.csv"), workers=2, iterations=1
    ),
    "a scheme's path": lambda address: eh.simulate(
        schemes.Matrix(path=f"{address}.csv", wait_for=1),
        delays.Exponential(rate=1.0),
        workers=2,
        iterations=1,
    ),
    "a problem's path": lambda address: problems.File(path=f"{address}.npz").load(
        "regression", np.random.default_rng(0), None
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_no_function_takes_an_address(call: Callable[[str], Any]) -> None:
    """Catches a path that pandas would fetch from elsewhere, or that becomes a folder here."""
    for address in ADDRESSES:
        with pytest.raises(eh.ConfigError, match=REMEDY):
            call(address)


def test_every_path_of_the_package_is_tried() -> None:
    """Catches a new argument for a path that no call above gives."""
    from inspect import signature

    kinds = ("Path", "Folder", "Table", "Plugins", "Config")
    known = {
        f"{name} {argument}"
        for name in eh.__all__
        if callable(own := getattr(eh, name)) and not isinstance(own, type)
        for argument, parameter in signature(own).parameters.items()
        if any(kind in str(parameter.annotation) for kind in kinds)
    }
    assert len(known) > 15
    assert known <= {*CALLS}


def test_what_is_saved_goes_to_no_address() -> None:
    """Catches ``save`` with another check than ``output``."""
    fitted = eh.fit(np.random.default_rng(0).exponential(1.0, (30, 4)))
    for address in ADDRESSES:
        with pytest.raises(eh.ConfigError, match=REMEDY):
            fitted.save(address)


def test_a_drive_of_windows_and_a_name_with_a_colon_are_paths() -> None:
    """Catches a pattern that takes ``C:/x`` for an address."""
    for path in ("C:/x/c.yaml", "a:b.yaml"):
        assert "no such file" in inside("run", path).stderr.lower()
