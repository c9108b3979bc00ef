"""The answer in sentences: verdict, reasons, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .contender import Contender, mean, ratio
from .measure import SHUFFLED
from .study import Recommendation, Sensitivity

FEW_ITERATIONS = 5
"""So few say little of a long training."""

NAMED = 3
"""Schemes that are named in a line."""

NO_CODING = "coding does not pay"


def number(value: float, digits: int = 4) -> str:
    """A number for people."""
    return "-" if not np.isfinite(value) else f"{value:.{digits}g}"


def percent(share: float) -> str:
    """``38.2 %``, never ``-0.0 %``."""
    return f"{round(100 * share, 1) + 0.0:.1f} %"


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def verdict(found: Recommendation) -> str:
    """The answer, one sentence. A scheme's name does not begin it, since it has no capital."""
    return sentence(_verdict(found))


def _verdict(found: Recommendation) -> str:
    goal = found.question.goal
    if not found.reached:
        there = np.isfinite(found.winner.values).sum()
        return (
            f"no scheme reaches the goal in every run: {found.winner.label} does in {there} of "
            f"{len(found.winner.values)}; give more iterations or an easier target"
        )
    winner = found.winner
    value = f"{number(mean(winner.values))}{goal.unit} {goal.phrase}"
    pays = _coding_pays(found)
    if found.tied:
        names, end = listed([winner, *found.tied]), f", about {value}{_beside_today(found)}"
        apart = "cannot be told apart"
        return f"the best {apart}: {names}{end}" if pays else f"{NO_CODING}: {names} {apart}{end}"
    if winner is found.today:
        text = f"keep {winner.label}, nothing is better: {value}{_next_best(found)}"
        return text if pays else f"{NO_CODING}: {text}"
    end = f"{value}{_beside_today(found)}"
    if pays:
        return f"the best is {winner.label}, {end}"
    return f"{NO_CODING}: {winner.label} is best, {end}"


def listed(entries: Sequence[Contender]) -> str:
    """``A, B and 2 more``."""
    names = [entry.label for entry in entries[:NAMED]]
    more = len(entries) - len(names)
    if more:
        return f"{', '.join(names)} and {more} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _coding_pays(found: Recommendation) -> bool:
    """Whether a code is among the best, or none was searched."""
    coded = [e for e in (found.winner, *found.tied) if e.coded]
    return bool(coded) or not _codes_searched(found)


def _codes_searched(found: Recommendation) -> bool:
    return any(entry.coded for entry in found.contenders)


def _beside_today(found: Recommendation) -> str:
    """How much less than today's scheme, which cannot be the winner."""
    today = found.today
    if today is found.winner or today in found.tied:
        return ""
    middle, low, high = ratio(found.winner.values, today.values)
    if np.isnan(middle):
        return f"; {today.label}, the scheme of today, does not reach it in every run"
    less = f"{percent(1 - middle)} less ({percent(1 - high)} to {percent(1 - low)})"
    if today.breaks:
        return f"; {less} than {today.label}, the scheme of today, which breaks a limit"
    return f", {less} than {today.label}, the scheme of today"


def _next_best(found: Recommendation) -> str:
    others = [e for e in found.finalists if e is not found.winner and not e.breaks]
    if not others:
        return ""
    middle, low, high = ratio(others[0].values, found.winner.values)
    if np.isnan(middle):
        return ""
    more = f"{percent(middle - 1)} more ({percent(low - 1)} to {percent(high - 1)})"
    return f"; {others[0].label}, the next, takes {more}"


def why(found: Recommendation) -> list[str]:
    """What the answer rests on, a sentence each."""
    return [*map(sentence, _whys(found))]


def _whys(found: Recommendation) -> Iterator[str]:
    if not found.reached:
        return
    yield from _clocks(found)
    if _codes_searched(found) and not found.winner.coded:
        yield _no_coding(found)
    yield _tuning(found)
    yield from how_far(found)


def _clocks(found: Recommendation) -> Iterator[str]:
    """An iteration's time, and how many are needed, beside today's scheme."""
    winner, today = found.winner, found.today
    assert winner.final is not None
    mine = winner.final
    each = float(mine.iteration_time.mean())
    text = f"an iteration of {winner.label} takes {number(each)} s, mean decoding error "
    text += f"{mine.error:.3g}"
    if mine.staleness:
        text += f", gradients {mine.staleness:.3g} updates old"
    if np.isfinite(mine.to_target).any():
        text += f", {np.nanmean(mine.to_target[0]):.3g} iterations"
    if today is not winner and today.final is not None:
        other = today.final
        text += f"; one of {today.label} {number(float(other.iteration_time.mean()))} s"
        text += f", error {other.error:.3g}"
        if np.isfinite(other.to_target).any():
            text += f", {np.nanmean(other.to_target[0]):.3g} iterations"
    yield text
    needed = np.nanmean(mine.to_target[0]) if np.isfinite(mine.to_target).any() else np.inf
    if needed < FEW_ITERATIONS:
        yield (
            f"{needed:.3g} iterations reach the target: it is too easy to say much; give a lower "
            "--target"
        )


def _no_coding(found: Recommendation) -> str:
    """Why redundancy does not pay: what it can save at most, and what it costs."""
    scenario = found.question.scenario
    one, two, slowest = scenario.worker_time
    text = (
        f"a worker with two partitions takes {two / one:.2f} times as long as with one (medians), "
        f"while waiting for the slowest of {scenario.workers} takes {slowest / one:.2f} times "
        "a typical worker: redundancy can save no more than that wait"
    )
    best = found.best_coded
    if best is None:
        return text
    if best.final is not None:
        middle, low, high = ratio(best.values, found.winner.values)
        if not np.isnan(middle):
            return (
                f"{text}; the best code, {best.label}, takes {middle:.2f} times as long "
                f"({low:.2f} to {high:.2f})"
            )
    return f"{text}; the best code, {best.label}, was ruled out: {best.reason}"


def _tuning(found: Recommendation) -> str:
    """Whose learning rates were tuned, and what the ranking would have been without."""
    question = found.question
    if not question.trains:
        return (
            "nothing was trained: an update counts 1 / (rho + staleness) exact iterations, rho "
            "from its decoding weights (a yardstick; a problem in the config is better)"
        )
    common = f"{question.common_rate:.4g}"
    first = found.untuned[0]
    names = [e.label for e in found.untuned[:NAMED]]
    text = "every scheme has its own best learning rate of one grid of powers of 2"
    assert found.winner.final is not None
    at_common = found.winner.final.at(question.common_rate)
    assert first.final is not None
    if not np.isfinite(first.final.at(question.common_rate)).all():
        return f"{text}; at the common rate {common} none of them reaches the goal in every run"
    if first is found.winner:
        text += f"; at the common rate {common} it would be first as well"
        return text + f" ({', '.join(names)})"
    reached = "" if np.isfinite(at_common).all() else ", where the best does not always arrive"
    return f"{text}; at the common rate {common} the ranking would be {', '.join(names)}{reached}"


DIALS = {
    "load": "cost of partitions beyond the first",
    "tail": "tail, delays beyond the median",
    "persistence": "persistence",
}


def how_far(found: Recommendation) -> list[str]:
    """For each dial how far it may be turned before another scheme is better."""
    return [f"{DIALS[name]}: {_dial(found, name)}" for name in DIALS]


def _dial(found: Recommendation, name: str) -> str:
    rows = [m for m in found.sensitivities if m.perturbation.name == name]
    if not rows:
        return "not tried"
    changed = _changed(found, rows)
    if name == "persistence":
        held = "the answer holds from delays shuffled each round to kept with probability 0.9"
        texts = [f"{_persistence(value)} {text}" for value, text in changed.items()]
        return "; ".join(texts) if texts else held
    values = sorted({m.perturbation.value for m in rows})
    if not changed:
        return f"the answer holds from {values[0]:g} to {values[-1]:g} times"
    below = [value for value in changed if value < 1]
    above = [value for value in changed if value > 1]
    parts = []
    for side, nearest, end in ((below, max, values[0]), (above, min, values[-1])):
        if side:
            at = nearest(side)
            parts.append(f"at {at:g} times {changed[at]}")
        else:
            parts.append(f"the answer holds {'down' if end < 1 else 'up'} to {end:g} times")
    return ", ".join(parts)


def _changed(found: Recommendation, rows: Sequence[Sensitivity]) -> dict[float, str]:
    """Where the answer does not hold, by the value of the dial, and what is so there."""
    here = found.winner.label
    changed: dict[float, str] = {}
    for m in rows:
        if m.perturbation.value not in changed and _another(found, m):
            only = f"{m.contender.label} always reaches the goal and {here} does not"
            changed[m.perturbation.value] = only if m.alone else f"{m.contender.label} is better"
    for m in rows:
        if not np.isfinite(m.best):
            changed.setdefault(m.perturbation.value, f"{here} does not always reach the goal")
    return dict(sorted(changed.items()))


def _persistence(value: float) -> str:
    return "shuffled each round:" if value == SHUFFLED else f"kept with probability {value:g}:"


def _another(found: Recommendation, moved: Sensitivity) -> bool:
    """Whether another scheme, and not just another number of arrivals, is better."""
    scheme = moved.contender.scheme != found.winner.scheme
    return moved.beats and (scheme or moved.contender.coded != found.winner.coded)


def following(found: Recommendation, config: str) -> list[str]:
    """What to do next, a sentence each; commands stand between backticks."""
    steps = [f"run it: `erasurehead run {config}`"]
    if not found.reached:
        return ["give more iterations, or an easier --target, and ask again"]
    if found.tied:
        cheap = min([found.winner, *found.tied], key=lambda e: _cost(found, e))
        steps.insert(0, f"take the cheaper one: {cheap.label} costs fewest worker-seconds")
    if any(_another(found, m) for m in found.sensitivities if m.perturbation.name == "load"):
        steps.append(
            "measure how a worker's time grows with its load, since the answer depends on it: "
            "`erasurehead measure --loads 1,2,3 --output measured.csv`, then "
            "`erasurehead fit measured.csv`"
        )
    if not found.question.trains:
        steps.append("add problem and optimizer to the config: losses decide better than a count")
    return steps


def _cost(found: Recommendation, entry: Contender) -> float:
    return found.costs(entry)["worker_seconds"]
