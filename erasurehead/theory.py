"""Closed forms of iteration times, decoding errors and convergence (``docs/theory.md``)."""

from erasurehead.sim.theory import *  # noqa: F403
from erasurehead.sim.theory import __all__ as __all__
