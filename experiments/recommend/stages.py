"""The stages: theory and the clock, a trial of learning rates, and a race on common delays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..config.catalogue import Catalogue
from ..config.errors import ConfigError
from .candidates import SearchSpace, Tried, alike, brief, far_beyond, frozen, neighbours, whole
from .contender import (
    EXACT,
    LIMITS,
    UNBUILT,
    WHOLE,
    Contender,
    behind,
    cannot_win,
    final_order,
    remaining,
    require_some,
    slower,
    trial_order,
)
from .question import ANYTHING, Order, Question
from .scenario import MOST_RUNS
from .search import CLOCKED, MOST_ITERATIONS, RACE_DELAYS, Search

SCREENED = "screened"  # the stage at which those leave that cannot win
SAME = "does the same as"  # the reason of one that leaves for another
BEHIND, NO_BETTER = "surely behind", "no better until then than"  # of who left
UNHEARD = "unheard"  # the stage at which those leave that do not hear every partition
# Rates are chosen on trial delays and schemes compared on the config's, so that no scheme is
# flattered by the choice of its rate.
# Replications on which rates are tried by factors of 4, and then by factors of 2.
TRIAL, TUNED = 4, 16
SPACING = 4.0
# Learning rates that every scheme is tried at, times the best one of the exact gradient.
COARSE = tuple(SPACING**k for k in range(-3, 2))
FINE = (0.5, 1.0, 2.0)  # learning rates around the best one of a scheme
# Before anything is trained, whoever takes longer than so many times the best by the yardstick of
# progress goes; and of schemes without a barrier, which are slow to train, so many stay.
FAR, MOST_SLOW = 4.0, 8
TRIED, NEAR = 32, 2.0  # so many are tuned further and race, within this factor of the best trial
LEFT = "trial"  # the stage at which those leave that are far behind in the trial
# Going on from the best of each scheme, between what was tried and beyond its edges.
STEPS, TRAINED_STEPS = 24, 8  # how often one goes on, at most, by the clock and by training
REFINED, CLOSE = 6, 1.5  # one goes on from so many by the clock, within this factor
# By training one goes on from so many; a last step that gained less than this is the end.
TRAINED, FLAT = 3, 0.01
Worth = Callable[[Contender], Order]
# Replications of each heat of the race, and how many schemes stay after it at most.
HEATS = ((8, 16), (16, 12), (32, 8), (64, 8))
QUICK_HEATS = ((16, 24), (64, 12), (MOST_RUNS, 8))  # the same where nothing is trained
MOST_RACED = 4  # the most that these replications are multiplied by


def finalists(search: Search) -> list[Contender]:
    """Go through all stages; returns those that stayed, the best first. Raises ConfigError: nothing
    keeps the limits, or a scheme of the config cannot be simulated."""
    search.contenders = listed(search.question)
    screen_by_theory(search)
    screen_by_clock(search)
    if search.question.trains:
        try_rates(search)
        # Then by factors of 2 around the best of each, on more trial delays.
        search.part = (2.0, 1.0)
        search.train({one: search.question.rates(FINE, one.rate) for one in search.left}, TUNED)
    race(search)
    keep_exact(search)
    return sorted(search.left, key=final_order)


def listed(question: Question) -> list[Contender]:
    """The schemes of the config, and then all that are searched."""
    scenario, limits = question.scenario, question.limits
    space = SearchSpace(
        scenario.workers,
        scenario.worker_time[0],
        int(limits.get("load", scenario.workers)),
        fine=not question.trains,
        network=scenario.base.get("network") is not None or "bytes" in limits,
    )
    given = scenario.given
    sections = [*given, *space.sections(scenario.catalogue, question.only)]
    return [Contender(i, section, i < len(given)) for i, section in enumerate(sections)]


def screen_by_theory(search: Search) -> None:
    """Ask theory about every scheme; whoever cannot win leaves."""
    search.part = (0.0, 0.5)
    search.build_all(search.contenders)
    require_some(search.contenders)
    _drop_losers(search)


def screen_by_clock(search: Search) -> None:
    """Run the clocks of all that are left. Raises ConfigError: the budget is too long."""
    goal = search.question.goal
    # The clock of uncoded; where that never ends, of the config's first scheme.
    uncoded = Contender(len(search.contenders), {"name": "uncoded"}, False)
    search.part = (0.5, 0.0)
    each = next(
        float(clocked.iteration_time.mean())
        for one in (uncoded, search.contenders[0])
        for _, clocked in search.measure({one: ()}, CLOCKED)
    )
    search.horizon = each * search.question.scenario.iterations
    most = MOST_ITERATIONS * each
    if goal.kind == "budget" and goal.value > most:
        text = f"is {goal.value / each:.3g} iterations of uncoded"
        raise ConfigError(f"--budget = {goal.value:g}: {text}; must be at most {most:.4g} s")
    search.part = (0.5, 0.4)
    search.clock_all(search.left)
    require_some(search.contenders)
    _drop_doubles(search)
    _set_unheard_aside(search)
    refine_by_clock(search)
    _drop_doubles(search)
    _drop_losers(search)


def _drop_losers(search: Search) -> None:
    """Whoever cannot win leaves, unless limits on costs decide that are not known yet."""
    known = not search.question.trains and not np.isnan(search.horizon)
    if {"worker_seconds", "bytes"} & search.question.limits.keys() and not known:
        return
    rivals = [one for one in search.left if not one.barred]
    for index, reason in cannot_win(rivals, search.question.goal).items():
        search.contenders[index].leave(SCREENED, reason)


def _drop_doubles(search: Search) -> None:
    first: dict[tuple[Any, ...], Contender] = {}
    for one in search.left:
        assert one.clocked is not None
        assert one.profile is not None
        # Fresh exact gradients at the same times are the same; so, untrained, are alike counts.
        key: tuple[Any, ...] = (frozen(whole(one.section, search.question.scenario.catalogue)),)
        if one.clocked.exact or not search.question.trains:
            key = (one.clocked.digest, one.clocked.exact)
        same = first.setdefault(key, one)
        assert same.profile is not None
        if one.profile.holds < same.profile.holds:
            first[key], same, one = one, one, same
        if same is not one and not one.given:
            one.leave(SCREENED, f"{SAME} {same.label}")


def _set_unheard_aside(search: Search) -> None:
    """Whoever hardly ever hears some partition is not to be recommended, if others hear all."""
    heard = {one: one.clocked is not None and not one.clocked.unheard for one in search.left}
    if search.question.request.allow_unheard or not any(heard.values()):
        return
    for place, one in enumerate(sorted((c for c in heard if not heard[c]), key=_yardstick)):
        assert one.clocked is not None
        share = f"{one.clocked.least_heard:.2g} of the updates"
        one.unheard = f"some partition is in {share}, in some runs in hardly any"
        if place and not one.given:
            one.leave(UNHEARD, one.unheard)


def _yardstick(one: Contender) -> float:
    """Seconds of an exact iteration's progress by the clock."""
    return np.inf if one.clocked is None else one.clocked.yardstick


def try_rates(search: Search) -> None:
    """Try rates by factors of 4 for all, then arrivals half-way around the best; some leave."""
    _drop_by_yardstick(search)
    rates = search.question.rates(COARSE, search.question.exact_rate)
    # What trains quickly goes first: trials of the others end once they are far behind it.
    effort: dict[int, list[Contender]] = {0: [], 1: [], 2: []}
    for one in search.left:
        assert one.clocked is not None
        effort[0 if one.clocked.exact else 1 + one.barrierless].append(one)
    bar = ANYTHING
    for place, some in effort.items():
        search.part = (1 + place / 6, 1 / 6)
        search.train(dict.fromkeys(some, rates), TRIAL, bar)
        missed, value = min(map(trial_order, search.left))
        bar = missed, NEAR * value
    refine_by_training(search)
    left = sorted(search.left, key=trial_order)
    best = trial_order(left[0])
    for rank, one in enumerate(left):
        mine = trial_order(one)
        near = mine[0] <= best[0] and mine[1] <= NEAR * best[1]
        if not (one.stays or (near and rank < TRIED)):
            one.leave(LEFT, slower(search.question, mine, best, NEAR))


def _drop_by_yardstick(search: Search) -> None:
    """Whoever is far behind by the yardstick goes, and most of those that simulate slowly."""
    found = sorted((c.clocked.yardstick, c.index) for c in search.left if c.clocked is not None)
    slow = 0
    for seconds, index in found:
        one, best = search.contenders[index], found[0][0]
        slow += one.barrierless
        if one.stays:
            continue
        if seconds > FAR * best:
            one.leave(SCREENED, f"{seconds / best:.3g} times the best by the yardstick of progress")
        elif one.barrierless and slow > MOST_SLOW:
            text = f"not among the {MOST_SLOW} best without a barrier by the yardstick"
            one.leave(SCREENED, text)


def refine_by_clock(search: Search) -> None:
    """Go on from the best of each scheme, by what they take untrained, or by the yardstick."""
    trains, catalogue = search.question.trains, search.question.scenario.catalogue

    def worth(one: Contender) -> Order:
        if one.barred or one.stage in (LIMITS, UNBUILT, UNHEARD) or one.expected is None:
            return ANYTHING
        if one.clocked is None:
            return 0.0, float(np.nan_to_num(one.expected.value, nan=np.inf))
        return (0.0, one.clocked.yardstick) if trains else one.clocked.order(np.nan)

    for step in range(STEPS):
        known = [(one, worth(one)) for one in _searched(search, search.contenders)]
        fit = [one for one, (missed, value) in known if missed == 0 and value < np.inf]
        best = best_of_each(fit, worth, catalogue)
        near = [one for one in best if worth(one)[1] <= CLOSE * worth(best[0])[1]]
        new = _go_on(search, near[:REFINED], worth)
        if not new:
            return
        search.part = (0.9 + 0.1 * step / STEPS, 0.1 / STEPS)
        _look_at(search, [*new])


def refine_by_training(search: Search) -> None:
    """The same by what trials at a few rates find."""
    catalogue = search.question.scenario.catalogue
    for step in range(TRAINED_STEPS):
        fit = [one for one in _searched(search, search.left) if not one.barred]
        best = best_of_each(fit, trial_order, catalogue)[:TRAINED]
        new = _go_on(search, best, trial_order)
        if not new:
            return
        search.part = (1.5 + 0.5 * step / TRAINED_STEPS, 0.25 / TRAINED_STEPS)
        _look_at(search, [*new])
        bar = CLOSE * max(map(_yardstick, best))
        for one in remaining(new):
            if _yardstick(one) > bar:
                one.leave(SCREENED, "far behind what it was found from, by the yardstick")
        rates = {one: search.question.rates(FINE, new[one].rate) for one in remaining(new)}
        search.train(rates, TRIAL)


def _searched(search: Search, contenders: Iterable[Contender]) -> list[Contender]:
    only = search.question.only
    return [one for one in contenders if not only or one.scheme in only]


def best_of_each(some: Iterable[Contender], worth: Worth, catalogue: Catalogue) -> list[Contender]:
    """The best of each scheme and of its choices that are no numbers, the best first."""
    best: dict[str, Contender] = {}
    for one in sorted(some, key=worth):
        best.setdefault(alike(whole(one.section, catalogue)), one)
    return [*best.values()]


def _go_on(search: Search, best: Iterable[Contender], worth: Worth) -> dict[Contender, Contender]:
    """New contenders beside the best, each with the one that it was found from; they are listed."""
    question = search.question
    catalogue, workers = question.scenario.catalogue, question.scenario.workers
    tried: list[Tried] = [(whole(c.section, catalogue), worth(c)[1]) for c in search.contenders]
    first = [whole(one.section, catalogue) for one in search.contenders if not one.found]
    new: dict[Contender, Contender] = {}
    for one in best:
        for section in neighbours(whole(one.section, catalogue), tried, workers, FLAT):
            if far_beyond(section, first):
                continue
            tried.append((section, np.inf))
            found = Contender(len(search.contenders), brief(section, catalogue), False, True)
            search.contenders.append(found)
            new[found] = one
    return new


def _look_at(search: Search, new: Sequence[Contender]) -> None:
    search.build_all(new, race_heats(search.question)[-1][0])
    search.clock_all(remaining(new), MOST_RACED)
    heard = [one for one in search.left if one.clocked is not None and not one.clocked.unheard]
    if heard and not search.question.request.allow_unheard:
        for one in remaining(new):
            if one not in heard:
                one.leave(UNHEARD, "some partition is hardly ever part of an update")


def race(search: Search) -> None:
    """Run all heats: whoever is surely behind the leader leaves, and the last of too many."""
    question, heats = search.question, race_heats(search.question)
    if question.trains:  # whoever would be first without tuning is in the race as well
        common = question.common_rate
        tried = [(c, c.trial) for c in search.contenders if c.trial and common in c.trial.rates]
        if tried:
            first, _ = min(tried, key=lambda pair: pair[1].order(common))
            if first.stage == LEFT:
                first.leave("", "")
    for heat, (replications, most) in enumerate(heats):
        search.part = (3 + heat / len(heats), 1 / len(heats))
        _heat(search, search.left, replications)
        leader = _leader(search)
        stage = f"race, {replications} replications"
        for rank, one in enumerate(sorted(search.left, key=final_order)):
            if one is leader or one.stays:
                continue
            if _behind(question, one, leader):
                one.leave(stage, f"{BEHIND} {leader.label}")
            elif rank >= most:
                one.leave(stage, f"not among the best {most}")
    # Who left by what few replications said, and did better than the best in all, may be better.
    while better := [
        one
        for one in search.contenders
        if one.stage not in ("", LIMITS, UNBUILT, UNHEARD) and one.final is not None
        if final_order(one) < final_order(_leader(search))
    ]:
        for one in better:
            one.leave("", "")
        search.part = (4.0, 0.0)
        _heat(search, better, heats[-1][0])
    # The leader that they fell behind of may have left since, or missed the goal in a later run.
    leader = _leader(search)
    for one in search.contenders:
        if one.reason.startswith(BEHIND):
            sure = _behind(question, one, leader)
            one.reason = f"{BEHIND if sure else NO_BETTER} {leader.label}"


def _behind(question: Question, one: Contender, leader: Contender) -> bool:
    assert one.final is not None
    final = one.final
    return behind(one.values, leader.values, final.criterion, question.surge, final.evidence)


def keep_exact(search: Search) -> None:
    """Beside a winner by count that leaves much out, the best scheme with exact updates stays."""
    if not _leader(search).counts < WHOLE:
        return
    known = {
        one: one.expected.value
        for one in search.contenders
        if one.expected is not None and one.expected.fresh and one.expected.error <= EXACT
        if not one.barred and one.stage not in (LIMITS, UNBUILT, UNHEARD)
    }
    best = min(known, key=lambda one: known[one], default=None)
    if best is not None and best.stage:
        best.leave("", "")
        _heat(search, [best], race_heats(search.question)[-1][0])


def race_heats(question: Question) -> list[tuple[int, int]]:
    """Replications of each heat and how many schemes stay after it: more and fewer where few rounds
    are much slower than the others. The config's replications count if they are more."""
    scenario = question.scenario
    repeats, asked = min(scenario.repeats, MOST_RACED), int(scenario.base["replications"])
    if question.trains:
        return [(r * repeats, most) for r, most in HEATS]
    heats = [(r * repeats, most if repeats == 1 else most // 2) for r, most in QUICK_HEATS]
    return [*heats[:-1], (max(heats[-1][0], min(asked, scenario.affordable)), heats[-1][1])]


def _heat(search: Search, contenders: Sequence[Contender], replications: int) -> None:
    question = search.question
    rates = {
        one: tuple(dict.fromkeys((one.rate, question.common_rate))) if question.trains else ()
        for one in contenders
    }
    for one, final in search.measure(rates, replications, RACE_DELAYS):
        one.final = final
        one.keep_limits(question, one.costs(question, final, one.value))
    require_some(search.contenders)


def _leader(search: Search) -> Contender:
    allowed = [one for one in search.left if not one.barred]
    return min(allowed or [one for one in search.left if not one.breaks], key=final_order)
