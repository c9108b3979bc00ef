"""The search: theory and the clock, a trial of learning rates, and a race on common delays.

Learning rates are chosen on trial delays (the next seed), and schemes compared on the config's, so
that no scheme is flattered by the choice of its rate.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments.cells.pool import Died, Lane, map_unordered
from experiments.config.errors import ConfigError
from experiments.recommend import space
from experiments.recommend.compare import behind, leader, mean, order
from experiments.recommend.goal import Goal, Limits
from experiments.recommend.measure import (
    Found,
    Item,
    Measured,
    Refused,
    measure_all,
)
from experiments.recommend.screen import CLOCK, Expected, Known, cannot_win
from experiments.recommend.sketch import Sketch, sketch
from experiments.recommend.subject import Subject

Section = Mapping[str, Any]
Report = Callable[[float, int], None]

CLOCKED = 8
"""Replications of the clock that screens."""

TRIAL, TUNED = 4, 16
"""Replications on which rates are tried by factors of 4, and then by factors of 2."""

SPACING = 4.0

COARSE = tuple(SPACING**k for k in range(-3, 2))
"""Learning rates that every scheme is tried at, times the best one of the exact gradient."""

FAR, MOST_SLOW = 4.0, 8
"""Before anything is trained, whoever takes longer than so many times the best by the yardstick of
``progress`` goes; and of schemes without a barrier, which are slow to train, so many stay."""

TRIED, NEAR = 32, 2.0
"""Schemes that are tuned further and race: so many, within this factor of the best of the trial."""

RUNGS = ((8, 16), (16, 12), (32, 8), (64, 8))
"""Replications of each heat of the race, and how many schemes stay after it at most."""

QUICK_RUNGS = ((16, 24), (64, 12), (256, 8))
"""The same where nothing is trained."""

LONGER = 3
"""Runs are up to so many times as long as the config's, where iterations are short."""

WORTH = 3.0
"""Nobody but the config's schemes runs for longer than so many times the best time of the trial."""

MOST_ITERATIONS = 2000
"""Of the slowest run within a budget."""

STAGES = 5
"""Steps of the progress bar: clock, trial, rates, race, sensitivity."""


@dataclass
class Entry:
    """A scheme on its way through the search.

    Attributes:
        place: its number.
        section: of the config, with a label if the config gives one.
        given: whether the config names it.
        sketch: what is known without simulating it.
        expected: before anything is trained.
        clocked: the clock alone.
        trial: values on trial delays at several rates.
        rate: its own learning rate; NaN without training.
        final: values on the config's delays, at its own rate and at the common one.
        out: why it left; empty for those that stayed to the end.
        stage: at which stage it left.
        breaks: the limit that one of the config's breaks; it stays for comparison.
    """

    place: int
    section: Section
    given: bool
    sketch: Sketch | None = None
    expected: Expected | None = None
    clocked: Measured | None = None
    trial: Measured | None = None
    rate: float = np.nan
    final: Measured | None = None
    out: str = ""
    stage: str = ""
    breaks: str = ""

    @property
    def label(self) -> str:
        """How it is called."""
        if self.sketch is not None:
            return self.sketch.label
        named = self.section.get("label")
        rest = (f"{k}={v}" for k, v in self.section.items() if k not in ("name", "label"))
        return str(named) if named else " ".join([str(self.section["name"]), *rest])

    def leave(self, stage: str, why: str) -> None:
        """Note that it left, and why."""
        self.stage, self.out = stage, why

    def own(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Final values at its own rate, ``(R,)``."""
        assert self.final is not None
        return self.final.at(self.rate)


@dataclass(frozen=True)
class Asked:
    """What the search is for.

    Attributes:
        goal: what is made small.
        limits: what must be kept.
        only: schemes that are searched; empty: all.
        centre: the exact gradient's best learning rate; NaN without training.
        common: the rate of the untuned comparison; NaN without training.
    """

    goal: Goal
    limits: Limits
    only: tuple[str, ...] = ()
    centre: float = np.nan
    common: float = np.nan

    @property
    def trains(self) -> bool:
        """Whether there is a problem."""
        return self.goal.kind != "iterations"


@dataclass
class Search:
    """The state of a search; ``run`` goes through all stages.

    Attributes:
        subject, asked, lanes, report: what, and where.
        entries: all schemes.
    """

    subject: Subject
    asked: Asked
    lanes: Sequence[Lane]
    report: Report
    entries: list[Entry] = field(default_factory=list)
    _horizon: float = np.nan
    _worth: float = np.inf

    def run(self) -> list[Entry]:
        """All stages; returns the finalists, the best first.

        Raises:
            ConfigError: nothing keeps the limits, or nothing can be simulated.
        """
        self._list()
        self._sketch()
        self._clock()
        if self.asked.trains:
            self._trial()
            self._tune()
        return self._race()

    # -- stages ---------------------------------------------------------------------------------

    def _list(self) -> None:
        subject, asked = self.subject, self.asked
        most = asked.limits.load if asked.limits.load is not None else subject.workers
        network = subject.base.get("network") is not None or asked.limits.bytes is not None
        room = space.Room(subject.workers, subject.typical, int(most), not asked.trains, network)
        listed = [*subject.given]
        listed += space.sections(room, subject.catalogue, asked.only)
        self.entries = [
            Entry(place, section, place < len(subject.given))
            for place, section in enumerate(listed)
        ]

    def _sketch(self) -> None:
        """What theory knows, of every scheme; whoever cannot win goes."""
        self._look_at(self.entries, 0.0)
        self._require_some()
        self._drop_losers()

    def _look_at(self, entries: Sequence[Entry], stage: float, portion: float = 0.5) -> None:
        items = [self.item(entry, 1, self.subject.iterations) for entry in entries]
        found: dict[int, Sketch | Refused | Died] = {}

        def told(done: float) -> None:
            self.report(stage + portion * done / len(items), STAGES)

        for item, one in map_unordered(sketch, items, self.lanes, told):
            found[item.place] = one
        for entry in entries:
            match found[entry.place]:
                case Sketch() as one:
                    entry.sketch, entry.expected = one, one.expected
                    error = np.nan if one.expected is None else one.expected.error
                    self._limit(entry, {"load": float(one.holds), "error": error})
                case Refused(reason) | Died(reason):
                    self._refused(entry, reason)

    def _clock(self) -> None:
        """The clock of the others, which costs little where nothing is trained."""
        baseline = self._baseline()
        each = float(baseline.iteration_time.mean())
        self._horizon = each * self.subject.iterations
        if self.asked.goal.kind == "budget":
            self._require_budget(each)
        self._clocked(self._running(), 0.5)
        self._require_some()
        seen: dict[tuple[Any, ...], Entry] = {}
        for entry in self._running():
            same = seen.setdefault(self._deeds(entry), entry)
            if same is not entry and not entry.given:
                entry.leave("screened", f"does the same as {same.label}")
        self._drop_losers()

    def _baseline(self) -> Measured:
        """The clock of uncoded; where that never ends, of the config's first scheme."""
        t, reason = self.subject.iterations, ""
        for entry in (self._uncoded(), self.entries[0]):
            found = self._measured([entry], CLOCKED, t, 0.5, portion=0.0)[0]
            if isinstance(found, Measured):
                return found
            reason = found.reason
        raise ConfigError(reason)

    def _clocked(self, entries: Sequence[Entry], stage: float, portion: float = 0.5) -> None:
        found = self._measured(entries, CLOCKED, self.subject.iterations, stage, portion=portion)
        for entry, one in zip(entries, found, strict=True):
            if isinstance(one, Refused):
                self._refused(entry, one.reason)
                continue
            entry.clocked = one
            value = np.nan if self.asked.trains else mean(one.values[0])
            if entry.expected is None:
                assert entry.sketch is not None
                sound = one.staleness == 0 and not entry.sketch.barrierless
                seconds = float(one.iteration_time.mean())
                entry.expected = Expected(CLOCK, seconds, one.error, value, sound)
            self._limit(entry, self.costs(entry, one, value))

    def _drop_losers(self) -> None:
        """Whoever cannot win goes, unless limits on its costs decide."""
        limits = self.asked.limits
        if (limits.worker_seconds, limits.bytes) != (None, None) and (
            self.asked.trains or self._horizon != self._horizon
        ):
            return
        known = [
            Known(e.place, str(e.section["name"]), e.label, e.given, e.expected)
            for e in self._running()
            if not e.breaks
        ]
        for place, why in cannot_win(known, self.asked.goal).items():
            self.entries[place].leave("screened", why)

    def _trial(self) -> None:
        """Rates by factors of 4, for all; then half-way numbers of arrivals around the best."""
        rates = self._rates(COARSE)
        self._by_yardstick()
        running = self._running()
        quick = [e for e in running if e.sketch is not None and not e.sketch.barrierless]
        slow = [e for e in running if e not in quick]
        for some, stage in ((quick, 1.0), (slow, 1.25)):
            self._try(some, TRIAL, dict.fromkeys(map(_place, some), rates), stage, 0.25)
        for _ in range(2):
            self._refine()
        running = sorted(self._running(), key=_rank)
        best = _rank(running[0])
        for rank, entry in enumerate(running):
            mine = _rank(entry)
            near = mine[0] <= best[0] and mine[1] <= NEAR * best[1]
            if not (entry.given or (near and rank < TRIED)):
                entry.leave("trial", _slower(entry, mine, best, self.asked.goal))

    def _by_yardstick(self) -> None:
        """Whoever is far behind by the yardstick of progress goes, and most of those that are slow
        to simulate."""
        found = sorted(
            (e.clocked.yardstick, e.place) for e in self._running() if e.clocked is not None
        )
        slow = 0
        for seconds, place in found:
            entry = self.entries[place]
            barrierless = entry.sketch is not None and entry.sketch.barrierless
            slow += barrierless
            if entry.given:
                continue
            if seconds > FAR * found[0][0]:
                times = f"{seconds / found[0][0]:.3g} times the best"
                entry.leave("screened", f"{times} by the yardstick of progress")
            elif barrierless and slow > MOST_SLOW:
                text = f"not among the {MOST_SLOW} best without a barrier by the yardstick"
                entry.leave("screened", text)

    def _refine(self) -> None:
        """Numbers of arrivals between those that were tried, around the best of each scheme."""
        best: dict[tuple[Any, ...], Entry] = {}
        for entry in sorted(self._running(), key=_rank):
            kind = tuple(
                (k, v) for k, v in entry.section.items() if k not in ("wait_for", "batch", "label")
            )
            best.setdefault(kind, entry)
        new: list[Entry] = []
        wanted: dict[int, tuple[float, ...]] = {}
        tried = [entry.section for entry in self.entries]
        for entry in [*best.values()][:3]:
            for section in space.neighbours(entry.section, tried):
                tried.append(section)
                one = Entry(len(self.entries) + len(new), section, False)
                wanted[one.place] = self._rates((0.5, 1.0, 2.0), entry.rate)
                new.append(one)
        self.entries += new
        self._look_at(new, 1.5, 0.1)
        self._clocked([entry for entry in new if not entry.out], 1.6, 0.1)
        self._try([entry for entry in new if not entry.out], TRIAL, wanted, 1.75, 0.1)

    def _tune(self) -> None:
        """Rates by factors of 2 around the best of each, on more trial delays."""
        running = self._running()
        rates = {e.place: self._rates((0.5, 1.0, 2.0), e.rate) for e in running}
        self._try(running, TUNED, rates, 2)

    def _race(self) -> list[Entry]:
        rungs = RUNGS if self.asked.trains else QUICK_RUNGS
        self._common_best()
        for heat, (replications, most) in enumerate(rungs):
            running = self._running()
            rates = {e.place: self._final_rates(e) for e in running}
            found = self._measured(
                running,
                replications,
                self.subject.iterations,
                3 + heat / len(rungs),
                rates,
                seed=0,
                portion=1 / len(rungs),
            )
            for entry, one in zip(running, found, strict=True):
                if isinstance(one, Refused):
                    self._refused(entry, one.reason)
                    continue
                entry.final = one
                self._limit(entry, self.costs(entry, one, mean(entry.own())))
            self._heat(replications, most)
        running = self._running()
        return sorted(running, key=lambda e: _key(e.own()))

    def _heat(self, replications: int, most: int) -> None:
        self._require_some()
        running = self._running()
        values = {e.place: e.own() for e in running if not e.breaks}
        first = self.entries[leader(values)]
        ranked = sorted(running, key=lambda e: _key(e.own()))
        stage = f"race, {replications} replications"
        for rank, entry in enumerate(ranked):
            if entry is first or entry.given:
                continue
            if behind(entry.own(), first.own()):
                entry.leave(stage, f"surely behind {first.label}")
            elif rank >= most:
                entry.leave(stage, f"not among the best {most}")

    def _common_best(self) -> None:
        """Whoever would be first without tuning is in the race as well."""
        if not self.asked.trains:
            return
        tried = [e for e in self.entries if e.trial is not None and self._untuned(e) is not None]
        if tried:
            first = min(tried, key=lambda e: _key(self._untuned(e)))
            if first.out and first.stage == "trial":
                first.out = first.stage = ""

    # -- parts ----------------------------------------------------------------------------------

    def _untuned(self, entry: Entry) -> Any:
        trial = entry.trial
        if trial is None or self.asked.common not in trial.rates:
            return None
        return trial.at(self.asked.common)

    def _rates(self, factors: Sequence[float], around: float | None = None) -> tuple[float, ...]:
        """A few rates, and the common one."""
        centre = self.asked.centre if around is None else around
        return tuple(sorted({*(centre * factor for factor in factors), self.asked.common}))

    def _final_rates(self, entry: Entry) -> tuple[float, ...]:
        if not self.asked.trains:
            return ()
        return tuple(dict.fromkeys((entry.rate, self.asked.common)))

    def _try(
        self,
        entries: Sequence[Entry],
        replications: int,
        rates: Mapping[int, tuple[float, ...]],
        stage: float,
        portion: float = 1.0,
    ) -> None:
        t = self.subject.iterations
        found = self._measured(entries, replications, t, stage, rates, portion=portion)
        for entry, one in zip(entries, found, strict=True):
            if isinstance(one, Refused):
                self._refused(entry, one.reason)
                continue
            entry.trial = one
            entry.rate = one.rates[min(range(len(one.rates)), key=lambda i: _key(one.values[i]))]

    def _measured(
        self,
        entries: Sequence[Entry],
        replications: int,
        iterations: int,
        stage: float,
        rates: Mapping[int, tuple[float, ...]] | None = None,
        seed: int = 1,
        portion: float = 1.0,
    ) -> list[Found]:
        """Measure schemes side by side; trial delays have the seed after the config's."""
        items = [
            self.item(entry, replications, iterations, (rates or {}).get(entry.place, ()), seed)
            for entry in entries
        ]
        count = max(1, len(items))

        def told(done: float) -> None:
            self.report(stage + portion * done / count, STAGES)

        return measure_all(items, self.lanes, told)

    def item(
        self,
        entry: Entry,
        replications: int,
        iterations: int,
        rates: tuple[float, ...] = (),
        seed: int = 0,
    ) -> Item:
        """What is measured of a scheme, with a run that is long enough for the goal."""
        base = int(self.subject.base["seed"])
        return Item(
            entry.place,
            self.subject.text,
            json.dumps(dict(entry.section)),
            (base + seed) % 2**63,
            self._long_enough(entry, iterations) if rates else iterations,
            replications,
            self.asked.goal,
            rates,
            self.subject.data_dir,
        )

    def _long_enough(self, entry: Entry, iterations: int) -> int:
        if entry.clocked is None:
            return iterations
        each = float(entry.clocked.iteration_time.mean())
        if not 0 < each < np.inf:
            return iterations
        if self.asked.goal.kind == "budget":
            wanted = int(1.3 * self.asked.goal.value / each) + 5
            return min(wanted, LONGER * MOST_ITERATIONS)
        wanted = min(max(iterations, int(self._horizon / each)), LONGER * iterations)
        if entry.given or self._worth == np.inf:
            return wanted
        return min(wanted, int(self._worth / each) + 3)

    def _require_budget(self, each: float) -> None:
        most = MOST_ITERATIONS * each
        if self.asked.goal.value > most:
            text = f"is {self.asked.goal.value / each:.3g} iterations of uncoded"
            raise ConfigError(
                f"--budget = {self.asked.goal.value:g}: {text}; must be at most {most:.4g} s"
            )

    def _deeds(self, entry: Entry) -> tuple[Any, ...]:
        """Equal for two schemes that do the same: fresh exact gradients at the same times, or one
        scheme twice; without training also other updates that count the same."""
        one, known = entry.clocked, entry.sketch
        assert one is not None
        assert known is not None
        if one.exact or not self.asked.trains:
            return one.mark, known.holds, one.exact
        return (one.label,)

    def _limit(self, entry: Entry, numbers: dict[str, float]) -> None:
        if entry.expected is not None:
            numbers = {**numbers, "error": entry.expected.error}
        broken = self.asked.limits.broken(**numbers)
        if broken is not None and entry.given:
            entry.breaks = broken
        elif broken is not None:
            entry.leave("limits", broken)

    def costs(self, entry: Entry, one: Measured, value: float) -> dict[str, float]:
        """Load, worker-seconds, message bytes and error of a scheme that reaches a value."""
        goal = self.asked.goal
        seconds = goal.value if goal.kind == "budget" else value
        size = 8.0 * self.subject.features if self.subject.features else np.nan
        assert entry.sketch is not None
        return {
            "load": float(entry.sketch.holds),
            "worker_seconds": float(one.busy.mean()) * seconds,
            "bytes": float(one.heard.mean()) * size * seconds,
            "error": one.error,
        }

    def _refused(self, entry: Entry, reason: str) -> None:
        if entry.given:
            raise ConfigError(reason)
        entry.leave("cannot be built", reason)

    def _running(self) -> list[Entry]:
        return [entry for entry in self.entries if not entry.out]

    def _uncoded(self) -> Entry:
        return Entry(len(self.entries), {"name": "uncoded"}, True)

    def _require_some(self) -> None:
        """Refuse limits that nothing keeps."""
        if any(not entry.breaks for entry in self._running()):
            return
        broken = [e for e in self.entries if e.breaks or e.stage == "limits"]
        texts = [f"{entry.label}: {entry.breaks or entry.out}" for entry in broken[:2]]
        raise ConfigError(f"no scheme keeps the limits ({'; '.join(texts)}, ...)")


def _place(entry: Entry) -> int:
    return entry.place


def _key(values: Any) -> tuple[float, float]:
    reached, average = order(values)
    return -reached, average


def _rank(entry: Entry) -> tuple[float, float]:
    """How good a scheme was in its trial, at its best rate."""
    if entry.trial is None:
        return np.inf, np.inf
    return _key(entry.trial.at(entry.rate))


def _slower(entry: Entry, mine: tuple[float, float], best: tuple[float, float], goal: Goal) -> str:
    if mine[1] == np.inf:
        return "never reaches the goal in the length of the runs, at any rate"
    if mine[0] > best[0]:
        return f"reaches the goal in {mine[0]:.0f} trial replications less than the best"
    times = f"{mine[1] / best[1]:.3g} times the best"
    return f"{mine[1]:.4g}{goal.unit} {goal.words} at its best rate, {times}"
