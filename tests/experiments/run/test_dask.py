"""Cells on a Dask cluster."""

from __future__ import annotations

import json
import logging
import os
import pickle
import platform
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.request import urlopen

import pytest
import yaml

import erasurehead as eh
from erasurehead import ConfigError
from erasurehead.experiments.config.document import load
from erasurehead.experiments.run import dask
from erasurehead.experiments.run.command import RunOptions, run
from erasurehead.experiments.run.dask import ClusterPool
from erasurehead.experiments.run.dask import cluster as on_cluster
from erasurehead.experiments.run.pools import Attempt, Died, map_unordered
from tests.experiments.config.test_plugins import PLUGIN
from tests.experiments.run.commands import (
    PATIENCE,
    ROOT,
    assert_same_tables,
    cells_of,
    fatal_at,
    finish,
    held,
    process_of,
    sweep,
    until,
    until_cells,
)
from tests.experiments.run.test_sweep import GRID, finish_here
from tests.tools import inside

# A Dask cluster of processes that a test can kill.


def without_package(folder: Path) -> Path:
    """A folder that hides this package from a process that looks there first."""
    hides = folder / "hides" / "erasurehead"
    hides.mkdir(parents=True, exist_ok=True)
    line = "raise ModuleNotFoundError('No module named erasurehead', name='erasurehead')\n"
    (hides / "__init__.py").write_text(line)
    return hides.parent


def other_version(folder: Path, name: str, version: str) -> Path:
    """A folder by which a library says that it has another version."""
    metadata = folder / "other" / f"{name}-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return metadata.parents[1]


class Cluster:
    """A scheduler without this package and its workers, of one thread each, which nobody starts
    again."""

    def __init__(self, folder: Path, deaths: int) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.options = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(deaths)}
        self.workers: list[subprocess.Popen[bytes]] = []
        port = ["--port", 0, "--dashboard-address", ":0"]
        self.scheduler = self._start("scheduler", port, without_package(folder))
        until(lambda: self.file.exists() and self.file.read_text().rstrip().endswith("}"))
        self.address: str = json.loads(self.file.read_text())["address"]

    def add_worker(self, first: Path = ROOT, threads: int = 1) -> subprocess.Popen[bytes]:
        """Start a worker that looks for packages in ``first`` first, and do not wait for it."""
        options = ["--nthreads", threads, "--no-nanny", "--no-dashboard", "--memory-limit", 0]
        worker = self._start("worker", [*options, "--local-directory", self.folder], first)
        self.workers.append(worker)
        return worker

    def _start(self, part: str, options: list[object], first: Path) -> subprocess.Popen[bytes]:
        options = ["--scheduler-file", self.file, *options]
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{part}", *map(str, options)],
            cwd=first,
            env=os.environ | self.options,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def settle(self, workers: int) -> None:
        """Kill or start workers until so many are alive, and wait until the scheduler knows."""
        from distributed import Client

        alive = [worker for worker in self.workers if worker.poll() is None]
        for worker in alive[workers:]:
            worker.kill()
            worker.wait()
        self.workers = alive[:workers]
        while len(self.workers) < workers:
            self.add_worker()
        with Client(self.address) as client:
            until(lambda: len(client.nthreads()) == workers)

    def close(self) -> None:
        for process in [self.scheduler, *self.workers]:
            process.kill()
            process.wait()


@contextmanager
def dask_cluster(folder: Path, workers: int, deaths: int = 3) -> Iterator[Cluster]:
    """A cluster; ``deaths`` is how often Dask starts a task again whose worker died. It may be
    slow to answer, as on a busy machine."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(folder, deaths)
    try:
        for _ in range(workers):
            cluster.add_worker()
        with mock.patch.object(dask, "ANSWER_TIMEOUT", PATIENCE):
            yield cluster
    finally:
        cluster.close()


# Sweeps on a Dask cluster, which may have no workers, lose them, or be no cluster at all.


GONE = "the scheduler is gone; run the same command again to go on"
WAITING = "waiting for workers: there are none at the moment"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for the tests that leave its scheduler alive, since each process of Dask takes a
    second to start. A task whose worker dies is not started again by Dask."""
    with dask_cluster(tmp_path_factory.mktemp("dask"), workers=0, deaths=0) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The config and the results of a run without a cluster."""
    folder = tmp_path_factory.mktemp("cluster")
    config = folder / "grid.yaml"
    config.write_text(yaml.safe_dump(GRID))
    finish_here(config, folder / "whole")
    return config, folder / "whole"


@pytest.fixture
def mute() -> Iterator[str]:
    """The address of a server that accepts connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


CONNECT = """
import sys
from erasurehead.experiments.run import dask
from erasurehead.sim.base.errors import ConfigError
dask.ANSWER_TIMEOUT = 0.5
for address in sys.argv[1:]:
    try:
        with dask.cluster(address):
            print("connected?")
    except ConfigError as error:
        print(error)
"""


@pytest.mark.slow
def test_no_scheduler_is_one_clear_line(mute: str) -> None:
    """Whatever is wrong. Catches errors of Dask's protocols, and clients that speak at the end."""
    closed = "tcp://127.0.0.1:9"
    addresses = ["", "bar://x:1", "tls://127.0.0.1:9", "ucx://127.0.0.1:9", "inproc://x"]
    addresses += [closed, mute]
    run = subprocess.run(
        [sys.executable, "-c", CONNECT, *addresses],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    assert len(lines) == len(addresses)
    for address, line in zip(addresses, lines, strict=True):
        assert line.startswith(f"--scheduler = {address!r}: no scheduler answers there (")
        assert line.endswith("; must be like tcp://host:8786")
        assert len(line) < 300


def test_the_command_says_so_and_writes_nothing(whole: tuple[Path, Path], tmp_path: Path) -> None:
    done = inside("sweep", whole[0], "--scheduler", "bar://x:1", "--output", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --scheduler")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert logging.root.manager.disable == logging.NOTSET, "others may speak again"


@pytest.mark.slow
def test_the_tables_are_the_same(whole: tuple[Path, Path], tmp_path: Path) -> None:
    """Two workers, and a command in a process of its own."""
    config, reference = whole
    with dask_cluster(tmp_path / "dask", 2) as cluster:
        finish(config, tmp_path / "out", "--scheduler", cluster.address)
    assert_same_tables(tmp_path / "out", reference)


@pytest.mark.slow
def test_without_workers_it_waits_and_says_so(shared: Cluster, tmp_path: Path) -> None:
    """At the beginning, and when all are gone; with a new one it goes on."""
    told: list[str] = []
    shared.settle(workers=0)

    def tell(line: str) -> None:
        if WAITING not in line:  # for an answer, when the machine is busy
            return
        told.append(line)
        if len(told) == 2:
            (tmp_path / "go on").touch()
        shared.add_worker()

    def report(done: float) -> None:
        if (tmp_path / "started").exists():
            pool.room()  # it must have known of the worker to miss it
            shared.workers[0].kill()

    with on_cluster(shared.address, tell) as pool:
        found = sorted(map_unordered(partial(held, tmp_path), range(4), pool, report))
    assert found == [(item, item) for item in range(4)]
    assert told == 2 * [f"{shared.address}: {WAITING}"]


@pytest.mark.long("three workers of a cluster start")
def test_workers_of_other_versions_compute_nothing(
    shared: Cluster, whole: tuple[Path, Path], tmp_path: Path
) -> None:
    """Nor does one without the package: a line names each, and the others compute all cells."""
    config, reference = whole
    refused: list[str] = []

    shared.settle(workers=0)
    shared.add_worker(other_version(tmp_path, "simpy", "4.1.1"))
    shared.add_worker(without_package(tmp_path))

    def tell(line: str) -> None:
        if line.endswith("no cell is computed there"):
            refused.append(re.sub(r"tcp://[\d.:]+\d", "tcp://", line))
            if len(refused) == 2:
                shared.add_worker()

    options = RunOptions(scheduler=shared.address, tell=tell)
    outcome = run(load(config), tmp_path / "out", options)
    for wrong in (shared.workers.pop(0), shared.workers.pop(0)):
        wrong.kill()
        wrong.wait()
    here, host = version("simpy"), platform.node()
    assert sorted(refused) == [
        "tcp://: ModuleNotFoundError: No module named erasurehead; no cell is computed there",
        f"tcp://: {host} has simpy 4.1.1, here is {here}; no cell is computed there",
    ]
    assert not outcome.failed
    assert_same_tables(tmp_path / "out", reference)


def test_files_go_along_with_the_cells(
    shared: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin, a matrix and a trace whose paths are those of this process alone, since a worker
    works in another folder. What is too large is one line, with host and size."""
    own = Path("/proc/self/cwd")
    monkeypatch.chdir(tmp_path)
    Path("code.py").write_text(PLUGIN)
    Path("code.csv").write_text("1,1,0\n0,1,1\n1,0,1\n")
    Path("trace.csv").write_text("worker 0,worker 1,worker 2\n1.5,1,2\n1,2,1.25\n")
    schemes = [
        {"name": "both", "load": 3},
        {"name": "matrix", "path": str(own / "code.csv"), "wait_for": 2},
    ]
    document = {"workers": 3, "iterations": 2, "replications": 1, "schemes": schemes}
    document |= {"delay": {"model": "trace", "path": str(own / "trace.csv"), "unit": "s"}}
    document |= {"plugins": [str(own / "code.py")]}
    run(document, tmp_path / "here", RunOptions())
    shared.settle(workers=1)
    options = RunOptions(scheduler=shared.address)
    outcome = run(document, tmp_path / "there", options)
    assert not outcome.failed
    assert_same_tables(tmp_path / "here", tmp_path / "there")
    monkeypatch.setattr(dask, "MOST_BYTES", 0)
    shared.workers[0].kill()
    shared.add_worker()
    said = rf"^/proc/self/cwd/.*: not the same file on {platform.node()}; .* of 64 MiB in all$"
    with pytest.raises(ConfigError, match=said):
        run(document, tmp_path / "no", options)


@pytest.mark.slow
def test_600_cells_are_the_same_with_kills_and_a_wrong_worker(tmp_path: Path) -> None:
    """Byte for byte. A worker is killed, and so is the first scheduler in the middle."""
    rates = [round(0.5 + 0.01 * step, 2) for step in range(120)]
    config = tmp_path / "many.yaml"
    small = {"iterations": 10, "replications": 2, "sweep": {"delay.rate": rates}}
    config.write_text(yaml.safe_dump(GRID | small))
    finish_here(config, tmp_path / "whole")
    assert cells_of(tmp_path / "whole") == 600
    out = tmp_path / "out"
    wrong = other_version(tmp_path, "simpy", "4.1.1")
    with dask_cluster(tmp_path / "one", 2) as cluster:
        cluster.add_worker(wrong)
        process = sweep(config, out, "--scheduler", cluster.address)
        until_cells(process, out, 100)
        cluster.workers[0].kill()
        until_cells(process, out, 250)
        cluster.scheduler.kill()
        said, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert said.count("no cell is computed there") == said.count("this worker is gone") == 1
    assert error.count("\n") == 1
    assert error.endswith(f"{GONE}\n")
    with dask_cluster(tmp_path / "two", 2) as cluster:
        cluster.add_worker(wrong)
        finish(config, out, "--scheduler", cluster.address)
    assert_same_tables(out, tmp_path / "whole")


@pytest.mark.slow
def test_from_python_on_a_client_of_the_user(
    shared: Cluster, whole: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which stays open. A list of schemes is one here, too. A worker that is killed is said, and
    stands in the manifest beside who computed how much."""
    from distributed import Client

    shared.settle(workers=2)
    with Client(shared.address) as client:

        def progress(done: int, total: int) -> None:
            if 0 < done < total and len(client.nthreads()) == 2:  # several may be done at once
                shared.workers[0].kill()
                until(lambda: len(client.nthreads()) == 1)

        out = tmp_path / "out"
        same = {"schemes": GRID["schemes"], "delay.rate": GRID["sweep"]["delay.rate"]}
        base = {key: value for key, value in GRID.items() if key not in ("schemes", "sweep")}
        eh.sweep(base, set=same, output=out, scheduler=client, progress=progress)
        assert client.status == "running"
    assert_same_tables(out, whole[1])
    workers = json.loads((out / "manifest.json").read_text())["workers"]
    assert sum(worker["cells"] for worker in workers.values()) == 20
    assert {w["host"] for w in workers.values() if w["cells"]} == {platform.node()}
    [gone] = [address for address, worker in workers.items() if worker["gone"]]
    assert f"{gone}: this worker is gone\n" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"^scheduler = 3: must be an address such as"):
        eh.run(base, scheduler=3)
    with pytest.raises(ConfigError, match=r"^scheduler = 'bar://x:1': no scheduler answers"):
        eh.sweep(base, set=same, scheduler="bar://x:1")


@pytest.mark.slow
def test_the_dashboard_opens(tmp_path: Path) -> None:
    """The extra ``cluster`` brings what it needs."""
    pytest.importorskip("bokeh")
    told: list[str] = []
    with dask_cluster(tmp_path, 0) as cluster, on_cluster(cluster.address, told.append):
        link = told[0].removeprefix("Dask dashboard: ")
        with urlopen(link, timeout=PATIENCE) as page:
            assert "Bokeh" in page.read().decode()


@pytest.mark.long("two workers of a cluster are killed")
def test_a_task_that_kills_workers_fails_and_no_other(shared: Cluster, tmp_path: Path) -> None:
    """It is tried twice, with no other beside it the second time: Dask blames each task of a worker
    that dies. Catches blame for tasks that were at the same worker."""
    bad = (5,)
    shared.settle(workers=3)
    with on_cluster(shared.address) as pool:
        found = dict(map_unordered(partial(fatal_at, bad, tmp_path), range(8), pool))
    died = Died("the worker processes of the cluster died that computed it: out of memory?")
    assert found == {item: died if item in bad else item * item for item in range(8)}
    assert [len((tmp_path / str(item)).read_text().splitlines()) for item in bad] == [2]


@pytest.mark.long("a cluster computes a sweep")
def test_a_single_thread_computes_everything(
    shared: Cluster, whole: tuple[Path, Path], tmp_path: Path
) -> None:
    """And this process nothing, until the scheduler goes away, which is one clear line. So this is
    the last test of the shared cluster.

    Catches a client that computes while the cluster looks on.
    """
    config, reference = whole
    told: list[str] = []
    shared.settle(workers=1)
    with on_cluster(shared.address, told.append) as pool:
        found = {pid for _, pid in map_unordered(process_of, range(20), pool)}
        assert found == {shared.workers[0].pid}
    assert told[0].startswith("Dask dashboard: http://")
    out = tmp_path / "out"
    done = inside("sweep", config, "--output", out, "--scheduler", shared.address)
    assert done.returncode == 0, done.stderr
    assert_same_tables(out, reference)

    def report(done: float) -> None:
        if (tmp_path / "started").exists():
            shared.scheduler.kill()

    line = f"^--scheduler = {shared.address!r}: {GONE}$"
    with pytest.raises(ConfigError, match=line), on_cluster(shared.address) as pool:
        list(map_unordered(partial(held, tmp_path), range(4), pool, report))


# The pool of a cluster, with a client that is no cluster's.


def answered(call: bytes, workers: list[str]) -> Future[Any]:
    """What a worker answers that has the same versions; none answers where there is none."""
    answer = Future[Any]()
    if workers:
        answer.set_result(pickle.loads(call))
    return answer


def pool_of(
    threads: Callable[[], dict[str, int]] = dict,
    status: str = "running",
    answers: Callable[[bytes, list[str]], Future[Any]] = answered,
) -> tuple[ClusterPool, list[str]]:
    """A pool of a client whose workers have so many threads; and what it tells the user."""
    said: list[str] = []
    made = SimpleNamespace(submit=lambda loads, call, workers: answers(call, workers))
    client = SimpleNamespace(status=status, nthreads=threads, get_executor=lambda pure: made)
    return ClusterPool(client, "tcp://here:1", said.append), said


def test_dask_is_silent_while_it_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its logs would hide the one line; afterwards others may speak again, even if it is gone."""
    levels, closed = list[int](), list[float]()

    class Known:
        def __init__(self, address: str, timeout: float, set_as_default: bool) -> None:
            assert (address, set_as_default) == ("tcp://here:1", False)
            assert 0 < timeout < dask.ANSWER_TIMEOUT, "the reason is Dask's own"
            levels.append(logging.root.manager.disable)

        def close(self, seconds: float) -> None:
            closed.append(seconds)
            raise OSError

    monkeypatch.setattr("distributed.Client", Known)
    with dask.connected("tcp://here:1") as client:
        levels.append(logging.root.manager.disable)
    assert isinstance(client, Known)
    levels.append(logging.root.manager.disable)
    assert levels == [logging.CRITICAL, logging.CRITICAL, logging.NOTSET]
    assert closed == [dask.CLOSE_TIMEOUT]


def test_slots_are_the_threads_of_all_workers_at_the_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without any nothing is computed; that is said each time, once, and who is gone."""
    monkeypatch.setattr(dask, "POLL_SECONDS", 0.0)
    now: dict[str, int] = {}
    own, said = pool_of(lambda: now)
    waits = "tcp://here:1: waiting for workers: there are none at the moment"
    assert [own.room(), own.room()] == [0, 0]
    assert said == [waits]
    now |= {"a": 3, "b": 2}
    assert own.room() == 10
    now.clear()
    assert [own.room(), own.room()] == [0, 0]
    assert said == [waits, "a: this worker is gone", "b: this worker is gone", waits]
    assert own.share() == 0.0


def test_a_task_whose_workers_are_all_gone_goes_to_others() -> None:
    """Dask would wait for them. Catches a task that is lost, and one that is moved for ever."""
    now, at_work = {"a": 1}, list[list[str]]()

    def answers(call: bytes, workers: list[str]) -> Future[Any]:
        if b"greet" in call:
            return answered(call, workers)
        at_work.append(workers)
        return Future()

    own, _ = pool_of(lambda: now, answers=answers)
    assert own.room() == 2
    own.submit(process_of, Attempt(1))
    for address in "bcdef":
        now.clear()
        now[address] = 1
        own.room()
    assert at_work == [["a"], ["b"], ["c"], ["d"]]
    [(attempt, result)] = own.completed(0.0)
    assert (attempt.item, result) == (1, Died(dask.WORKERS_DIED))


def test_a_scheduler_that_does_not_answer_keeps_its_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    silent, threads = threading.Event(), {"a": 2}

    def answer() -> dict[str, int]:
        if silent.is_set():
            release.wait(30)
        return threads

    release = threading.Event()
    own, said = pool_of(answer)
    monkeypatch.setattr(dask, "ANSWER_TIMEOUT", 30)
    assert own.room() == 4
    silent.set()
    monkeypatch.setattr(dask, "ANSWER_TIMEOUT", 0.01)
    assert [own.room(), own.room()] == [4, 4]
    assert said == ["tcp://here:1: waiting for an answer of the scheduler"]
    release.set()


def broken() -> dict[str, int]:
    raise OSError("gone")


@pytest.mark.parametrize(("threads", "status"), [(broken, "running"), (dict, "closed")])
def test_a_scheduler_that_is_gone_ends_the_run(threads: Any, status: str) -> None:
    """Also one that came back: it knows nothing of the tasks."""
    own, _ = pool_of(threads, status)
    with pytest.raises(ConfigError, match="'tcp://here:1': the scheduler is gone; run the same"):
        own.room()


def test_a_client_that_gave_up_takes_no_task() -> None:
    def closed(*_: object) -> Future[Any]:
        raise RuntimeError("closed")

    with pytest.raises(ConfigError, match="the scheduler is gone"):
        pool_of(answers=closed)[0].submit(process_of, Attempt(1))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("\n first \nsecond"), "'"),
        (EOFError(" one\ntwo"), "one"),
        (EOFError(), "EOFError"),
        (None, "no answer after 0.01 s"),
    ],
)
def test_an_answer_of_the_scheduler_is_one_line(
    error: Exception | None, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever error its protocol has; an error without words is named."""

    class Failing:
        def __init__(self, *_: object, **__: object) -> None:
            if error is not None:
                raise error
            threading.Event().wait()

        def close(self, seconds: float) -> None:
            raise OSError

    monkeypatch.setattr("distributed.Client", Failing)
    monkeypatch.setattr(dask, "ANSWER_TIMEOUT", 30 if error else 0.01)
    with pytest.raises(ConfigError) as failed, dask.connected("tcp://here:1"):
        pass
    assert f"no scheduler answers there ({reason}" in str(failed.value)
    assert "\n" not in str(failed.value)
