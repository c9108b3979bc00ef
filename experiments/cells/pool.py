"""Worker processes for the cells of a sweep, started while the command itself still starts.

They are forked from a server that has imported the libraries once, so that a short sweep does not
wait for every worker to import them. Server and workers end with the command, also when it is
killed.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection, forkserver

PRELOADED = ["experiments.cells.work", "sklearn.metrics"]
"""What a worker needs for its first cell."""


def prepare() -> None:
    """Start the server, and return at once; it imports while this process does.

    On a system without one (Windows), workers are started in joblib's own way.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return
    multiprocessing.set_forkserver_preload(PRELOADED)
    forkserver.ensure_running()
    from joblib.externals.loky.backend.context import set_start_method

    set_start_method("forkserver", force=True)


@contextmanager
def processes() -> Iterator[None]:
    """Within this context joblib computes in processes that end with this one.

    After it they go while this process writes its tables.
    """
    import joblib
    from joblib.externals.loky import get_reusable_executor

    with joblib.parallel_config(backend="loky", initializer=_end_with_parent):
        yield
    get_reusable_executor().shutdown(wait=False)


def _end_with_parent() -> None:
    """Watch the parent from a thread: a worker that waits for its next cell sees nothing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel
        threading.Thread(target=_exit_after, args=(sentinel,), daemon=True).start()


def _exit_after(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
