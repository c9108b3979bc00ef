"""The findings in words: verdict, why, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .dials import DEALT_ANEW
from .entry import Entry
from .sensitivity import Moved
from .study import Study, is_coded

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


def verdict(study: Study) -> str:
    """The answer, one sentence. A scheme's name does not begin it, since it has no capital."""
    return sentence(_verdict(study))


def _verdict(study: Study) -> str:
    goal = study.asked.goal
    if not study.reached:
        there = np.isfinite(study.winner.own()).sum()
        return (
            f"no scheme reaches the goal in every run: {study.winner.label} does in {there} of "
            f"{study.replications}; give more iterations or an easier target"
        )
    winner = study.winner
    value = f"{number(study.value(winner))}{goal.unit} {goal.words}"
    pays = _coding_pays(study)
    if study.tied:
        names, end = listed([winner, *study.tied]), f", about {value}{_beside_today(study)}"
        apart = "cannot be told apart"
        return f"the best {apart}: {names}{end}" if pays else f"{NO_CODING}: {names} {apart}{end}"
    if winner is study.today:
        text = f"keep {winner.label}, nothing is better: {value}{_next_best(study)}"
        return text if pays else f"{NO_CODING}: {text}"
    end = f"{value}{_beside_today(study)}"
    if pays:
        return f"the best is {winner.label}, {end}"
    return f"{NO_CODING}: {winner.label} is best, {end}"


def listed(entries: Sequence[Entry]) -> str:
    """``A, B and 2 more``."""
    names = [entry.label for entry in entries[:NAMED]]
    more = len(entries) - len(names)
    if more:
        return f"{', '.join(names)} and {more} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _coding_pays(study: Study) -> bool:
    """Whether a code is among the best, or none was searched."""
    coded = [e for e in (study.winner, *study.tied) if is_coded(e)]
    return bool(coded) or not _codes_searched(study)


def _codes_searched(study: Study) -> bool:
    return any(is_coded(entry) for entry in study.entries)


def _beside_today(study: Study) -> str:
    """How much less than today's scheme, which cannot be the winner."""
    today = study.today
    if today is study.winner or today in study.tied:
        return ""
    middle, low, high = study.ratio(study.winner, today)
    if np.isnan(middle):
        return f"; {today.label}, the scheme of today, does not reach it in every run"
    less = f"{percent(1 - middle)} less ({percent(1 - high)} to {percent(1 - low)})"
    if today.breaks:
        return f"; {less} than {today.label}, the scheme of today, which breaks a limit"
    return f", {less} than {today.label}, the scheme of today"


def _next_best(study: Study) -> str:
    others = [e for e in study.finalists if e is not study.winner and not e.breaks]
    if not others:
        return ""
    middle, low, high = study.ratio(others[0], study.winner)
    if np.isnan(middle):
        return ""
    more = f"{percent(middle - 1)} more ({percent(low - 1)} to {percent(high - 1)})"
    return f"; {others[0].label}, the next, takes {more}"


def why(study: Study) -> list[str]:
    """What the answer rests on, a sentence each."""
    return [*map(sentence, _whys(study))]


def _whys(study: Study) -> Iterator[str]:
    if not study.reached:
        return
    yield from _clocks(study)
    if _codes_searched(study) and not is_coded(study.winner):
        yield _no_coding(study)
    yield _tuning(study)
    yield from how_far(study)


def _clocks(study: Study) -> Iterator[str]:
    """An iteration's time, and how many are needed, beside today's scheme."""
    winner, today = study.winner, study.today
    assert winner.final is not None
    mine = winner.final
    each = float(mine.iteration_time.mean())
    text = f"an iteration of {winner.label} takes {number(each)} s, mean decoding error "
    text += f"{mine.error:.3g}"
    if mine.staleness:
        text += f", gradients {mine.staleness:.3g} updates old"
    if np.isfinite(mine.needed).any():
        text += f", {np.nanmean(mine.needed[0]):.3g} iterations"
    if today is not winner and today.final is not None:
        other = today.final
        text += f"; one of {today.label} {number(float(other.iteration_time.mean()))} s"
        text += f", error {other.error:.3g}"
        if np.isfinite(other.needed).any():
            text += f", {np.nanmean(other.needed[0]):.3g} iterations"
    yield text
    needed = np.nanmean(mine.needed[0]) if np.isfinite(mine.needed).any() else np.inf
    if needed < FEW_ITERATIONS:
        yield (
            f"{needed:.3g} iterations reach the target: it is too easy to say much; give a lower "
            "--target"
        )


def _no_coding(study: Study) -> str:
    """Why redundancy does not pay: what it can save at most, and what it costs."""
    one, two, slowest = study.subject.worker_time
    text = (
        f"a worker with two partitions takes {two / one:.2f} times as long as with one (medians), "
        f"while waiting for the slowest of {study.subject.workers} takes {slowest / one:.2f} times "
        "a typical worker: redundancy can save no more than that wait"
    )
    best = study.best_coded
    if best is None:
        return text
    if best.final is not None:
        middle, low, high = study.ratio(best, study.winner)
        if not np.isnan(middle):
            return (
                f"{text}; the best code, {best.label}, takes {middle:.2f} times as long "
                f"({low:.2f} to {high:.2f})"
            )
    return f"{text}; the best code, {best.label}, was ruled out: {best.out}"


def _tuning(study: Study) -> str:
    """Whose learning rates were tuned, and what the ranking would have been without."""
    asked = study.asked
    if not asked.trains:
        return (
            "nothing was trained: an update counts 1 / (rho + staleness) exact iterations, rho "
            "from its decoding weights (a yardstick; a problem in the config is better)"
        )
    common = f"{asked.common:.4g}"
    first = study.untuned[0]
    names = [e.label for e in study.untuned[:NAMED]]
    text = "every scheme has its own best learning rate of one grid of powers of 2"
    assert study.winner.final is not None
    at_common = study.winner.final.at(asked.common)
    assert first.final is not None
    if not np.isfinite(first.final.at(asked.common)).all():
        return f"{text}; at the common rate {common} none of them reaches the goal in every run"
    if first is study.winner:
        text += f"; at the common rate {common} it would be first as well"
        return text + f" ({', '.join(names)})"
    reached = "" if np.isfinite(at_common).all() else ", where the best does not always arrive"
    return f"{text}; at the common rate {common} the ranking would be {', '.join(names)}{reached}"


DIALS = {
    "load": "cost of partitions beyond the first",
    "tail": "tail, delays beyond the median",
    "persistence": "persistence",
}


def how_far(study: Study) -> list[str]:
    """For each dial how far it may be turned before another scheme is better."""
    return [f"{DIALS[name]}: {_dial(study, name)}" for name in DIALS]


def _dial(study: Study, name: str) -> str:
    rows = [m for m in study.moved if m.dial.name == name]
    if not rows:
        return "not tried"
    changed = _changed(study, rows)
    if name == "persistence":
        held = "the answer holds from delays shuffled each round to kept with probability 0.9"
        texts = [f"{_persistence(value)} {text}" for value, text in changed.items()]
        return "; ".join(texts) if texts else held
    values = sorted({m.dial.value for m in rows})
    if not changed:
        return f"the answer holds from {values[0]:g} to {values[-1]:g} times"
    below = [value for value in changed if value < 1]
    above = [value for value in changed if value > 1]
    parts = []
    for found, nearest, end in ((below, max, values[0]), (above, min, values[-1])):
        if found:
            at = nearest(found)
            parts.append(f"at {at:g} times {changed[at]}")
        else:
            parts.append(f"the answer holds {'down' if end < 1 else 'up'} to {end:g} times")
    return ", ".join(parts)


def _changed(study: Study, rows: Sequence[Moved]) -> dict[float, str]:
    """Where the answer does not hold, by the value of the dial, and what is so there."""
    here = study.winner.label
    changed: dict[float, str] = {}
    for m in rows:
        if m.dial.value not in changed and _another(study, m):
            only = f"{m.entry.label} always reaches the goal and {here} does not"
            changed[m.dial.value] = only if m.alone else f"{m.entry.label} is better"
    for m in rows:
        if not np.isfinite(m.best):
            changed.setdefault(m.dial.value, f"{here} does not always reach the goal")
    return dict(sorted(changed.items()))


def _persistence(value: float) -> str:
    return "shuffled each round:" if value == DEALT_ANEW else f"kept with probability {value:g}:"


def _another(study: Study, moved: Moved) -> bool:
    """Whether another scheme, and not just another number of arrivals, is better."""
    scheme = moved.entry.section["name"] != study.winner.section["name"]
    return moved.beats and (scheme or is_coded(moved.entry) != is_coded(study.winner))


def following(study: Study, config: str) -> list[str]:
    """What to do next, a sentence each; commands stand between backticks."""
    steps = [f"run it: `erasurehead run {config}`"]
    if not study.reached:
        return ["give more iterations, or an easier --target, and ask again"]
    if study.tied:
        cheap = min([study.winner, *study.tied], key=lambda e: _cost(study, e))
        steps.insert(0, f"take the cheaper one: {cheap.label} costs fewest worker-seconds")
    if any(_another(study, m) for m in study.moved if m.dial.name == "load"):
        steps.append(
            "measure how a worker's time grows with its load, since the answer depends on it: "
            "`erasurehead measure --loads 1,2,3 --output measured.csv`, then "
            "`erasurehead fit measured.csv`"
        )
    if not study.asked.trains:
        steps.append("add problem and optimizer to the config: losses decide better than a count")
    return steps


def _cost(study: Study, entry: Entry) -> float:
    return study.costs(entry)["worker_seconds"]
