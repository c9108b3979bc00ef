"""The lane that is a Dask cluster. Needs the extra ``cluster``."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from typing_extensions import override

from ..config.errors import ConfigError, at
from .lanes import Item, Lane, Result, Task, tell_nobody

PATIENCE = 8.0  # seconds that a scheduler has to answer: it may be importing what a task needs
FAREWELL = 1.0  # seconds that a scheduler has to let us go
Answer = TypeVar("Answer")


@contextmanager
def cluster(address: str, tell: Callable[[str], None] = tell_nobody) -> Iterator[Sequence[Lane]]:
    """The one lane that computes on the cluster behind ``address``, such as ``tcp://host:8786``.
    The workers need this package and, for public data sets, the data directory at the same path;
    results travel back and are written here. Nothing is computed here: without workers, the lane
    waits for some, and ``tell`` is called with a line that says so. Raises ConfigError: the extra
    is not installed, no scheduler answers, or it goes away meanwhile."""
    with connected(address) as client:
        # Not asked of a scheduler that has no dashboard, and no reason to fail.
        with suppress(Exception):
            if link := _answer(lambda: client.dashboard_link, PATIENCE):
                tell(f"Dask dashboard: {link}")
        yield [ClusterLane(client, address, tell)]


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """A Dask client of the scheduler at ``address``, such as ``tcp://host:8786``.
    Raises ConfigError: the extra is not installed, or no scheduler answers."""
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError(
            "--scheduler needs the extra cluster: pip install 'erasurehead-simulator[cluster]'"
        ) from None
    # Known here, so that it can be closed when it is half-made.
    client: Any = Client.__new__(Client)
    connect = partial(client.__init__, address, timeout=0.8 * PATIENCE, set_as_default=False)
    # Dask logs tracebacks while it tries to connect again; what matters is said in one line.
    logging.disable(logging.CRITICAL)
    try:
        try:
            with warnings.catch_warnings(action="ignore"):  # results tell other versions
                _answer(connect, PATIENCE)
        except OSError as error:
            valid = f"no scheduler answers there ({error}); must be like tcp://host:8786"
            raise at("--scheduler", address, valid) from None
        yield client
    finally:
        with suppress(OSError):  # it may be gone
            _answer(partial(client.close, FAREWELL), 2 * FAREWELL)
        logging.disable(logging.NOTSET)


def _answer(call: Callable[[], Answer], seconds: float) -> Answer:
    """What a call to the scheduler returns. Not all of Dask's end if it does not answer.
    Raises TimeoutError: there is no answer after so many seconds; ConnectionError: the call failed,
    each of Dask's protocols with errors of its own."""
    answer: Future[Answer] = Future()

    def ask() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            reason = str(error).split("\n")[0].strip() or type(error).__name__
            answer.set_exception(ConnectionError(reason))

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"no answer after {seconds:g} s") from None


class ClusterLane(Lane):
    """All workers of a cluster, however many there are at the moment."""

    blames_one = False

    def __init__(self, client: Any, address: str, tell: Callable[[str], None]) -> None:
        self._client, self._address, self._tell = client, address, tell
        self._executor: Executor = client.get_executor(pure=False)
        self._slots = 1
        self._told = set[str]()

    @override
    def slots(self) -> int:
        try:
            threads: dict[str, int] = _answer(self._client.nthreads, PATIENCE)
        except TimeoutError:
            self._wait_for("an answer of the scheduler")
        except ConnectionError:
            raise self._gone() from None
        else:
            if threads:
                self._told.clear()
            else:
                self._wait_for("workers: there are none at the moment")
            self._slots = max(1, sum(threads.values()))  # one task, so that a cluster can grow
        if self._client.status != "running":  # if it comes back, it knows nothing of our tasks
            raise self._gone()
        return self._slots

    def _wait_for(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._tell(f"{self._address}: waiting for {what}")

    @override
    def submit(self, task: Task[Item, Result], item: Item) -> Future[Result]:
        outcome: Future[Result] = Future()
        try:
            future = self._executor.submit(task, item, tell_nobody)
        except Exception:  # the client has been closed, as it does when it gives up
            raise self._gone() from None
        future.add_done_callback(partial(self._hand_on, outcome))
        return outcome

    def _hand_on(self, outcome: Future[Result], future: Future[Result]) -> None:
        """A task is cancelled when its scheduler is gone."""
        error = self._gone() if future.cancelled() else future.exception()
        if error is None:
            outcome.set_result(future.result())
        else:
            outcome.set_exception(self._gone() if isinstance(error, OSError) else error)

    def _gone(self) -> ConfigError:
        again = "the scheduler is gone; run the same command again to go on"
        return at("--scheduler", self._address, again)

    @override
    def is_death(self, error: BaseException | None) -> bool:
        from distributed import KilledWorker

        return isinstance(error, KilledWorker)

    @override
    def revive(self) -> str:
        """Dask looks after its workers, and has tried the task several times before it gives up."""
        return "the worker processes of the cluster died that computed it: out of memory?"
