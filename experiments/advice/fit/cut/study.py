"""What is found out about rounds that were cut, and as tidy tables.

What was heard is *measured*; a round that ended before says *at least*; what a law says beyond is
*extrapolated*, and stands beside what other families say that fit what was heard about as well.
These are no interval: a slow state that begins after the end of all rounds cannot show."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize

from .....delay_models.base import FloatArray
from .....delay_models.measured.listening import Listening
from .....delay_models.measured.measured import MeasuredDelays
from .....sim.base.errors import ConfigError, Option, at
from .....sim.base.numerics import one_thread
from .....sim.base.types import BoolArray
from ....config.document import write_yaml
from ....text import number_of, percent
from ...statistics.cut import (
    Arrivals,
    HostsHeard,
    Survival,
    arrivals_of,
    hosts_heard,
    is_uneven,
    survival_of,
    unevenness,
)
from ..candidates import simulated_order_statistics
from ..config import CONFIG, small_config
from ..laws.censored import FEWEST_HEARD, FITS, Cells, fitted
from ..laws.families import FAMILIES
from ..laws.goodness import ITERATIONS, expected_order_statistics
from ..laws.law import CannotFit, Family, Law, Section, model_of, rounded, section_of
from ..laws.workers import in_turn

ALIKE = 0.02  # a family whose quantiles are off by so much more than the best one's fits as well
# A family whose quantiles are off by more than the first, and than chance makes of so many delays,
# the second over their root, has not the shape of what was heard.
POOR, POOR_BY_CHANCE = 0.05, 2.0
SLOWEST_FACTOR = 1000.0  # of a host that is hardly ever heard
VARYING_ROUNDS = 2000  # rounds that show how much a run's mean step varies
SURVIVAL = "kaplan_meier"  # what tables call the estimate without a law, beside the families


@dataclass(frozen=True, eq=False)
class CutFit:
    """A family's law, and how well it has the shape of what was heard."""

    family: Family
    law: Law
    log_likelihood: float
    heard: int  # cells that were heard
    distance: float  # largest difference from the Kaplan-Meier estimate
    error: float  # mean of ``|log(fitted / measured)|`` of the quantiles that were measured
    predicted: FloatArray  # mean k-th arrival, slow hosts and all, ``(K,)`` seconds

    @property
    def aic(self) -> float:
        """2 parameters - 2 log-likelihood: smaller is better."""
        return 2 * self.family.parameters - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Smaller is better; a parameter must pay more than for the AIC, since a law that bends to
        what was heard is carried far beyond it. Source: of censored cells those that were heard
        count, Volinsky and Raftery, Biometrics 56 (2000)."""
        return float(self.family.parameters * np.log(self.heard) - 2 * self.log_likelihood)


@dataclass(frozen=True, eq=False)
class Observed:
    """Cut rounds as they are fitted, without the hosts that are heard too seldom and the cells that
    were not begun on time."""

    table: FloatArray  # ``(R, n)`` unit delays in seconds; infinite where nobody was heard
    listening: Listening
    hosts: HostsHeard

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return int(self.table.shape[1])

    @cached_property
    def fitted_cells(self) -> BoolArray:
        """Which cells are fitted, ``(R, n)``."""
        cells = self.listening.on_time.copy()
        cells[:, self.hosts.seldom] = False
        return cells

    @cached_property
    def spent(self) -> FloatArray:
        """Seconds until each worker was heard, or until its round ended, ``(R, n)``."""
        return np.where(self.listening.heard, self.table, self.listening.ends[:, None])

    @cached_property
    def heard(self) -> FloatArray:
        """Seconds of the fitted cells that were heard, ``(D,)``."""
        return self.table[self.fitted_cells & self.listening.heard]

    @cached_property
    def outlasted(self) -> FloatArray:
        """The ends of rounds for the fitted cells that were not heard, ``(M,)`` seconds."""
        return self.spent[self.fitted_cells & ~self.listening.heard]

    @cached_property
    def cells(self) -> Cells:
        """What the likelihood is of."""
        return Cells.of(self.heard, self.outlasted)

    @cached_property
    def survival(self) -> Survival:
        """What was measured of the law of these cells."""
        return survival_of(self.heard, self.outlasted)

    def fit(self, name: str, ks: Sequence[int]) -> CutFit:
        """A family's law. Raises CannotFit: there is none."""
        law = fitted(name, self.cells)
        return CutFit(
            family=FAMILIES[name],
            law=law,
            log_likelihood=self.cells.log_likelihood(law),
            heard=len(self.heard),
            distance=self._distance(law),
            error=self._error(law),
            predicted=self._predicted(law, ks),
        )

    def factors(self, law: Law) -> Mapping[int, float]:
        """How many times as long the hosts take that are heard too seldom, by matching how often
        each was heard: the sum of the cumulative hazards of what it spent in its rounds, each over
        the factor. Half a time more where a host was never heard: then only a bound is known."""
        factors = dict[int, float]()
        for host in self.hosts.seldom:
            seconds = self.spent[self.listening.on_time[:, host], host]
            times = max(0.5, float(self.hosts.times[host]))

            def excess(
                log_factor: float, seconds: FloatArray = seconds, times: float = times
            ) -> float:
                return float(hazards(law, seconds / np.exp(log_factor)).sum()) - times

            high = float(np.log(SLOWEST_FACTOR))
            if excess(0.0) <= 0:
                factors[host] = 1.0
            elif excess(high) >= 0:
                factors[host] = SLOWEST_FACTOR
            else:
                factors[host] = float(np.exp(optimize.brentq(excess, 0.0, high)))
        return factors

    def section(self, law: Law) -> Section:
        """The ``delay:`` section of a law, with the factors of slow hosts."""
        section = section_of(law)
        if not self.hosts.seldom:
            return section
        factors = [rounded(factor, 4) for factor in self._listed(law).tolist()]
        return {"model": "heterogeneous", "factors": factors, "base": section}

    def rounds_vary(self, law: Law) -> tuple[float, float]:
        """How many times as much rounds vary as those of independent workers with this law, and
        the standard error of that."""
        on_time = self.listening.on_time
        spent = hazards(law, self.spent / self._listed(law))
        return unevenness(
            heard=(self.listening.heard & on_time).sum(axis=1).astype(np.float64),
            hazards=np.where(on_time, spent, 0.0).sum(axis=1),
        )

    def _listed(self, law: Law) -> FloatArray:
        """The factor of every worker, ``(n,)``."""
        listed = np.ones(self.workers)
        for host, factor in self.factors(law).items():
            listed[host] = factor
        return listed

    def _predicted(self, law: Law, ks: Sequence[int]) -> FloatArray:
        if not self.hosts.seldom:
            return expected_order_statistics(law, self.workers, ks)
        model = model_of(self.section(law))
        return simulated_order_statistics(model, self.workers, ks, delays=1_000_000)

    def _distance(self, law: Law) -> float:
        """The largest distance from the Kaplan-Meier estimate."""
        longer = np.asarray(law.sf(self.survival.seconds))
        after = self.survival.longer
        before = np.concatenate([[1.0], after[:-1]])
        return float(max(np.abs(longer - after).max(), np.abs(longer - before).max()))

    def _error(self, law: Law) -> float:
        """By how much quantiles are off, at the levels where the arrivals of a round lie, up to the
        last that was measured."""
        levels = np.arange(1, self.workers + 1) / (self.workers + 1)
        seconds = self.survival.quantiles(levels)
        known = seconds > 0
        if not known.any():
            return 0.0
        ratios = np.asarray(law.isf(1 - levels[known])) / seconds[known]
        return float(np.abs(np.log(np.maximum(ratios, 1e-300))).mean())


def hazards(law: Law, seconds: FloatArray) -> FloatArray:
    """The cumulative hazard of a law, elementwise: how often it expects to be heard until then."""
    return np.asarray(-np.log(np.maximum(np.asarray(law.sf(seconds)), 1e-300)))


@dataclass(frozen=True, eq=False)
class CutChosen:
    """The delay section, and what it is made of."""

    section: Section
    why: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class CutFindings:
    """What was found in rounds that were cut."""

    measured: MeasuredDelays
    load: None  # nothing is known of how delays grow with the load
    load_law: Section
    label: str  # the load at which they were measured, or empty
    observed: Observed
    arrivals: Arrivals  # all of them, or those that were asked for
    factors: Mapping[int, float]  # of the hosts that are heard too seldom
    fits: Sequence[CutFit]  # that have the shape of what was heard first, then by their BIC
    refused: Mapping[str, str]  # families that cannot be fitted, and why
    ratio: float  # variance of rounds over that of independent workers
    ratio_error: float
    chosen: CutChosen
    size: int | None = None  # workers of the section and the config, if not those of the table

    @property
    def has_shape(self) -> bool:
        """Whether the law has the shape of what was heard."""
        first = self.fits[0]
        return bool(first.error <= max(POOR, POOR_BY_CHANCE / first.heard**0.5))

    @property
    def ends_vary(self) -> bool:
        """Whether rounds as a whole are slow or fast; where no law holds that cannot be told."""
        return self.has_shape and is_uneven(self.ratio, self.ratio_error)

    @property
    def alike(self) -> Sequence[CutFit]:
        """The families that have the shape of what was heard about as well as any."""
        best = min(fit.error for fit in self.fits)
        return [fit for fit in self.fits if fit.error <= best + ALIKE]

    @property
    def largest_end(self) -> float:
        """Seconds after which nobody was listened to in any round."""
        return float(self.observed.listening.ends.max())

    @property
    def beyond(self) -> float:
        """The share of the delays that are longer than that, of hosts that are alike."""
        return float(self.observed.survival.longer[-1])

    @property
    def rounds(self) -> int:
        """How many rounds there are."""
        return len(self.observed.table)

    @property
    def warnings(self) -> list[str]:
        """What makes the law doubtful, a line each."""
        lines = list[str]()
        if self.ends_vary:
            lines.append(
                f"rounds are slow or fast as a whole: they vary {self.ratio:.1f} times as much as "
                "those of independent workers would, so one law for all delays is off"
            )
        if not self.has_shape:
            first = self.fits[0]
            lines.append(
                f"no family has the shape of what was heard: {first.family.name} is off by "
                f"{percent(first.error)}"
            )
        return lines

    @cached_property
    def varies(self) -> float:
        """The standard deviation of a round that waits for all, over its mean, by the law."""
        workers = self.size or self.measured.workers
        model = model_of(self.chosen.section)
        ends = model.sample(np.random.default_rng(0), VARYING_ROUNDS, workers).max(axis=1)
        return float(ends.std(ddof=1) / ends.mean())

    @cached_property
    def sections(self) -> str:
        """``delay:`` and ``load_law:`` as YAML, to be pasted into a config."""
        return write_yaml({"delay": self.chosen.section, "load_law": self.load_law})

    @cached_property
    def config(self) -> dict[str, Any]:
        """A small config with the sections: to wait for all, which is extrapolated, or for as many
        as were heard in every round."""
        workers = self.size or self.measured.workers
        iterations = max(1, min(ITERATIONS, self.rounds))
        return small_config(
            delay=self.chosen.section,
            load_law=self.load_law,
            workers=workers,
            wait_for=max(1, min(workers - 1, self.observed.listening.fewest_heard)),
            rounds=self.rounds,
            varies=self.varies / iterations**0.5,
        )


def is_cut(measured: MeasuredDelays, load: float | None) -> bool:
    """Whether what is asked about are rounds that ended before everybody was heard."""
    return bool(measured.listening) and (load is None or load in measured.listening)


@one_thread()
def study_cut(
    measured: MeasuredDelays,
    ks: Sequence[int],
    load: float | None,
    progress: Callable[[int, int], None],
) -> CutFindings:
    """Fit families to rounds that were cut, and find the hosts that are heard too seldom. Raises
    ConfigError: there are several loads and none is asked for; or nothing can be fitted."""
    if load is None and len(measured.tables) > 1:
        loads = ", ".join(f"{known:g}" for known in measured.tables if known is not None)
        text = f"must be one of {loads}, since rounds ended before all were heard"
        raise at(Option("load"), "all", text)
    key = load if load is not None else next(iter(measured.tables))
    unit = key if key else 1.0
    listening = measured.listening[key]
    listening = replace(listening, ends=listening.ends / unit)
    table = measured.tables[key] / unit
    observed = Observed(table=table, listening=listening, hosts=hosts_heard(table, listening))
    if (count := len(observed.heard)) < FEWEST_HEARD:
        raise ConfigError(f"{count} delays were heard; a fit needs at least {FEWEST_HEARD}")
    fits = list[CutFit]()
    refused = dict[str, str]()
    for done, name in enumerate(FITS):
        progress(done, len(FITS))
        try:
            fits.append(observed.fit(name, ks))
        except CannotFit as error:
            refused[name] = str(error)
    progress(len(FITS), len(FITS))
    if not fits:
        raise ConfigError(f"no family can be fitted: {next(iter(refused.values()))}")
    best = min(fit.error for fit in fits)
    fits.sort(key=lambda fit: (fit.error > best + ALIKE, fit.bic))
    law = fits[0].law
    ratio, ratio_error = observed.rounds_vary(law)
    why = [f"base law: {fits[0].family.name}"]
    if count := len(observed.hosts.seldom):
        hosts = number_of(count, "host that is", "hosts that are")
        why.append(f"a factor for {hosts} heard too seldom")
    return CutFindings(
        measured=measured,
        load=None,
        load_law={"kind": "proportional"},
        label="" if key is None else f"{key:g}",
        observed=observed,
        arrivals=arrivals_of(table, listening, ks),
        factors=observed.factors(law),
        fits=fits,
        refused=refused,
        ratio=ratio,
        ratio_error=ratio_error,
        chosen=CutChosen(section=observed.section(law), why=tuple(why)),
    )


def for_workers(findings: CutFindings, count: int, words: str) -> CutFindings:
    """The same with a section for so many workers, those of the table in turn, which is said in
    ``words``."""
    section = in_turn(findings.chosen.section, findings.measured.workers, count)
    chosen = CutChosen(section, (*findings.chosen.why, words))
    return replace(findings, size=count, chosen=chosen)


def cut_tables(findings: CutFindings) -> dict[str, pd.DataFrame]:
    """As ``tables`` of a fit, with what is known of each arrival and how often hosts were heard."""
    chosen = findings.chosen
    listening = findings.observed.listening
    heard = listening.heard.sum(axis=1)
    load = {
        "load": findings.label,
        "rounds": findings.rounds,
        "delays": int((listening.heard & listening.on_time).sum()),
        "cold_rounds": 0,
        "worker": np.nan,
        "round": np.nan,
        "median": np.nan,
        "spread": np.nan,
        "persistence": np.nan,
        "heard_least": int(heard.min()),
        "heard_most": int(heard.max()),
        "workers": findings.measured.workers,
        "largest_end": findings.largest_end,
        "late_cells": int((~listening.on_time).sum()),
    }
    candidate = {
        "candidate": "; ".join(chosen.why),
        "held_out": np.nan,
        "bias": np.nan,
        "taken": True,
    }
    return {
        "fit": pd.DataFrame([*_fit_rows(findings)]),
        "order_statistics": _order_statistics(findings),
        "quantiles": _quantiles(findings),
        "candidates": pd.DataFrame([candidate]),
        "loads": pd.DataFrame([load]),
        "load_laws": pd.DataFrame(columns=["law", "misfit", "holds"]),
        "workers": host_table(findings),
    }


def _fit_rows(findings: CutFindings) -> Iterator[dict[str, object]]:
    names = {fit.family.name for fit in findings.alike}
    heard = len(findings.observed.heard)
    for rank, fit in enumerate(findings.fits, start=1):
        yield {
            "load": findings.label,
            "family": fit.family.name,
            "delay": json.dumps(section_of(fit.law)),
            "parameters": fit.family.parameters,
            "delays": heard,
            "not_heard": len(findings.observed.outlasted),
            "log_likelihood": fit.log_likelihood,
            "aic": fit.aic,
            "bic": fit.bic,
            "ks": fit.distance,
            "order_error": fit.error,
            "held_out": np.nan,
            "rank_order": rank,
            "rank_aic": 1 + sum(other.aic < fit.aic for other in findings.fits),
            "alike": fit.family.name in names,
        }


def _order_statistics(findings: CutFindings) -> pd.DataFrame:
    arrivals = findings.arrivals
    config = (CONFIG, findings.fits[0].predicted)
    series = [config, *((fit.family.name, fit.predicted) for fit in findings.fits)]
    frames = []
    for family, predicted in series:
        columns = {
            "load": findings.label,
            "family": family,
            "k": arrivals.ks,
            "known": pd.array([*arrivals.known], dtype="string"),
            "rounds_heard": arrivals.rounds_heard,
            "observed": arrivals.seconds,
            "low": arrivals.low,
            "high": arrivals.high,
            "at_least": arrivals.at_least,
            "predicted": predicted,
            "ratio": predicted / arrivals.seconds,
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def _quantiles(findings: CutFindings) -> pd.DataFrame:
    """Fitted ones beside those of the Kaplan-Meier estimate, as far as that reaches; and the
    estimate itself with its interval, at no more than a thousand of the heard seconds."""
    survival = findings.observed.survival
    some = np.unique(np.linspace(0, len(survival.seconds) - 1, 1000).round().astype(np.int64))
    estimate = {
        "family": SURVIVAL,
        "level": 1 - survival.longer[some],
        "fitted": np.nan,
        "measured": survival.seconds[some],
        "marked": False,
        "low": 1 - survival.high[some],
        "high": 1 - survival.low[some],
    }
    levels = np.unique(np.concatenate([np.linspace(0.005, 0.995, 199), [0.998, 0.999]]))
    seconds = survival.quantiles(levels)
    frames = [pd.DataFrame(estimate)]
    for fit in findings.fits:
        columns = {
            "family": fit.family.name,
            "level": levels,
            "fitted": np.asarray(fit.law.isf(1 - levels)),
            "measured": seconds,
            "marked": np.isin(np.round(levels, 6), (0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999)),
            "low": np.nan,
            "high": np.nan,
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def host_table(findings: CutFindings) -> pd.DataFrame:
    """One row per host: those heard too seldom first, then by how much less they were heard than
    the others."""
    hosts = findings.observed.hosts
    rest = [int(j) for j in np.argsort(hosts.times - hosts.account) if j not in hosts.seldom]
    order = [*hosts.seldom, *rest]
    known = {"slower": [findings.factors.get(j, np.nan) for j in order]}
    columns: dict[str, object] = {
        "worker": np.array(order, dtype=np.int64),
        "host": pd.array([findings.measured.hosts[j] for j in order], dtype="string"),
        "stands_out": np.isin(order, hosts.seldom),
        "heard": hosts.times[order],
        "account": hosts.account[order],
        "rounds": hosts.rounds[order],
    }
    for name in ("slower", "slow", "spell", "correlation", "cost"):
        columns[name] = np.array(known.get(name, [np.nan] * len(order)))
        columns[f"{name}_low"] = np.full(len(order), np.nan)
        columns[f"{name}_high"] = np.full(len(order), np.nan)
    return pd.DataFrame(columns)
