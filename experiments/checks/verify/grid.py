"""What is verified: clusters x delays x load laws x schemes, simulated by the engines. A *setting*
is a cluster with a delay model and a load law. Its schemes read one tape, which is its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache, cached_property

import numpy as np

from ....delay_models import MODELS, DelayModel, Tape, parametric
from ....sim.base.types import FloatArray, Rounds, Trace
from ....sim.engines.law import ROUNDS_DRAWN
from ....sim.engines.run import Engine, Policy, Run
from ....sim.engines.simulate import simulate
from ....sim.engines.tapes import RememberedTape
from ....sim.load_laws import Additive, LoadLaw, PerPartition, Proportional
from ....sim.schemes import SCHEMES, SchemeFamily
from ....sim.schemes.across_rounds.local_sgd import LocalRounds, OuterSteps
from ....sim.schemes.base import Fixed, RoundScheme
from ....sim.schemes.codes.cyclic import CyclicRepetition
from ....sim.schemes.codes.erasurehead import ErasureHead, FractionalRepetition
from ....sim.schemes.deployed import Copies
from ....sim.schemes.uncoded import IgnoreStragglers, Uncoded
from ....sim.theory import IterationTimeLaw, NoFormula, round_theory, scheme_iteration_time
from ....sim.training.problems import Problem
from ....sim.training.problems.losses import LeastSquares
from ....sim.training.steps import DecodedRounds
from ...config.build import scheme_of
from ...config.catalogue import BUILT_IN
from ...config.cells import Cell
from ...config.codec import plain
from ...config.settings import shown_field
from ..request import VerifyRequest

# The least-squares problems on which gradients and losses are verified: small and always the same.
# Each partition's rows have their own centre, so that its gradient has its own direction and
# erasing it makes a difference. The spectrum of the Hessian is chosen: where all eigenvalues are
# equal the convergence bound is almost an equality, and where they differ its rate matters.

GRID_FEATURES = 8


@cache
def least_squares(partitions: int, condition: float = 1.0) -> LeastSquares:
    """Ten rows in each of k partitions, eight features, a hidden model and unit noise; eigenvalues
    of the Hessian lie evenly between the largest and that over ``condition``."""
    rng = np.random.default_rng(partitions)
    centres = np.repeat(rng.standard_normal((partitions, GRID_FEATURES)), 10, axis=0)
    orthonormal = np.linalg.qr(centres + rng.standard_normal(centres.shape))[0]
    x = orthonormal * np.sqrt(len(centres) * np.linspace(1.0 / condition, 1.0, GRID_FEATURES))
    y = x @ rng.standard_normal(GRID_FEATURES) + rng.standard_normal(len(x))
    return LeastSquares(x, y, partitions=partitions)


def start() -> FloatArray:
    """The model at which gradients are taken and from which training starts: ``(FEATURES,)``."""
    return np.zeros(GRID_FEATURES)


def direction() -> FloatArray:
    """A random direction of length 1, used nowhere else: ``(FEATURES,)``."""
    v = np.random.default_rng(2**20).standard_normal(GRID_FEATURES)
    return np.asarray(v / np.linalg.norm(v))


def group_spreads(
    fixed: Problem, initial: FloatArray, weights: FloatArray, step: float, size: int
) -> FloatArray:
    """V at each step of gradient descent with erasures: ``(R, T)``. V is the sum over groups of
    ``size`` partitions of the squared norm of the group's part of the gradient of the mean loss.
    The problem is dense and without L2; ``weights``, ``(R, T, k)``, are decoded ones, equal within
    a group. Cost: per step four products with the data."""
    replications, iterations, _ = weights.shape
    ends = np.cumsum(fixed.partition_sizes)[size - 1 :: size]
    blocks = [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    X = np.asarray(fixed.X)
    beta = np.repeat(initial[:, None], replications, axis=1)
    spreads = np.empty((replications, iterations))
    for t in range(iterations):
        slopes = fixed.row_slopes(X @ beta, fixed.y) / fixed.rows
        gradients = np.stack([X[block].T @ slopes[block] for block in blocks])
        spreads[:, t] = np.square(gradients).sum(axis=(0, 1))
        beta = beta - step * fixed.gradient(beta, weights[:, t])
    return spreads


# some one second on average; the second Pareto: no variance
GRID_DELAYS: tuple[DelayModel, ...] = (
    parametric.Exponential(rate=1.0),
    parametric.ShiftedExponential(shift=0.5, rate=2.0),
    parametric.Weibull(shape=0.6, scale=0.66),
    parametric.Gamma(shape=2.0, scale=0.5),
    parametric.LogNormal(median=0.7, sigma=0.8),
    parametric.Pareto(alpha=4.0, scale=0.75),
    parametric.Pareto(alpha=1.5, scale=1 / 3),
    parametric.Deterministic(value=0.7),
)
GRID_LAWS: tuple[LoadLaw, ...] = (
    Proportional(),
    Additive(seconds_per_partition=0.1),
    PerPartition(),
)

FOR_30: tuple[SchemeFamily, ...] = (
    Uncoded(),
    IgnoreStragglers(wait_for=25),
    IgnoreStragglers(wait_for=25, rescale=False),
    FractionalRepetition(load=2),
    FractionalRepetition(load=5),
    CyclicRepetition(load=3),
    ErasureHead(load=2, wait_for=20),
    ErasureHead(load=3, wait_for=15),
    ErasureHead(load=3, wait_for=15, rescale=True),
    ErasureHead(load=5, wait_for=12),
    ErasureHead(load=3, wait_for=15, deadline=2.5),
    IgnoreStragglers(wait_for=15, grace=0.5),
)

# all whose plan never changes, as contract tests have it
FOR_12: tuple[SchemeFamily, ...] = tuple(
    example
    for family in SCHEMES.values()
    for example in family.examples()
    if isinstance(example.build(12), Fixed | LocalRounds | Copies)
)


@dataclass(frozen=True)
class Setting:
    """One cluster, one delay model, one load law, and the schemes that read its tape."""

    index: int  # position in the grid; it selects the tape, whatever the other settings
    workers: int  # n
    delay: DelayModel  # the unit delays
    law: LoadLaw  # how a worker's time grows with its load
    families: tuple[SchemeFamily, ...]  # the schemes
    learns: bool  # also train, for the convergence bound
    by_law: bool = False  # also draw rounds by the law engine
    given: tuple[tuple[str, RoundScheme], ...] = ()  # a config's (label, scheme) pairs

    @property
    def schemes(self) -> list[RoundScheme]:
        """The schemes, built for this cluster."""
        built = (fixed(family, self.workers) for family in self.families)
        return [*built, *(scheme for _, scheme in self.given)]

    @property
    def labels(self) -> list[str]:
        """How the table names the schemes."""
        named = [name_and_fields(family.name, family) for family in self.families]
        return [*named, *(label for label, _ in self.given)]

    def tapes(self, asked: VerifyRequest, rounds: int) -> list[Tape]:
        """One for each so many of the rounds that are asked for, the last perhaps for fewer."""
        first = self.index * 2**24  # no two settings share a tape
        runs = range(first, first - (-asked.replications // rounds))
        return [Tape(self.delay, self.workers, asked.seed, r) for r in runs]


def whole_grid() -> tuple[Setting, ...]:
    """Every setting, in the table's order."""
    settings = list[Setting]()
    for n, families, delays in ((30, FOR_30, GRID_DELAYS), (12, FOR_12, GRID_DELAYS[::4])):
        # At load 1 a sum of draws is a single draw: there is nothing new to verify.
        loaded = tuple(f for f in families if np.max(fixed(f, n).plan(None).loads) > 1)
        for delay in delays:
            for law in GRID_LAWS:
                chosen = loaded if isinstance(law, PerPartition) else families
                # Decoding depends on the order of arrivals only: one setting a cluster is enough.
                learns = isinstance(delay, parametric.Exponential) and isinstance(law, Proportional)
                by_law = n == 30 and isinstance(law, Proportional)
                settings.append(Setting(len(settings), n, delay, law, chosen, learns, by_law))
    return tuple(settings)


def delay_label(delay: DelayModel) -> str:
    """How the table names delays."""
    names = {family: name for name, family in MODELS.items()}
    return name_and_fields(names.get(type(delay), type(delay).__name__), delay)


def of_config(grid: Sequence[Cell]) -> tuple[list[Setting], list[tuple[Cell, str]]]:
    """A config's cells as settings, once where rounds are alike; the others, with the reason."""
    made, others = dict[str, Setting](), list[tuple[Cell, str]]()
    sections: dict[tuple[str, str], object] = {}  # of the schemes that are in, by setting and label
    for cell in grid:
        settings, scheme = cell.settings, scheme_of(cell.settings)
        n, delay, law = settings.workers, settings.delay, settings.load_law
        ideal = settings.network is None and settings.failures is None
        cancels = settings.policy is Policy.CANCEL
        known = round_theory(scheme, delay, law, cancels, ideal)
        alike = cancels and ideal and delay.independent  # a round is as under cancel, if not known
        if isinstance(known.time, NoFormula) and not (alike and isinstance(known.error, float)):
            others.append((cell, known.time.reason))
        elif not isinstance(scheme, RoundScheme):
            others.append((cell, "its updates have no rounds"))
        elif not delay.independent_rounds:
            others.append((cell, "spells last: rounds are no independent samples"))
        else:
            identity = json.dumps([cell.document[key] for key in ("workers", "delay", "load_law")])
            setting = made.setdefault(identity, Setting(len(made), n, delay, law, (), learns=False))
            same = sections.setdefault((identity, cell.label), cell.scheme) == cell.scheme
            label = cell.label if same else cell.named
            if label not in setting.labels:
                made[identity] = replace(setting, given=(*setting.given, (label, scheme)))
    return [*made.values()], others


def fixed(family: SchemeFamily, workers: int) -> Fixed | LocalRounds | Copies:
    """Build a scheme whose plan never changes, for n workers."""
    scheme = family.build(workers)
    assert isinstance(scheme, Fixed | LocalRounds | Copies)
    return scheme


def name_and_fields(name: str, instance: object) -> str:
    """A name and the fields that are not defaults: ``erasurehead load=3 wait_for=15``."""
    for field in fields(instance):  # type: ignore[arg-type]
        value = getattr(instance, field.name)
        if field.default is MISSING or field.default != value:
            number = f"{field.name}={value:.3g}" if isinstance(value, float) else ""
            name += f" {number or shown_field(field.name, plain(value, BUILT_IN))}"
    return name


# The simulation uses the engines that every run uses. Under the policy ``cancel`` and with
# independent delays every round is an independent repetition of the same experiment, so a few long
# runs hold as many replications as rounds.

# rounds in one run: few enough that the clock's rounding stays below 1e-12 of a round
RUN_ROUNDS = 1000
TAPES_AT_ONCE = 8  # tapes that are kept in memory together: 2 MiB a stream for 30 workers


@dataclass(frozen=True, eq=False)
class ByLaw:
    """How long iterations took that the law engine drew, beside the batch engine's; ``(N,)`` each.
    Independent: under ``drain`` every other is left out, as stragglers make the next one longer."""

    cancelled: FloatArray
    drained: FloatArray
    simulated: FloatArray


@dataclass(frozen=True, eq=False)
class Case:
    """One row of the grid, simulated in R runs of ``RUN_ROUNDS`` rounds, and what was decoded."""

    setting: Setting
    scheme: RoundScheme
    trace: Trace
    decoded: DecodedRounds
    by_law: ByLaw | None = None

    @cached_property
    def time(self) -> IterationTimeLaw | NoFormula:
        """The closed form of an iteration's time."""
        return scheme_iteration_time(self.scheme, self.setting.delay, self.setting.law)

    @property
    def seconds(self) -> FloatArray:
        """``(R RUN,)`` how long each round took; of local steps, a step of it on average."""
        return self.trace.intervals.ravel() / self.scheme.local_steps

    @property
    def weights(self) -> FloatArray:
        """``(R RUN, k)`` the partition weights of each round."""
        return self.decoded.weights.reshape(-1, self.scheme.partitions)


def cases(setting: Setting, asked: VerifyRequest) -> Iterator[Case]:
    """Every scheme of a setting, simulated and decoded, in order, in whole runs of rounds. Cost:
    schemes that stop alike are simulated once; memory is about 50 n bytes a round."""
    schemes = setting.schemes
    traces: dict[object, list[Trace]] = {_timing(scheme): [] for scheme in schemes}
    all_tapes = setting.tapes(asked, RUN_ROUNDS)
    for start in range(0, len(all_tapes), TAPES_AT_ONCE):
        drawn = all_tapes[start : start + TAPES_AT_ONCE]
        tapes = [RememberedTape(tape, RUN_ROUNDS) for tape in drawn]
        for timing, pieces in traces.items():
            scheme = next(s for s in schemes if _timing(s) == timing)
            steps = scheme.local_steps  # each round reads as many rows: too many to remember
            run = Run(scheme, tapes if steps == 1 else drawn, setting.law, RUN_ROUNDS * steps)
            pieces.append(simulate(run, asked.engine, work=False))
    for scheme in schemes:
        pieces = traces[_timing(scheme)]
        times = np.concatenate([piece.times for piece in pieces])
        arrived = [piece.heard.arrived for piece in pieces if isinstance(piece.heard, Rounds)]
        trace = Trace(times, Rounds(np.concatenate(arrived)), None, pieces[0].engine)
        updates = scheme.steps(trace)
        decoded = updates.rounds if isinstance(updates, OuterSteps) else updates
        assert isinstance(decoded, DecodedRounds)
        yield Case(setting, scheme, trace, decoded, _by_law(setting, scheme, asked))


def _by_law(setting: Setting, scheme: RoundScheme, asked: VerifyRequest) -> ByLaw | None:
    """A quarter of the rounds asked for, rounded up to whole blocks; ``None`` in other settings."""
    if not setting.by_law:
        return None
    tapes = setting.tapes(asked, 4 * ROUNDS_DRAWN)

    def lengths(policy: Policy, engine: Engine) -> FloatArray:
        run = Run(scheme, tapes, setting.law, ROUNDS_DRAWN, policy)
        return simulate(run, engine, heard=False, work=False).intervals

    cancelled, drained = lengths(Policy.CANCEL, "law"), lengths(Policy.DRAIN, "law")[:, 1::2]
    simulated = lengths(Policy.DRAIN, "batch")[:, 1::2]
    return ByLaw(cancelled.ravel(), drained.ravel(), simulated.ravel())


def _timing(scheme: RoundScheme) -> object:
    return (scheme.assignment, scheme.stopping) if isinstance(scheme, Fixed) else scheme
