"""How the master combines the messages that arrived.

``base``           the contract, and the decoding error
``summing``        ``SumArrived``: everything that arrived
``selecting``      ``OnePerGroup``, ``OnePerPartition``: each part from one of its messages
``least_squares``  ``LeastSquares``: optimal decoding of any code
"""

from sim.schemes.decoding.base import Decoder, decoding_error
from sim.schemes.decoding.least_squares import LeastSquares
from sim.schemes.decoding.selecting import OnePerGroup, OnePerPartition
from sim.schemes.decoding.summing import SumArrived

__all__ = [
    "Decoder",
    "LeastSquares",
    "OnePerGroup",
    "OnePerPartition",
    "SumArrived",
    "decoding_error",
]
