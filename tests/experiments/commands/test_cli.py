"""The command line as a person uses it: a process, its output, its exit code, its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.dom import minidom

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.tools import ROOT, inside

BASE: dict[str, Any] = {
    "name": "small",
    "workers": 6,
    "iterations": 5,
    "replications": 3,
    "delay": {"model": "exponential", "rate": 2.0},
    "schemes": [{"name": "uncoded"}, {"name": "erasurehead", "load": 2, "wait_for": 3}],
}
LEARNING: dict[str, Any] = {
    "problem": {"loss": "logistic", "dataset": "breast_cancer", "l2": 1e-4},
    "optimizer": {"rule": "accelerated", "learning_rate": 0.5},
    "target_loss": 0.3,
}


def write(tmp_path: Path, document: object, name: str = "config.yaml") -> Path:
    path = tmp_path / name
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return path


def test_run_writes_the_tables(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = inside("run", write(tmp_path, BASE | LEARNING), "--output", out)
    assert done.returncode == 0, done.stderr
    assert "erasurehead" in done.stdout
    iterations = pd.read_parquet(out / "iterations.parquet")
    assert list(iterations.columns) == [
        "cell",
        "scheme",
        "label",
        "replication",
        "iteration",
        "time",
        "iteration_time",
        "arrived",
        "recovered",
        "decoding_error",
        "train_loss",
        "test_loss",
    ]
    assert len(iterations) == 2 * 3 * 6
    start = iterations[iterations.iteration == 0]
    assert np.all(start.time == 0)
    np.testing.assert_allclose(start.train_loss, np.log(2))
    later = iterations[iterations.iteration > 0]
    steps = iterations.groupby(["cell", "replication"]).time.diff().dropna()
    np.testing.assert_array_equal(later.iteration_time, steps)
    assert set(later[later.scheme == "uncoded"].arrived) == {6}
    summary = pd.read_parquet(out / "summary.parquet").set_index("scheme")
    means = later.groupby(["scheme", "replication"]).iteration_time.mean().groupby("scheme")
    np.testing.assert_allclose(summary.iteration_time_mean, means.mean()[summary.index])
    np.testing.assert_allclose(summary.iteration_time_se, means.sem()[summary.index])
    manifest = json.loads((out / "manifest.json").read_text())
    assert set(manifest["cells"]) == set(iterations.cell)
    assert {"versions", "seed", "commit", "host", "wall_seconds"} <= set(manifest)


def test_timing_only_run_has_no_losses(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert inside("run", write(tmp_path, BASE), "--output", out).returncode == 0
    columns = pd.read_parquet(out / "iterations.parquet").columns
    assert "train_loss" not in columns
    assert "decoding_error" in columns


def test_same_seed_same_bytes_and_the_resolved_config_runs_again(tmp_path: Path) -> None:
    config = write(tmp_path, BASE | LEARNING)
    one, two, again = tmp_path / "one", tmp_path / "two", tmp_path / "again"
    assert inside("run", config, "--output", one).returncode == 0
    assert inside("sweep", config, "--output", two).returncode == 0
    assert inside("run", one / "config.yaml", "--output", again).returncode == 0
    other = tmp_path / "other"
    assert inside("run", config, "--set", "seed=1", "--output", other).returncode == 0
    for table in ("iterations.parquet", "summary.parquet"):
        content = (one / table).read_bytes()
        assert (two / table).read_bytes() == content
        assert (again / table).read_bytes() == content
        assert (other / table).read_bytes() != content


def test_sweep_has_a_column_per_swept_key(tmp_path: Path) -> None:
    schemes = [{"name": "uncoded"}, {"name": "erasurehead", "load": [2, 3], "wait_for": 3}]
    config = write(tmp_path, BASE | {"schemes": schemes})
    out = tmp_path / "out"
    done = inside("sweep", config, "--set", "delay.rate=1,2", "--output", out)
    assert done.returncode == 0, done.stderr
    summary = pd.read_parquet(out / "summary.parquet")
    assert len(summary) == 2 * 3
    assert sorted(summary["delay.rate"].unique()) == [1, 2]
    assert sorted(summary["scheme.load"].dropna().unique()) == [2, 3]
    uncoded = summary[summary.scheme == "uncoded"].set_index("delay.rate").iteration_time_mean
    assert uncoded[1] == pytest.approx(2 * uncoded[2])  # common random numbers, twice the rate


def test_a_swept_section_is_json_in_every_table(tmp_path: Path) -> None:
    """A whole delay model as a swept value: catches a mapping that pandas spreads over rows."""
    models = [{"model": "exponential", "rate": 2.0}, {"model": "deterministic", "value": 1.0}]
    out = tmp_path / "out"
    config = write(tmp_path, BASE | {"sweep": {"delay": models}})
    assert inside("sweep", config, "--output", out).returncode == 0
    for name in ("iterations", "summary", "workers"):
        column = pd.read_parquet(out / f"{name}.parquet")["delay"]
        assert [json.loads(text) for text in column.unique()] == models


def test_impossible_combination_in_a_sweep_leaves_the_others(tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = write(tmp_path, BASE)
    done = inside("sweep", config, "--set", "schemes.erasurehead.load=2,4", "--output", out)
    assert done.returncode == 1
    assert "load = 4" in done.stderr
    assert "1, 2, 3, 6" in done.stderr
    summary = pd.read_parquet(out / "summary.parquet")
    assert len(summary) == 3


def change(**changes: Any) -> dict[str, Any]:
    return BASE | changes


def delay(**fields: Any) -> dict[str, Any]:
    return change(delay=fields)


def trace(**fields: Any) -> dict[str, Any]:
    return delay(model="trace", **fields)


SCHEME = {"name": "erasurehead", "load": 2, "wait_for": 3}
PROBLEM = {"loss": "logistic", "dataset": "breast_cancer"}

BAD_CONFIGS: list[tuple[Any, list[str]]] = [
    ("", ["empty"]),
    ("- 1\n- 2\n", ["list"]),
    ("a: [1\n", ["not YAML"]),
    (change(wrokers=3), ["wrokers: unknown key", "(did you mean workers?)"]),  # which is there
    (change(schemes=[SCHEME | {"wait_fro": 3}]), ["wait_fro", "did you mean wait_for?"]),
    (change(n=24), ["n: unknown key", "did you mean workers?"]),
    (change(schemes=[SCHEME | {"r": 2}]), ["unknown key", "did you mean wait_for?"]),
    (change(workers="n/2"), ["workers = 'n/2': must be an integer\n"]),
    (change(workers=0), ["workers = 0", "greater than or equal to 1"]),
    (change(workers=True), ["workers", "True"]),
    (change(workers=2.5), ["workers = 2.5"]),
    (change(name="../etc"), ["name", "../etc"]),
    (change(policy="abort"), ["policy", "'abort'", "cancel"]),
    (change(engine="gpu"), ["engine", "'gpu'", "batch"]),
    ({k: v for k, v in BASE.items() if k != "delay"}, ["delay", "missing"]),
    (change(schemes=[]), ["schemes", "at least 1"]),
    (change(schemes=[{"load": 3}]), ["schemes.name", "missing", "must be one of"]),
    (change(schemes=[{"name": "erasurhead"}]), ["erasurhead", "did you mean erasurehead"]),
    (change(schemes=[SCHEME | {"laod": 2}]), ["laod", "unknown key", "load"]),
    (
        change(schemes=[{"name": "uncoded", "load": 2}]),
        ["schemes.uncoded.load: unknown key; there are no fields to set\n"],
    ),
    (change(schemes=[SCHEME | {"load": 4}]), ["load = 4", "1, 2, 3, 6"]),
    (change(schemes=[SCHEME | {"load": "two"}]), ["load = 'two'"]),
    (
        change(schemes=[SCHEME | {"wait_for": "N/2"}]),
        ["wait_for = 'N/2': must be an integer, or n/2 (rounded up) or n-2"],
    ),
    (change(schemes=[SCHEME | {"wait_for": 7}]), ["wait_for = 7", "workers = 6"]),
    (change(schemes=[SCHEME | {"rescale": "maybe"}]), ["rescale", "'maybe'"]),
    (change(schemes=[SCHEME | {"deadline": -1}]), ["deadline = -1", "greater than 0"]),
    (change(schemes=[SCHEME, SCHEME]), ["twice", "label"]),
    (change(load_law={"kind": "additive"}), ["load_law.seconds_per_partition", "missing"]),
    (change(load_law={"kind": "linear"}), ["load_law.kind", "proportional"]),
    (delay(model="exponential", rate=-1), ["delay.rate = -1", "greater than 0"]),
    (delay(model="exponential", rate=float("nan")), ["delay.rate", "finite"]),
    (delay(model="exponential", rate=True), ["delay.rate", "True"]),
    (delay(model="exponential", rate="fast"), ["delay.rate", "'fast'", "number"]),
    (delay(model="exponential"), ["delay.rate", "missing"]),
    (delay(model="exponential", rate=1e-320), ["delay: Exponential", "1e+150 s"]),
    (delay(model="lognormal", median=1, sigma=300), ["LogNormal", "infinity"]),
    (
        delay(model="scaled", by=2, base={"model": "pareto", "alpha": 1e-3, "scale": 1}),
        ["delay.base: Pareto", "infinity"],
    ),
    (
        change(failures={"time_to_failure": {"model": "exponential", "rate": 1e-320}}),
        ["failures.time_to_failure", "Exponential"],
    ),
    (delay(rate=1), ["delay.model", "missing"]),
    (delay(model="exponental", rate=1), ["did you mean exponential"]),
    (trace(path="no/such.csv"), ["no/such.csv", "no such file"]),
    (change(problem=PROBLEM), ["optimizer", "missing"]),
    (change(**LEARNING | {"problem": PROBLEM | {"l2": -1}}), ["problem", "l2", "-1"]),
    (change(**LEARNING | {"problem": PROBLEM | {"dataset": "mnist"}}), ["mnist", "synthetic"]),
    (change(**LEARNING | {"problem": PROBLEM | {"rows": 5}}), ["rows", "unknown key"]),
    (change(**LEARNING | {"problem": PROBLEM | {"dataset": "diabetes"}}), ["diabetes", "least"]),
    (change(**LEARNING | {"optimizer": {"rule": "adam"}}), ["optimizer.rule", "accelerated"]),
    (
        change(**LEARNING | {"optimizer": {"rule": "gd", "learning_rate": -1}}),
        ["optimizer.learning_rate = -1", "greater than 0"],
    ),
    (
        change(**LEARNING | {"problem": PROBLEM | {"dataset": "amazon"}}),
        ["amazon", "train.csv", "ERASUREHEAD_DATA"],
    ),
    (change(**LEARNING | {"problem": PROBLEM | {"l2": True}}), ["problem.l2 = True", "number"]),
    (change(**LEARNING | {"problem": PROBLEM | {"l2": "x"}}), ["problem.l2 = 'x'", "'1/rows'"]),
    (change(optimizer={"rule": "gd", "learning_rate": -1}), ["optimizer.learning_rate = -1"]),
    (change(optimizer={"rule": ["gd"]}), ["optimizer.rule = ['gd']", "accelerated"]),
    (change(delay={"model": {"a": 1}}), ["delay.model", "must be one of"]),
    (change(load_law={"kind": []}), ["load_law.kind", "additive"]),
    (change(schemes=[SCHEME | {"load": []}]), ["schemes.erasurehead.load = []", "at least one"]),
    (change(schemes=[SCHEME | {"name": ["a", "b"]}]), ["schemes.name", "an entry for each"]),
    (change(network={"broadcast_latency": True}), ["network.broadcast_latency = True"]),
    (change(failures={"message_loss": True}), ["failures.message_loss = True"]),
    (change(network={"bandwidth": 10}), ["network.message_bytes", "missing"]),
    (
        change(**LEARNING | {"engine": "batch", "network": {"bandwidth": 10, "channels": 1}}),
        ["engine = 'batch'", "channel", "event or auto"],
    ),
    (
        change(schemes=[SCHEME, {"name": "adaptive_k", "wait_for": 3}]),
        ["problem: missing; adaptive_k decides by the losses"],
    ),
    ("workers: 3\nworkers: 4\n", ["not YAML", "line 2", "workers appears twice"]),
    (
        change(schemes=[SCHEME | {"label": "a\x1b[31m"}]),
        [r"label = 'a\x1b[31m'", "1 to 100 visible"],
    ),
    (change(schemes=[SCHEME | {"label": "x" * 101}]), ["label", "1 to 100 visible characters"]),
    (change(schemes=[SCHEME | {"label": " "}]), ["label = ' '", "1 to 100 visible characters"]),
    (change(schemes=[SCHEME | {"label": "\u202ea"}]), [r"label = '\u202ea'", "visible"]),
    (change(schemes=[SCHEME | {"label": True}]), ["label = True", "visible"]),
    (change(schemes=[SCHEME | {"label": {"a": 1}}]), ["label = {'a': 1}", "visible"]),
    (change(name="x" * 101), ["name", "at most 100 characters"]),
    (change(name=[1]), ["name = [1]: must be text"]),
    (change(schemes=[3]), ["schemes[0] = 3: must be a section: keys with values"]),
    (change(schemes="uncoded"), ["schemes = 'uncoded': must be a list"]),
    (change(target_loss=float("inf")), ["target_loss = inf: must be a finite number"]),
    ("workers: 3\ndelay: {1: 2}\n", ["line 2, column 9: a key must be text"]),
    (change(replications=2**31), ["replications", "less than or equal to"]),
    (
        change(sweep={"seed": [*range(1000)], "iterations": [*range(1, 1001)]}),
        ["sweep", "100000 points"],
    ),
    (change(sweep={"delay.rate": []}), ["sweep.delay.rate", "at least one"]),
    (change(sweep={"workers.n": [1]}), ["workers.n"]),
]


@pytest.mark.parametrize(("document", "mentions"), BAD_CONFIGS, ids=lambda value: str(value)[:60])
def test_bad_config_is_one_clear_line(
    document: Any,
    mentions: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 2, one line that names the field and what is valid, and nothing written."""
    monkeypatch.delenv("ERASUREHEAD_DATA", raising=False)
    out = tmp_path / "out"
    done = inside("run", write(tmp_path, document), "--output", out)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: ")
    for mention in mentions:
        assert mention in done.stderr
    assert not out.exists()


BAD_TRACES: list[tuple[str, bytes, list[str]]] = [
    ("t.csv", b"", ["empty"]),
    ("t.csv", b"0.1,0.2\n0.3,nan\n", ["round 1, worker 1", "missing"]),
    ("t.csv", b"0.1,0.2\n-0.3,0.1\n", ["round 1, worker 0", "negative"]),
    ("t.csv", b"0.1,inf\n0.3,0.1\n", ["round 0, worker 1", "infinite"]),
    ("t.csv", b"0.1,0.2\n0.3\n", ["round 1, worker 1", "missing"]),
    ("t.csv", b"0.1,0.2\n0.3,0.1,0.2\n", ["t.csv", "line 2"]),
    ("t.csv", b"a,b\n0.1,slow\n0.2,0.3\n", ["column b", "'slow'"]),
    ("t.csv", b"a,b\n", ["no rows"]),
    ("t.csv", b"\x00\x81\xff", ["t.csv", "cannot be read"]),
    ("t.csv", b"worker,round,seconds\n0,0,1\n0,0,2\n", ["two rows", "worker 0, round 0"]),
    ("t.csv", b"worker,round,seconds\n0,0,1\n1,1,2\n", ["missing"]),
    ("t.csv", b"worker,round,seconds,load\n0,0,1,1\n0,0,2,2\n", ["several loads", "[1, 2]"]),
    ("t.npz", b"\x80\x04K\x01.", ["t.npz", "is not an NPZ file"]),
    ("t.parquet", b"PAR1 not", ["t.parquet", "cannot be read"]),
    ("t.csv.gz", b"not gzip", ["t.csv.gz", "cannot be read"]),
    ("t.dat", b"0.1", ["unknown ending", ".npz"]),
]


@pytest.mark.parametrize(("name", "content", "mentions"), BAD_TRACES, ids=lambda v: str(v)[:40])
def test_bad_trace_is_one_clear_line(
    name: str,
    content: bytes,
    mentions: list[str],
    tmp_path: Path,
) -> None:
    (tmp_path / name).write_bytes(content)
    document = change(workers=1, delay={"model": "trace", "path": str(tmp_path / name)})
    document["schemes"] = [{"name": "uncoded"}]
    out = tmp_path / "out"
    done = inside("run", write(tmp_path, document), "--output", out)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    for mention in mentions:
        assert mention in done.stderr
    assert not out.exists()


def test_labels_are_shown_as_they_are(tmp_path: Path) -> None:
    """Catches markup, codes of emoji and formulas that are interpreted, in tables and SVGs."""
    labels = ["[/b]", "[red]x", ":smile:", r"$\frac{$", "_a", "速い", "x" * 100]
    schemes = [{"name": "uncoded", "label": label} for label in labels]
    config, out = write(tmp_path, change(schemes=schemes)), tmp_path / "out[/b]"
    done = inside("run", config, "--output", out)
    assert done.returncode == 0
    for label in labels[:-1]:
        assert f"\n{label} " in done.stdout
    assert f"results in {out}/\n" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 300
    one = ("--kind", "iteration_time", "--format", "svg")
    drawn = inside("plot", out, *one, pictures=True)
    assert (drawn.returncode, drawn.stderr) == (0, "")
    for picture in (out / "plots").glob("*.svg"):
        minidom.parse(str(picture))


def test_a_long_label_of_our_own_is_shortened_and_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches two schemes that become one, and a label that a worker process would refuse."""
    from erasurehead.experiments.config import settings
    from erasurehead.experiments.config.cells import cells

    schemes = [SCHEME | {"rescale": True}, SCHEME | {"rescale": False}]
    labels = [cell.label for cell in cells(change(schemes=schemes))]
    assert labels == ["erasurehead load=2 wait_for=3 rescale=True", "erasurehead load=2 wait_for=3"]
    monkeypatch.setattr(settings, "LONGEST_LABEL", len(labels[0]))
    assert [cell.label for cell in cells(change(schemes=schemes))] == labels
    monkeypatch.setattr(settings, "LONGEST_LABEL", 25)
    short = [cell.label for cell in cells(change(schemes=schemes))]
    assert len(set(short)) == 2
    for cell in cells(change(schemes=schemes)):
        assert len(cell.label) == 25
        assert [each.label for each in cells(cell.document)] == [cell.label]


def test_a_bad_config_leaves_earlier_results_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert inside("run", write(tmp_path, BASE), "--output", out).returncode == 0
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    bad = write(tmp_path, change(workers=-1), "bad.yaml")
    done = inside("run", bad, "--output", out)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("optimizer.learning_rate", 0.5, -1),
        ("problem.l2", 0.1, "much"),
        ("problem.dataset", "breast_cancer", "amazon"),
        ("delay.rate", 1.0, -1),
        ("workers", 6, 1000),
        ("network.broadcast_latency", 0.0, -1),
    ],
)
def test_every_point_of_a_sweep_is_checked_before_anything_is_written(
    key: str,
    good: Any,
    bad: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches a check of the first cell alone, which lets the last one fail hours later."""
    monkeypatch.delenv("ERASUREHEAD_DATA", raising=False)
    out = tmp_path / "out"
    config = write(tmp_path, change(**LEARNING, sweep={key: [good, bad]}))
    done = inside("sweep", config, "--output", out)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert not out.exists()


def test_where_nothing_can_be_written_is_said_at_once(tmp_path: Path) -> None:
    """A file in the way of the output, or a directory in the way of the timeline."""
    config, file = write(tmp_path, BASE), tmp_path / "file"
    file.write_text("mine")
    for arguments in (
        ("--output", file),
        ("--output", file / "below"),
        ("--output", tmp_path / "out", "--timeline", tmp_path),
        ("--output", tmp_path / "out", "--timeline", file / "t.json"),
    ):
        done = inside("run", config, *arguments)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1, done.stderr
        assert str(tmp_path) in done.stderr
    assert file.read_text() == "mine"
    assert not (tmp_path / "out").exists()


def test_a_run_that_cannot_end_says_who_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell that fails while running: exit code 1, its reason on stderr."""
    from erasurehead.delay_models import parametric

    def dead(self: object, rng: object, shape: tuple[int, int]) -> np.ndarray:
        table = np.ones(shape)
        table[:, 4] = np.inf
        return table

    monkeypatch.setattr(parametric.Exponential, "draw", dead)
    done = inside("run", write(tmp_path, BASE), "--output", tmp_path / "out")
    assert done.returncode == 1
    assert "uncoded" in done.stderr
    assert "iteration 1 can never end" in done.stderr
    assert "NeverEnough" not in done.stderr
    assert "from 1 worker: 4" in done.stderr


def test_truncated_trace_ends_the_run_and_cyclic_goes_on(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", seconds=1 + np.random.default_rng(0).random((3, 6)))
    for end, rounds in (("truncated", 3), ("cyclic", 5)):
        fields = {"model": "trace", "path": str(tmp_path / "t.npz"), "end": end}
        config = write(tmp_path, change(delay=fields), f"{end}.yaml")
        out = tmp_path / end
        done = inside("run", config, "--output", out)
        assert done.returncode == 0
        assert pd.read_parquet(out / "iterations.parquet").iteration.max() == rounds
        warnings = json.loads((out / "manifest.json").read_text())["warnings"]
        assert done.stderr == "".join(f"warning: {line}\n" for line in warnings)
        assert warnings.pop().startswith("replications = 3: nothing is random")
        assert len(warnings) == (rounds < 5)
        assert not warnings or "ends after 3 rounds" in warnings[0]


def test_a_timeline_replaces_nothing_of_its_run(tmp_path: Path) -> None:
    """Catches a config, or a table of the result, that becomes a timeline."""
    config, out = write(tmp_path, BASE), tmp_path / "out"
    before = config.read_bytes()
    table = tmp_path / "table.csv"
    table.write_text("a,b,c,d\n" + "1,2,3,4\n" * 200)
    trace = f"delay={{model: trace, path: {table}, resample: cells, unit: s}}"
    for taken in (config, out / "summary.parquet", out / "manifest.json", table):
        done = inside("run", config, "--output", out, "--timeline", taken, "--set", trace)
        assert (done.returncode, config.read_bytes()) == (2, before)
        assert table.read_text().startswith("a,b")
        assert done.stderr.startswith("error: --timeline = ")
        assert done.stderr.endswith(": is a file of this run; choose another name\n")
        assert not out.exists()


def test_a_trace_that_looks_like_milliseconds_is_run_with_a_warning(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", seconds=np.random.default_rng(0).uniform(2000, 3000, (9, 6)))
    fields = {"model": "trace", "path": str(tmp_path / "t.npz"), "resample": "cells"}
    done = inside("run", write(tmp_path, change(delay=fields)), "--output", tmp_path / "o")
    assert done.returncode == 0
    begins = f"warning: {tmp_path / 't.npz'}: steps take 2583 s: if the table is in ms, say "
    assert done.stderr.startswith(begins)
    assert done.stderr.count("\n") == 1


def test_trace_with_too_few_workers(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", seconds=np.ones((3, 4)))
    fields = {"model": "trace", "path": str(tmp_path / "t.npz")}
    done = inside("run", write(tmp_path, change(delay=fields)), "--output", tmp_path / "o")
    assert done.returncode == 2
    assert "workers = 6" in done.stderr
    assert "1 to 4" in done.stderr


def test_a_trace_has_as_many_workers_as_columns(tmp_path: Path) -> None:
    """Catches a run that takes the first columns of a table without a word. It is the same in all
    replications, so there is one."""
    names = ["a", "b", "c", "d", "e", "f"]
    table = 1 + np.random.default_rng(0).random((3, 6))
    pd.DataFrame(table, columns=names).to_csv(tmp_path / "t.csv", index=False)
    fields = {"model": "trace", "path": str(tmp_path / "t.csv")}
    schemes = [{"name": "uncoded"}]

    def times(**more: Any) -> np.ndarray:
        hosts = {"hosts": more.pop("hosts")} if "hosts" in more else {}
        document = change(delay={**fields, **hosts}, schemes=schemes, iterations=3, **more)
        done = inside("run", write(tmp_path, document), "--output", tmp_path / "o")
        assert done.returncode == 0, done.stderr
        made = pd.read_parquet(tmp_path / "o" / "iterations.parquet").iteration_time
        return np.asarray(made.dropna())

    done = inside("run", write(tmp_path, change(delay=fields, workers=4)))
    assert done.returncode == 2
    assert "workers = 4: the trace has 6 workers; must be 6 or auto" in done.stderr
    assert change()["replications"] > 1
    np.testing.assert_allclose(times(workers="auto"), table.max(axis=1))
    np.testing.assert_allclose(times(workers=2, hosts="first"), table[:, :2].max(axis=1))
    np.testing.assert_allclose(
        times(workers="auto", hosts=["f", "b"]), table[:, [5, 1]].max(axis=1)
    )
    written = yaml.safe_load((tmp_path / "o" / "config.yaml").read_text())
    assert written["workers"] == 2
    done = inside("run", write(tmp_path, change(workers="auto")))
    assert "any number of workers" in done.stderr


def test_list_and_help() -> None:
    listed = inside("list")
    assert listed.returncode == 0
    for name in ("erasurehead", "shifted_exponential", "breast_cancer", "accelerated"):
        assert name in listed.stdout
    assert len(listed.stdout.splitlines()) <= 40, "one screen"
    *schemes, step = inside("list", "schemes").stdout.splitlines()
    assert step == "next: erasurehead init example"
    *one, step = inside("list", "uncoded").stdout.splitlines()
    assert one[2:-1] == schemes[2 : len(one) - 1], "the first of the list, alone"
    assert "shape" in inside("list", "weibull").stdout
    assert "--set: iterations, load," in inside("list", "backlog").stdout
    assert "did you mean pareto?" in inside("list", "paretto").stderr
    assert inside("list", "colours").returncode == 2
    assert "sweep" in inside("--help").stdout


@pytest.mark.parametrize("example", sorted((ROOT / "experiments/config/examples").glob("*.yaml")))
def test_shipped_configs_are_valid(example: Path) -> None:
    from erasurehead.experiments.config.build import run_of
    from erasurehead.experiments.config.cells import cells
    from erasurehead.experiments.config.document import load

    for cell in cells(load(example)):
        run_of(cell.settings)
