"""A Dask cluster of processes that a test can kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cells.commands import ROOT, until


class Cluster:
    """A scheduler and its workers, of one thread each, which nobody starts again."""

    def __init__(self, folder: Path, deaths: int) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.options = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(deaths)}
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start("scheduler", "--port", 0, "--dashboard-address", ":0")
        until(lambda: self.file.exists() and self.file.read_text().rstrip().endswith("}"))
        self.address: str = json.loads(self.file.read_text())["address"]

    def add_worker(self) -> subprocess.Popen[bytes]:
        """Start a worker, and do not wait for it."""
        options = ["--nthreads", 1, "--no-nanny", "--no-dashboard", "--memory-limit", 0]
        worker = self._start("worker", *options, "--local-directory", self.folder)
        self.workers.append(worker)
        return worker

    def _start(self, part: str, *arguments: object) -> subprocess.Popen[bytes]:
        options = ["--scheduler-file", self.file, *arguments]
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{part}", *map(str, options)],
            cwd=ROOT,
            env=os.environ | self.options,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def close(self) -> None:
        for process in [self.scheduler, *self.workers]:
            process.kill()
            process.wait()


@contextmanager
def dask_cluster(folder: Path, workers: int, deaths: int = 3) -> Iterator[Cluster]:
    """A cluster; ``deaths`` is how often Dask starts a task again whose worker died."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(folder, deaths)
    try:
        for _ in range(workers):
            cluster.add_worker()
        yield cluster
    finally:
        cluster.close()
