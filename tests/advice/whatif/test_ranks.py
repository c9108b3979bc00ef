"""Ranks on hosts, behind an all-reduce: whether a device or its host is slow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh

TRANSFER = 0.08  # seconds that no rank's computing changes


def steps(slow: Sequence[int], seed: int = 0) -> pd.DataFrame:
    """150 steps of eight ranks on two hosts; slow ones compute 1.4 times as long."""
    rng = np.random.default_rng(seed)
    own = 0.4 + 0.02 * rng.gamma(4.0, 0.25, (150, 8))
    own[:, list(slow)] *= 1.4
    step = own.max(axis=1) + TRANSFER
    rows = [
        (number, rank, f"node{rank // 4}", step[number], 1e3 * (step[number] - own[number, rank]))
        for number in range(150)
        for rank in range(8)
    ]
    return pd.DataFrame(rows, columns=["step", "rank", "host", "step_time_s", "comm_ms"])


def test_one_slow_rank_is_a_device() -> None:
    found = eh.whatif(steps([6]))
    assert found.verdict.startswith("Replace rank 6 (node1): a step takes ")
    assert "Only one rank of host node1 is slow: it is the device, not the host." in found.limits
    assert found.remedies["text"].iloc[0] == "replace rank 6 (node1)"


def test_all_ranks_of_a_host_are_the_host() -> None:
    found = eh.whatif(steps([4, 5, 6, 7]))
    assert "node1" in found.verdict
    assert found.verdict.startswith("Mend or replace host node1: a step takes ")
    assert "it is the device" not in found.report


def test_the_transfer_is_the_part_of_a_task_that_does_not_grow() -> None:
    """A code of two parts takes twice the computing, and once the transfer: by hand."""
    rounds = steps([])
    remedies = eh.whatif(rounds).remedies.set_index("text")
    own = (rounds["step_time_s"] - rounds["comm_ms"] / 1e3).to_numpy().reshape(150, 8)
    times = 2 * own + TRANSFER
    by_hand = np.minimum(times[:, 0::2], times[:, 1::2]).max(axis=1).mean()
    assert remedies.loc["repeat each part on 2 workers", "seconds"] == pytest.approx(by_hand)
    assert not remedies["assumed"].any()
    slow = steps([6])
    dropped = (
        eh.whatif(slow).remedies.set_index("text").loc["drop rank 6 (node1) and share its work"]
    )
    own = (slow["step_time_s"] - slow["comm_ms"] / 1e3).to_numpy().reshape(150, 8)
    by_hand = (np.delete(own, 6, axis=1).max(axis=1) * 8 / 7).mean() + TRANSFER
    assert dropped["seconds"] == pytest.approx(by_hand)
