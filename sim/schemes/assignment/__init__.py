"""Who holds which partitions, and how each worker encodes its messages.

``base``        the contract, and what assignments share
``fractional``  groups of workers hold the same partitions (d = 1: uncoded)
``cyclic``      shifted supports with random coefficients
``pieces``      shifted supports, one message per partition
"""

from sim.schemes.assignment.base import Assignment, OneMessage, UniformLoad
from sim.schemes.assignment.cyclic import CyclicRepetition
from sim.schemes.assignment.fractional import FractionalRepetition
from sim.schemes.assignment.pieces import CyclicPieces

__all__ = [
    "Assignment",
    "CyclicPieces",
    "CyclicRepetition",
    "FractionalRepetition",
    "OneMessage",
    "UniformLoad",
]
