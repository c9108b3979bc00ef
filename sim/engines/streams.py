"""The messages of schemes that use any number of them in an update."""

from __future__ import annotations

from typing import final

import numpy as np

from ..types import FloatArray, IntArray, Stream


@final
class Streams:
    """Messages, gathered one replication after the other.

    Life cycle: ``add`` each replication; then ``heard`` and ``useful``.

    Args:
        workers: n.
    """

    def __init__(self, workers: int) -> None:
        self._n, self._decided = workers, 0
        self._worker: list[IntArray] = []
        self._version: list[IntArray] = []
        self._ends: list[IntArray] = []
        self._useful: list[FloatArray] = []

    def add(
        self, worker: IntArray, version: IntArray, seconds: FloatArray | None, ends: IntArray
    ) -> None:
        """The next replication.

        Args:
            worker, version, seconds: ``(M_r,)`` of each message, up to the last update.
            ends: ``(U,)`` messages up to each update.
        """
        self._worker.append(worker.astype(np.int32))
        self._version.append(version.astype(np.int32))
        self._ends.append(ends + self._decided)
        self._decided += len(worker)
        if seconds is not None:
            useful = np.bincount(worker, seconds, self._n)
            self._useful.append(useful.astype(np.float64))

    @property
    def heard(self) -> Stream:
        """The messages of all replications, one replication after the other."""
        return Stream(
            np.concatenate(self._worker), np.concatenate(self._version), np.stack(self._ends)
        )

    @property
    def useful(self) -> FloatArray:
        """``(R, n)`` seconds of each worker that went into these messages."""
        return np.stack(self._useful)
