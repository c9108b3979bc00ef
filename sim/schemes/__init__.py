"""Schemes: who computes what, when the master stops, how it decodes.

To add a scheme: write one frozen dataclass that composes known parts (``base`` shows how), and add
one line here; or leave the package as it is and write a plugin. What its docstring says under
``Facts`` goes into the atlas.
"""

from sim.schemes.adaptive import AdaptiveDeadline, AdaptiveK
from sim.schemes.asynchronous import Asynchronous, KAsync, KBatchAsync, KBatchSync
from sim.schemes.base import Scheme, SchemeFamily
from sim.schemes.block_coordinate import BlockCoordinate
from sim.schemes.block_design import BlockDesign
from sim.schemes.classes import GeneralizedFractionalRepetition
from sim.schemes.communication import CommunicationEfficient
from sim.schemes.drop_compute import DropCompute
from sim.schemes.erasurehead import ErasureHead
from sim.schemes.gradient_table import GradientTable
from sim.schemes.graph_assignment import GraphAssignment
from sim.schemes.graph_codes import Expander, RegularGraph
from sim.schemes.heterogeneity import HeterogeneityAware
from sim.schemes.ignore_arbitrary import IgnoreArbitrary
from sim.schemes.malenia import Malenia
from sim.schemes.matrix import Matrix
from sim.schemes.mindflayer import MindFlayer
from sim.schemes.multi_message import MultiMessage
from sim.schemes.partial_stragglers import PartialStragglers
from sim.schemes.pipelined import Pipelined
from sim.schemes.random_codes import Bernoulli, StochasticBlock
from sim.schemes.repetition import CyclicMdsCode, CyclicRepetition, FractionalRepetition
from sim.schemes.ringleader import Ringleader
from sim.schemes.ringmaster import Rennala, Ringmaster
from sim.schemes.sequential import Sequential
from sim.schemes.stochastic import HeterogeneousSplit, StochasticGradientCoding
from sim.schemes.uncoded import IgnoreStragglers, TimeWindow, Uncoded

SCHEMES: dict[str, type[SchemeFamily]] = {
    "uncoded": Uncoded,
    "ignore_stragglers": IgnoreStragglers,
    "window": TimeWindow,
    "fractional_repetition": FractionalRepetition,
    "cyclic_repetition": CyclicRepetition,
    "cyclic_mds": CyclicMdsCode,
    "generalized_fractional_repetition": GeneralizedFractionalRepetition,
    "heterogeneity_aware": HeterogeneityAware,
    "communication_efficient": CommunicationEfficient,
    "erasurehead": ErasureHead,
    "bernoulli": Bernoulli,
    "stochastic_block": StochasticBlock,
    "regular_graph": RegularGraph,
    "expander": Expander,
    "block_design": BlockDesign,
    "graph_assignment": GraphAssignment,
    "stochastic_gradient_coding": StochasticGradientCoding,
    "heterogeneous_split": HeterogeneousSplit,
    "ignore_arbitrary": IgnoreArbitrary,
    "matrix": Matrix,
    "multi_message": MultiMessage,
    "partial_stragglers": PartialStragglers,
    "drop_compute": DropCompute,
    "pipelined": Pipelined,
    "mindflayer": MindFlayer,
    "block_coordinate": BlockCoordinate,
    "sequential": Sequential,
    "adaptive_k": AdaptiveK,
    "adaptive_deadline": AdaptiveDeadline,
    "asynchronous": Asynchronous,
    "k_async": KAsync,
    "k_batch_async": KBatchAsync,
    "k_batch_sync": KBatchSync,
    "rennala": Rennala,
    "ringmaster": Ringmaster,
    "ringleader": Ringleader,
    "malenia": Malenia,
    "gradient_table": GradientTable,
}

__all__ = ["SCHEMES", "Scheme", "SchemeFamily"]
