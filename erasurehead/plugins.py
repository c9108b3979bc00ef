"""For authors of plugins: what a scheme, a stopping rule, a delay law, a load law, a model or an
optimizer of your own is made of.

    from erasurehead.plugins import STRICT, Fixed, FirstK, Groups, Load, OnePerGroup, SchemeFamily

``docs/howto/own_code.md`` and ``docs/howto/own_delay_law.md`` show how; the reference
(``docs/reference/api.md``) has every name. Shapes: R replications, U updates, n workers, m messages
per worker, k partitions."""

from erasurehead.delay_models.base import (
    DelayModel,
    IndependentDelays,
    IndependentPart,
    NonNegative,
    Part,
    PerSecond,
    PositiveSeconds,
    Probability,
    ReplayedDelays,
    Seconds,
    Tape,
)
from erasurehead.sim.base.errors import ConfigError, InvalidParameter
from erasurehead.sim.base.fields import (
    STRICT,
    Count,
    Grace,
    Load,
    Number,
    Positive,
    Seed,
    Share,
    Tolerance,
    WaitFor,
    configured,
    refuse_naming,
    require_at_most,
    require_at_most_workers,
    require_count,
    require_divisor,
    require_group,
    require_non_negative,
    require_positive,
    require_size,
)
from erasurehead.sim.base.types import (
    BoolArray,
    ComplexArray,
    FloatArray,
    IntArray,
    Loads,
    Messages,
    Rounds,
    Stream,
    TableTape,
    TapeLike,
    Trace,
    Work,
)
from erasurehead.sim.engines.run import Run
from erasurehead.sim.load_laws import LoadLaw
from erasurehead.sim.schemes.barrierless import Barrierless, Stops
from erasurehead.sim.schemes.base import (
    Fixed,
    Guarantees,
    Independent,
    KnownDelays,
    KnownDelaysFamily,
    OfWorkers,
    RandomOrder,
    Round,
    RoundOutcome,
    RoundScheme,
    Scheme,
    SchemeFamily,
    Sees,
    SumOfWorkers,
)
from erasurehead.sim.schemes.parts.assignments import (
    Assignment,
    CyclicCode,
    CyclicMds,
    Encoded,
    Groups,
    Pieces,
    UniformLoad,
)
from erasurehead.sim.schemes.parts.deadlines import (
    Deadline,
    PastDeadline,
    Spread,
    Window,
    WindowIfFew,
)
from erasurehead.sim.schemes.parts.decoders import (
    CommonWeight,
    Decoder,
    OfCode,
    OnePerGroup,
    OnePerPartition,
    Optimal,
    SumArrived,
    decoding_error,
    least_error,
    unbiased,
)
from erasurehead.sim.schemes.parts.stop import (
    Adaptive,
    Barrier,
    Covered,
    CoverPartitions,
    Decodable,
    DecodableWithin,
    Earliest,
    Latest,
    NamedRule,
    Quorum,
)
from erasurehead.sim.schemes.parts.stopping import (
    AllOf,
    AnyOf,
    CoverGroups,
    FirstK,
    FirstKEach,
    StoppingRule,
    StoppingState,
)
from erasurehead.sim.training.optimizers import Optimizer
from erasurehead.sim.training.problems import DatasetFamily, Objective, Problem
from erasurehead.sim.training.problems.datasets.base import Dataset
from erasurehead.sim.training.steps import DecodedRounds, GivenWeights, Measured, Steps

__all__ = [
    "STRICT", "Adaptive", "AllOf", "AnyOf", "Assignment", "Barrier", "Barrierless", "BoolArray",
    "CommonWeight", "ComplexArray", "ConfigError", "Count", "CoverGroups", "CoverPartitions",
    "Covered", "CyclicCode", "CyclicMds", "Dataset", "DatasetFamily", "Deadline", "Decodable",
    "DecodableWithin", "DecodedRounds", "Decoder", "DelayModel", "Earliest", "Encoded",
    "FirstK", "FirstKEach", "Fixed", "FloatArray", "GivenWeights", "Grace", "Groups",
    "Guarantees", "Independent", "IndependentDelays", "IndependentPart", "IntArray",
    "InvalidParameter", "KnownDelays", "KnownDelaysFamily", "Latest", "Load", "LoadLaw",
    "Loads", "Measured", "Messages", "NamedRule", "NonNegative", "Number", "Objective",
    "OfCode", "OfWorkers", "OnePerGroup", "OnePerPartition", "Optimal", "Optimizer", "Part",
    "PastDeadline", "PerSecond", "Pieces", "Positive", "PositiveSeconds", "Probability",
    "Problem", "Quorum", "RandomOrder", "ReplayedDelays", "Round", "RoundOutcome",
    "RoundScheme", "Rounds", "Run", "Scheme", "SchemeFamily", "Seconds", "Seed", "Sees",
    "Share", "Spread", "Steps", "StoppingRule", "StoppingState", "Stops", "Stream",
    "SumArrived", "SumOfWorkers", "TableTape", "Tape", "TapeLike", "Tolerance", "Trace",
    "UniformLoad", "WaitFor", "Window", "WindowIfFew", "Work", "configured", "decoding_error",
    "least_error", "refuse_naming", "require_at_most", "require_at_most_workers",
    "require_count", "require_divisor", "require_group", "require_non_negative",
    "require_positive", "require_size", "unbiased",
]  # fmt: skip
