"""Schemes: who computes what, when the master stops, how it decodes.

To add a scheme: write one frozen dataclass that composes an assignment, a stopping rule and a
decoder, and add one line here.
"""

from sim.schemes.base import Scheme, SchemeFamily
from sim.schemes.erasurehead import ErasureHead
from sim.schemes.multi_message import MultiMessage
from sim.schemes.repetition import CyclicRepetition, FractionalRepetition
from sim.schemes.uncoded import IgnoreStragglers, Uncoded

SCHEMES: dict[str, type[SchemeFamily]] = {
    "uncoded": Uncoded,
    "ignore_stragglers": IgnoreStragglers,
    "fractional_repetition": FractionalRepetition,
    "cyclic_repetition": CyclicRepetition,
    "erasurehead": ErasureHead,
    "multi_message": MultiMessage,
}

__all__ = ["SCHEMES", "Scheme", "SchemeFamily"]
