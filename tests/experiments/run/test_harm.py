"""Harm done to whole sweeps, at random moments: stderr says what happened, and nothing is lost.

After each the sweep is run again, and its tables are those of an undisturbed one, byte for byte.
Moments are drawn from a seed; what is asserted holds at any moment.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import takewhile
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
import yaml

from tests.experiments.run.commands import (
    PATIENCE,
    assert_same_tables,
    cells_of,
    finish,
    kill,
    session_of,
    signalled,
    start,
    sweep,
    until,
    until_cells,
    workers_of,
)
from tests.experiments.run.test_dask import GONE, dask_cluster
from tests.experiments.run.test_sweep import GRID, INTERRUPTED

pytestmark = pytest.mark.slow

OURS = re.compile(r'File ".*/(experiments/(?!__main__|__init__)|sim/|delay_models/)')
"""A line of a traceback that goes through the program, and not only through Python's own start."""
IMPORTED = "import main as command"
"""The line of ``erasurehead.__main__`` that the program's own first line comes after."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The config and the results of an undisturbed run."""
    folder = tmp_path_factory.mktemp("harm")
    config = folder / "grid.yaml"
    config.write_text(yaml.safe_dump(GRID))
    finish(config, folder / "whole", "--jobs", 2)
    return config, folder / "whole"


def resumed(whole: tuple[Path, Path], out: Path) -> None:
    config, reference = whole
    finish(config, out, "--jobs", 2)
    assert_same_tables(out, reference)


def pause(
    process: subprocess.Popen[str], out: Path, attempt: int, rng: np.random.Generator
) -> None:
    """Every second time somewhere in the first second, otherwise after some cells."""
    if attempt % 2:
        time.sleep(rng.random())
    else:
        until_cells(process, out, int(rng.integers(1, 20)))


def attempts(hits: Callable[[], int]) -> Iterator[int]:
    """Twenty, and more until over ten of them have hit; 100 at most."""
    return takewhile(lambda attempt: attempt < 20 or hits() <= 10, range(100))


def test_twenty_kills_of_the_command(whole: tuple[Path, Path], tmp_path: Path) -> None:
    """The command alone is killed: its processes end by themselves, and without a word. Twenty
    times, or more if it was often quicker."""
    rng, ends = np.random.default_rng(1), Counter[int]()
    for attempt in attempts(lambda: ends[-signal.SIGKILL]):
        out = tmp_path / str(attempt)
        process = sweep(whole[0], out, "--jobs", 1 + attempt % 3)
        pause(process, out, attempt, rng)
        process.kill()
        _, error = process.communicate(timeout=PATIENCE)
        assert error == ""
        until(lambda process=process: session_of(process) == {})
        ends[process.returncode] += 1
        resumed(whole, out)
    print("exit codes:", ends)
    assert ends[-signal.SIGKILL] > 10


def test_twenty_interrupts(whole: tuple[Path, Path], tmp_path: Path) -> None:
    """One line. Before the program's first line Ctrl-C belongs to Python, which may say more.
    Twenty times, or more if it was often quicker, or not yet there."""
    rng, ends = np.random.default_rng(2), Counter[str]()
    for attempt in attempts(lambda: ends["one line"]):
        out = tmp_path / str(attempt)
        process = sweep(whole[0], out, "--jobs", 1 + attempt % 3)
        pause(process, out, attempt, rng)
        error = signalled(process, signal.SIGINT)
        if process.returncode == 130 and error == INTERRUPTED:
            ends["one line"] += 1
        elif process.returncode == 0:
            assert error in ("", INTERRUPTED)
            ends["finished before"] += 1
        else:
            assert attempt % 2
            assert IMPORTED in error or not OURS.search(error), error
            ends["before the program's first line"] += 1
        until(lambda process=process: session_of(process) == {})
        resumed(whole, out)
    print(ends)
    assert ends["one line"] > 10


def test_twenty_killed_workers(whole: tuple[Path, Path], tmp_path: Path) -> None:
    """Each is killed once, and the command notices nothing."""
    rng = np.random.default_rng(3)
    for attempt in range(20):
        out = tmp_path / str(attempt)
        process = sweep(whole[0], out, "--jobs", 2)
        until_cells(process, out, int(rng.integers(1, 18)))
        kill(workers_of(process)[:1])
        _, error = process.communicate(timeout=PATIENCE)
        assert (process.returncode, error) == (0, "")
        assert_same_tables(out, whole[1])


def test_ten_killed_workers_of_a_cluster(whole: tuple[Path, Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    with dask_cluster(tmp_path / "dask", 2) as cluster:
        for attempt in range(10):
            out = tmp_path / str(attempt)
            process = sweep(whole[0], out, "--scheduler", cluster.address)
            until_cells(process, out, int(rng.integers(1, 18)))
            cluster.workers[attempt].kill()
            cluster.add_worker()
            _, error = process.communicate(timeout=PATIENCE)
            assert (process.returncode, error) == (0, "")
            assert_same_tables(out, whole[1])


def test_five_killed_schedulers(whole: tuple[Path, Path], tmp_path: Path) -> None:
    rng, ends = np.random.default_rng(5), Counter[int]()
    for attempt in range(5):
        out = tmp_path / str(attempt)
        with dask_cluster(tmp_path / f"dask{attempt}", 1) as cluster:
            process = sweep(whole[0], out, "--scheduler", cluster.address)
            until_cells(process, out, int(rng.integers(1, 12)))
            cluster.scheduler.kill()
            _, error = process.communicate(timeout=PATIENCE)
            ends[process.returncode] += 1
            line = f"error: --scheduler = {cluster.address!r}: {GONE}\n"
            assert (process.returncode, error) in [(2, line), (0, "")]
            assert process.returncode == 2 or cells_of(out) == 20
        resumed(whole, out)
    print("exit codes:", ends)
    assert ends[2] > 0


@pytest.mark.parametrize("seeds", [(0, 0), (0, 1)], ids=["one config", "two configs"])
def test_two_sweeps_at_once(seeds: tuple[int, int], tmp_path: Path) -> None:
    """Both end well, one after the other, or one is refused; the tables are of one that ran."""
    configs = [tmp_path / f"{number}.yaml" for number in range(2)]
    for config, seed in zip(configs, seeds, strict=True):
        config.write_text(yaml.safe_dump(GRID | {"seed": seed}))
        finish(config, tmp_path / f"whole{config.stem}", "--jobs", 2)
    ends = Counter[tuple[int, ...]]()
    for attempt in range(6):
        out = tmp_path / f"out{attempt}"
        running = [sweep(config, out, "--jobs", 2) for config in configs]
        errors = [process.communicate(timeout=PATIENCE)[1] for process in running]
        codes = [process.returncode for process in running]
        for code, error, other in zip(codes, errors, reversed(running), strict=True):
            line = f"error: {out}: process {other.pid} is writing to it; wait for its end\n"
            assert (code, error) in [(0, ""), (2, line)]
        assert 0 in codes
        ends[tuple(codes)] += 1
        story = yaml.safe_load((out / "config.yaml").read_text())["seed"]
        written = [i for i, code in enumerate(codes) if code == 0 and seeds[i] == story]
        assert written
        assert_same_tables(out, tmp_path / f"whole{written[0]}")
    print("exit codes:", ends)


DELAYS = {"model": "shifted_exponential", "shift": 0.01, "rate": 100.0}
ALL_COMMANDS = (
    "run c.yaml --output out",
    "sweep c.yaml --set seed=1,2,3 --jobs 2 --output out",
    "fit t.csv --output out",
    "whatif t.csv --output out",
    "recommend c.yaml --only uncoded --jobs 2 --output out",
    "verify --worst c.yaml --output out",
    "verify c.yaml --output out",
    "reproduce delay_tolerance iteration_time_scale --jobs 2 --output out",
    "live c.yaml --output out",
    "live --rounds 5 --size 50 --measure out/m.csv",
    "report one two --output out",
)
MEASURED = ("live", "measure")
"""Commands whose numbers are of this machine, and never the same twice."""


def tables_of(out: Path) -> dict[str, bytes]:
    """And pictures."""
    endings = (".parquet", ".csv", ".svg")
    return {p.name: p.read_bytes() for p in out.rglob("*") if p.suffix in endings}


def reached(process: subprocess.Popen[str], out: Path, temporary: Path, files: int) -> bool:
    """Whether a command has made so many files, or for 0 anything; or whether it has ended."""
    made = [path for path in out.rglob("*") if path.name != ".lock"] if out.exists() else []
    # Python itself looks for a place with a file that a kill at that instant leaves behind.
    begun = files > 0 or out.exists() or any(temporary.glob("eh-*"))
    return process.poll() is not None or (begun and len(made) >= files)


@pytest.mark.parametrize("command", ALL_COMMANDS, ids=lambda command: command.split()[0])
def test_every_command_killed_and_interrupted_three_times(
    command: str, tmp_path: Path, temporary: Path
) -> None:
    """Before it has written, at its first file, and at its third: the temporary folder is empty
    afterwards, and the same command ends well, with the bytes of one that nobody disturbed."""
    rows = np.random.default_rng(0).exponential(size=(300, 6)) + 0.1
    np.savetxt(tmp_path / "t.csv", rows, delimiter=",", header="a,b,c,d,e,f", comments="")
    schemes = [{"name": "uncoded"}, {"name": "fractional_repetition", "load": 2}]
    config = {"workers": 4, "iterations": 20, "delay": DELAYS, "schemes": schemes}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))

    def begin(out: Path, line: str = command) -> subprocess.Popen[str]:
        words = line.replace(" out", f" {out}").split()
        files = {name: tmp_path / name for name in ("c.yaml", "t.csv", "one", "two")}
        return start(*(files.get(word, word) for word in words))

    def ended_well(process: subprocess.Popen[str]) -> None:
        _, error = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, error

    if command.startswith("report"):
        for name in ("one", "two"):
            ended_well(begin(tmp_path / name, "run c.yaml --output out"))
    whole = tmp_path / "whole"
    ended_well(begin(whole))
    for number in (signal.SIGKILL, signal.SIGINT):
        for files in (0, 1, 3):
            out = tmp_path / f"{number}-{files}"
            process = begin(out)
            until(partial(reached, process, out, temporary, files))
            if number == signal.SIGINT:
                error = signalled(process, number)
                assert process.returncode in (0, 130), error
                assert "Traceback" not in error
            else:
                process.kill()
                process.communicate(timeout=PATIENCE)
            until(lambda process=process: session_of(process) == {})
            assert [*temporary.iterdir()] == []
            ended_well(begin(out))
            assert not [*out.rglob("*.part")]
            if command.split()[0] not in MEASURED:
                assert tables_of(out) == tables_of(whole)


def computed(process: subprocess.Popen[str]) -> float:
    """Seconds that a process has computed so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill", "Ctrl-C"])
@pytest.mark.parametrize("moment", ["ready", "drawn", "drawing"])
def test_explore_killed_and_interrupted(number: int, moment: str, temporary: Path) -> None:
    """When it says that it listens, after a page, and while it draws: it ends, leaves nothing, and
    its port is free for the next one, which draws the same."""
    process = start("explore", "--no-browser", "--port", "0")
    assert process.stdout is not None
    address = process.stdout.readline().split()[0]
    drawn = b""
    if moment != "ready":
        with urlopen(f"{address}draw?n=12&r=6", timeout=PATIENCE) as answer:
            drawn = answer.read()
    if moment == "drawing":
        port = int(address.rstrip("/").rpartition(":")[2])
        before = computed(process)
        with ExitStack() as asked:
            for page in range(1, 31):  # one after the other, so that some still wait
                query = f"n=60&r={page}&patient=1&page={page}"
                line = f"GET /draw?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
                wire = socket.create_connection(("127.0.0.1", port), PATIENCE)
                asked.enter_context(wire).sendall(line.encode())
            until(lambda: computed(process) > before + 0.05)
            os.killpg(process.pid, number)
            process.communicate(timeout=PATIENCE)
    error = signalled(process, number) if process.poll() is None else ""
    assert "Traceback" not in error
    assert process.returncode == (-number if number == signal.SIGKILL else 0)
    until(lambda: session_of(process) == {})
    assert [*temporary.iterdir()] == []
    again = start("explore", "--no-browser", "--port", address.rstrip("/").rpartition(":")[2])
    assert again.stdout is not None
    assert again.stdout.readline().split()[0] == address
    with urlopen(f"{address}draw?n=12&r=6", timeout=PATIENCE) as answer:
        assert drawn in (b"", answer.read())
    assert signalled(again, signal.SIGINT) == ""
    assert again.returncode == 0
