"""The lane that is a Dask cluster. Needs the extra ``cluster``."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from typing import Any

from typing_extensions import override

from experiments.cells.pool import Item, Lane, Result, Task
from experiments.config.errors import ConfigError, at

PATIENCE = 5
"""Seconds that a scheduler has to answer, and then to have a worker."""


@contextmanager
def _no_logging() -> Iterator[None]:
    """Dask logs tracebacks while it tries to connect again; what matters is said in one line."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def cluster(address: str) -> Iterator[Sequence[Lane]]:
    """The one lane that computes on the cluster behind ``address``.

    The workers need this package and, for public data sets, the data directory at the same path;
    results travel back and are written here.

    Raises:
        ConfigError: the extra is not installed, no scheduler answers, it has no workers, or it goes
            away meanwhile.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError(
            "--scheduler needs the extra cluster: pip install 'erasurehead-simulator[cluster]'"
        ) from None
    try:
        client = Client(address, timeout=PATIENCE)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        valid = f"no scheduler answers there ({type(error).__name__}); must be like tcp://host:8786"
        raise at("--scheduler", address, valid) from None
    with _no_logging(), client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise at("--scheduler", address, f"has no workers after {PATIENCE} s") from None
        try:
            yield [ClusterLane(client)]
        except (CancelledError, OSError):
            again = "the scheduler is gone; run the same command again to go on"
            raise at("--scheduler", address, again) from None


class ClusterLane(Lane):
    """All workers of a cluster, however many there are at the moment."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._executor: Executor = client.get_executor(pure=False)

    @override
    def slots(self) -> int:
        threads: dict[str, int] = self._client.nthreads()
        return max(1, sum(threads.values()))

    @override
    def submit(self, task: Task[Item, Result], item: Item) -> Future[Result]:
        return self._executor.submit(_call, task, item)

    @override
    def is_death(self, error: BaseException | None) -> bool:
        from distributed import KilledWorker

        return isinstance(error, KilledWorker)

    @override
    def revive(self) -> str:
        """Dask looks after its workers, and has tried the task several times before it gives up."""
        return "the worker processes of the cluster died that computed it: out of memory?"


def _call(task: Task[Item, Result], item: Item) -> Result:
    return task(item, _nobody)


def _nobody(share: float) -> None:
    """Nobody is told how far a task on a cluster is."""
