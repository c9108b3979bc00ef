"""What is too large is refused in one line before anything is computed; the rest is estimated."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest

import erasurehead
from erasurehead import ConfigError
from erasurehead.experiments.checks.request import VerifyRequest
from erasurehead.experiments.checks.verify.command import verify_grid
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.cells import Cell, cells
from erasurehead.experiments.config.codec import plain
from erasurehead.experiments.run import estimate
from erasurehead.experiments.run.command import RunOptions, run
from erasurehead.experiments.run.estimate import (
    Estimate,
    Room,
    check,
    free_disk,
    free_memory,
    require_fits,
    size,
)
from tests.golden.configs import documents
from tests.golden.records import require_recorded

SMALL: dict[str, Any] = {
    "workers": 12,
    "iterations": 3,
    "replications": 2,
    "delay": {"model": "exponential", "rate": 1.0},
    "schemes": [{"name": "uncoded"}],
}
PROBLEM: dict[str, Any] = {
    "problem": {"loss": "logistic", "dataset": "synthetic", "rows": 120, "features": 4},
    "optimizer": {"rule": "gd", "learning_rate": 0.1},
}
LEARNING = SMALL | PROBLEM
DATA = {"loss": "logistic", "dataset": "synthetic"}
HEAD = [{"name": "erasurehead", "load": 5, "wait_for": 10}]
NETWORK = {"loss": "mlp", "hidden": [1000], "dataset": "synthetic", "rows": 240, "features": 300}
TRIALS = {"name": "mindflayer", "trials": 2000, "patience": 0.5}
BURSTS = {
    "name": "sequential",
    "variant": "multiplexed",
    "B": 2,
    "W": 4,
    "stragglers": 10,
    "tolerance": 0.5,
}
STREAM = {"model": "authors_stream", "scale": 0.5}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"iterations": 10**9}, r"12 workers, 1000000000 iterations.* of memory.* are free"),
        ({"replications": 2**30}, "1073741824 replications.* TiB of memory"),
        ({"workers": 10**6, "iterations": 10**6}, "1000000 workers.* TiB of memory"),
        (
            PROBLEM | {"problem": DATA | {"features": 10**9}},
            r"synthetic \(7.5e\+12 numbers\) takes",
        ),
        (PROBLEM | {"problem": DATA | {"rows": 10**12}}, "of memory.* take fewer rows or features"),
        (PROBLEM | {"problem": DATA | {"rows": 10**20}}, "of memory.* take fewer rows or features"),
        ({"sweep": {"seed": list(range(3))}, "replications": 10**8}, "of memory"),
        ({"schemes": [{"name": "asynchronous"}], "iterations": 10**8}, "asynchronous .* memory"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_too_large_is_one_line_and_writes_nothing(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        run(SMALL | change, tmp_path / "out", RunOptions())
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300
    assert "--allow-large" in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_old_models_of_a_stale_scheme_are_counted_before_anything_runs(tmp_path: Path) -> None:
    """Those of 302,002 parameters: by as many as the oldest gradient is behind."""
    stale = PROBLEM | {"problem": NETWORK, "schemes": [{"name": "asynchronous"}]}
    fresh = stale | {"schemes": [{"name": "ignore_stragglers", "wait_for": 6}]}
    [old], [new] = (check(cells(SMALL | each)).estimates.values() for each in (stale, fresh))
    models = (old.memory - new.memory) / (8 * 302_002 * SMALL["replications"])
    assert 11 < models <= 36  # updates, of which there are 36; the mean is 11
    with pytest.raises(ConfigError, match=r"replications = 200: past models and gradients \(up to"):
        run(SMALL | stale | {"replications": 200}, tmp_path / "out", RunOptions(allow_large=True))
    assert not (tmp_path / "out").exists()


def test_it_can_be_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the command line's options and in Python; catches a flag that only one place knows."""
    monkeypatch.setattr(Room, "here", lambda output: Room(memory=1, disk=1))
    with pytest.raises(ConfigError, match="are free"):
        erasurehead.run(LEARNING)
    with pytest.raises(ConfigError, match="are free"):
        erasurehead.sweep(LEARNING, set={"seed": [1, 2]})
    assert not erasurehead.run(LEARNING, allow_large=True).failed
    assert not erasurehead.sweep(LEARNING, set={"seed": [1, 2]}, allow_large=True).failed
    assert not run(LEARNING, tmp_path / "out", RunOptions(allow_large=True)).failed


def test_verify_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("erasurehead.experiments.checks.verify.command.free_memory", lambda: 10**9)
    with pytest.raises(ConfigError, match=r"--replications 1000000 takes about 1.4 GiB of memory"):
        verify_grid(VerifyRequest(1_000_000))


def cell(label: str) -> Cell:
    return cells(SMALL | {"schemes": [{"name": "uncoded", "label": label}]})[0]


def need(memory: int = 1, disk: int = 1, rows: int = 1) -> Estimate:
    return Estimate("batch", "", cost=1.0, memory=memory, disk=disk, rows=rows)


def test_the_largest_is_named() -> None:
    some = [(cell("a"), need(5)), (cell("b"), need(900)), (cell("c"), need(7))]
    with pytest.raises(ConfigError, match=r"^b \(12 workers"):
        require_fits(some, Room(memory=800))
    require_fits(some, Room(memory=900))
    require_fits(some, Room())
    require_fits([], Room(memory=0))


def test_jobs_share_the_memory() -> None:
    some = [(cell("a"), need(500)), (cell("b"), need(600)), (cell("c"), need(7))]
    require_fits(some, Room(memory=900))
    with pytest.raises(ConfigError, match=r"2 cells at a time .* fewer --jobs"):
        require_fits(some, Room(memory=900), jobs=2)
    require_fits(some, Room(memory=900), jobs=0)  # on a cluster


def test_tables_and_disk_are_sums() -> None:
    many = [(cell("a"), need(rows=1000, disk=600)) for _ in range(2)]
    with pytest.raises(ConfigError, match="the tables of 2 cells"):
        require_fits(many, Room(memory=500_000))
    with pytest.raises(ConfigError, match="of disk"):
        require_fits(many, Room(disk=1000))
    require_fits(many, Room(memory=600_000, disk=1200))


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 KiB"),
        (2**20 - 2**10, "1023 KiB"),
        (2**20, "1 MiB"),
        (123.4 * 2**20, "123 MiB"),
        (1010 * 2**20, "1010 MiB"),
        (2**30, "1 GiB"),
        (1.537 * 2**30, "1.54 GiB"),
        (2**40, "1 TiB"),
        (2**60, "1.0e+06 TiB"),
    ],
)
def test_bytes_have_three_digits_and_the_largest_unit(number: float, said: str) -> None:
    assert size(number) == said


def files(texts: dict[str, str]) -> Any:
    return lambda path: texts.get(path, "")


MEMINFO = {"/proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    4000 kB\n"}


def test_free_memory_is_the_least_of_all_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the machine, of a container of either version, and of ``ulimit -v``."""
    monkeypatch.setattr(estimate, "_address_space", lambda: None)
    assert free_memory(files(MEMINFO)) == 4000 * 1024
    two = {"/sys/fs/cgroup/memory.max": "3000000\n", "/sys/fs/cgroup/memory.current": "1000000\n"}
    assert free_memory(files(MEMINFO | two)) == 2_000_000
    none = {"/sys/fs/cgroup/memory.max": "max\n", "/sys/fs/cgroup/memory.current": "1000000\n"}
    assert free_memory(files(MEMINFO | none)) == 4000 * 1024
    old = "/sys/fs/cgroup/memory/memory."
    one = {old + "limit_in_bytes": "500\n", old + "usage_in_bytes": "700\n"}
    assert free_memory(files(MEMINFO | one)) == 0
    limit = {old + "limit_in_bytes": "500\n"}
    assert free_memory(files(MEMINFO | limit)) == 500, "nobody knows what is used"
    monkeypatch.setattr(estimate, "_address_space", lambda: 10**6)
    assert free_memory(files(MEMINFO)) == 10**6
    assert free_memory(files(MEMINFO | {"/proc/self/statm": "10 5 1"})) == 10**6 - 10 * 4096


def test_what_cannot_run_is_left_out_of_a_sweep_alone() -> None:
    """Whatever stands beside it: a config that asks for it is a mistake."""
    schemes = [{"name": "uncoded"}, {"name": "fractional_repetition", "load": 5}]
    wrong = "load = 5: must divide workers = 12"
    with pytest.raises(ConfigError, match=wrong):
        check(cells(SMALL | {"schemes": schemes}))
    some = check(cells(SMALL | {"schemes": schemes, "sweep": {"workers": [10, 12]}}))
    assert len(some.estimates) == 3
    [reason] = some.impossible.values()
    assert wrong in reason


def test_free_disk_is_that_of_the_nearest_folder(tmp_path: Path) -> None:
    free = free_disk(tmp_path / "not" / "there" / "yet")
    assert free is not None
    assert free > 0


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
from erasurehead.experiments.__main__ import main
sys.argv[1:] = sys.argv[2:]
try:
    sys.argv += ["--set", "iterations=400000000"]
    main()
except SystemExit as end:
    assert end.code == 2
del sys.argv[-2:]
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS works on Linux alone")
def test_under_a_limit_of_address_space(tmp_path: Path) -> None:
    """What does not fit is refused by a limit of 1.6 GB, not by the machine's; an example fits.

    With one thread for algebra, so that it does not depend on the machine's cores. Then it was
    pyarrow's threads that got no more space, and the run waited for them for ever.
    """
    (tmp_path / "demo.yaml").write_text(DEMO)
    command = ["run", str(tmp_path / "demo.yaml"), "--output", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(1_600_000 * 1024), *command],
        capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert "iB of memory, and" in line
    assert "are free" in line


DEMO = """\
name: demo
workers: 12
iterations: 50
replications: 2
delay: {model: exponential, rate: 1.0}
schemes: [{name: uncoded}, {name: cyclic_repetition, load: 3}]
problem: {loss: logistic, dataset: synthetic, rows: 240, features: 5}
optimizer: {rule: gd, learning_rate: 0.1}
"""


PEAK = """
import json, sys
from pathlib import Path
import scipy.sparse.linalg, scipy.stats
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.run.estimate import check
from erasurehead.experiments.run.command import RunOptions, run
document, small = json.loads(sys.argv[1])
def peak_memory():  # of this program; what getrusage says can be that of the process it came from
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
run(small, Path(sys.argv[2]) / "small", RunOptions())
before = peak_memory()
(need,) = check(cells(document)).estimates.values()
assert not run(document, Path(sys.argv[2]) / "large", RunOptions(allow_large=True)).failed
print(json.dumps([need.memory, peak_memory() - before]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="sizes of the resident set in KiB")
@pytest.mark.parametrize(
    "change",
    [
        {"iterations": 1_000_000, "replications": 1},
        {"iterations": 1000, "replications": 500, "workers": 30},
        {"iterations": 1000, "replications": 100, "workers": 1000},
        {"iterations": 300, "replications": 100, "workers": 1000, "policy": "queue"},
        {"iterations": 1000, "replications": 100, "network": {"uplink_latency": 0.1}},
        {"iterations": 100, "workers": 300, "schemes": [{"name": "asynchronous"}]}
        | {"replications": 100},
        PROBLEM | {"problem": DATA | {"rows": 500_000, "features": 50}},
        {"workers": 100_000, "iterations": 1000, "replications": 1},
        {"workers": 100_000, "iterations": 500, "replications": 1, "schemes": HEAD},
        {"workers": 10**6, "iterations": 1, "replications": 1},
        {"workers": 10**6, "iterations": 50, "replications": 1, "record": "clock"},
        {"workers": 10**6, "iterations": 500_000, "replications": 1, "engine": "law"},
        {"workers": 100_000, "iterations": 300, "replications": 1, "policy": "drain"},
        {"workers": 3000, "iterations": 30, "engine": "event"},
        {"workers": 30, "iterations": 1, "replications": 20_000},
        {"workers": 30, "iterations": 20, "schemes": [TRIALS]},
        {"workers": 1000, "iterations": 2000, "delay": STREAM, "replications": 1},
        {"workers": 1000, "iterations": 300, "replications": 10, "schemes": [BURSTS]},
        PROBLEM | {"problem": NETWORK, "schemes": [{"name": "asynchronous"}], "iterations": 20},
    ],
    ids=lambda change: str(change)[:60],
)
def test_estimates_of_memory_are_right_within_a_factor(
    change: dict[str, Any], tmp_path: Path
) -> None:
    """Catches a table that an estimate forgets, and one that it counts for nothing."""
    import json

    small = LEARNING if "problem" in change else SMALL
    small = small | {key: change[key] for key in ("engine", "record", "schemes") if key in change}
    if "schemes" in change:  # of a size that they allow
        small = small | {"workers": 20, "iterations": 1}
    done = subprocess.run(
        [sys.executable, "-c", PEAK, json.dumps([SMALL | change, small]), str(tmp_path)],
        capture_output=True, text=True, timeout=600, check=True,
    )  # fmt: skip
    estimated, peak = json.loads(done.stdout)
    assert 0.5 < estimated / peak < 4.5


def test_a_cell_has_an_estimate_of_its_disk(tmp_path: Path) -> None:
    document = SMALL | {"iterations": 20_000}
    (estimate,) = check(cells(document)).estimates.values()
    run(document, tmp_path, RunOptions())
    found = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert 0.5 < estimate.disk / found < 3


# Bytes and cost against a count by hand: 10 replications of 1000 iterations of 12 workers.

ROUNDS, CELLS = 10 * 1000, 10 * 1000 * 12
TABLES = 270 * 10 * 1001 + 350 * 10  # of iterations and of replications
WEIGHTS = 8 * CELLS  # a partition weight for each worker's round
PLAIN = TABLES + 450 * 12 + CELLS + 3 * WEIGHTS  # of a scheme that decodes by counting
KEPT = PLAIN + WEIGHTS
BLOCK = 64 * 1000 * 12  # what an engine works in, of one replication
CACHED = 64 * 2**17  # of replications whose rounds are independent, together
TRAINING = {
    "problem": {"loss": "least_squares", "dataset": "synthetic", "rows": 240, "features": 5},
    "optimizer": {"rule": "gd", "learning_rate": 0.01},
}
ENTRIES = 240 * 5
FEEDS = 2 * ENTRIES * 8  # the data, twice while they are made
KEPT_OF_MODEL = 240 + 60 + 5  # margins of training and test rows, and parameters
RANDOM = [{"name": "ignore_stragglers", "wait_for": 6}]
LAW = {"record": "clock", "engine": "law"}


@pytest.mark.parametrize(
    ("change", "memory"),
    [
        ({}, PLAIN + 10 * BLOCK),
        ({"policy": "queue"}, PLAIN + 10 * BLOCK),  # rounds that are coupled, all together
        ({"policy": "drain"}, PLAIN + 10 * BLOCK),
        ({"network": {"uplink_latency": 1.0}}, PLAIN + 10 * BLOCK),
        ({"engine": "event"}, PLAIN + 10_000 * 12),
        ({"schemes": [{"name": "multi_message", "load": 3}]}, PLAIN + 2 * CELLS + CACHED),
        ({"record": "clock"}, TABLES + 32 * 12 + 8 * ROUNDS + 10 * BLOCK),
        (LAW, TABLES + 32 * 12 + 8 * ROUNDS + 2**25),
        # three updates an iteration, of four gradients each
        ({"schemes": [{"name": "k_async", "wait_for": 4}]}, TABLES + 5400 + 60 * 3 * 4 * ROUNDS),
        # a state for all replications, a quarter of the working set of each
        ({"schemes": [{"name": "adaptive_deadline", "kappa": 3.0}]}, PLAIN + 10 * BLOCK // 4),
        (TRAINING, PLAIN + 10 * BLOCK + FEEDS + 4 * 8 * KEPT_OF_MODEL),
        (TRAINING | {"schemes": RANDOM}, PLAIN + 10 * BLOCK + FEEDS + 4 * 8 * 10 * KEPT_OF_MODEL),
    ],
    ids=str,
)  # fmt: skip
def test_memory_by_hand(change: dict[str, Any], memory: int) -> None:
    document = SMALL | {"iterations": 1000, "replications": 10} | change
    (found,) = check(cells(document)).estimates.values()
    assert found.memory == memory
    assert found.rows == 10 * 1001
    assert found.disk == 40 * 10 * 1001 + 80 * 10 + 120 * 12 + 60_000


def test_weights_that_are_not_kept_need_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to a number of them they are kept, and at most so many are decoded together, but a round
    of every replication at least."""
    document = SMALL | {"iterations": 1000, "replications": 10}
    document |= {"schemes": [{"name": "bernoulli", "load": 3, "wait_for": 8}]}
    expected = KEPT + 10 * BLOCK
    for kept, at_once, more in (
        (CELLS, CELLS, 0),
        (CELLS - 1, CELLS, -WEIGHTS),
        (CELLS, 500, 3 * (8 * 500 - WEIGHTS)),
        (CELLS, 100, 3 * (8 * 120 - WEIGHTS)),
    ):
        monkeypatch.setattr(estimate, "WEIGHTS_KEPT", kept)
        monkeypatch.setattr(estimate, "WEIGHTS_AT_ONCE", at_once)
        (found,) = check(cells(document)).estimates.values()
        assert found.memory == expected + more


def test_who_may_not_be_too_far_ahead_is_worked_out_for_some_runs_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """64 bytes a gradient, and for two more of each worker that have begun; at least for one run,
    and for the ten at the most."""
    document = SMALL | {"iterations": 1000, "replications": 10}
    document["schemes"] = [{"name": "ssp", "ahead": 2}]
    tasks = 12 * 1000 + 12 * 2
    for together, runs in ((tasks - 1, 1), (2 * tasks - 1, 1), (3 * tasks, 3), (99 * tasks, 10)):
        monkeypatch.setattr(estimate, "TASKS_AT_ONCE", together)
        (found,) = check(cells(document)).estimates.values()
        assert found.memory == TABLES + 5400 + 60 * 12 * ROUNDS + 64 * tasks * runs


def test_a_long_run_works_in_blocks_of_its_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    """On an ideal cluster; on a network the whole run is held, at most a budget of it."""
    document = SMALL | {"iterations": 1000, "replications": 10}
    monkeypatch.setattr(estimate, "BLOCK_CELLS", 12 * 40 + 11)
    assert check(cells(document)).estimates.popitem()[1].memory == PLAIN + 10 * 64 * 160 * 12
    monkeypatch.setattr(estimate, "CELLS_IN_CACHE", 40 * 12 - 1)
    assert check(cells(document)).estimates.popitem()[1].memory == PLAIN + 64 * 160 * 12
    monkeypatch.setattr(estimate, "CELLS_IN_CACHE", 15 * 160)
    assert check(cells(document)).estimates.popitem()[1].memory == PLAIN + 64 * 15 * 160
    monkeypatch.setattr(estimate, "BLOCK_CELLS", 11)  # four rounds at least
    assert check(cells(document)).estimates.popitem()[1].memory == PLAIN + 10 * 64 * 48
    monkeypatch.setattr(estimate, "MOST_WORKING_BYTES", BLOCK + 1)
    far = document | {"network": {"uplink_latency": 1.0}}
    assert check(cells(far)).estimates.popitem()[1].memory == PLAIN + BLOCK + 1
    monkeypatch.setattr(estimate, "MOST_WORKING_BYTES", BLOCK - 1)  # one replication at least
    assert check(cells(far)).estimates.popitem()[1].memory == PLAIN + BLOCK


@pytest.mark.parametrize(
    ("change", "cost"),
    [
        ({}, 12),
        ({"policy": "queue"}, 12),
        ({"engine": "event"}, 12 * 100),
        ({"schemes": [{"name": "k_async", "wait_for": 4}]}, 3 * 4 * 5),
        ({"schemes": [{"name": "k_async", "wait_for": 4}], "engine": "event"}, 3 * 4 * 100),
        ({"schemes": [{"name": "multi_message", "load": 3}]}, 12 * 3),
        (
            {"load_law": {"kind": "per_partition"}}
            | {"schemes": [{"name": "fractional_repetition", "load": 3}]},
            12 * 3,
        ),
        ({"schemes": [{"name": "local_sgd", "steps": 1}]}, 12),
        ({"schemes": [{"name": "local_sgd", "steps": 4}]}, 12),  # of a fourth of the updates
        ({"record": "clock"}, 12),
        (LAW, 30),
        # two products an iteration, for all replications together or for each of ten
        (TRAINING, 12 + 2 * ENTRIES / 10 / 100),
        (TRAINING | {"schemes": RANDOM}, 12 + 2 * ENTRIES / 100),
    ],
    ids=str,
)
def test_cost_by_hand(change: dict[str, Any], cost: float) -> None:
    """Of a round, in rounds of a worker."""
    document = SMALL | {"iterations": 1000, "replications": 10} | change
    (found,) = check(cells(document)).estimates.values()
    assert found.cost == pytest.approx(ROUNDS * cost)


@pytest.mark.golden
def test_estimates_are_those_of_yesterday(tmp_path: Path) -> None:
    """Of the golden configs, all their cells together."""
    found = dict[str, list[float]]()
    for name, document in documents(tmp_path).items():
        estimates = [*check(cells(document), Room()).estimates.values()]
        sums = np.sum([[e.cost, e.memory, e.disk, e.rows] for e in estimates], axis=0)
        found[name] = [len(estimates), *(float(f"{total:.8g}") for total in sums)]
    require_recorded("commands", {"estimates": found})


@pytest.mark.parametrize(
    ("workers", "kept", "at_once"),
    [(1000, 10**7, 2**17), (6710, 67_100_000, 2**17), (6711, 0, 2**17)],
)
def test_weights_of_a_large_cluster_by_hand(workers: int, kept: int, at_once: int) -> None:
    """Up to 512 MiB of them are kept, and 1 MiB are decoded together."""
    document = SMALL | {"iterations": 1000, "replications": 10, "workers": workers}
    document |= {"schemes": [{"name": "bernoulli", "load": 3, "wait_for": 8}]}
    (found,) = check(cells(document)).estimates.values()
    block = 64 * (2**15 // workers) * 4 * workers
    expected = TABLES + 450 * workers + ROUNDS * workers + 8 * (kept + 3 * at_once)
    assert found.memory == expected + min(10 * block, CACHED)


def sized(kind: str) -> Iterator[tuple[str, Any]]:
    """Each field of each class of a kind at two numbers that nobody can build, also of classes and
    fields that are added later; what takes no whole number refuses it."""
    tag, classes = BUILT_IN[kind].tag, BUILT_IN[kind].classes
    for name, family in classes.items():
        for example in getattr(family, "examples", lambda: [None])()[:2]:
            section = {tag: name} if example is None else plain(example, BUILT_IN)
            for each in fields(family):
                for number in (10**9, 2**63):
                    yield f"{name}.{each.name} = {number}", section | {each.name: number}


@pytest.mark.parametrize("kind", ["schemes", "delays", "data"])
def test_no_field_sizes_work_before_it_is_estimated(kind: str) -> None:
    """Refused or estimated, in two seconds of computing. Catches what is built first: it ends in an
    error of memory, or never."""
    for what, section in sized(kind):
        change = {
            "schemes": {"schemes": [section]},
            "delays": {"delay": section},
            "data": PROBLEM | {"problem": {"loss": "logistic", **section}},
        }[kind]
        began = process_time()
        with suppress(ConfigError):
            check(cells(SMALL | change), Room.here(Path()))
        assert process_time() - began < 2, what
