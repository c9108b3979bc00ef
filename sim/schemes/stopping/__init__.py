"""When the master stops waiting.

``base``       what a rule is, and how rules combine: ``AnyOf`` (``|``), ``AllOf`` (``&``)
``counting``   ``FirstK``: a number of arrivals
``covering``   ``CoverGroups``, ``CoverPartitions``: every part at least once
``deadline``   ``Deadline``: time is up
``tally``      a rule's memory within one round
``bisection``  any rule's stopping delay from its definition
"""

from sim.schemes.stopping.base import AllOf, AnyOf, Opened, StoppingRule
from sim.schemes.stopping.bisection import bisected_stopping_delay
from sim.schemes.stopping.counting import FirstK
from sim.schemes.stopping.covering import CoverGroups, CoverPartitions
from sim.schemes.stopping.deadline import Deadline
from sim.schemes.stopping.tally import Tally

__all__ = [
    "AllOf",
    "AnyOf",
    "CoverGroups",
    "CoverPartitions",
    "Deadline",
    "FirstK",
    "Opened",
    "StoppingRule",
    "Tally",
    "bisected_stopping_delay",
]
