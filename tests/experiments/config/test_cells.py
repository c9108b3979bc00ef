"""From a document to cells, and what their hashes depend on."""

from __future__ import annotations

import copy
import json
import os
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from erasurehead import ConfigError
from erasurehead.delays import Exponential
from erasurehead.experiments.config import build
from erasurehead.experiments.config.cells import Cell, cells, read_sweep, resolved
from erasurehead.experiments.config.codec import Reader
from erasurehead.experiments.config.document import override
from erasurehead.experiments.run.compute import compute
from erasurehead.experiments.run.estimate import check
from tests.golden.configs import documents

# A grid: its points share what they can, and a cell is all that is needed to compute it.


BASE: dict[str, Any] = {
    "workers": 6,
    "iterations": 5,
    "replications": 3,
    "delay": {"model": "exponential", "rate": 2.0},
    "schemes": [{"name": "erasurehead", "load": 2, "wait_for": 3}, {"name": "uncoded"}],
}


def test_each_distinct_section_is_read_and_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 rates x 20 seeds: ten delay models and two schemes. Catches reading it all at each point.

    A grid of 100,000 points must take seconds to check.
    """
    read: Counter[str] = Counter()
    built: Counter[object] = Counter()
    named, scheme = Reader.named, build._built.__wrapped__

    def counted(self: Reader, kind: str, value: Any) -> Any:
        read[kind] += 1
        return named(self, kind, value)

    def counting(family: Any, workers: int) -> Any:
        built[family] += 1
        return scheme(family, workers)

    monkeypatch.setattr(Reader, "named", counted)
    monkeypatch.setattr(build, "_built", build.lru_cache(counting))
    rates = [1 + i / 10 for i in range(10)]
    grid = cells(BASE | {"sweep": {"delay.rate": rates, "seed": list(range(20))}})
    assert len(check(grid).estimates) == len(grid) == 2 * 200
    assert read == {"delays": 10, "schemes": 2}
    assert set(built.values()) == {1}
    for cell in grid[:3]:
        compute(cell)
    assert set(built.values()) == {1}


def test_a_run_that_is_only_checked_makes_no_tapes() -> None:
    """A billion replications are checked as fast as one."""
    trouble = {"message_loss": 0.1, "retry_after": 1.0}
    document = BASE | {"replications": 2**30, "failures": trouble}
    run = build.run_of(cells(document)[0].settings)
    assert len(run.tapes) == 2**30
    assert run.cluster.resends is not None
    assert len(run.cluster.resends) == 2**30


def test_a_cell_travels_as_its_document(tmp_path: Any) -> None:
    """And comes back with the same settings; the table of a trace stays at home."""
    np.savez(tmp_path / "t.npz", seconds=np.random.default_rng(0).random((500, 50)))
    path = str(tmp_path / "t.npz")
    for name, document in documents(tmp_path).items():
        for cell in cells(document):
            again = pickle.loads(pickle.dumps(cell))
            assert "settings" not in vars(again)
            here, there = dict(cell.settings), dict(again.settings)
            (mine,), (its,) = here.pop("schemes"), there.pop("schemes")
            assert (mine.family, mine.label) == (its.family, its.label), name
            assert here == there, name
    trace = BASE | {"delay": {"model": "trace", "path": path, "resample": "cells"}}
    (cell, _) = cells(trace)
    assert cell.settings.delay.longest() < 1
    assert len(pickle.dumps(cell)) < 3000


def test_objects_and_sections_say_the_same() -> None:
    """From Python, a section may be the object itself."""
    said = BASE | {"delay": Exponential(rate=2.0)}
    assert [cell.key for cell in cells(said)] == [cell.key for cell in cells(BASE)]
    assert resolved(said) == resolved(BASE)


def test_a_resolved_config_is_that_config(tmp_path: Any) -> None:
    for name, document in documents(tmp_path).items():
        before = copy.deepcopy(document)
        once = resolved(document)
        assert document == before
        assert resolved(once) == once, name
        keys = [[(cell.key, cell.label) for cell in cells(each)] for each in (document, once)]
        assert keys[0] == keys[1], name


def test_a_base_may_need_its_sweep() -> None:
    """What is swept need not stand in the base as well."""
    document = {key: value for key, value in BASE.items() if key != "workers"}
    document |= {"delay": {"model": "exponential"}, "sweep": {"delay.rate": [1, 2], "workers": [6]}}
    assert len(cells(document)) == 4
    written = resolved(document)
    assert [cell.key for cell in cells(written)] == [cell.key for cell in cells(document)]
    with pytest.raises(ConfigError, match="rate: missing"):
        cells(document | {"sweep": {"workers": [6]}})


def test_a_swept_section_and_a_key_within_it() -> None:
    """Catches a value of the sweep that is changed in place at the next point."""
    models = [{"model": "exponential", "rate": 1}, {"model": "lognormal", "median": 1, "sigma": 1}]
    sweep = {"delay": [models[0], models[0] | {"rate": 3}], "delay.rate": [5, 6]}
    document = BASE | {"sweep": sweep}
    found = [cell.settings.delay for cell in cells(document)][::2]
    assert found == [Exponential(rate=5.0), Exponential(rate=6.0)] * 2
    assert sweep["delay"][0] == {"model": "exponential", "rate": 1}


def test_lists_that_stand_for_too_many_schemes() -> None:
    scheme = {"name": "erasurehead", "load": [2] * 1000, "wait_for": [3] * 1000}
    with pytest.raises(ConfigError, match=r"^schemes\.erasurehead = .*at most 100000 schemes"):
        cells(BASE | {"schemes": [scheme]})


# A cell's key: everything that its numbers depend on, and nothing else.


IDENTITY_BASE: dict[str, Any] = {
    "name": "one",
    "workers": 6,
    "iterations": 5,
    "replications": 3,
    "delay": {"model": "exponential", "rate": 2.0},
    "schemes": [{"name": "erasurehead", "load": 2, "wait_for": 3}],
    "problem": {"loss": "logistic", "dataset": "breast_cancer"},
    "optimizer": {"rule": "gd", "learning_rate": 0.5},
}


def cell(data_dir: Path | None = None, **changes: Any) -> Cell:
    return cells(IDENTITY_BASE | changes, data_dir)[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "two"},
        {"schemes": [IDENTITY_BASE["schemes"][0] | {"label": "ours"}]},
        {"schemes": [IDENTITY_BASE["schemes"][0] | {"rescale": False}]},
        {"schemes": [IDENTITY_BASE["schemes"][0], {"name": "uncoded"}]},
        {"delay": {"model": "exponential", "rate": 2}},
        {"delay": {"rate": 2.0, "model": "exponential"}},
        {"workers": 6.0},
        {"policy": "cancel"},
        {"load_law": {"kind": "proportional"}},
        {"sweep": {"workers": [6]}},
        {"problem": IDENTITY_BASE["problem"] | {"l2": 0}},
        {"network": None},
        {"target_loss": 0.3},  # found in the numbers of the same cell
    ],
)
def test_two_ways_to_say_one_thing_are_one_cell(changes: dict[str, Any]) -> None:
    assert cell(**changes).key == cell().key


@pytest.mark.parametrize(
    "changes",
    [
        {"workers": 8},
        {"iterations": 6},
        {"replications": 4},
        {"seed": 1},
        {"engine": "event"},
        {"policy": "queue"},
        {"delay": {"model": "exponential", "rate": 2.5}},
        {"load_law": {"kind": "per_partition"}},
        {"schemes": [IDENTITY_BASE["schemes"][0] | {"wait_for": 4}]},
        {"schemes": [IDENTITY_BASE["schemes"][0] | {"rescale": True}]},
        {"problem": IDENTITY_BASE["problem"] | {"l2": 0.1}},
        {"optimizer": {"rule": "gd", "learning_rate": 0.25}},
        {"network": {"broadcast_latency": 0.1}},
        {"failures": {"message_loss": 0.1, "retry_after": 1.0}},
    ],
)
def test_another_setting_is_another_cell(changes: dict[str, Any]) -> None:
    assert cell(**changes).key != cell().key


def test_a_whole_number_has_one_name() -> None:
    """Catches a load of 3.0 beside a load of 3, as if they were two schemes."""
    scheme = IDENTITY_BASE["schemes"][0]
    mine = cell(schemes=[scheme | {"load": 2.0, "deadline": 0.5}])
    assert mine.label == "erasurehead load=2 wait_for=3 deadline=0.5"
    with pytest.raises(ConfigError, match="appears twice"):
        cell(schemes=[scheme, scheme | {"load": 2.0}])


def test_a_public_data_set_counts_by_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file in the data directory, or another directory: another cell. Moved: the same."""
    monkeypatch.delenv("ERASUREHEAD_DATA", raising=False)
    amazon = {"problem": {"loss": "logistic", "dataset": "amazon"}}
    keys = []
    for folder, content in (("a", "1"), ("b", "2"), ("c", "1")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train.csv").write_text(content)
        keys.append(cell(tmp_path / folder, **amazon).key)
    assert keys[0] == keys[2]
    assert len({*keys, cell(None, **amazon).key}) == 3
    monkeypatch.setenv("ERASUREHEAD_DATA", str(tmp_path / "b"))
    assert cell(None, **amazon).key == keys[1]


def test_data_that_are_replaced_are_loaded_again(tmp_path: Path) -> None:
    """In one process, as in a notebook: catches old numbers under the new file's key."""
    path = tmp_path / "data.npz"
    sums = []
    for factor in (1.0, 2.0):
        np.savez(path, X=factor * np.eye(8, 3) + 1, y=np.arange(8.0))
        mine = cell(problem={"loss": "least_squares", "dataset": "file", "path": str(path)})
        learning = build.training(mine)
        assert learning is not None
        sums.append(float(learning.problem.X.sum()))
    assert sums == [27.0, 30.0]


def test_a_file_that_is_replaced_is_noticed(tmp_path: Path) -> None:
    """Also by one of the same size; the key stays that of the file that was there before."""
    path = tmp_path / "data.npz"
    path.write_bytes(b"one")
    mine = cell(problem={"loss": "logistic", "dataset": "file", "path": str(path)})
    (file,) = mine.inputs
    key = mine.key
    assert file.unchanged()
    path.write_bytes(b"two")
    os.utime(path, ns=(file.stamp[0] + 1, file.stamp[0] + 1))
    assert not file.unchanged()
    assert mine.key == key
    path.unlink()
    assert not file.unchanged()


@pytest.mark.parametrize("path", ["ranks", "ranks/rank*.json"])
def test_traces_of_a_folder_count_by_content(tmp_path: Path, path: str) -> None:
    """Catches a folder or pattern that counts by its name: cells stay when its files change."""
    folder = tmp_path / "ranks"
    folder.mkdir()

    def key(dur: int) -> str:
        for rank in range(2):
            steps = [{"name": f"ProfilerStep#{t}", "ph": "X", "ts": t, "dur": dur} for t in (1, 2)]
            (folder / f"rank{rank}.json").write_text(json.dumps({"traceEvents": steps}))
        return cell(workers=2, delay={"model": "trace", "path": str(tmp_path / path)}).key

    assert key(5) == key(5)
    assert key(5) != key(6)


@pytest.mark.parametrize(
    ("sweep", "line"),
    [
        (
            {"delay.rate": [1, 2], "delay": [{"model": "exponential", "rate": 5}]},
            "sweep.delay = [{'model': 'exponential', 'rate': 5}]: replaces delay.rate: sweep it",
        ),
        (
            {"schemes.1.load": [1, 2], "schemes.uncoded.load": [3]},
            "sweep.schemes.uncoded.load = [3]: is schemes.1.load, too",
        ),
    ],
)
def test_keys_for_one_place_are_swept_once(sweep: dict[str, Any], line: str) -> None:
    """Catches points whose columns say what they did not run."""
    with pytest.raises(ConfigError) as error:
        cells(BASE | {"sweep": sweep})
    assert str(error.value).startswith(line)


def test_a_set_value_replaces_the_axes_at_its_place_and_below() -> None:
    document: dict[str, Any] = copy.deepcopy(BASE)
    document["sweep"] = {"delay.rate": [1], "schemes.uncoded.label": ["a"], "seed": [1, 2]}
    override(document, ["delay={model: exponential, rate: 5}", 'schemes.1.label="a, b"'])
    assert document["sweep"] == {"seed": [1, 2]}
    assert cells(document)[1].label == "a, b"


@pytest.mark.parametrize("values", [[1.0, 2.0, 1], [2, 2], [3.0, 1e300, 3]])
def test_a_value_is_swept_once(values: list[float]) -> None:
    """Catches a point that counts three times in the verdict; 1 and 1.0 are one value."""
    with pytest.raises(ConfigError, match=r"^sweep\.delay\.rate = .*: appears twice"):
        cells(BASE | {"sweep": {"delay.rate": values}})
    assert len(cells(BASE | {"sweep": {"seed": [10**320, 1, 10**320 + 1]}})) == 6  # no floats
    law = {"kind": "proportional"}
    with pytest.raises(ConfigError, match=r"sweep\.load_law"):
        cells(BASE | {"sweep": {"load_law": [law, dict(law)]}})


def test_a_count_follows_the_number_of_workers() -> None:
    """n/2, rounded up, and n-3: one label at every n, the key of the number, resolved as given."""
    schemes = [
        {"name": "ignore_stragglers", "wait_for": ["n/2", "n - 3"]},
        {"name": "erasurehead", "load": 3, "wait_for": "n/2", "label": "half"},
    ]
    document = BASE | {"schemes": schemes, "sweep": {"workers": [9, 12]}}
    found = cells(document)
    assert [cell.scheme["wait_for"] for cell in found] == [5, 6, 5, 6, 9, 6]
    labels = ["ignore_stragglers wait_for=n/2", "ignore_stragglers wait_for=n - 3", "half"]
    assert [cell.label for cell in found] == 2 * labels
    assert [cell.key for cell in cells(resolved(document))] == [cell.key for cell in found]
    literal = BASE | {"workers": 9, "schemes": [{"name": "ignore_stragglers", "wait_for": 5}]}
    assert cells(literal)[0].key == found[0].key
    assert cells(BASE | {"workers": " 9 ", "schemes": schemes})[0].key == found[0].key
    with pytest.raises(ConfigError, match=r"schemes\.ignore_stragglers\.wait_for = 0: must be"):
        cells(document | {"sweep": {"workers": [9, 3]}})
    labels = {"sweep": {"schemes.0.rescale": [True, False], "workers": [9, "x"]}}
    with pytest.raises(ConfigError, match=r"^workers = 'x': must be"):
        cells(document | labels | {"schemes": [{"name": "ignore_stragglers", "wait_for": "n/2"}]})
    with pytest.raises(ConfigError, match=r"schemes: missing"):
        cells({key: each for key, each in document.items() if key != "schemes"})
    with pytest.raises(ConfigError, match=r"wait_for = 'n\*2'"):
        cells(BASE | {"schemes": [{"name": "ignore_stragglers", "wait_for": "n*2"}]})


def test_labels_do_not_depend_on_the_order_of_keys() -> None:
    """Catches two results of one config that have no scheme in common."""
    sections = [
        {"name": "erasurehead", "load": 3, "wait_for": 4, "rescale": True},
        {"rescale": True, "wait_for": 4, "load": 3, "name": "erasurehead"},
        {"wait_for": [4], "load": 3, "rescale": True, "name": "erasurehead"},
    ]
    labels = {cells(BASE | {"schemes": [section]})[0].label for section in sections}
    assert labels == {"erasurehead load=3 wait_for=4 rescale=True"}


def test_labels_name_each_listed_value() -> None:
    """Of a list, the default is named too; alone it is not."""
    section = {"name": "bernoulli", "load": 3, "wait_for": 4}
    labels = [each.label for each in cells(BASE | {"schemes": [section | {"code_seed": [0, 1]}]})]
    assert labels == [f"bernoulli load=3 wait_for=4 code_seed={seed}" for seed in (0, 1)]
    assert cell(schemes=[section | {"code_seed": 0}]).label == "bernoulli load=3 wait_for=4"


# What does not go together is said with numbers that do.


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Five rounds of three workers."""
    path = tmp_path_factory.mktemp("trace") / "t.npz"
    np.savez(path, seconds=np.random.default_rng(0).random((5, 3)).round(4) + 0.5)
    return {"model": "trace", "path": str(path)}


def timed(**changes: Any) -> Any:
    whole = {"workers": 3, "iterations": 5, "schemes": [{"name": "uncoded"}]} | changes
    return build.run_of(cells(whole)[0].settings)


BURSTS = {"name": "sequential", "B": 1, "W": 2, "stragglers": 1, "tolerance": 0.5}


@pytest.mark.parametrize(
    ("delay", "changes", "said"),
    [
        ({}, {}, None),
        ({}, {"workers": 4}, "workers = 4: the delay model has 3 workers; must be 1 to 3, or else"),
        ({}, {"workers": 2}, "workers = 2: the trace has 3 workers; must be 3 or auto, or else"),
        ({"hosts": "first"}, {"workers": 2}, None),
        ({"hosts": "first"}, {"workers": 4}, "must be 1 to 3"),
        ({}, {"schemes": [BURSTS], "iterations": 4}, None),
        (
            *({}, {"schemes": [BURSTS], "iterations": 5}),
            "iterations = 5: sequential takes 1 more round, and the trace has 5: must be at most 4",
        ),
        ({"end": "cyclic"}, {"schemes": [BURSTS], "iterations": 5}, None),
        (
            *({}, {"schemes": [{"name": "asynchronous"}]}),
            "reads on at the end of a trace; give end: cyclic",
        ),
        ({"end": "cyclic"}, {"schemes": [{"name": "asynchronous"}]}, None),
    ],
)
def test_a_trace_serves_its_own_workers_and_rounds(
    delay: dict[str, Any], changes: dict[str, Any], said: str | None, trace: dict[str, Any]
) -> None:
    if said is None:
        assert timed(delay=trace | delay, **changes).iterations == changes.get("iterations", 5)
        return
    with pytest.raises(build.ImpossibleCell) as refused:
        timed(delay=trace | delay, **changes)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "rounds", "lines"), [(4, 4, 0), (5, 5, 0), (6, 5, 1), (99, 5, 1)]
)
def test_a_run_is_as_long_as_its_trace(
    asked: int, rounds: int, lines: int, trace: dict[str, Any]
) -> None:
    whole = {"workers": 3, "iterations": asked, "schemes": [{"name": "uncoded"}], "delay": trace}
    settings = cells(whole)[0].settings
    assert build.iterations(settings) == rounds
    found = build.warnings(settings)
    assert len(found) == lines
    if found:
        assert found[0] == (
            f"iterations = {asked}: the trace ends after 5 rounds, so {asked} become as many; "
            "end: cyclic begins again"
        )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"engine": "law", "problem": {"loss": "logistic", "dataset": "synthetic"}},
            "engine = 'law'",
        ),
        ({"record": "clock", "problem": {"loss": "logistic", "dataset": "synthetic"}}, "record = "),
        ({"network": {"bandwidth": 1.0}}, "network.message_bytes: missing"),
        ({"network": {"bandwidth": 1.0, "message_bytes": 0}}, None),
        ({"network": {"uplink_latency": 1.0}}, None),
        ({"schemes": [{"name": "adaptive_k", "wait_for": 1}]}, "problem: missing; adaptive_k"),
        ({"engine": "law", "network": {"uplink_latency": 1.0}}, "must be event or auto"),
    ],
)
def test_settings_that_need_each_other(changes: dict[str, Any], said: str | None) -> None:
    delay = {"model": "exponential", "rate": 1.0}
    if said is None:
        timed(delay=delay, **changes)
        return
    with pytest.raises(ConfigError) as refused:
        timed(delay=delay, **changes)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("failures", "events"),
    [
        ({"max_wait": 5.0}, False),  # nothing fails, so rounds are tables
        ({"message_loss": 0.1, "retry_after": 1.0}, False),
        ({"time_to_failure": {"model": "exponential", "rate": 1.0}}, True),
    ],
)
def test_what_can_fail_is_around_the_workers_and_nothing_else(
    failures: dict[str, Any], events: bool
) -> None:
    made = timed(delay={"model": "exponential", "rate": 1.0}, failures=failures)
    assert (made.cluster.resends is not None) == ("message_loss" in failures)
    assert (made.cluster.failures is not None) == ("time_to_failure" in failures)
    assert made.cluster.max_wait == failures.get("max_wait")
    assert (made.refusal() is not None) == events


def test_a_lazy_sequence_is_a_sequence() -> None:
    made = build.Lazily(lambda index: index * index, 4)
    assert [*made] == [0, 1, 4, 9]
    assert (made[-1], made[1:3], made[::-2], len(made)) == (9, [1, 4], [9, 1], 4)
    for index in (4, -5):
        with pytest.raises(IndexError):
            made[index]


@pytest.mark.parametrize(("values", "allowed"), [(50, True), (51, False)])
def test_a_grid_has_so_many_points(
    values: int, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("erasurehead.experiments.config.cells.MOST_POINTS", 100)
    document = {"sweep": {"seed": f"range(0, {values})", "workers": [1, 2]}}
    if allowed:
        assert [len(each) for each in read_sweep(document).values()] == [values, 2]
    else:
        with pytest.raises(ConfigError, match=r"sweep = 102: must have at most 100 points"):
            read_sweep(document)


@pytest.mark.parametrize("first", [2, 3])
def test_as_many_workers_as_the_first_swept_delays_have(first: int) -> None:
    """Catches those of the config itself, whose delays are not run, and those of another point."""
    rounds = {n: [[1.0] * n] for n in (2, 3, 5)}
    sweep = {
        "delay.seconds": [rounds[first], rounds[5]],
        "delay.stretch": [1.0, 2.0],
        "seed": [4, 5],
    }
    document = {
        "workers": "auto",
        "iterations": 1,
        "delay": {"model": "measured_rounds", "seconds": rounds[5]},
        "schemes": [{"name": "uncoded"}],
    }
    assert {cell.settings.workers for cell in cells(document)} == {5}
    assert {cell.settings.workers for cell in cells(document | {"sweep": sweep})} == {first}
    endless = document | {"delay": {"model": "exponential", "rate": 1.0}}
    with pytest.raises(ConfigError, match="'auto': these delays serve any number of workers; must"):
        cells(endless)
