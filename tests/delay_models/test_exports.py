"""Tables of known truth in the shapes of real exports, and what their names say beside it.

Each is read as its truth, or refused in one line; whoever then follows what the line suggests, in
any order, ends with the truth or with another refusal. Never with something else without a word."""

from __future__ import annotations

import datetime
import gzip
import io
import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from erasurehead.delay_models.measured.measured import TableError
from erasurehead.delay_models.measured.read import read_measured
from erasurehead.sim.base.reading import Reading, parse_columns
from tests.delay_models.as_written import csv, parquet
from tests.tools import told

Rng = np.random.Generator
Table = np.ndarray


@dataclass(frozen=True)
class Case:
    """A file, what it holds, and whether it must be read at once (``read``), must be refused at
    first (``refuse``), or may be either (``any``)."""

    name: str
    content: bytes
    truths: Sequence[Table]  # any of these is right; rounds x workers, in seconds
    wanted: str = "read"
    ending: str = ".csv"
    said: Reading = field(default_factory=Reading)
    hosts: tuple[str, ...] | None = None


def pick(rng: Rng, options: Sequence[Any]) -> Any:
    return options[int(rng.integers(len(options)))]


def seconds(rng: Rng, rounds: int | None = None, workers: int | None = None) -> Table:
    shape = (rounds or int(rng.integers(4, 14)), workers or int(rng.integers(2, 7)))
    return (0.3 + rng.gamma(4, 0.3, shape)).round(3)


# How hosts are named in a wide table: a name for each worker, perhaps around what is measured.
HOSTS: tuple[str, ...] = (
    *("node{j}", "node-{j}", "node_{j}", "gpu-{j:02d}", "10.0.0.{j}", "ip-10-0-0-{j}.ec2.internal"),
    *(
        "rack{r}/node{j}",
        "worker_{j}",
        "rank{j}",
        "rank_{j}",
        "host{j}.example.com",
        "n{j}",
        "p{j}",
    ),
    *("node{j}:9100", "GPU {j}", "Node {j}", "log-{j}", "trainer-{j}", "gpu-{a}", "{w}", "{w}.lan"),
    *("exec-{j}", "c{r}-{j}", "worker{j}.step_time", "train/rank{j}/step_time", "log7{j}"),
    *("node{j} - step_time", 'step_duration_seconds{{instance="node{j}:9100"}}', "time of node{j}"),
    *("step_time_node{j}", "trn1-host-{a}", "eu-west-{j}", "max-planck-{j}", "time_per_step/{j}"),
)
WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "thetis")
UNITS: tuple[tuple[str, float], ...] = (
    *(("", 1), ("", 1), ("_s", 1), ("_ms", 1e3), (" (ms)", 1e3), (" [ms]", 1e3), (" (s)", 1)),
    *(("_seconds", 1), ("_millis", 1e3), (" in ms", 1e3), ("_ns", 1e9), ("_sec", 1)),
)


def host_names(style: str, workers: int) -> list[str]:
    places = range(workers)
    return [style.format(j=j + 1, r=j // 3, a=chr(97 + j), w=WORDS[j]) for j in places]


FORMS: tuple[tuple[str, Callable[[pd.DataFrame], bytes]], ...] = (
    (".csv", csv),
    (".csv", lambda f: csv(f, sep=";", decimal=",") if len(f) else b""),
    (".csv", lambda f: csv(f, sep="|")),
    (".tsv", lambda f: csv(f, sep="\t")),
    (".csv.gz", lambda f: gzip.compress(csv(f))),
    (".csv", lambda f: csv(f, sep="\t").decode().encode("utf-16")),
    (".parquet", parquet),
    (".json", lambda f: f.to_json(orient="records", double_precision=15).encode()),
    (".json", lambda f: json.dumps(f.to_dict("list")).encode()),
    (".jsonl", lambda f: f.to_json(orient="records", lines=True, double_precision=15).encode()),
)


def iso(second: float) -> str:
    moment = datetime.datetime(2026, 1, 31, 8) + datetime.timedelta(seconds=float(second))
    return moment.isoformat(timespec="milliseconds")


def labels(rng: Rng, rounds: int) -> dict[str, list[Any]]:
    """Columns of a wide table that say when or which, none of them a worker's."""
    stamps = [iso(60 * t) for t in range(rounds)]
    since = [1.7e9 + 60.5 * t for t in range(rounds)]
    ways: tuple[dict[str, list[Any]], ...] = (
        {},
        {"step": [*range(rounds)]},
        {"Step": [*range(100, 100 + rounds)]},
        {"iteration": [10 * t for t in range(rounds)]},
        {"Time": [*stamps]},
        {"timestamp": [*since]},
        {"Wall time": [*since], "Step": [*range(rounds)]},
        {"date": [*stamps], "step": [*range(rounds)]},
        {"Round": [f"round {t}" for t in range(rounds)]},
        {"ts": [*since], "job": ["train"] * rounds},
        {"index": [*range(rounds)]},
    )
    return dict(pick(rng, ways))


def wide(rng: Rng) -> Case:
    """A clean wide table, in any naming, unit and format."""
    table = seconds(rng)
    style, (unit, times), (ending, form) = pick(rng, HOSTS), pick(rng, UNITS), pick(rng, FORMS)
    unit, times = ("", 1) if "{{" in style else (unit, times)
    names = [f"{name}{unit}" for name in host_names(style, table.shape[1])]
    values = (table * times).round(3)
    frame = pd.DataFrame({**labels(rng, len(table)), **dict(zip(names, values.T, strict=True))})
    return Case(f"wide {names[0]}{ending}", form(frame), [table], ending=ending)


METRICS = (
    *("samples_per_s", "tokens/s", "it/s", "throughput", "images_per_sec", "rate", "qps", "fps"),
    *("log_time", "log10_latency_ms", "step_time_std", "latency_stddev_ms", "latency_var"),
    *("gpu_util_percent", "util (%)", "busy_pct", "share", "step_time.max", "latency_p95_ms"),
    *("mean_step_time", "total_time_s", "step_count", "bytes_sent", "loss", "lr", "temperature"),
    *("eta_s", "timeout_s", "target_ms", "predicted_time_s", "clock_skew_ms", "age_s"),
    *(
        "time_ratio",
        "memory_gb",
        "time.min",
        "avg_latency_ms",
        "cumulative_time_s",
        "accuracy",
        "latency_upper_ms",
    ),
)


def not_durations(rng: Rng) -> Case:
    """A metric of each host that its name says is no duration."""
    table, metric = seconds(rng), pick(rng, METRICS)
    way = pick(
        rng, ("node{j}_{m}", "{m}_node{j}", "{m}/rank{j}", "host{j} - {m}", "{m}.{j}", "{m}_{j}")
    )
    names = [way.format(j=j, m=metric) for j in range(table.shape[1])]
    frame = pd.DataFrame({**labels(rng, len(table)), **dict(zip(names, table.T, strict=True))})
    return Case(f"metric {names[0]}", csv(frame), [], "refuse")


OUTSIDERS = (
    *("loss", "lr", "max", "mean", "gpu_temp", "batch_size", "total", "p99", "slowest", "std"),
    *("eta_s", "throughput", "samples_per_s", "util_pct", "step_total", "node_max", "accuracy"),
    *(
        "count",
        "uptime",
        "timeout_s",
        "world_size",
        "seed",
        "bs",
        "tokens",
        "monitor",
        "learning_rate",
    ),
)


NEUTRAL = {"bs", "monitor", "Unnamed: 0"}


def outsider(rng: Rng) -> Case:
    """A column or two more that are no worker's; without a pattern, only words can say so."""
    table = seconds(rng, workers=int(rng.integers(3, 7)))
    style = pick(rng, [s for s in HOSTS if "{w}" not in s])
    extra = [str(name) for name in rng.choice(OUTSIDERS, int(rng.integers(1, 3)), replace=False)]
    values = dict(zip(host_names(style, table.shape[1]), table.T, strict=True))
    more = {name: table.max(axis=1) * 1.5 for name in extra}
    both = {**more, **values} if rng.integers(2) else {**values, **more}
    frame = pd.DataFrame({**labels(rng, len(table)), **both})
    wanted = "read" if extra == ["uptime"] else "refuse"  # a clock is never a worker's duration
    return Case(f"{next(iter(values))} beside {extra}", csv(frame), [table], wanted)


def two_metrics(rng: Rng) -> Case:
    """Two metrics a host: either may be meant, or one alone is a duration."""
    table, other = seconds(rng, 8, 4), seconds(rng, 8, 4)
    first, second = pick(
        rng,
        (
            ("node{j}_step_ms", "node{j}_wait_ms"),
            ("node{j} step [ms]", "node{j} wait [ms]"),
            ("step_time/rank{j}", "data_time/rank{j}"),
            ("node{j}", "node{j}_loss"),
            ("node{j}_s", "node{j}_samples_per_s"),
            ("node{j}", "node{j}_wait"),
            ("host{j}_time", "host{j}_util"),
            ("Group: {a} - step_time", "Group: {a} - step_time__MAX"),
        ),
    )
    columns: dict[str, Any] = {}
    for j in range(4):
        columns[first.format(j=j, a=f"run-{j}")] = table[:, j]
        columns[second.format(j=j, a=f"run-{j}")] = other[:, j]
    ms = 1e3 if "ms" in first else 1.0
    right = [table / ms, other / ms] if "wait" in second or "data" in second else [table]
    return Case(f"{first} and {second}", csv(pd.DataFrame(columns)), right, "refuse")


def repeated(rng: Rng) -> Case:
    table = seconds(rng, workers=4)
    names = pick(
        rng, (["a1", "a2", "a1", "a3"], ["x", "y", "y", "z"], ["n1_ms", "n2_ms", "n1_s", "n3_s"])
    )
    text = csv(pd.DataFrame(table), header=names)
    if rng.integers(2):
        text = csv(pd.read_csv(io.BytesIO(text)))  # as pandas writes them again
    return Case(f"repeated {names}", text, [], "refuse")


def summary_rows(rng: Rng) -> Case:
    """Rows below the rounds, labelled as summaries, or apart from them."""
    table = seconds(rng)
    frame = pd.DataFrame(table, columns=host_names(pick(rng, HOSTS[:10]), table.shape[1]))
    frame.insert(0, pick(rng, ("step", "", "Round", "label")), [*map(str, range(len(table)))])
    words = pick(rng, (["mean"], ["Total"], ["p95", "p99"], ["Average:"], ["count", "mean", "std"]))
    low = [[word, *table.mean(axis=0).round(3)] for word in words]
    last = pd.DataFrame(low, columns=frame.columns)
    if rng.integers(2):
        return Case(f"row {words}", csv(pd.concat([frame, last])), [table])
    plain = frame.drop(columns=frame.columns[0])
    rest = pd.DataFrame([row[1:] for row in low], columns=plain.columns)
    text = (
        csv(plain)
        + pick(rng, (b"\n", b"," * (table.shape[1] - 1) + b"\n"))
        + csv(rest, header=False)
    )
    return Case(f"rows after an empty one {words}", text, [table], "refuse")


# Long tables.

WORKER = (
    "worker",
    "host",
    "rank",
    "hostname",
    "Node",
    "dp_rank",
    "instance",
    "Executor ID",
    "pod_name",
)
ROUND = ("step", "round", "iteration", "global_step", "Batch", "train_step", "iter_id", "minibatch")
TOOK: tuple[tuple[str, float], ...] = (
    *(
        ("seconds", 1),
        ("duration_ms", 1e3),
        ("Duration (ms)", 1e3),
        ("elapsed", 1),
        ("latency_us", 1e6),
    ),
    *(("step_time_s", 1), ("time_per_iteration_ms", 1e3), ("ms_per_batch", 1e3), ("s/it", 1)),
    *(("iterTime", 1), ("runtime_s", 1), ("step_ms", 1e3), ("compute_time_ms", 1e3), ("took_s", 1)),
    *(
        ("time (s)", 1),
        ("batch_time", 1),
        ("duration_ns", 1e9),
        ("ms/step", 1e3),
        ("compute_ms", 1e3),
    ),
)
CLOCK_WORDS: dict[str, Callable[[Table, Rng], Any]] = {
    "loss": lambda t, r: 3 / (1 + np.arange(t.size)),
    "lr": lambda t, r: np.full(t.size, 0.1),
    "samples_per_s": lambda t, r: 512 / t.ravel(),
    "gpu_temp_c": lambda t, r: r.integers(50, 70, t.size),
    "time": lambda t, r: np.arange(t.size) * 0.5,
    "timestamp": lambda t, r: [iso(k) for k in range(t.size)],
    "eta_s": lambda t, r: np.arange(t.size)[::-1] * 1.5,
    "region": lambda t, r: np.full(t.size, "eu-1"),
    "epoch": lambda t, r: np.arange(t.size) // 8,
    "job_id": lambda t, r: np.full(t.size, 7),
    "it/s": lambda t, r: 1 / t.ravel(),
    "mean_step_time": lambda t, r: np.full(t.size, 1.2),
    "timeout_s": lambda t, r: np.full(t.size, 60.0),
}


def calls(table: Table, worker: str, round_: str, style: str = "node{j}") -> dict[str, list[Any]]:
    names = host_names(style, table.shape[1])
    places = np.argwhere(np.ones(table.shape, bool))
    return {worker: [names[w] for _, w in places], round_: [int(t) for t, _ in places]}


def beside(rng: Rng, table: Table, most: int = 3) -> dict[str, Any]:
    names = rng.choice([*CLOCK_WORDS], int(rng.integers(most + 1)), replace=False)
    return {str(name): CLOCK_WORDS[name](table, rng) for name in names}


def shuffled(rng: Rng, columns: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame({str(n): columns[str(n)] for n in rng.permutation([*columns])})


def long(rng: Rng) -> Case:
    """A clean long table with columns that its names say are something else."""
    table, (took, times) = seconds(rng), pick(rng, TOOK)
    columns = calls(table, pick(rng, WORKER), pick(rng, ROUND), pick(rng, HOSTS[:12]))
    frame = shuffled(rng, {**columns, took: (times * table.ravel()).round(3), **beside(rng, table)})
    ending, form = pick(rng, FORMS)
    return Case(f"long {[*frame]}{ending}", form(frame), [table], ending=ending)


def long_without_seconds(rng: Rng) -> Case:
    """The only numbers are no durations by their names."""
    table = seconds(rng)
    names = [str(name) for name in rng.choice(METRICS, int(rng.integers(1, 3)), replace=False)]
    columns: dict[str, Any] = {name: table.ravel() for name in names}
    frame = shuffled(rng, {**calls(table, pick(rng, WORKER), pick(rng, ROUND)), **columns})
    return Case(f"long, only {names}", csv(frame), [], "refuse")


EDGES = (
    ("start", "end"),
    ("t_begin", "t_finish"),
    ("Start Time", "End Time"),
    ("started_at", "ended"),
)


def edges(rng: Rng) -> Case:
    """Calls with a start and an end, as Ray, Slurm and Spark have them; stamps of any name."""
    table, how, names = seconds(rng), int(rng.integers(3)), pick(rng, EDGES)
    began = np.repeat(np.arange(len(table)) * 9.0, table.shape[1])
    show: Callable[[float], Any] = (iso, float, lambda s: round(1e3 * s))[how]
    other = how == 0 and bool(rng.integers(2))
    first, last = (
        ("launched", "returned") if other else (f"{n}{('', '_s', '_ms')[how]}" for n in names)
    )
    columns = calls(table, pick(rng, WORKER), pick(rng, ROUND))
    columns |= {first: [*map(show, began)], last: [*map(show, began + table.ravel())]}
    if rng.integers(3) == 0 and not other:
        columns["duration_s"] = [*table.ravel()]
        return Case("start, end and duration", csv(pd.DataFrame(columns)), [table], "refuse")
    more = {n: v for n, v in beside(rng, table, 2).items() if n not in ("time", "timestamp")}
    wanted = "refuse" if other else "read"
    return Case(f"edges {first}", csv(shuffled(rng, {**columns, **more})), [table], wanted)


def clock(s: float, way: int) -> str:
    """A duration in one of the ways in which programs write it."""
    d, h, m = int(s // 86400), int(s % 86400 // 3600), int(s % 3600 // 60)
    rest = f"{s % 60:06.3f}"
    return (
        f"{d}-{h:02d}:{m:02d}:{rest}",
        f"{h:02d}:{m:02d}:{rest}",
        f"{int(s // 60):02d}:{rest}",
        f"{s:.3f} s",
        f"{1000 * s:.0f} ms" if s < 1 else f"{s:.3f} s",
        f"{d} days {h:02d}:{m:02d}:{rest}",
        f"PT{s:.3f}S",
        f"{round(1e9 * s)} nanoseconds",
    )[way]


def durations(rng: Rng) -> Case:
    """Durations in cells, wide or long, in text or as types of NumPy and Arrow."""
    way, wide_one = int(rng.integers(9)), bool(rng.integers(2))
    table = seconds(rng) + (3600.0 if way == 0 else 0.0)
    lasting = pd.to_timedelta(pd.Series((1000 * table.ravel()).round()), unit="ms")
    cells = lasting if way == 8 else pd.Series([clock(s, way) for s in table.ravel()])
    if wide_one:
        names = host_names("node{j}", table.shape[1])
        frame = pd.DataFrame(
            {n: cells[j :: table.shape[1]].to_numpy() for j, n in enumerate(names)}
        )
    else:
        frame = pd.DataFrame({**calls(table, "host", "step"), "Elapsed": cells})
    form, ending = (parquet, ".parquet") if way == 8 else (csv, ".csv")
    return Case(f"durations {cells.iloc[0]}", form(frame), [table], ending=ending)


def events(rng: Rng) -> Case:
    """Lines of a log: each of an event, with its own fields."""
    table = seconds(rng)
    name, others = (
        pick(rng, ("train_step", "step", "iteration_time")),
        ("eval", "checkpoint", "heartbeat"),
    )
    rows: list[dict[str, Any]] = []
    for (t, w), s in np.ndenumerate(table):
        rows.append({"event": name, "rank": w, "step": t, "duration_ms": round(1000 * s)})
        if rng.random() < 0.3:
            rows.append(
                {"event": pick(rng, others), "rank": w, "time": 3.5 * t, "duration_ms": 9000}
            )
    lines = "\n".join(map(json.dumps, rows)).encode()
    single = all(row["event"] == name for row in rows)
    return Case(f"events {name}", lines, [table], "any" if single else "refuse", ".jsonl")


def tidy(rng: Rng) -> Case:
    """Metrics in rows, as MLflow, W&B and Prometheus export them: a key and a value."""
    table = seconds(rng)
    base = pd.DataFrame(calls(table, pick(rng, ("run_host", "instance", "rank")), "step"))
    base = base.rename(columns={"run_host": "host"})
    key, value = pick(rng, (("key", "value"), ("metric", "value"), ("tag", "value")))
    good, times = pick(rng, (("step_time_ms", 1e3), ("step_time_s", 1), ("duration_seconds", 1)))
    parts = [base.assign(**{key: good, value: (table * times).ravel().round(3)})]
    others = rng.choice(["loss", "throughput", "lr", "gpu_util"], int(rng.integers(1, 3)), False)
    random = rng.random(table.size).round(3)
    parts += [base.assign(**{key: str(other), value: random}) for other in others]
    if rng.integers(4) == 0:
        return Case(f"tidy {key}, only others", csv(pd.concat(parts[1:])), [], "refuse")
    return Case(f"tidy {key} {good}", csv(pd.concat(parts)), [table], "refuse")


def runs(rng: Rng) -> Case:
    """Several runs, epochs or tries in one file, or a worker of two columns."""
    table, second = seconds(rng, 8, 4), seconds(rng, 8, 4)
    kind = int(rng.integers(6))
    one = pd.DataFrame({**calls(table, "host", "step"), "duration_s": table.ravel()})
    two = pd.DataFrame({**calls(second, "host", "step"), "duration_s": second.ravel()})
    if kind == 0:
        name = pick(rng, ("job_id", "run", "experiment", "trial_id", "Job"))
        later = two.assign(step=two["step"] + pick(rng, (0, 8)))
        both = pd.concat([one.assign(**{name: "A"}), later.assign(**{name: "B"})])
        return Case(f"two {name}", csv(both), [table], "refuse")
    if kind == 1:
        both = pd.concat([one.assign(epoch=0), two.assign(epoch=1)])
        return Case("two epochs", csv(both), [np.concatenate([table, second])], "refuse")
    if kind == 2:
        tries = one.assign(attempt=0)
        again = tries.iloc[[5, 9]].assign(attempt=1, duration_s=9.5)
        truth, added = table.copy(), table.copy()
        truth.ravel()[[5, 9]] = 9.5
        added.ravel()[[5, 9]] += 9.5
        return Case("tries", csv(pd.concat([tries, again])), [truth, added], "refuse")
    if kind == 3:
        split = one.assign(rank=[int(n[-1]) % 2 for n in one["host"]])
        split["host"] = [f"h{(int(n[-1]) + 1) // 2}" for n in one["host"]]
        return Case("host and local rank", csv(split), [table[:, [1, 0, 3, 2]]], "refuse")
    if kind == 4:
        bad = one.assign(state=["FAILED" if k in (3, 17) else "COMPLETED" for k in range(len(one))])
        never = table.copy()
        never.ravel()[[3, 17]] = np.inf
        gone = np.delete(table, [3 // 4, 17 // 4], axis=0)
        return Case("failed calls", csv(bad), [never, gone], "refuse")
    return Case(
        "a worker named mean",
        csv(pd.concat([one, one.iloc[:8].assign(host="mean", step=range(8))])),
        [table],
    )


def spreadsheet(rng: Rng) -> Case:
    """What Excel makes: semicolons, decimal commas, units in the second row, empty columns."""
    table = seconds(rng)
    names = host_names(pick(rng, HOSTS[:12]), table.shape[1])
    rows = [[f"{cell:.4f}".replace(".", ",") for cell in row] for row in table]
    units = [["(s)"] * len(names)] if rng.integers(2) else []
    step = [["step", *names], *[["", *row] for row in units]]
    step += [[str(t), *row] for t, row in enumerate(rows)]
    end = pick(rng, ("", ";;"))
    text = "\r\n".join(";".join(row) + end for row in step)
    return Case("spreadsheet", text.encode(pick(rng, ("utf-8-sig", "utf-16"))), [table])


def headerless(rng: Rng) -> Case:
    """Numbers alone, perhaps with a gap in the first row, or with numbered workers."""
    table = seconds(rng, workers=int(rng.integers(3, 6)))
    frame = pd.DataFrame(table)
    if rng.integers(2):
        return Case("headerless", csv(frame, header=False), [table])
    if rng.integers(2):
        return Case("numbered", csv(frame), [table])
    if rng.integers(3) == 0:  # as NumPy writes names
        held = io.BytesIO()
        np.savetxt(held, table, header=" ".join("abcdefg"[: table.shape[1]]))
        return Case("savetxt", held.getvalue(), [table])
    never = table.copy()
    never[0, int(rng.integers(table.shape[1]))] = np.inf
    text = csv(pd.DataFrame(np.where(np.isinf(never), np.nan, never)), header=False)
    return Case("headerless, a gap", text, [never, table[1:]], "refuse")


def turned(rng: Rng) -> Case:
    """A row per worker and a column per round."""
    table = seconds(rng)
    names = host_names(pick(rng, ("node{j}", "rank{j}", "{w}")), table.shape[1])
    steps = pick(rng, ("step_{t}", "{t}", "round {t}"))
    frame = pd.DataFrame(table.T, columns=[steps.format(t=t) for t in range(len(table))])
    frame.insert(0, pick(rng, ("host", "worker", "Node")), names)
    return Case(f"turned {[*frame][:2]}", csv(frame), [table], "refuse")


def slurm(rng: Rng) -> Case:
    """``sacct -p``: bars between cells and at the end of each line."""
    table = seconds(rng)
    columns = calls(table, "NodeList", "Step")
    elapsed = [clock(float(round(60 * s)), 0) for s in table.ravel()]
    whole = (60 * table).round()
    lines = ["NodeList|Step|JobName|Elapsed|State|"]
    rows = zip(*columns.values(), elapsed, strict=True)
    lines += [f"{node}|{step}|train|{last}|COMPLETED|" for node, step, last in rows]
    return Case("sacct", "\n".join(lines).encode(), [whole])


def minutes(rng: Rng) -> Case:
    """Units that are refused with how many seconds one is."""
    table = seconds(rng)
    unit, one = pick(rng, (("min", 60.0), ("hours", 3600.0), ("minutes", 60.0), ("days", 86400.0)))
    values = {**calls(table, "host", "step"), f"duration_{unit}": (table / 8).ravel()}
    return Case(f"duration_{unit}", csv(pd.DataFrame(values)), [table / 8 * one], "refuse")


MAKERS = (
    *(wide, wide, wide, wide, not_durations, not_durations, outsider, outsider, two_metrics),
    *(repeated, summary_rows, long, long, long, long_without_seconds, long_without_seconds, edges),
    *(durations, events, tidy, runs, runs, spreadsheet, headerless, turned, slurm, minutes),
)


# Whoever reads the line.

OPTION = re.compile(r"--(\w+) ('[^']*'|\S+?)(?=[,;:).]?(?:\s|$))")


def suggestions(line: str) -> Iterator[tuple[str, str]]:
    """The options that a line names, as a shell would take them."""
    for option, value in OPTION.findall(line):
        if option in Reading.__dataclass_fields__:
            yield option, shlex.split(value)[0]


VALID = {
    "unit": ("s", "ms", "us", "ns"),
    "missing": ("drop-rounds", "never"),
    "retries": ("last", "sum"),
    "header": ("yes", "no"),
    "decimal": ("point", "comma"),
}


def followed(said: Reading, option: str, value: str) -> Reading | None:
    try:
        if option == "columns":
            return replace(said, columns={**said.asked, **parse_columns(value)})
        if option in ("drop", "keep"):
            return replace(said, **{option: (*getattr(said, option), *value.split(","))})
        if option == "unit" and value not in ("s", "ms", "us", "ns"):
            return replace(said, unit=float(value))
    except ValueError:
        return None
    if value not in VALID.get(option, (value,)):
        return None
    return replace(said, **{option: value})  # type: ignore[arg-type]


def is_right(table: Table, truths: Sequence[Table]) -> bool:
    """The truth, whatever the order of its workers."""

    def ordered(values: Table) -> Table:
        return values[:, np.lexsort(values[::-1])]

    return any(
        table.shape == truth.shape
        and np.allclose(ordered(table), ordered(truth), rtol=1e-6, atol=2e-6)
        for truth in truths
    )


def outcomes(case: Case, path: Path, said: Reading, depth: int = 3) -> Iterator[str]:
    """What comes of a reading, and of all that follow from what its refusal suggests."""
    try:
        found = read_measured(str(path), said)
    except TableError as error:
        (line,) = told([error.defect])
        assert "\n" not in line
        assert len(line) < 300, line
        yield f"refused {line}"
        for option, value in dict.fromkeys(suggestions(line)) if depth else ():
            if option == "keep":  # who knows better says so of a name that says nothing
                assert {*value.split(",")} <= NEUTRAL, line
                continue
            more = followed(said, option, value)
            if more is not None and more != said:
                yield from outcomes(case, path, more, depth - 1)
        return
    right = is_right(found.tables[None], case.truths) if None in found.tables else False
    yield "right" if right else f"wrong {said} {found.hosts[:4]} {found.tables}"


def judged(seed: int, folder: Path) -> tuple[Case, list[str]]:
    case = MAKERS[seed % len(MAKERS)](np.random.default_rng([41, seed]))
    path = folder / f"t{seed}{case.ending}"
    path.write_bytes(case.content)
    return case, [*outcomes(case, path, case.said)]


@pytest.mark.long("hundreds of files, each read in many ways")
@pytest.mark.parametrize("tables", [350, pytest.param(4000, marks=pytest.mark.slow)])
def test_no_export_is_misread(tables: int, tmp_path: Path) -> None:
    odd, kinds = list[str](), Counter[str]()
    for seed in range(tables):
        case, found = judged(seed, tmp_path)
        first = found[0].partition(" ")[0]
        kinds[f"{case.wanted} {first}"] += 1
        wrong = [each for each in found if each.startswith("wrong")]
        wanted = {"read": "right", "refuse": "refused"}.get(case.wanted, first)
        stuck = bool(case.truths) and not any(each.startswith("right") for each in found)
        if wrong or stuck or first != wanted:
            odd.append(f"{seed} {case.name} ({case.wanted}): {[found[0][:300], *wrong[:2]]}")
    assert not odd, "\n".join([f"{len(odd)} of {tables}", *odd[:40]])
    assert kinds["read right"] > tables / 3
