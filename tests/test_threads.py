"""Linear algebra on one thread, whichever library does it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from threadpoolctl import threadpool_info, threadpool_limits

from erasurehead.sim.numerics import one_thread

ROOT = Path(__file__).parent.parent


def test_a_library_that_is_imported_later_is_limited_too() -> None:
    """Catches a solver that brings SciPy's BLAS when NumPy's alone has been limited."""
    program = (
        "import numpy;"
        "from threadpoolctl import threadpool_info;"
        "from erasurehead.sim.numerics import one_thread\n"
        "with one_thread():\n"
        "    import scipy.linalg\n"
        "    pools = [pool for pool in threadpool_info() if pool['user_api'] == 'blas']\n"
        "    print({pool['num_threads'] for pool in pools})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "{1}\n"


def test_threads_come_back_afterwards() -> None:
    import scipy.linalg  # noqa: F401  # a library that came in between would be new afterwards

    with threadpool_limits(2):
        before = threadpool_info()
        with one_thread():
            pass
        assert threadpool_info() == before
