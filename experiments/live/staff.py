"""Where workers come from: processes of this machine, or a Dask cluster. Both run one program."""

from __future__ import annotations

import multiprocessing
import os
import platform
import secrets
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection, Listener
from queue import Empty, SimpleQueue
from typing import Any, final

from ..cells import processes
from ..cells.cluster import connected
from ..config.errors import ConfigError, at
from .worker import process, serve

PATIENCE = 60.0
"""Seconds that a worker of a cluster has to call the master."""


@final
@dataclass(frozen=True)
class Staff:
    """Workers that listen.

    Attributes:
        lines: one to each.
        names: how a person finds each: its number, process and host.
        hosts: the host of each.
    """

    lines: Sequence[Connection]
    names: Sequence[str]
    hosts: Sequence[str]


@contextmanager
def hired(workers: int, scheduler: str | None) -> Iterator[Staff]:
    """So many workers; they end with this context, or with this process, however it ends.

    Args:
        workers: n.
        scheduler: address of a Dask cluster; ``None``: processes of this machine.

    Raises:
        ConfigError: the cluster cannot be reached, or is too small.
    """
    with _local(workers) if scheduler is None else _on_cluster(workers, scheduler) as staff:
        try:
            yield staff
        finally:
            for line in staff.lines:
                with suppress(OSError):
                    line.close()


@contextmanager
def _local(workers: int) -> Iterator[Staff]:
    """One process each, forked from the server that has imported the libraries."""
    processes.prepare()
    context: Any = multiprocessing.get_context("forkserver" if processes.SERVER else "spawn")
    lines, started = [], []
    with processes.without_main(), processes.undisturbed():
        for worker in range(workers):
            line, far = context.Pipe()
            each = context.Process(target=process, args=(far,), name=f"worker {worker}")
            each.daemon = True
            each.start()
            far.close()
            lines.append(line)
            started.append(each)
    try:
        names = [f"{each.name} (process {each.pid})" for each in started]
        yield Staff(lines, names, [platform.node()] * workers)
    finally:
        for line in lines:
            with suppress(OSError):
                line.close()
        for each in started:
            each.join()


@contextmanager
def _on_cluster(workers: int, scheduler: str) -> Iterator[Staff]:
    """One long task each, that calls the master by itself: Dask's own way takes milliseconds."""
    with connected(scheduler) as client:
        places = _places(client, workers, scheduler)
        host = client.scheduler.address.split("://")[-1].rsplit(":", 1)[0].strip("[]")
        key = secrets.token_bytes(16)
        with Listener((_address_towards(host), 0), backlog=workers, authkey=key) as listener:
            futures = [
                client.submit(
                    call, listener.address, key, worker, workers=[place], pure=False, retries=0
                )
                for worker, place in enumerate(places)
            ]
            staff = _accepted(listener, futures, workers, scheduler)
        yield staff


def _places(client: Any, workers: int, scheduler: str) -> list[str]:
    """The address of the Dask worker of each worker: different ones as far as there are any."""
    threads: dict[str, int] = client.nthreads()
    places = [
        address
        for turn in range(max(threads.values(), default=0))
        for address, number in threads.items()
        if turn < number
    ]
    if len(places) < workers:
        valid = f"the cluster has {len(places)} threads, and {workers} workers need one each"
        raise at("--scheduler", scheduler, valid)
    return places[:workers]


def _address_towards(host: str) -> str:
    """This machine's address as ``host`` sees it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))  # sends nothing
        return str(probe.getsockname()[0])


def _accepted(listener: Listener, futures: Sequence[Any], workers: int, scheduler: str) -> Staff:
    calls: SimpleQueue[Connection] = SimpleQueue()

    def accept() -> None:
        with suppress(OSError):
            for _ in range(workers):
                calls.put(listener.accept())

    threading.Thread(target=accept, daemon=True).start()
    lines: dict[int, tuple[Connection, str, str]] = {}
    while len(lines) < workers:
        try:
            line = calls.get(timeout=PATIENCE)
        except Empty:
            failed = next((future for future in futures if future.status == "error"), None)
            reason = "" if failed is None else f": {failed.exception()}".splitlines()[0]
            what = f"{workers - len(lines)} of {workers} workers did not call {listener.address}"
            raise at("--scheduler", scheduler, what + reason) from None
        direct(line)
        worker, host, number = line.recv()
        lines[worker] = line, f"worker {worker} (process {number} on {host})", host
    ordered, names, hosts = zip(*(lines[worker] for worker in range(workers)), strict=True)
    return Staff(ordered, names, hosts)


def call(address: tuple[str, int], key: bytes, worker: int) -> None:
    """A worker on a cluster: it calls the master, and works until the line closes."""
    try:
        line = Client(address, authkey=key)
    except OSError as error:
        raise ConfigError(f"the master at {address} cannot be reached: {error}") from None
    with line:
        direct(line)
        line.send((worker, platform.node(), os.getpid()))
        serve(line)


def direct(line: Connection) -> None:
    """Have small messages sent at once, rather than after the answer to the one before."""
    with socket.socket(fileno=os.dup(line.fileno())) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
