"""From cells to the tables of a run: means with their errors, and paired differences."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import bdtr, ndtri, stdtr, stdtrit

from ...sim import theory
from ...sim.base.types import FloatArray
from ...sim.engines.run import Policy
from ...sim.load_laws import OfOneDraw, PerPartition
from ...sim.schemes.barrierless import Barrierless, Stops
from ...sim.schemes.base import Fixed, Scheme
from ...sim.schemes.parts.stopping import FirstK
from ...sim.training.problems.losses import LeastSquares
from ..config.build import scheme_of, training
from ..config.cells import Cell
from ..config.settings import Settings
from ..text import interval_columns
from .compute import CellResult, Columns, frame_of_iterations
from .metrics import METRICS, ZERO_TOLERANCE, per_replication

CONFIDENCE = 0.95
# times the loss at the start: noisy models end above it, but none this far comes back
DIVERGED = 1000.0
DECODED = 1e-9  # decoding error, per partition, up to which it is what rounding leaves of 0
# of the mean square of the targets: what rounding may leave of a least loss of 0
REACHED = 1e-12
MOST_DIRECTIONS = 256  # of data whose least loss is looked up: a decomposition of a second or less
SURELY_NONE = 1e-15  # runs in which a deadline strikes, if it is said that none does
NAMED_CELLS = 3  # cells that are named
COMPARED = sorted((m for m in METRICS.values() if m.compared), key=lambda m: m.unit != "s")
# Of the mean of all rounds, by theory. Beyond it right theory has |z| > 3 in more than a hundredth
# of runs; of rare spikes with 0.73 in a sixth.
MOST_SKEWNESS = 0.3
# closed forms, some hundredths of a second each; a summary with more has none
MAX_CLOSED_FORMS = 1000
ROWS_AT_ONCE = 2**15  # of a table that are made and written together
# sections of a config on which iteration times and decoding errors depend
TIMING = ("workers", "iterations", "delay", "load_law", "policy", "schemes", "network", "failures")
Finished = tuple[Cell, CellResult]


def mean_and_error(values: FloatArray) -> tuple[float, float]:
    """Mean of ``(R,)`` and its standard error, NaN values left out.
    The error is NaN with fewer than two values, and so is the mean of none."""
    known = values[~np.isnan(values)]
    if known.size < 2:
        return (float(known[0]) if known.size else np.nan), np.nan
    mean, deviation = _moments(known)
    return mean, deviation / float(np.sqrt(known.size))


def _moments(known: FloatArray) -> tuple[float, float]:
    """Mean and standard deviation, as NumPy's ``mean`` and ``std`` in a third of their time."""
    with np.errstate(invalid="ignore", over="ignore"):  # of a model that diverged
        mean = np.add.reduce(known) / known.size
        away = known - mean
        return float(mean), float(np.sqrt(np.add.reduce(away * away) / (known.size - 1)))


def mean_interval(values: FloatArray) -> tuple[float, float, float]:
    """Mean and Student's confidence interval of independent values; NaN values are left out."""
    known = values[~np.isnan(values)]
    if known.size < 2:
        return (*mean_and_error(known), np.nan)
    mean, deviation = _moments(known)
    quantile = stdtrit(known.size - 1, (1 + CONFIDENCE) / 2)
    half = float(quantile * deviation / np.sqrt(known.size))
    return mean, mean - half, mean + half


def ratio_interval(a: FloatArray, b: FloatArray) -> tuple[float, float, float]:
    """Geometric mean of a/b and its interval, from the logarithms; NaN where either is <= 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where((a > 0) & (b > 0), np.log(a) - np.log(b), np.nan)
    middle, low, high = mean_interval(logs)
    return float(np.exp(middle)), float(np.exp(low)), float(np.exp(high))


def median_interval(values: FloatArray, unknown: float = np.nan) -> tuple[float, float, float]:
    """Median of ``(R,)`` independent values, which may be infinite, and an interval between two of
    them that has the median of their law in 95 % of cases or more, whatever the law; NaN with fewer
    than six. A NaN among them counts as ``unknown`` in the median, and widens the interval.
    Source: David, Nagaraja, Order Statistics (2003), section 7.1."""
    counts, gaps = np.arange(values.size), np.isnan(values)
    rank = int(np.count_nonzero(bdtr(counts, values.size, 0.5) <= (1 - CONFIDENCE) / 2))
    with np.errstate(invalid="ignore"):  # the middle of never sooner and never later
        middle = float(np.median(np.where(gaps, unknown, values)))
    if rank == 0:
        return middle, np.nan, np.nan
    low, high = (np.sort(np.where(gaps, end, values)) for end in (-np.inf, np.inf))
    return middle, float(low[rank - 1]), float(high[-rank])


def compared_times(a: FloatArray, b: FloatArray) -> list[tuple[float, float, float]]:
    """The intervals of a - b and a/b of times to a target on common delays, ``(R,)`` each, NaN for
    a run that does not reach it. If all do, the mean and the geometric mean; else medians over all
    pairs: who does not reach it is later than all others. Where neither does, the pair counts as
    equal in the median, and as anything in the interval."""
    if np.isfinite(a).all() and np.isfinite(b).all():
        return [mean_interval(a - b), ratio_interval(a, b)]
    mine, base = (np.where(np.isnan(times), np.inf, times) for times in (a, b))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio, low, high = median_interval(mine / base, 1.0)
        return [median_interval(mine - base, 0.0), (ratio, max(low, 0.0), high)]


def diverged(finished: Sequence[Finished], shown: Callable[[Cell], str]) -> tuple[str, ...]:
    """A line that names the cells whose models diverged, if any did, as ``shown`` calls them."""
    labels = []
    for cell, result in finished:
        if "train_loss" in result.per_iteration:
            replications = len(result.per_replication["elapsed"])
            runs = result.per_iteration["train_loss"].reshape(replications, -1)
            if not (runs[:, -1] <= DIVERGED * np.maximum(runs[:, 0], np.finfo(float).tiny)).all():
                labels.append(shown(cell))
    if not labels:
        return ()
    more = f", and {len(labels) - NAMED_CELLS} more" if len(labels) > NAMED_CELLS else ""
    return (
        f"diverged: {', '.join(labels[:NAMED_CELLS])}{more}: the training loss ends over "
        f"{DIVERGED:g} times where it began; take a smaller learning rate",
    )


def reached_at_once(finished: Sequence[Finished]) -> tuple[str, ...]:
    """A line where all models begin at the target loss or below it, so that no time is measured."""
    starts = dict[float, list[float]]()
    for cell, result in finished:
        target = cell.settings.target_loss
        if target is not None and "train_loss" in result.per_iteration:
            start = float(result.per_iteration["train_loss"][0])
            starts.setdefault(target, []).append(start)
    return tuple(
        f"target_loss = {target:g}: is reached before the first step; the loss begins at "
        f"{min(losses):.4g}"
        for target, losses in starts.items()
        if max(losses) <= target
    )


def out_of_reach(finished: Sequence[Finished]) -> tuple[str, ...]:
    """A line where a target loss is below the least that any model has; known of least squares, in
    closed form. ``target_loss`` below 0 is told without a run."""
    known = dict[tuple[float, float], None]()
    for cell, result in finished:
        target = cell.settings.target_loss
        if target is None or target < 0 or "train_loss" not in result.per_iteration:
            continue
        if result.per_iteration["train_loss"].min() <= target:
            continue
        if (least := _least_loss(cell)) is not None and target < least:
            known[target, least] = None
    return tuple(
        f"target_loss = {target:g}: is never reached; no model has a training loss below "
        f"{least:.4g}, where least squares has its minimum"
        for target, least in known
    )


def _least_loss(cell: Cell) -> float | None:
    """The least training loss of a cell's problem, less what rounding may have added; ``None``
    where it is not known. The training loss is without the L2 term, and so is its minimum."""
    problem = _small_least_squares(cell)
    if problem is None or min(problem.X.shape) > MOST_DIRECTIONS:
        return None
    X = _dense(problem)
    if not np.any(X):
        return None
    least = theory.least_squares_spectrum(X, problem.y).minimum
    return least - REACHED * float(np.mean(np.square(problem.y)))


def _small_least_squares(cell: Cell) -> LeastSquares | None:
    """A cell's problem, if it is least squares of at most 2^22 numbers, of which none is in a
    file."""
    learning = None if cell.data_stamps() else training(cell)
    problem = learning.problem if learning is not None else None
    if not isinstance(problem, LeastSquares) or problem.rows * problem.features > 2**22:
        return None
    return problem


def _dense(problem: LeastSquares) -> FloatArray:
    """The rows of its data, ``(N, p)``, without gaps for zeros."""
    return problem.X if isinstance(problem.X, np.ndarray) else problem.X.toarray()


def comparison(mine: Mapping[str, FloatArray], base: Mapping[str, FloatArray]) -> dict[str, float]:
    """Compare two cells of one tape, replication by replication: metrics by name, ``(R,)`` each.
    Noise that both schemes share (a slow round is slow for all) cancels in the difference, which
    makes intervals narrower than those of two independent samples. For each compared metric that
    both have, in seconds first, there are ``<metric>_difference`` (mine minus base, in the metric's
    unit) and ``<metric>_ratio`` (geometric mean of mine over base), each with the ends ``_low`` and
    ``_high`` of a 95 % interval; NaN with fewer than two replications that have it in both, and of
    times that are the same in all. A cell that is made once is the same in every replication. Where
    not all runs reach the target loss, those of the time to it are medians, ``compared_times``."""
    row: dict[str, float] = {}
    for metric in COMPARED:
        a, b = mine.get(metric.name), base.get(metric.name)
        if a is not None and b is not None:
            if metric.name == "time_to_target":
                difference, ratio = compared_times(a, b)
            else:
                with np.errstate(invalid="ignore", over="ignore"):  # both diverged
                    difference, ratio = mean_interval(a - b), ratio_interval(a, b)
            if metric.unit == "s" and np.ptp(a) == 0 == np.ptp(b):  # delays that are not random
                difference = (difference[0], np.nan, np.nan)
                ratio = (ratio[0], np.nan, np.nan)
            row |= interval_columns(f"{metric.name}_difference", difference)
            row |= interval_columns(f"{metric.name}_ratio", ratio)
    return row


@dataclass(frozen=True)
class ClosedForm:
    """What is known of a cell without a run; NaN where there is no closed form."""

    seconds: float = np.nan  # mean iteration time
    error: float = np.nan  # mean decoding error of a round
    skewness: float = 0.0  # of a round's time; infinite without a third moment
    error_skewness: float = 0.0  # of a round's decoding error, where it is known
    local_steps: int = 1  # iterations of a round
    # seconds per n gradients which no method beats in the long run that finishes what it
    # begins; known only of schemes without a barrier, which come near it
    least: float = np.nan
    partitions: int = 1
    # whether the iteration time has no mean; lost messages and networks, which only add, count
    endless: bool = False

    def z(self, metric: str, far: float, error: float, replications: int, iterations: int) -> float:
        """How far a mean that is ``far`` from a closed form is, as a normal deviate; NaN where the
        law of a round is so skew that the mean of these replications and iterations is not nearly
        normal, see ``MOST_SKEWNESS``."""
        value = self.error if metric == "decoding_error" else self.seconds
        if metric == "decoding_error" and value == 0.0 and far <= DECODED * self.partitions:
            return 0.0
        least = max(ZERO_TOLERANCE * abs(value), METRICS[metric].rounding)
        if error > least:
            skewness = self.error_skewness if metric == "decoding_error" else self.skewness
            rounds = replications * iterations / self.local_steps
            if abs(skewness) > MOST_SKEWNESS * np.sqrt(rounds):
                return np.nan
            return normal_deviate(far / error, replications - 1)
        # Where nothing varied it is the same number, or what varies is rare and was not seen.
        return 0.0 if abs(far) <= 1000 * least else np.nan


@dataclass(frozen=True)
class _Asked:
    """What closed forms depend on; of the cell nothing else is read."""

    text: str
    code: tuple[str, ...]  # digests of plugins
    cell: Cell = field(compare=False)


def closed_form(cell: Cell) -> ClosedForm:
    """Mean iteration time and decoding error, where theory has them."""
    return _looked_up(_asked(cell))


def _asked(cell: Cell) -> _Asked:
    files = [file.digest for file in cell.inputs]
    text = json.dumps([*(cell.document.get(key) for key in TIMING), files], sort_keys=True)
    return _Asked(text, cell.code, cell)


@lru_cache(maxsize=4 * MAX_CLOSED_FORMS)
def _looked_up(asked: _Asked) -> ClosedForm:
    cell = asked.cell
    try:
        settings = _without_idle_sections(cell.settings)
        message = _message_time(settings)
        ideal = settings.failures is None and (settings.network is None or message is not None)
        cancels = settings.policy is Policy.CANCEL
        scheme = scheme_of(cell.settings)
        laws = settings.delay, settings.load_law
        known = theory.round_theory(scheme, *laws, cancels, ideal, message)
        error = np.nan if isinstance(known.error, theory.NoFormula) else known.error
        times = known if ideal else theory.round_theory(scheme, *laws)
        endless = _endless(scheme, settings, times.time)
        shorter = settings.iterations % scheme.local_steps  # steps of the last round, if not 0
        if isinstance(known.time, theory.NoFormula) or shorter:
            means = _means(scheme, settings)  # a network only adds to them
            least = np.nan if means is None else theory.least_seconds(means)
            k = scheme.partitions
            skewness = _error_skewness(scheme)
            return ClosedForm(
                error=error, error_skewness=skewness, least=least, partitions=k, endless=endless
            )
        return ClosedForm(
            seconds=known.time.mean(),
            error=error,
            skewness=known.time.skewness(),
            error_skewness=_error_skewness(scheme),
            local_steps=scheme.local_steps,
            partitions=scheme.partitions,
            endless=endless,
        )
    except Exception:
        if not cell.code:
            raise
        return ClosedForm()  # a plugin's own CDF may be anything, and the run does not need it


def _without_idle_sections(settings: Settings) -> Settings:
    """The settings without a network that takes no time, and without failures that never happen;
    that no round takes ``max_wait`` is known of rounds that have a law."""
    changed: dict[str, None] = {}
    net, failures = settings.network, settings.failures
    if net is not None and net.uplink is None and net.transfer is None:
        latency = net.broadcast_latency + net.dispatch_skew + net.uplink_latency
        if latency == 0 and (net.bandwidth is None or net.message_bytes == 0):
            changed["network"] = None
    idle = settings.model_copy(update=changed) if changed else settings
    if failures is None or failures.time_to_failure is not None or failures.message_loss > 0:
        return idle
    never_fails = idle.model_copy(update={"failures": None})
    if failures.max_wait is None or _all_end_by(failures.max_wait, never_fails):
        return never_fails
    return idle


def _all_end_by(seconds: float, settings: Settings) -> bool:
    """Whether all rounds of any run surely end by then: it is known that one in 10^15 runs, or
    fewer, has a longer one."""
    message = _message_time(settings)
    if settings.network is not None and message is None:
        return False
    scheme = scheme_of(settings)
    laws = settings.delay, settings.load_law
    cancels = settings.policy is Policy.CANCEL
    time = theory.round_theory(scheme, *laws, cancels, True, message).time
    if isinstance(time, theory.NoFormula):
        return False
    longer = float(time.sf(seconds / scheme.local_steps))
    return longer * settings.iterations < SURELY_NONE


def _error_skewness(scheme: Scheme) -> float:
    erased = theory.group_erasure(scheme)
    return 0.0 if isinstance(erased, theory.NoFormula) else erased.error_skewness


def _message_time(settings: Settings) -> theory.MessageTime | None:
    """What messages of random times add to a worker's time, if to all workers' alike."""
    net = settings.network
    if net is None or (net.uplink is None and net.transfer is None):
        return None
    if net.dispatch_skew > 0 or net.bandwidth is not None or net.channels is not None:
        return None
    return theory.MessageTime(net.broadcast_latency + net.uplink_latency, net.uplink, net.transfer)


def _endless(
    scheme: Scheme, settings: Settings, time: theory.IterationTimeLaw | theory.NoFormula
) -> bool:
    """Whether a round's time is known to have no mean: by its law in an ideal cluster, or since
    everybody is waited for, and some worker's time has none. A crash cuts a task off, so that with
    failures there may be one."""
    if settings.failures is not None:
        return False
    if not isinstance(time, theory.NoFormula) and np.isinf(time.mean()):
        return True
    if not isinstance(scheme, Fixed) or scheme.stopping != FirstK(scheme.workers):
        return False
    net = settings.network
    messages = () if net is None else (net.uplink, net.transfer)
    if any(law is not None and law.mean() == np.inf for law in messages):
        return True
    means = settings.delay.worker_means(scheme.workers)
    return means is not None and bool(np.isinf(means[scheme.assignment.loads > 0]).any())


def _means(scheme: Scheme, settings: Settings) -> FloatArray | None:
    """Mean seconds of each worker's gradient without a network, ``(n,)``, if nobody is stopped."""
    law, failures = settings.load_law, settings.failures
    free = isinstance(scheme, Barrierless) and scheme.stops is Stops.NOBODY
    if not free or failures is not None or not isinstance(law, OfOneDraw | PerPartition):
        return None
    means = settings.delay.worker_means(settings.workers)
    if means is not None and isinstance(law, OfOneDraw):
        means = means * law.growth(1.0) + law.cost(1.0)
    return means if means is not None and bool(np.all((means > 0) & (means < np.inf))) else None


def biased(finished: Sequence[Finished], shown: Callable[[Cell], str]) -> tuple[str, ...]:
    """A line for some cells, as ``shown`` calls them, whose workers' own data count unequally, if
    that is known."""
    rows = []
    for cell, result in finished:
        settings, scheme = cell.settings, scheme_of(cell.settings)
        plain = scheme == Barrierless(scheme.name, scheme.workers, 1, own_data=True)
        means = _means(scheme, settings) if plain and settings.network is None else None
        if means is not None and np.ptp(means) > 0 and "train_loss" in result.per_iteration:
            rows.append((cell, theory.asynchronous_weights(means)))
    return tuple(
        f"{shown(cell)}: own data are biased: those of the fastest worker count "
        f"{weights.max():.3g} times, of the slowest {weights.min():.3g} times as much as is fair; "
        f"descent tends to {_tends(cell, weights)}; rescale: true removes this bias"
        for cell, weights in rows[:NAMED_CELLS]
    )


def _tends(cell: Cell, weights: FloatArray) -> str:
    """Where small steps end if partitions have these weights; known of small least squares."""
    if (problem := _small_least_squares(cell)) is None:
        return "another model than the optimum"
    X = _dense(problem)
    root = np.sqrt(np.repeat(weights, problem.partition_sizes))
    ends = [
        theory.least_squares_spectrum(X * weight[:, None], problem.y * weight, problem.l2).minimiser
        for weight in (root, np.ones_like(root))
    ]
    there, best = problem.loss(np.array(ends).T)
    return f"a training loss of {there:.4g}, and the optimum has {best:.4g}"


def normal_deviate(t: float, degrees: int) -> float:
    """The z that is as unlikely as Student's t: of two replications t = 6 is no surprise."""
    beyond = stdtr(degrees, -abs(t)) if degrees > 0 else 0.0
    return float(np.copysign(-ndtri(beyond), t)) if beyond > 0 else t


def _theory(result: CellResult, known: ClosedForm, means: Mapping[str, float]) -> dict[str, float]:
    """The closed forms of a cell, and how far its means are away, as a normal deviate."""
    row: dict[str, float] = {}
    replications = result.per_replication["elapsed"].size
    iterations = int(result.per_iteration["iteration"].max())
    for name, value in (("iteration_time", known.seconds), ("decoding_error", known.error)):
        if f"{name}_mean" not in means or np.isnan(value):
            continue
        far, error = means[f"{name}_mean"] - value, means[f"{name}_se"]
        z = known.z(name, far, error, replications, iterations)
        row |= {f"{name}_theory": value, f"{name}_z": z}
    return row if np.isnan(known.least) else row | {"least_iteration_time": known.least}


def iterations_table(finished: Sequence[Finished]) -> Iterator[pd.DataFrame]:
    """One row per cell, replication and iteration, in the config's order; see docs/results.md.
    As frames of the same columns, each of about ``ROWS_AT_ONCE`` rows."""
    tables = [result.per_iteration for _, result in _alike(finished)]
    return _labelled(finished, tables, frame_of_iterations)


def workers_table(finished: Sequence[Finished]) -> Iterator[pd.DataFrame]:
    """One row per cell and worker: who delayed us; see docs/results.md. Frames as above."""
    return _labelled(finished, [result.per_worker for _, result in finished], pd.DataFrame)


def summary_table(finished: Sequence[Finished], simulated: bool = True) -> pd.DataFrame:
    """One row per cell: means and standard errors over replications, and paired comparisons with
    the first scheme of the same point of the grid; see docs/results.md. There are closed forms
    unless it was not ``simulated``, or there are more than ``MAX_CLOSED_FORMS`` to look up."""
    metrics = metrics_of(_alike(finished))
    same = dict[_Asked, _Asked]()  # most cells differ in their seed alone
    pairs = ((cell.key, _asked(cell)) for cell, _ in finished if simulated)
    asked = {key: same.setdefault(own, own) for key, own in pairs}
    known = simulated and len(same) <= MAX_CLOSED_FORMS
    forms = {key: _looked_up(own) for key, own in asked.items() if known}
    first = {cell.point: cell for cell, _ in reversed(finished)}
    endless = [pair for pair in finished if known and forms[pair[0].key].endless]
    medians = {cell.key: _without_mean(result) for cell, result in endless}
    none = interval_columns("iteration_time_difference", (np.nan,) * 3)
    every = _swept(finished)
    rows = (
        {
            **_identity(cell),
            **swept,
            "workers": cell.settings.workers,
            "iterations": int(result.per_iteration["iteration"].max()),
            "replications": result.per_replication["elapsed"].size,
            **(statistics := _statistics(mine := metrics(cell)) | medians.get(cell.key, {})),
            **(_theory(result, forms[cell.key], statistics) if known else {}),
            **_costliest(result.per_worker),
            **({f"code_{k}": v for k, v in vars(c).items()} if (c := result.conditioning) else {}),
            **comparison(mine, metrics(first[cell.point])),
            **(none if medians.keys() & {cell.key, first[cell.point].key} else {}),
        }
        for (cell, result), swept in zip(finished, every, strict=True)
    )
    # a mapping takes ten times as much as a row of a frame
    parts = [pd.DataFrame(some) for some in iter(lambda: [*islice(rows, ROWS_AT_ONCE // 64)], [])]
    if len(parts) < 2:
        return parts[0] if parts else pd.DataFrame()
    sizes = ["workers", "iterations", "replications"]
    kinds = pd.DataFrame(every).drop(columns=sizes, errors="ignore")
    return pd.concat(parts, ignore_index=True).assign(**{str(k): kinds[k] for k in kinds})


def metrics_of(finished: Sequence[Finished]) -> Callable[[Cell], dict[str, FloatArray]]:
    """The metrics of each cell; cells of one kind are taken together, as if one had run."""
    kinds: dict[tuple[object, ...], list[Finished]] = {}
    for cell, result in finished:
        names = (*result.per_iteration, None, *result.per_replication)
        kinds.setdefault(names, []).append((cell, result))
    places = dict[Cell, tuple[dict[str, FloatArray], int, int]]()
    for same in (kind[piece] for kind in kinds.values() for piece in _pieces(kind)):
        starts = np.cumsum([0, *(result.per_replication["elapsed"].size for _, result in same)])
        together = _concatenated([result.per_iteration for _, result in same])
        pairs = zip(same, starts, strict=False)
        runs = [result.per_iteration["replication"] + start for (_, result), start in pairs]
        together["replication"] = np.concatenate(runs)
        whole = _concatenated([result.per_replication for _, result in same])
        values = per_replication(replace(same[0][1], per_iteration=together, per_replication=whole))
        for (cell, _), start, end in zip(same, starts, starts[1:], strict=False):
            places[cell] = values, int(start), int(end)

    def metrics(cell: Cell) -> dict[str, FloatArray]:
        values, start, end = places[cell]
        return {name: of_runs[start:end] for name, of_runs in values.items()}

    return metrics


def _pieces(finished: Sequence[Finished]) -> list[slice]:
    """Cells in their order, so many together as have ``ROWS_AT_ONCE`` rows of iterations."""
    ends = np.cumsum([result.per_iteration["time"].size for _, result in finished])
    starts = np.flatnonzero(np.diff((ends - 1) // ROWS_AT_ONCE, prepend=-1))
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], None], strict=True)]


def _concatenated(tables: Sequence[Columns]) -> dict[str, np.ndarray]:
    if len(tables) == 1:
        return dict(tables[0])
    opened = [dict(table) for table in tables]
    return {name: np.concatenate([table[name] for table in opened]) for name in tables[0]}


def _alike(finished: Sequence[Finished]) -> Sequence[Finished]:
    """Staleness and updates in all cells or in none.
    A cell records them only if its gradients can be stale or its iterations have several updates.
    Beside such a cell, the others have staleness 0 and one update an iteration."""
    if not any("staleness" in result.per_iteration for _, result in finished):
        return finished
    return [(cell, replace(r, per_iteration=_fresh(r.per_iteration))) for cell, r in finished]


def _fresh(iterations: Columns) -> Columns:
    """The same rows with staleness 0 and one update each, unless they say otherwise."""
    if "staleness" in iterations or "decoding_error" not in iterations:
        return iterations
    ended = iterations["iteration"] > 0
    fresh = {"staleness": np.where(ended, 0.0, np.nan), "updates": np.where(ended, 1.0, np.nan)}
    table: dict[str, np.ndarray] = {}
    for name, values in iterations.items():
        table |= {name: values, **(fresh if name == "decoding_error" else {})}
    return table


def _identity(cell: Cell) -> dict[str, str]:
    return {"cell": cell.key, "scheme": cell.scheme["name"], "label": cell.label}


def _labelled(
    finished: Sequence[Finished],
    tables: Sequence[Columns],
    frame: Callable[[Columns], pd.DataFrame],
) -> Iterator[pd.DataFrame]:
    """One table per cell, one below the other: who the rows are of in front, swept keys at the end.
    In one piece where columns differ between cells, or hold several kinds of values."""
    cells = pd.DataFrame([_identity(cell) for cell, _ in finished])
    swept = pd.DataFrame(_swept(finished), index=cells.index)
    kinds = {tuple((name, values.dtype) for name, values in table.items()) for table in tables}
    alike = len(kinds) == 1 and object not in [*cells.dtypes, *swept.dtypes]
    for piece in _pieces(finished) if alike else [slice(None)]:
        own = [dict(table) for table in tables[piece]]
        rows = np.repeat(cells.index[piece], [len(next(iter(table.values()))) for table in own])
        if not rows.size:
            continue
        middle = frame(_concatenated(own)) if len(kinds) == 1 else pd.concat(map(frame, own))
        together = ROWS_AT_ONCE if alike else rows.size
        for start in range(0, rows.size, together):  # of a cell that has more
            some = slice(start, start + together)
            frames = [cells.take(rows[some]), middle.iloc[some], swept.take(rows[some])]
            yield pd.concat([part.reset_index(drop=True) for part in frames], axis=1)
            del frames
        del middle


def _swept(finished: Sequence[Finished]) -> list[Mapping[str, Any]]:
    """Each cell's values of the grid; a column of sections, or of several kinds, is JSON."""
    columns: dict[str, list[Any]] = {}
    for cell, _ in finished:
        for key, value in cell.swept.items():
            columns.setdefault(key, []).append(value)
    as_text = {key for key, values in columns.items() if not _of_one_kind(values)}
    if not as_text:
        return [cell.swept for cell, _ in finished]
    return [
        {k: json.dumps(v, sort_keys=True) if k in as_text else v for k, v in cell.swept.items()}
        for cell, _ in finished
    ]


def _of_one_kind(values: Sequence[Any]) -> bool:
    """Whether a table's column can hold them: truth values, numbers, or texts, or absent."""
    known = [value for value in values if value is not None]
    numbers = all(type(v) is float or (type(v) is int and abs(v) < 2**63) for v in known)
    return numbers or any(all(type(v) is kind for v in known) for kind in (bool, str))


def _costliest(workers: Columns) -> dict[str, float]:
    """The worker whose lateness cost most: its index, share of rounds ended, seconds per run."""
    if not workers["worker"].size:
        return {}
    worst = int(np.argmax(workers["cost"]))
    columns = {f"costliest_worker_{name}": float(workers[name][worst]) for name in ("last", "cost")}
    return {"costliest_worker": int(workers["worker"][worst]), **columns}


def _without_mean(result: CellResult) -> dict[str, float]:
    """In place of a mean that iteration times do not have: that of a sample grows with its size."""
    median = float(np.nanmedian(result.per_iteration["iteration_time"]))
    names = ("iteration_time_mean", "iteration_time_se", "iteration_time_median")
    return dict(zip(names, (np.nan, np.nan, median), strict=True))


def _statistics(metrics: Mapping[str, FloatArray]) -> dict[str, float]:
    statistics: dict[str, float] = {}
    for name, values in metrics.items():
        timed, missed = name == "time_to_target", np.isnan(values)
        known = mean_and_error(values)
        if timed and missed.any():  # a mean over those that reach it would flatter
            known = np.nan, np.nan
        statistics[f"{name}_mean"], statistics[f"{name}_se"] = known
        if timed:
            of_all = median_interval(np.where(missed, np.inf, values))
            statistics |= interval_columns(f"{name}_median", of_all)
            statistics[f"{name}_above"] = float(min(metrics["elapsed"][missed], default=np.nan))
            statistics["target_reached"] = float(np.mean(~missed))
    return statistics
