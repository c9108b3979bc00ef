"""Cells on a Dask cluster, through joblib's backend. Needs the extra ``cluster``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import joblib

from experiments.config.errors import ConfigError, at


@contextmanager
def dask_cluster(address: str) -> Iterator[None]:
    """Within this context joblib computes on the cluster behind ``address``.

    The workers need this package and, for public data sets, the data directory at the same path;
    results travel back and are written here.

    Raises:
        ConfigError: the extra is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError(
            "--scheduler needs the extra cluster: pip install 'erasurehead-simulator[cluster]'"
        ) from None
    try:
        client = Client(address, timeout="5s")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        valid = f"no scheduler answers there ({type(error).__name__}); must be like tcp://host:8786"
        raise at("--scheduler", address, valid) from None
    with client, joblib.parallel_config(backend="dask", client=client, wait_for_workers_timeout=30):
        yield
