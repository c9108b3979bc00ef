"""Closed forms of iteration times, decoding errors and convergence (``docs/theory.md``)."""

from erasurehead.sim.theory import *  # noqa: F403
