"""Checks of a code: loads, decoding, exactness, decoding error and unbiasedness."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import comb

import numpy as np

from ....delay_models import Tape
from ....delay_models.parametric import Exponential
from ....sim.base.types import BoolArray, FloatArray
from ....sim.engines.run import Run
from ....sim.engines.simulate import simulate
from ....sim.load_laws import Proportional
from ....sim.schemes import Scheme, SchemeFamily
from ....sim.schemes.base import Fixed, Independent, Round, RoundScheme, Sees
from ....sim.schemes.codes.random_codes import Shares
from ....sim.schemes.parts.decoders import decoding_error
from ....sim.theory import NoFormula, expected_decoding_error, worst_bound, worst_cases
from ....sim.training.steps import Steps, weights_of
from ...text import number_of

Z_BOUND = 4.9  # a standard normal is beyond this, on either side, with probability 1e-6
# so many patterns of stragglers are tried, or random ones
MAX_PATTERNS, RANDOM_PATTERNS = 5000, 2000


class Nonconforming(AssertionError):
    """A scheme breaks what it claims, or what every scheme must keep; the message is one line."""


def ensure(condition: object, text: str) -> None:
    """Raise ``Nonconforming`` with this line unless the condition holds."""
    if not condition:
        raise Nonconforming(text)


@dataclass(frozen=True)
class SchemeUnderTest:
    """A family and the scheme that it builds for some workers."""

    family: SchemeFamily
    workers: int

    @cached_property
    def scheme(self) -> Scheme:
        """The built scheme; raises ``InvalidParameter`` where the family refuses the workers."""
        return self.family.build(self.workers)

    @property
    def fixed(self) -> Fixed | None:
        """The scheme, if it is an assignment, a stopping rule and a decoder."""
        return self.scheme if isinstance(self.scheme, Fixed) else None

    @property
    def rounds(self) -> RoundScheme | None:
        """The scheme, if it has rounds."""
        return self.scheme if isinstance(self.scheme, RoundScheme) else None

    @property
    def sees_losses(self) -> bool:
        """Whether its rounds cannot be simulated without a problem."""
        return self.rounds is not None and self.rounds.sees is Sees.LOSSES

    def first_round(self) -> Round:
        """The plan of the first round, for one replication; needs a scheme with rounds."""
        assert self.rounds is not None
        return self.rounds.plan(self.rounds.start(1))

    def arrivals(self, seed: int, rows: int = 400) -> BoolArray:
        """``(rows, n m)`` random messages, from few to nearly all; needs rounds."""
        assert self.rounds is not None
        rng = np.random.default_rng(seed)
        return rng.random((rows, self.workers * self.rounds.messages)) < rng.random((rows, 1))

    def without(self, stragglers: int) -> BoolArray:
        """``(rows, n m)`` bool: everything has arrived but the messages of so many workers. Every
        pattern where there are at most ``MAX_PATTERNS``, else ``RANDOM_PATTERNS`` random ones."""
        assert self.rounds is not None
        n = self.workers
        if comb(n, stragglers) <= MAX_PATTERNS:
            lost = np.array([*combinations(range(n), stragglers)], dtype=np.int64)
        else:
            draws = np.random.default_rng(5).random((RANDOM_PATTERNS, n))
            lost = draws.argsort(axis=1)[:, :stragglers]
        heard = np.ones((len(lost), n), dtype=np.bool_)
        np.put_along_axis(heard, lost, False, axis=1)
        return np.repeat(heard, self.rounds.messages, axis=1)

    def steps(self, replications: int, iterations: int) -> Steps:
        """The updates of a run on an ideal cluster: exponential times, mean 1 s a partition."""
        seed, delay = 11, Exponential(rate=1.0)
        tapes = [Tape(delay, self.workers, seed, r) for r in range(replications)]
        run = Run(self.scheme, tapes, Proportional(), iterations, seed=seed)
        return self.scheme.steps(simulate(run, work=False))


def check_loads(tested: SchemeUnderTest) -> str:
    """A worker's load is what its rows of B hold, in n-th parts of the data; copies are as claimed.
    Loads of a scheme without a fixed encoding matrix are finite and at least 0."""
    scheme = tested.scheme
    ensure(scheme.workers == tested.workers, f"has {scheme.workers} workers")
    if (fixed := tested.fixed) is not None:
        return _held(fixed)
    if tested.rounds is None:
        return ""
    planned = np.asarray(tested.first_round().loads)
    ensure(planned.shape[-1] == tested.workers, f"plans {planned.shape[-1]} loads")
    usable = np.all(np.isfinite(planned)) and planned.min() >= 0
    ensure(usable, "plans a load that is no number of at least 0")
    return f"mean load {planned.mean():.4g}"


def _held(scheme: Fixed) -> str:
    code, n, k = scheme.assignment, scheme.workers, scheme.partitions
    b, m = code.encoding.toarray(), code.messages
    ensure(b.shape == (n * m, k), f"B has shape {b.shape}, not {(n * m, k)}")
    support = (b != 0).reshape(n, m, k).any(axis=1)
    held = b.sum(axis=1) if isinstance(code, Shares) else np.count_nonzero(support, axis=1)
    declared = np.asarray(code.loads, dtype=np.float64)
    ensure(declared.shape == (n,), f"loads has shape {declared.shape}, not {(n,)}")
    wrong = np.abs(declared - held * n / k) > 1e-9 * n
    j = int(np.argmax(wrong))
    text = f"worker {j} declares a load of {declared[j]:g}; its rows of B hold"
    ensure(not wrong[j], f"{text} {held[j]:g} of {k} partitions, a load of {held[j] * n / k:g}")
    summary = f"mean load {declared.mean():.4g}"
    if (claimed := scheme.guarantees.copies) is None:
        return summary
    copies = np.count_nonzero(support, axis=0)
    i = int(np.argmax(copies != claimed))
    text = f"claims {claimed} copies; partition {i} is held by {copies[i]} workers"
    ensure(copies[i] == claimed, text)
    return f"{summary}, {claimed} copies of each partition"


def check_decoding(tested: SchemeUnderTest) -> str:
    """``partition_weights`` is ``decoding_vector @ B``; messages that are missing weigh nothing. A
    table of any shape (replications x rounds x messages) is decoded as its rows are."""
    if (scheme := tested.fixed) is None:
        return ""
    decoder = scheme.decoder
    arrived = tested.arrivals(1, rows=300)
    vector, weights = decoder.decoding_vector(arrived), decoder.partition_weights(arrived)
    ensure(vector.shape == arrived.shape, f"decoding_vector has shape {vector.shape}")
    shape = (*arrived.shape[:-1], scheme.partitions)
    ensure(weights.shape == shape, f"partition_weights has shape {weights.shape}, not {shape}")
    ensure(not np.any(vector[~arrived]), "the decoder weighs a message that has not arrived")
    expected = (vector @ scheme.assignment.encoding.toarray()).real
    scale = 1 + float(np.abs(vector).max())
    away = float(np.abs(weights - expected).max())
    ensure(away <= 1e-9 * scale, f"partition_weights is {away:.3g} away from decoding_vector @ B")
    few, tall = arrived[:30], arrived[:30].reshape(2, 5, 3, -1)
    pairs = (decoder.decoding_vector, vector), (decoder.partition_weights, weights)
    for answer, answers in pairs:
        by_row = np.array([answer(row) for row in few])
        together = answer(tall).reshape(by_row.shape)
        away = float(max(np.abs(by_row - answers[:30]).max(), np.abs(together - by_row).max()))
        ensure(away <= 1e-9 * scale, f"{answer.__name__} of a table is {away:.3g} off its rows'")
    return "both answers agree"


EXACT_TOLERANCE = 1e-8  # partition weights this close to 1 are exact but for round-off


def check_exactness(tested: SchemeUnderTest) -> str:
    """Every set of arrivals that ends a round decodes to ones, where the scheme says so. All sets
    up to 2^12, else 4,000 random ones; rounds of a simulation where the plan changes. With
    ``guarantees.tolerates`` of s, a round ends without any s workers, each of C(n, s) patterns up
    to 5,000, else 2,000 random ones. A scheme that says it is not exact must not be."""
    scheme = tested.scheme
    findings = []
    if (fixed := tested.fixed) is not None:
        if fixed.stopping.timed:
            ensure(not fixed.exact, "claims to be exact, but a deadline can end its rounds")
        elif fixed.exact is not None:
            findings.append(_at_every_stop(tested, fixed))
    elif scheme.exact and not tested.sees_losses:
        error = float(tested.steps(replications=2, iterations=60).error.max())
        wrong = f"claims to be exact; a round's decoding error is {error:.3g}"
        ensure(error <= EXACT_TOLERANCE, wrong)
        findings.append("exact in 120 rounds")
    if scheme.guarantees.tolerates is not None:
        findings.append(_without_any(tested, scheme.guarantees.tolerates))
    return ", ".join(findings)


def _at_every_stop(tested: SchemeUnderTest, scheme: Fixed) -> str:
    messages = tested.workers * scheme.messages
    if messages <= 12:
        masks = np.array([*itertools.product([False, True], repeat=messages)])
    else:
        masks = np.concatenate([tested.arrivals(4, rows=4000), np.ones((1, messages), dtype=bool)])
    enough = masks[scheme.stopping.enough(masks)]
    away = np.abs(scheme.weights(enough) - 1).max(axis=1)
    if not scheme.exact:
        text = "says that it is not exact, but every set of arrivals that ends a round decodes so"
        ensure(messages > 12 or away.max() > EXACT_TOLERANCE, text)
        return "not exact, as it says" if messages <= 12 else "says that it is not exact"
    ensure(away.max() <= EXACT_TOLERANCE, f"claims to be exact; {_number(scheme, enough, away)}")
    return f"exact at {len(enough)} stops"


def _without_any(tested: SchemeUnderTest, stragglers: int) -> str:
    if (scheme := tested.rounds) is None:
        return ""
    arrived = tested.without(stragglers)
    ends = tested.first_round().stopping.enough(arrived)
    lost = np.flatnonzero(~arrived[np.argmin(ends)][:: scheme.messages]).tolist()
    ensure(np.all(ends), f"claims to tolerate {stragglers} stragglers, but waits for {lost}")
    away = np.abs(scheme.weights(arrived) - 1).max(axis=1)
    text = f"claims to tolerate {stragglers} stragglers; {_number(scheme, arrived, away)}"
    ensure(away.max() <= EXACT_TOLERANCE, text)
    return f"{len(arrived)} patterns of {stragglers} stragglers: {_number(scheme, arrived, away)}"


def _number(scheme: object, arrived: BoolArray, away: np.ndarray) -> str:
    """How far the worst weight is from 1, and how the code is conditioned there."""
    worst = arrived[int(np.argmax(away))]
    text = f"weights are at most {away.max():.1e} away from 1"
    if not isinstance(scheme, Fixed):
        return text
    text += f", decoding error {decoding_error(scheme.weights(worst)):.1e}"
    if not scheme.decoder.solves:
        return text
    largest = np.abs(scheme.decoder.decoding_vector(worst)).max()
    values = np.linalg.svd(scheme.assignment.encoding.toarray()[worst], compute_uv=False)
    number = values[0] / values[values > values[0] * 1e-14].min()
    return f"{text}, max |a| {largest:.3g}, condition number {number:.3g}"


def check_error(tested: SchemeUnderTest) -> str:
    """Mean and largest ``||w - 1||^2`` over 4,000 random orders of arrival. The mean is within 4.9
    standard errors of the closed form (``sim.theory``) and of the scheme's own claim; no set of
    arrivals goes beyond a bound of its number of stragglers."""
    scheme = tested.fixed
    if scheme is None or scheme.messages > 1 or scheme.patience is not None:
        return ""
    known, cases = expected_decoding_error(scheme), worst_cases(scheme)
    guarantees = scheme.guarantees
    said = {known, guarantees.mean_error, guarantees.largest_error} - {None}
    if not said and isinstance(cases, NoFormula):
        return ""
    ranks = np.tile(np.arange(1.0, scheme.workers + 1), (4000, 1))
    ranks = np.random.default_rng(9).permuted(ranks, axis=1)  # taken for seconds by time limits
    ranks[:, scheme.assignment.loads == 0] = np.inf  # they send nothing
    rule = scheme.plan().among_senders(1).stopping
    arrived = np.asarray(ranks <= rule.stopping_delay(ranks)[:, None]) & np.isfinite(ranks)
    errors = decoding_error(scheme.weights(arrived))
    findings = []
    mean, spread = float(errors.mean()), float(errors.std(ddof=1) / np.sqrt(len(errors)))
    text = f"mean decoding error {mean:.5g} +- {spread:.2g}"
    for source, value in (("formula", known), ("claim", guarantees.mean_error)):
        if value is not None:
            near = abs(mean - value) <= max(Z_BOUND * spread, 1e-9 * (1 + value))
            ensure(near, f"{text}; its {source} says {value:.5g}")
            findings.append(f"{text}, {source} {value:.5g}")
    if guarantees.largest_error is not None:
        findings.append(_largest(errors, guarantees.largest_error, "claim"))
    if not isinstance(cases, NoFormula):
        stragglers = tested.workers - np.count_nonzero(arrived, axis=1)
        bounds = {s: worst_bound(cases, s) for s in np.unique(stragglers).tolist()}
        findings += [
            _largest(errors[stragglers == s], bound.value, f"{bound.source} bound", s)
            for s, bound in bounds.items()
            if bound is not None
        ]
    return "; ".join(findings)


def _largest(errors: FloatArray, value: float, source: str, stragglers: int | None = None) -> str:
    most = float(errors.max())
    of = "" if stragglers is None else f"{number_of(stragglers, 'straggler')}: "
    text = f"{of}a decoding error of {most:.5g} is above its {source} {value:.5g}"
    ensure(most <= value + 1e-9 * (1 + value), text)
    return f"{of}largest {most:.5g}, {source} {value:.5g}"


def check_unbiased(tested: SchemeUnderTest) -> str:
    """Every partition's mean weight is 1 within 4.9 standard errors. Under ``RandomOrder`` over 400
    independent runs of 25 updates; with chances of one's own over 20,000 sets of arrivals."""
    scheme = tested.scheme
    if (claimed := scheme.guarantees.unbiased) is None:
        return ""
    if isinstance(claimed, Independent):
        ensure(len(claimed.chances) == tested.workers, f"claims {len(claimed.chances)} chances")
        if tested.rounds is None:
            raise Nonconforming("claims unbiased sums of rounds, but has none")
        draws = np.random.default_rng(3).random((20_000, tested.workers))
        heard = np.repeat(draws >= np.array(claimed.chances), tested.rounds.messages, axis=1)
        samples, tried = np.asarray(tested.rounds.weights(heard)), len(heard)
    else:
        if tested.sees_losses:
            return ""
        steps = tested.steps(400, max(2, 25 // scheme.updates(1)))
        updates = list[FloatArray]()
        for step in map(steps.step, range(steps.times.shape[1])):
            if (decoded := weights_of(step, scheme.partitions)) is None:
                kind = type(step).__name__
                raise Nonconforming(f"claims unbiased sums, but an update is a {kind}")
            updates.append(decoded)
        samples = np.mean(updates, axis=0)  # mean weights of each run's updates: (R, k)
        tried = len(samples) * len(updates)
    # What has this chance is in none of them with a chance of 1e-6.
    unseen = 1e-9 if scheme.exact else 13.8 / tried
    z, mean = _z(samples, unseen), samples.mean(axis=0)
    i = int(np.argmax(np.abs(z)))
    text = f"claims to be unbiased; partition {i} weighs {mean[i]:.4g} on average (z = {z[i]:.1f})"
    ensure(abs(z[i]) <= Z_BOUND, text)
    return f"unbiased: largest |z| {abs(z[i]):.2f} of {len(z)} partitions"


def _z(samples: FloatArray, unseen: float = 1e-9) -> FloatArray:
    """(mean - 1) / standard error, that of all partitions where one's weight never varied; 0 where
    none did, and what was not seen, of this chance, would make up for it."""
    away = samples.mean(axis=0) - 1.0
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    error[error < 1e-12] = np.sqrt(np.square(error).mean())
    certain = np.where(np.abs(away) < unseen, 0.0, np.inf)
    return np.where(error < 1e-12, certain, away / np.maximum(error, 1e-12))
