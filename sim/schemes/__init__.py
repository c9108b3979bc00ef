"""Schemes: who computes what, when the master stops, how it decodes.

To add a scheme: write one frozen dataclass that composes known parts (``base`` shows how), and name
it in ``SCHEMES``; or leave the package as it is and write a plugin. What is known of each scheme is
in ``docs/atlas.md``; its docstring says what it does, its fields and the source."""

from ..base.types import registry
from .across_rounds.local_sgd import LocalSgd, Outer
from .across_rounds.sequential import Sequential
from .across_rounds.stale_gradients import GradientTable, Malenia, Pipelined, Ringleader
from .asynchronous import (
    Asynchronous,
    KAsync,
    KBatchAsync,
    KBatchSync,
    Rennala,
    Ringmaster,
    StaleSynchronous,
)
from .barrierless import Discount
from .base import Scheme, SchemeFamily
from .codes.base import Matrix
from .codes.cyclic import CyclicMdsCode, CyclicRepetition
from .codes.erasurehead import ErasureHead, FractionalRepetition, GeneralizedFractionalRepetition
from .codes.exact_codes import CommunicationEfficient, HeterogeneityAware
from .codes.graph_codes import BlockDesign, Expander, GraphAssignment, RegularGraph
from .codes.random_codes import (
    Bernoulli,
    HeterogeneousSplit,
    IgnoreArbitrary,
    StochasticBlock,
    StochasticGradientCoding,
)
from .deployed import Balanced, Speculative
from .partial_work import BlockCoordinate, MultiMessage, PartialStragglers
from .time_limits import DropCompute, MindFlayer
from .uncoded import AdaptiveDeadline, AdaptiveK, IgnoreStragglers, TimeWindow, Uncoded

SCHEMES: dict[str, type[SchemeFamily]] = registry(
    "name",
    Uncoded, IgnoreStragglers, TimeWindow, FractionalRepetition, CyclicRepetition, CyclicMdsCode,
    GeneralizedFractionalRepetition, HeterogeneityAware, CommunicationEfficient, ErasureHead,
    Bernoulli, StochasticBlock, RegularGraph, Expander, BlockDesign, GraphAssignment,
    StochasticGradientCoding, HeterogeneousSplit, IgnoreArbitrary, Matrix, MultiMessage,
    PartialStragglers, DropCompute, Speculative, Balanced, Pipelined, MindFlayer, BlockCoordinate,
    Sequential, LocalSgd, AdaptiveK, AdaptiveDeadline, Asynchronous, KAsync, KBatchAsync,
    KBatchSync, StaleSynchronous, Rennala, Ringmaster, Ringleader, Malenia, GradientTable,
)  # fmt: skip

__all__ = [
    "SCHEMES", "AdaptiveDeadline", "AdaptiveK", "Asynchronous", "Balanced", "Bernoulli",
    "BlockCoordinate", "BlockDesign", "CommunicationEfficient", "CyclicMdsCode",
    "CyclicRepetition", "Discount", "DropCompute", "ErasureHead", "Expander",
    "FractionalRepetition", "GeneralizedFractionalRepetition", "GradientTable", "GraphAssignment",
    "HeterogeneityAware", "HeterogeneousSplit", "IgnoreArbitrary", "IgnoreStragglers", "KAsync",
    "KBatchAsync", "KBatchSync", "LocalSgd", "Malenia", "Matrix", "MindFlayer", "MultiMessage",
    "Outer", "PartialStragglers", "Pipelined", "RegularGraph", "Rennala", "Ringleader",
    "Ringmaster", "Scheme", "SchemeFamily", "Sequential", "Speculative", "StaleSynchronous",
    "StochasticBlock", "StochasticGradientCoding", "TimeWindow", "Uncoded",
]  # fmt: skip
