"""What a run says in one sentence: who is first, by how much, and who may be as fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import bdtrc

from ....sim.base.types import FloatArray
from ...run.metrics import METRICS, time_to_target
from ...run.reader import Records, names_of
from ...run.records import compared_times, median_interval
from ...text import enumerated, percent, sentence, whole_percent

NAMED_IN_VERDICT = 3  # schemes that a sentence names
DOES = {
    "time_to_target": "reaches loss {target:g} first",
    "iteration_time": "has the shortest iterations",
}


@dataclass(frozen=True)
class Verdict:
    """The answer of a run, and what it rests on; tied where others may be as good."""

    verdict: str  # one sentence
    why: list[str]
    tied: bool
    limits: str = ""  # what the sentence does not hold for, in one line


def judged(records: Records) -> Verdict:
    """The verdict on a run, or on all points of a sweep."""
    keys = records.swept()
    points = records.summary.groupby(keys, dropna=False, sort=False) if keys else ()
    return _sweep(records, [rows for _, rows in points]) if len(points) > 1 else _run(records)


def _run(records: Records) -> Verdict:
    name, values = _measured(records, [label for label, _ in records.labels()])
    target = records.target
    if len(values) < 2:
        return _alone(records, values)
    first, *_ = values
    aimed = name == "time_to_target"
    rows = {str(row["label"]): row for row in records.summary.to_dict("records")[::-1]}
    without_mean = METRICS["iteration_time"].without_mean
    endless = [label for label in values if not aimed and without_mean(rows[label])]
    seconds = {label: _middle(v) if aimed else float(np.mean(v)) for label, v in values.items()}
    seconds |= dict.fromkeys(endless, np.inf)
    if len(endless) == len(values):
        seconds = {label: float(rows[label]["iteration_time_median"]) for label in values}
        times = {label: records.runs(label, "iteration_time")[:, 1:] for label in values}
        values = {label: np.nanmedian(of_runs, axis=1) for label, of_runs in times.items()}
    best, *others = sorted(values, key=lambda label: seconds[label])
    against = {label: compared_times(v, values[best])[1] for label, v in values.items()}
    there = [label for label in values if label != best and seconds[label] < np.inf]
    tied = [label for label in there if not against[label][1] > 1]
    runs = values[best].size
    shown = {label: records.shown(label) for label in values}
    beside = others[0] if best == first else first
    takes = f"takes {_times(against[beside])}"
    misses = "misses it in half of its runs or more" if aimed else "has no mean iteration time"
    schemes, redundant = dict(records.labels()), _redundant(records.config or {})
    slower = [against[label][1] > 1 for label in values if schemes[label] in redundant]
    pays = best != first or schemes[best] != "uncoded" or not (slower and all(slower))
    median = " (the median; there is no mean)" * (best in endless)
    verdict = (
        f"{shown[best]} {DOES[name].format(target=target or 0.0)}: {seconds[best]:.3g} s{median}; "
        f"{'' if pays else 'redundancy does not pay, '}{shown[beside]} "
        f"{takes if seconds[beside] < np.inf else misses}."
    )
    limits = []
    if aimed and runs > 1:
        missed = int(np.isnan(values[best]).sum())
        limits.append(f"median of {runs} runs{f', {missed} of which miss it' * bool(missed)}")
    cells = records.summary.drop_duplicates("label").set_index("label")["cell"]
    limits += few_parts_used([(shown[best], _heard(records).get(cells[best], np.nan))])
    single = runs < 2
    if single:
        limits.append(_of_one_run(records))
    elif tied:
        names = enumerated([shown[label] for label in tied], NAMED_IN_VERDICT)
        limits.append(f"{names} may be as fast")
    late = [shown[label] for label, v in values.items() if label != best and np.isnan(v).any()]
    if late and aimed:
        limits.append(f"not every run of {enumerated(late, NAMED_IN_VERDICT)} reaches it")
    if not single and (next_exact := _next_exact(records.summary, best, others)):
        limits.append(
            f"the winner's gradient is approximate; the next exact scheme, {shown[next_exact]}, "
            f"takes {_times(against[next_exact])}"
        )
    why = _why(records, values, name, best, first)
    return Verdict(verdict, why, bool(tied) and not single, _in_one_line(limits))


def _of_one_run(records: Records) -> str:
    """What one replication does not show, also where it was made once since nothing is random."""
    asked = (records.config or {}).get("replications", 1)
    if not records.live and isinstance(asked, int) and asked > 1:
        return "nothing is random, so there is one run, which says nothing of other delays"
    return "one replication does not show how sure that is"


def _redundant(config: Mapping[str, Any]) -> set[str]:
    """Names of schemes whose workers compute more than one partition; ``n/2`` is more."""
    sections = [section for section in config.get("schemes") or () if isinstance(section, Mapping)]
    pairs = [(str(own.get("name")), own.get("load", own.get("degree"))) for own in sections]
    loads = ((name, load if isinstance(load, list) else [load]) for name, load in pairs)
    return {name for name, of_name in loads if any(load not in (1, None) for load in of_name)}


def _in_one_line(limits: Sequence[str]) -> str:
    return sentence("; ".join(limits)) if limits else ""


def _next_exact(summary: pd.DataFrame, best: str, others: Sequence[str]) -> str:
    """The first of the others whose gradient is exact, where the best's is not; else empty."""
    if "decoding_error_mean" not in summary:
        return ""
    worst = summary.groupby("label")["decoding_error_mean"].max()
    errors = worst.map(METRICS["decoding_error"].rounded)
    return next((label for label in others if errors[label] == 0), "") if errors[best] > 0 else ""


def _measured(records: Records, labels: list[str]) -> tuple[str, Mapping[str, FloatArray]]:
    """The metric that decides, and its values of each scheme: the time to the target, NaN for a run
    that does not reach it, if one of several schemes does in more than half of the runs."""
    target = records.target
    if target is not None and "train_loss" in records.iterations:
        times, losses = ({n: records.runs(n, c) for n in labels} for c in ("time", "train_loss"))
        reached = {n: time_to_target(times[n], losses[n], target) for n in labels}
        timed = {label: v for label, v in reached.items() if not (v == 0).any()}
        if len(timed) > 1 and min(map(_middle, timed.values())) < np.inf:
            return "time_to_target", timed
    seconds = {label: METRICS["iteration_time"].of(records.cell(label)) for label in labels}
    return "iteration_time", {label: v for label, v in seconds.items() if v is not None}


def _middle(seconds: FloatArray) -> float:
    """The median over all runs, of which one that does not reach the target is the latest."""
    return median_interval(np.where(np.isnan(seconds), np.inf, seconds))[0]


def _alone(records: Records, values: Mapping[str, FloatArray]) -> Verdict:
    label = next(iter(values), records.labels()[0][0])
    if not values:
        return Verdict(f"{records.shown(label)}: nothing was measured.", [], tied=False)
    seconds = float(np.mean(values[label]))
    verdict = f"{records.shown(label)} takes {seconds:.3g} s per iteration on average."
    if endless := METRICS["iteration_time"].without_mean(records.summary.iloc[0].to_dict()):
        verdict = f"{records.shown(label)}, seconds per iteration: {endless}."
    return Verdict(verdict, lines_of_scheme(records, label) + least_time_line(records), tied=False)


def _times(interval: tuple[float, float, float]) -> str:
    ratio, low, high = interval
    if ratio == 1 and not low < 1 < high:
        return "exactly as long"
    to = f"to {high:.3g}" if high < np.inf else "or more"
    ends = "" if np.isnan(low) else f" ({low:.3g} {to})"
    return f"{ratio:.3g} times as long{ends}"


def _why(
    records: Records, values: Mapping[str, FloatArray], name: str, best: str, first: str
) -> list[str]:
    lines, winner = list[str](), records.shown(best)
    table = records.summary.drop_duplicates("label").set_index("label")
    if name == "time_to_target" and best != first:
        a, b = table["iteration_time_mean"].astype(float)[[best, first]]
        beginning = f"An iteration of {winner} takes {a:.3g} s on average"
        if np.isfinite(a + b):
            lines.append(f"{beginning}, one of {records.shown(first)} {b:.3g} s.")
    lines += lines_of_scheme(records, best) + least_time_line(records)
    above = table.get("time_to_target_above", pd.Series(np.nan, table.index))[best]
    if name == "time_to_target" and not np.isnan(above):
        lines.append(
            f"The first run of {winner} that does not reach the target ended after {above:.3g} s; "
            "with more `iterations` it may."
        )
    losses = table.get("final_train_loss_mean", pd.Series(np.nan, table.index)).astype(float)
    if losses.notna().any():
        least = str(losses.idxmin())
        if losses[least] < losses[best] < np.inf:
            lines.append(
                f"After the last iteration the training loss of {winner} is {losses[best]:.4g}; "
                f"the least is that of {records.shown(least)}, {losses[least]:.4g}."
            )
    return lines


def lines_of_scheme(records: Records, label: str) -> list[str]:
    """What is notable of a scheme: its gradient, its workers' time, who delays it."""
    row = records.summary[records.summary["label"] == label].iloc[0]
    lines, shown = [], records.shown(label)
    error = row.get("decoding_error_mean", np.nan)
    if not pd.isna(error):
        how = f"approximate: its mean decoding error is {error:.3g}"
        exact = METRICS["decoding_error"].rounded(error) == 0
        lines.append(f"The gradient of {shown} is {'exact in every update' if exact else how}.")
    heard = row.get("least_heard_mean", np.nan)
    # 1 / n is what a partition has if each worker in turn makes an update of one gradient
    if heard < 0.1 / row["workers"]:
        lines.append(
            f"Some partition is part of {percent(heard)} of the updates of {shown}: the data of "
            "some worker count for nothing, or nearly."
        )
    busy, wasted = (row.get(f"{name}_mean", np.nan) for name in ("utilisation", "wasted"))
    if not (pd.isna(busy) or pd.isna(wasted)):
        lines.append(
            f"Its workers compute {whole_percent(busy)} of the time; "
            f"{whole_percent(max(wasted, 0.0))} of that is for "
            "messages that come too late."
        )
    costliest = ("costliest_worker", "costliest_worker_cost", "costliest_worker_last")
    known = all(name in row for name in (*costliest, "iterations", "replications", "workers"))
    if known and row["costliest_worker_cost"] > 0 and stands_out(row):
        rounds = f"{whole_percent(row['costliest_worker_last'])} of the rounds"
        lines.append(
            f"Worker {int(row['costliest_worker'])} delays it most: its message ends {rounds} (by "
            f"chance {percent(1 / row['workers'])})."
        )
    return lines


def stands_out(row: pd.Series[Any]) -> bool:
    """Whether the costliest of the workers ends more rounds than chance explains; of runs of equal
    workers, a hundredth has one that does."""
    rounds, workers = row["iterations"] * row["replications"], row["workers"]
    ended = np.rint(row["costliest_worker_last"] * rounds)
    return bool(workers * bdtrc(ended - 1, rounds, 1 / workers) < 0.01)


def least_time_line(records: Records) -> list[str]:
    """What no method can be below, beside the fastest scheme without a barrier."""
    if "least_iteration_time" not in records.summary:
        return []
    rows = records.summary.dropna(subset=["least_iteration_time", "iteration_time_mean"])
    if rows.empty:
        return []
    row = rows.sort_values("iteration_time_mean", kind="stable").iloc[0]
    least = row["least_iteration_time"]
    return [
        f"No method that finishes every task can be faster per gradient than {least:.3g} s for "
        f"{row['workers']} gradients in the long run; {records.shown(row['label'])} takes "
        f"{row['iteration_time_mean'] / least:.3g} times that."
    ]


def _heard(records: Records) -> dict[str, float]:
    """The mean share of the partitions in an update of each cell; nothing where it is not known."""
    if "recovered" not in records.iterations:
        return {}
    shares = records.iterations.groupby("cell")["recovered"].mean()
    return {str(cell): float(share) for cell, share in shares.items()}


def few_parts_used(used: Sequence[tuple[str, float]]) -> list[str]:
    """For each winner that leaves most of the gradient out, its shares."""
    by_name = dict[str, list[float]]()
    for name, share in used:
        if share < 0.5:
            by_name.setdefault(name, []).append(share)
    ends = {name: (min(shares), max(shares)) for name, shares in by_name.items()}
    return [
        f"{name} is that fast since it uses only {whole_percent(*low_high)} of the gradient's parts"
        for name, low_high in ends.items()
    ]


def _sweep(records: Records, points: Sequence[pd.DataFrame]) -> Verdict:
    """Who is first at how many points; who may be as fast by intervals that are not paired."""
    summary = records.summary
    middles = ("time_to_target_median", "time_to_target_mean")  # the first that the table has
    middle = next((name for name in middles if name in summary), "")
    aimed = bool(middle) and bool(np.isfinite(summary[middle].astype(float)).any())
    name = "time_to_target" if aimed else "iteration_time"
    mean, error = f"{name}_mean", f"{name}_se"
    middle = middle if aimed else mean
    winners, close, compared, gains, seconds = Counter[str](), 0, 0, [], []
    keys = [key for key in records.swept() if summary[key].nunique(dropna=False) > 1]
    names, nobody = names_of(summary, keys).str.replace("\n", ", "), list[str]()
    base_label = str(summary.iloc[0]["label"])
    heard, used, ranks = _heard(records), list[tuple[str, float]](), Counter[str]()
    for rows in points:
        base = rows.iloc[0]
        order = rows[np.isfinite(rows[middle].astype(float))].sort_values(middle, kind="stable")
        if order.empty:
            nobody.append(names.loc[rows.index].iloc[0])
            continue
        best = order.iloc[0]
        winners[str(best["label"])] += 1
        seconds.append(float(best[middle]))
        used.append((records.shown(str(best["label"])), heard.get(best["cell"], np.nan)))
        places = {str(label): place for place, label in enumerate(order["label"])}
        ranks.update({str(label): places.get(str(label), len(rows)) for label in rows["label"]})
        compared += len(rows) > 1
        if len(order) > 1:
            second = order.iloc[1]
            noise = 1.96 * float(np.hypot(best[error], second[error]))  # NaN where it is unknown
            apart = second[mean] - best[mean] > noise  # no means where not all reach the target
            low, high = second.get(f"{middle}_low", np.nan), best.get(f"{middle}_high", np.nan)
            close += not (apart or low > high)
        if base["label"] == base_label and np.isfinite(base[middle]) and best[middle] > 0:
            gains.append(float(base[middle] / best[middle]))
    if not winners:
        lack = "has a mean iteration time" if records.target is None else "reaches the target loss"
        return Verdict(f"No scheme {lack} at any point.", [], tied=False)
    does = DOES[name].format(target=records.target or 0.0)
    (leader, count), *ranked = winners.most_common()
    total, name_of, limits = len(points), records.shown, [] if aimed else few_parts_used(used)
    where = f"all {total} points" if count == total else f"{count} of {total} points"
    if nobody:
        lack = "reaches it" if aimed else "has a mean"
        limits.append(f"no scheme {lack} at {enumerated(nobody, NAMED_IN_VERDICT)}")
    if len(winners) == 1 and all(len(rows) == 1 for rows in points):
        what = "to the target loss" if aimed else "per iteration"
        span = f"{min(seconds):.3g} to {max(seconds):.3g} s {what}"
        text = f"{name_of(leader)} takes {span} at {where.removeprefix('all ')} of the sweep."
        return Verdict(text, [], tied=False, limits=_in_one_line(limits))
    single = int(summary["replications"].max()) < 2
    limits += [_of_one_run(records)] * single
    verdict = f"{name_of(leader)} {does} at {where}"
    exact = _next_exact(summary, leader, [label for label, _ in ranks.most_common()[::-1]])
    if exact:
        verdict += f", with approximate gradients; the next exact scheme is {name_of(exact)}"
    elif ranked:
        verdict += f"; {name_of(ranked[0][0])} at {ranked[0][1]}"
    if ranked[not exact :]:
        others = ", ".join(f"{name_of(label)} at {n}" for label, n in ranked[:NAMED_IN_VERDICT])
        rest = sum(n for _, n in ranked[NAMED_IN_VERDICT:])
        limits = [f"{others}{f' and others at {rest}' if rest else ''}", *limits]
    why = []
    if gains and max(gains) > 1:
        at = "each point" if len(gains) == total else f"{len(gains)} of {total} points"
        times = " to ".join(dict.fromkeys(f"{gain:.3g}" for gain in (min(gains), max(gains))))
        why.append(
            f"At {at} the winner is {times} times as fast as {name_of(base_label)} (ratio of "
            f"{'medians' if aimed else 'means'})."
        )
    slower = "every point" if compared == total else f"{compared} of {total} points"
    how = f"may be as fast at {close} of {total} points" if close else f"is slower at {slower}"
    if compared and not single:
        why.append(
            f"The runner-up {how} (95 % intervals of independent means"
            f"{', or medians where some runs do not reach it' * aimed}; the paired ratios in the "
            "table are narrower)."
        )
    return Verdict(f"{verdict}.", why, close > 0 and not single, _in_one_line(limits))
