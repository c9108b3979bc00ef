"""Cost against the number of workers, rounds and replications, and peak memory.

Each size runs in a process of its own, so that its peak memory (Linux: VmHWM) is its own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.timing import Row
from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim.engines.run import Run
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.schemes import SCHEMES

SIZES = [
    (30, 100_000, 4),
    (100, 100_000, 4),
    (1_000, 20_000, 4),
    (10_000, 2_000, 4),
    (100_000, 1_000, 4),
    (30, 1_000, 4),
    (30, 10_000, 4),
    (30, 1_000, 400),
]


def rows() -> list[Row]:
    """Timing only, ErasureHead with d = 5; speed per worker-round against n = 30."""
    measured = [(size, *_measure(*size)) for size in SIZES]
    (n, t, r), seconds, _ = measured[0]
    reference = n * t * r / seconds
    table = []
    for (n, t, r), seconds, peak in measured:
        speed = n * t * r / seconds
        subject = f"timing only, n = {n:,}, {t:,} rounds, {r} replications ({seconds:.2f} s)"
        unit = f"M worker-rounds/s, peak {peak:,.0f} MiB"
        table.append(Row(subject, "n = 30", speed / reference, np.nan, speed / 1e6, unit))
    return table


def _measure(n: int, rounds: int, replications: int) -> tuple[float, float]:
    sizes = map(str, (n, rounds, replications))
    command = [sys.executable, "-m", "benchmarks.scaling", *sizes]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, peak = json.loads(answer.stdout)
    return seconds, peak


def _simulate(n: int, rounds: int, replications: int) -> tuple[float, float]:
    """Seconds of this process for one size, and its peak memory in MiB."""
    delays = MODELS["shifted_exponential"](shift=1.0, rate=2.0)
    scheme = SCHEMES["erasurehead"](load=5, wait_for=n // 2).build(n)
    tapes = [Tape(delays, n, 0, r) for r in range(replications)]
    began = time.perf_counter()
    simulate(Run(scheme, tapes, Proportional(), rounds), "batch", heard=False, work=False)
    seconds = time.perf_counter() - began
    peak = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
    assert peak is not None
    return seconds, int(peak[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(_simulate(*map(int, sys.argv[1:]))))
