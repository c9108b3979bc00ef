"""Schemes: who computes what, when the master stops, how it decodes.

To add a scheme: write one frozen dataclass that composes known parts (``base`` shows how), and add
one line here; or leave the package as it is and write a plugin. What its docstring says under
``Facts`` goes into the atlas.
"""

from .adaptive import AdaptiveDeadline, AdaptiveK
from .asynchronous import (
    Asynchronous,
    KAsync,
    KBatchAsync,
    KBatchSync,
    Rennala,
    Ringmaster,
    StaleSynchronous,
)
from .balanced import Balanced
from .base import Scheme, SchemeFamily
from .block_coordinate import BlockCoordinate
from .cyclic import CyclicMdsCode, CyclicRepetition
from .erasurehead import ErasureHead, FractionalRepetition, GeneralizedFractionalRepetition
from .exact_codes import CommunicationEfficient, HeterogeneityAware
from .graph_assignment import GraphAssignment
from .graph_codes import BlockDesign, Expander, RegularGraph
from .ignore_arbitrary import IgnoreArbitrary
from .local_sgd import LocalSgd
from .matrix import Matrix
from .partial_work import MultiMessage, PartialStragglers
from .random_codes import Bernoulli, HeterogeneousSplit, StochasticBlock, StochasticGradientCoding
from .ringleader import Malenia, Ringleader
from .sequential import Sequential
from .speculative import Speculative
from .stale_gradients import GradientTable, Pipelined
from .time_limits import DropCompute, MindFlayer
from .uncoded import IgnoreStragglers, TimeWindow, Uncoded

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
    "speculative": Speculative,
    "balanced": Balanced,
    "pipelined": Pipelined,
    "mindflayer": MindFlayer,
    "block_coordinate": BlockCoordinate,
    "sequential": Sequential,
    "local_sgd": LocalSgd,
    "adaptive_k": AdaptiveK,
    "adaptive_deadline": AdaptiveDeadline,
    "asynchronous": Asynchronous,
    "k_async": KAsync,
    "k_batch_async": KBatchAsync,
    "k_batch_sync": KBatchSync,
    "ssp": StaleSynchronous,
    "rennala": Rennala,
    "ringmaster": Ringmaster,
    "ringleader": Ringleader,
    "malenia": Malenia,
    "gradient_table": GradientTable,
}

__all__ = ["SCHEMES", "Scheme", "SchemeFamily"]
