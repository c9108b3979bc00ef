"""Statistical assertions with one failure budget for the whole suite.

Every comparison of a simulated mean with an expected one is two-sided with a chance of 1e-6 to
fail when the code is right: |z| <= 4.9. A suite of a thousand comparisons therefore fails by
chance once in a thousand choices of its seeds; with fixed seeds it fails always or never, so a
failure is to be looked into, not run again. The normal approximation needs a few thousand samples
with a finite variance.

Import it as ``tests.statistics``: on its own the name would hide the standard library's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

CHANCE = 1e-6
"""Two-sided chance that one comparison fails although the code is right."""

BOUND = 4.9
"""The z that a standard normal exceeds, either way, with probability ``CHANCE``."""


def z_scores(samples: ArrayLike, expected: ArrayLike) -> np.ndarray:
    """(sample mean - expected) / standard error: ``(R, ...)`` and ``(...)`` -> ``(...)``.

    Where the samples do not vary at all, the score is 0 if they are the expected value to 1e-9,
    and infinite if they are not.
    """
    samples = np.asarray(samples, dtype=np.float64)
    expected = np.asarray(expected, dtype=np.float64)
    difference = samples.mean(axis=0) - expected
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    still = error <= 1e-14 * np.abs(expected)
    same = np.abs(difference) <= 1e-9 * np.maximum(np.abs(expected), 1e-300)
    return np.where(still, np.where(same, 0.0, np.inf), difference / np.where(still, 1.0, error))


def assert_z(samples: ArrayLike, expected: ArrayLike, what: str = "mean") -> None:
    """Assert that every sample mean is within ``BOUND`` standard errors of what is expected."""
    z = z_scores(samples, expected)
    mean = np.asarray(samples, dtype=np.float64).mean(axis=0)
    assert np.all(np.abs(z) <= BOUND), f"{what}: z = {z}, simulated {mean}, expected {expected}"
