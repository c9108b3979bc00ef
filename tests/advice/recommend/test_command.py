"""``erasurehead recommend`` as a person uses it: the answer, its files, and bad input. Speaks to
the evaluator where what a scheme does is known by hand, as a search tells it of few."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import yaml

import erasurehead as eh
from erasurehead.experiments.advice.recommend import (
    answer,
    command,
    page,
    question,
    request,
    scenario,
    study,
)
from erasurehead.experiments.advice.recommend.search import evaluate, halving, measure
from erasurehead.experiments.config import build
from erasurehead.experiments.run.tuning import replayed
from erasurehead.sim.engines.simulate import simulate
from tests.golden.records import require_recorded
from tests.tools import inside, process

CONFIG = """
name: small
workers: 6
iterations: 20
delay: {model: exponential, rate: 1.0}
load_law: {kind: additive, seconds_per_partition: 0.05}
schemes: [{name: uncoded}, {name: ignore_stragglers, wait_for: 5}]
problem: {loss: least_squares, dataset: synthetic, rows: 60, features: 4}
optimizer: {rule: gd, learning_rate: 0.1}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG)
    return path


ONLY = ("--only", "uncoded,fractional_repetition")


def test_the_dearest_of_the_given_schemes_decides_what_is_affordable() -> None:
    """Catches the last one that decides alone."""
    dear: dict[str, Any] = {"name": "mindflayer", "trials": 100, "patience": 1.0}
    plain = {"name": "uncoded"}
    delay = {"model": "exponential", "rate": 1.0}
    document = {"workers": 8, "iterations": 200, "delay": delay}
    alone, cheap, first, last = (
        scenario.read_scenario(document | {"schemes": chosen}, None).affordable
        for chosen in ([dear], [plain], [dear, plain], [plain, dear])
    )
    assert alone < cheap / 2
    assert first == last == alone


def test_the_answer_and_its_files(config: Path, tmp_path: Path) -> None:
    """Catches a config that run does not accept, and a rate that is not the winner's."""
    folder = tmp_path / "one"
    done = inside("recommend", config, *ONLY, "--output", folder)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [".erasurehead", *command.FILES]
    )
    said = json.loads((folder / "answer.json").read_text())
    assert {"kind", "subject", "verdict", "why", "next", "command", "notes", "limits"} == set(said)
    assert said["verdict"] in done.stdout.replace("\n", " ")
    assert done.stdout.splitlines()[-1] == f"next: erasurehead report {folder}"
    assert f"**{said['verdict']}**" in (folder / "report.md").read_text().replace("\n", " ")
    for text in (said["verdict"], *said["why"]):
        assert text[:1].isupper() or text[:1].isdigit(), text
        assert text.rstrip(".") + "." == text
    assert said["why"][0].startswith("An iteration of ")
    assert any(text.startswith("What it does: ") for text in said["why"])
    assert "Every scheme has its own best learning rate" in " ".join(said["why"])
    ranking = pd.read_parquet(folder / "ranking.parquet")
    assert ranking["ratio"].iloc[0] == 1
    assert ranking.loc[ranking["left"] == "", "value"].dropna().is_monotonic_increasing
    assert set(ranking.loc[ranking["today"], "label"]) == {"uncoded"}
    winner = yaml.safe_load((folder / "winner.yaml").read_text())
    assert winner["optimizer"]["learning_rate"] == ranking["rate"].iloc[0]
    assert inside("run", folder / "winner.yaml", "--output", tmp_path / "run").returncode == 0
    assert "another question" not in done.stderr
    other = inside("recommend", config, *ONLY, "--max-load", 2, "--output", folder)
    assert f"{folder}: the answer to another question is replaced" in other.stderr


@pytest.mark.parametrize("cell", ["", "0"], ids=["empty", "zero"])
def test_workers_that_never_arrive_are_one_line(cell: str, config: Path, tmp_path: Path) -> None:
    """Catches a search that goes on with delays of no worker, and means of nothing."""
    table = tmp_path / "t.csv"
    table.write_text("a,b,c,d,e,f\n" + (",".join([cell] * 6) + "\n") * 12)
    document = yaml.safe_load(CONFIG)
    trace = {"model": "trace", "path": str(table), "missing": "never", "resample": "cells"}
    document["delay"] = trace
    config.write_text(yaml.safe_dump(document))
    done = inside("recommend", config, *ONLY, "--output", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr == "error: delay: no worker ever arrives in the first rounds\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_same_bytes_twice_and_with_two_processes(config: Path, tmp_path: Path) -> None:
    """In one folder, since the answer names its config; the manifest has the wall time."""
    folder = tmp_path / "out"
    found = []
    for jobs in (1, 1, 2):
        done = process("recommend", config, "--jobs", jobs, *ONLY, "--output", folder)
        assert done.returncode == 0, done.stderr
        found.append({n: (folder / n).read_bytes() for n in command.FILES if n != "manifest.json"})
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--target", "1", "--budget", "2"], "--budget = 2.0: give either"),
        (["--target", "-1"], "--target = -1.0: must be a number greater than 0"),
        (["--target", "1e-9"], "--target = 1e-09: exact gradients come down to"),
        (["--budget", "1e9"], "--budget = 1e+09: is"),
        (["--max-load", "0.5"], "--max-load = 0.5: must be a number of at least 1"),
        (["--max-error", "nan"], "--max-error = nan: must be"),
        (["--only", "erasurhead"], "(did you mean erasurehead?)"),
        (["--max-worker-seconds", "1e-9"], "no scheme keeps the limits"),
        (["--set", "problem=null", "--max-bytes", "5"], "--max-bytes = 5.0: needs a problem"),
        (["--set", "problem=null", "--budget", "5"], "--budget = 5.0: needs a problem"),
        (["--set", "workers=4,6"], "sweep: must be empty"),
    ],
)
def test_bad_input_is_one_line(config: Path, tmp_path: Path, options: list[str], line: str) -> None:
    done = inside("recommend", config, "--only", "uncoded", "--output", tmp_path / "out", *options)
    assert done.returncode == 2
    assert line in done.stderr.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_a_goal_that_is_not_reached_is_an_answer_without_pictures(
    config: Path, tmp_path: Path
) -> None:
    """Few iterations with stragglers ignored; catches axes without a number on them."""
    folder = tmp_path / "out"
    settings = ("--set", "schemes=[{name: ignore_stragglers, wait_for: 1}]")
    done = inside(
        *("recommend", config, *settings, "--only", "fractional_repetition", "--max-load", 1),
        *("--target", 0.9235, "--set", "iterations=30", "--output", folder),
    )
    assert done.returncode == 0, done.stderr
    verdict = json.loads((folder / "answer.json").read_text())["verdict"]
    assert verdict.startswith("No scheme reaches the goal in every run: ignore stragglers (r = ")
    names = {path.name for path in folder.iterdir()}
    assert not {"ranking.png", "sensitivity.png"} & names
    assert "![" not in (folder / "report.md").read_text()
    assert inside("report", folder).returncode == 0


def test_rates_are_tried_on_the_problem_of_the_config(config: Path) -> None:
    """Other delays and the same data: catches a trial whose target belongs to another problem."""
    about = question.ask(yaml.safe_load(config.read_text()), request.SearchRequest(), None)
    rates = {evaluate.Candidate(0, {"name": "uncoded"}): (about.exact_rate,)}
    budgets = measure.Budget(3), measure.Budget(3, other_delays=1)
    last, tuning = (evaluate.Evaluator(about)(rates, budget)[0] for budget in budgets)
    assert last.iterations == tuning.iterations > 0
    assert (last.values() != tuning.values()).all()


def test_schemes_with_exact_gradients_are_trained_once(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One path serves them all and is that of ``run``; catches a learner for each of them."""
    about = question.ask(yaml.safe_load(config.read_text()), request.SearchRequest(), None)
    evaluator, rate = evaluate.Evaluator(about), about.exact_rate
    monkeypatch.setattr(measure, "Learner", None)
    sections = ({"name": "uncoded"}, {"name": "cyclic_mds", "load": 3})
    some = [evaluate.Candidate(i, section) for i, section in enumerate(sections)]
    coded = evaluator(dict.fromkeys(some, (rate,)), measure.Budget(3))[1]
    cell = evaluator.simulation(some[1], (rate,), measure.Budget(3)).cell()
    learning = build.training(cell)
    assert learning is not None
    run = build.run_of(cell.settings, learning.problem.features)
    steps = run.scheme.steps(simulate(run, work=False))
    (runs,) = replayed(run, steps, learning, (rate,))
    assert coded.reached == 3
    np.testing.assert_array_equal(coded.values(), runs.seconds(about.goal.value))


EFFECTS: dict[str, Any] = {  # delays that are drawn a block at a time, however short the run is
    "model": "round_effects",
    "factor": {"model": "lognormal", "median": 1.0, "sigma": 0.3},
    "base": {"model": "exponential", "rate": 1.0},
}


def bare(**changed: Any) -> evaluate.Evaluator:
    return evaluate.Evaluator(question.ask({**BARE, **changed}, request.SearchRequest(), None))


def digest(simulation: measure.Simulation) -> str:
    found = measure.performance(simulation)
    assert not isinstance(found, str)
    return str(found["digest"])


def test_delays_that_others_drew_are_those_of_a_scheme_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More replications and rounds than before, and without a barrier; catches delays of another
    replication or seed."""
    asked = [
        replace(
            evaluator.simulation(evaluate.Candidate(0, {"name": name}), (), measure.Budget(runs)),
            iterations=rounds,
        )
        for evaluator in (bare(delay=EFFECTS), bare(delay=EFFECTS, seed=4))
        for name, runs, rounds in (("uncoded", 2, 5), ("asynchronous", 3, 9), ("uncoded", 3, 20))
    ]
    together = [digest(one) for one in (*asked, asked[0])]
    assert 8 * measure.REMEMBERED_DELAYS == 8 * 2**20, "8 MiB"
    monkeypatch.setattr(measure, "REMEMBERED_DELAYS", 0)
    for one, found in zip((*asked, asked[0]), together, strict=True):
        assert found == digest(one)
    assert len({*together}) == len(asked)


@pytest.mark.slow
def test_what_further_partitions_cost_is_nothing_to_those_who_have_none() -> None:
    """So one simulation serves for all these costs; catches one that is asked only once and pays
    for a second partition in a later round, as balanced does."""
    evaluator = bare()
    known = evaluator(dict.fromkeys(halving.candidates(evaluator.question), ()), measure.Budget(2))
    single = [row for row in known.values() if row.alone and not row.refused]
    assert {"uncoded", "drop_compute", "k_async"} <= {row.scheme for row in single}
    for row in single:
        plain = evaluator.simulation(row, (), measure.Budget(2))
        cheap, dear = (
            digest(
                replace(
                    plain,
                    budget=measure.Budget(2, perturbation=scenario.Perturbation("load", times)),
                )
            )
            for times in (0.25, 4.0)
        )
        assert cheap == dear, row.label


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"workers": 10**6}, "workers = 1000000: must be at most 2000"),
        ({"iterations": 10**8}, "iterations = 100000000: uncoded is as much work as"),
        ({"delay": {"model": "deterministic", "value": 0.0}}, "delay: half or more"),
        ({"schemes": [{"name": "erasurehead", "load": 4}]}, "schemes.erasurehead"),
    ],
)
def test_what_cannot_be_searched(changed: dict[str, Any], line: str) -> None:
    """Catches a search that would not end, before it begins."""
    document = {"workers": 6, "delay": {"model": "exponential", "rate": 1.0}, **changed}
    with pytest.raises(eh.ConfigError, match=line):
        eh.recommend(document)


def test_what_is_typical_is_seen_in_all_workers() -> None:
    """A median, that at twice the load, and the mean of each round's slowest."""
    models = [{"model": "deterministic", "value": value} for value in (2.0, 5.0, 7.0)]
    delay = {"model": "own_laws", "workers": [0, 1, 2], "models": models, "base": models[0]}
    document = {"workers": 3, "delay": delay, "load_law": {"kind": "proportional"}}
    found = scenario.read_scenario(document, None)
    assert (found.unit_delay, found.worker_time) == (5.0, (5.0, 10.0, 7.0))


MEASURED = {"model": "measured_rounds", "seconds": [[1.0, 2.0], [3.0, 1.0]]}
FASTER = {"model": "scaled", "by": 0.5, "base": MEASURED}


INSTEAD = (
    "recommend searches where nothing was measured; `erasurehead whatif TABLE` ranks what helps on "
    "measured rounds, `erasurehead fit TABLE` finds a law to search, if they follow one"
)


def test_measured_rounds_are_answered_by_whatif(tmp_path: Path) -> None:
    """Replayed or drawn, alone or within another law, in one line; single cells are a law."""
    table = tmp_path / "t.csv"
    table.write_text("a,b\n" + "1.5,2.5\n3.5,1.0\n" * 6)
    config = tmp_path / "measured.yaml"
    trace = {"model": "trace", "path": str(table), "unit": "s"}
    for delay, named in (
        (MEASURED, "delay.model = measured_rounds"),
        (FASTER, "delay = measured_rounds"),
        (trace, "delay.model = trace"),
        (trace | {"resample": "rounds", "stretch": 2}, "delay.model = trace"),
    ):
        config.write_text(yaml.safe_dump({"workers": 2, "iterations": 10, "delay": delay}))
        done = inside("recommend", config, "--output", tmp_path / "out")
        assert (done.returncode, done.stderr) == (2, f"error: {named}: {INSTEAD}\n")
        assert not (tmp_path / "out").exists()
    document = {"workers": 2, "iterations": 10, "delay": trace | {"resample": "cells"}}
    assert 1.5 <= scenario.read_scenario(document, None).unit_delay <= 2.5


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "t.npy", "t.jsonl", "traces"])
def test_a_measured_table_in_place_of_a_config(name: str, tmp_path: Path) -> None:
    """By its name, before anything is read."""
    path = tmp_path / name
    if name == "traces":
        path.mkdir()
    done = inside("recommend", path)
    assert (done.returncode, done.stderr) == (2, f"error: {path}: {INSTEAD}\n")


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    """In one process, as from a notebook: the same cells, five times as long."""
    rounds, path = 1 + np.random.default_rng(0).random((40, 4)), tmp_path / "t.csv"
    delay = {"model": "trace", "path": str(path), "unit": "s", "resample": "cells"}
    found = list[float]()
    for times in (1, 5):
        np.savetxt(path, times * rounds, delimiter=",", header="a,b,c,d", comments="")
        answer = eh.recommend({"workers": 4, "delay": delay}, only="uncoded", progress=False)
        found.append(answer.table["value"][0])
    assert found[1] == pytest.approx(5 * found[0])


def test_the_mean_wait_for_the_slowest_is_not_that_of_one_spell() -> None:
    """Each of two workers is slow half of the time, for 50 rounds in a row on average: the slowest
    takes 3 s in three rounds of four and 1 s in the last, 2.5 s on average. One run of 200 rounds
    sees a few spells, and its mean is wrong by 0.5 s or so."""
    chain = {"model": "markov", "slow_to_slow": 0.98, "fast_to_slow": 0.02}
    parts = {"fast": 1.0, "slow": 3.0}
    chain |= {key: {"model": "deterministic", "value": value} for key, value in parts.items()}
    document = {"workers": 2, "iterations": 10, "delay": chain}
    waits = [
        scenario.read_scenario({**document, "seed": seed}, None).worker_time[2] for seed in range(2)
    ]
    np.testing.assert_allclose(waits, 2.5, atol=0.25)


def test_what_is_too_much_work_or_takes_a_gibibyte_is_not_simulated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cell: Any = SimpleNamespace(settings=SimpleNamespace(engine="batch"))
    for cost, memory, too_much in ((1e9, 2**30, False), (1.1e9, 9, True), (1.0, 2**31, True)):
        need = SimpleNamespace(cost=cost, memory=memory)
        monkeypatch.setattr(measure, "estimate", lambda run, engine, need=need: need)
        said = measure.too_much(cast(Any, None), cell)
        assert (said is not None) == too_much
    assert said == (
        "is as much work as 1 rounds of a worker, and takes 2 GiB: "
        "a search simulates at most 1e+09 and 1 GiB; run it alone"
    )


def test_whose_tasks_are_of_one_partition_alone() -> None:
    """Of every worker, whatever arrives; and what a worker must hold."""
    for name, fields, alone, load in (
        ("uncoded", {}, True, 1),
        ("asynchronous", {}, True, 6),  # it draws one of all
        ("asynchronous", {"data": "own"}, True, 1),
        ("fractional_repetition", {"load": 2}, False, 2),
        ("bernoulli", {"load": 2, "wait_for": 4}, False, 2),  # some worker has one, or none
    ):
        cell = (
            bare()
            .simulation(evaluate.Candidate(0, {"name": name, **fields}), (), measure.Budget(1))
            .cell()
        )
        known = measure.profile(build.run_of(cell.settings, None), cell)
        assert (known["alone"], known["load"] >= load) == (alone, True), name


def test_what_is_known_of_a_scheme_without_rounds() -> None:
    """K gradients of n workers every K E[X] / n seconds, each with n - 1 others between two of its
    own: (n - 1) / K updates old, and as much more noise. Of whatever is more than that, nothing."""
    evaluator = bare(delay={"model": "exponential", "rate": 0.5}, load_law={"kind": "proportional"})

    def known(**section: Any) -> evaluate.Candidate:
        return evaluator({evaluate.Candidate(0, section): ()}, measure.Budget(2, theory=True))[0]

    for k in (2, 4):
        found, others = known(name="k_batch_async", wait_for=k), 5 / k
        assert (found.replications, found.staleness) == (0, others)
        assert found.iteration_time == pytest.approx(k * 2 / 6 * {2: 3, 4: 2}[k])
        assert found.error == pytest.approx(6 * others)
        goal = evaluator.question.goal.value
        assert found.value == pytest.approx(goal * k * 2 / 6 * (1 + 2 * others))
    assert known(name="asynchronous").error == 30.0
    for section in (
        {"name": "k_batch_async", "wait_for": 2, "data": "own"},
        {"name": "k_async", "wait_for": 2},
        {"name": "asynchronous", "staleness": {"power": 0.5}},
        {"name": "ringmaster", "oldest": 6},
        {"name": "ssp", "ahead": 1, "wait_for": 1},
        {"name": "rennala", "batch": 2},
        {"name": "gradient_table"},
    ):
        assert known(**section).replications == 2, section


@pytest.mark.parametrize("theory", [False, True])
def test_errors_are_of_as_many_partitions_as_workers(theory: bool) -> None:
    """Half of each task is heard, in however many pieces: as of 3 of 6 workers, n (1 - 1/2) 2."""
    law = {"kind": "proportional"}
    evaluator = bare(delay={"model": "deterministic", "value": 1.0}, load_law=law)
    cut = [{"name": "drop_compute", "pieces": k, "patience": 0.45} for k in (2, 10)]
    some = [evaluate.Candidate(k, each) for k, each in enumerate((*cut, {"name": "uncoded"}))]
    rows = evaluator(dict.fromkeys(some, ()), measure.Budget(2, theory=theory))
    assert [rows[k].error for k in range(3)] == pytest.approx([6.0, 6.0, 0.0])


def test_messages_that_are_heard_in_a_second() -> None:
    """In gradients, of six workers that take 1 s for a partition: one of each in a round; half of
    one, or a third, where three are coded together; and those of a batch alone."""
    law = {"kind": "proportional"}
    evaluator = bare(delay={"model": "deterministic", "value": 1.0}, load_law=law)
    for heard, section in (
        (6.0, {"name": "uncoded"}),
        (6 / 2 / 3, {"name": "communication_efficient", "load": 3, "share": 2}),
        (6 / 3 / 3, {"name": "communication_efficient", "load": 3, "share": 3}),
        (6.0, {"name": "asynchronous", "data": "own"}),
        # what a worker reports of its pieces, before it sends their sum, is no gradient
        (6.0, {"name": "drop_compute", "pieces": 4, "patience": 2.0}),
        (3.0, {"name": "k_batch_sync", "wait_for": 3}),
        (4.0, {"name": "rennala", "batch": 4}),
    ):
        row = evaluator({evaluate.Candidate(0, section): ()}, measure.Budget(2))[0]
        assert row.heard == pytest.approx(heard), section


def test_of_a_list_of_values_those_that_suit_are_compared() -> None:
    """As ``run`` does it; catches a search that falls over the one that does not."""
    schemes = [{"name": "uncoded"}, {"name": "fractional_repetition", "load": [3, 4]}]
    document = {"workers": 6, "delay": {"model": "exponential", "rate": 1.0}, "schemes": schemes}
    found = eh.recommend(document, only="uncoded", progress=False)
    assert {*found.table["label"]} == {"uncoded", "fractional_repetition load=3"}
    assert any("load=4 is left out: " in note for note in found.warnings)


# What a search found yesterday it finds today, to the bit.


BARE: dict[str, Any] = {
    "workers": 6,
    "iterations": 10,
    "seed": 3,
    "delay": {"model": "shifted_exponential", "shift": 1.0, "rate": 1.0},
    "load_law": {"kind": "additive", "seconds_per_partition": 0.05},
}
TRAINED = {
    **BARE,
    "problem": {"loss": "least_squares", "dataset": "synthetic", "rows": 60, "features": 4},
    "optimizer": {"rule": "gd", "learning_rate": 0.1},
}
SEARCHES = {
    "bare": (BARE, request.SearchRequest(only="uncoded,erasurehead,k_batch_async")),
    "trained": (
        TRAINED,
        request.SearchRequest(only="uncoded,ignore_stragglers,k_async,adaptive_k"),
    ),
    "budget": (
        TRAINED,
        request.SearchRequest(budget=8.0, max_load=2, only="uncoded,fractional_repetition"),
    ),
}


@pytest.mark.golden
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name == "trained")) for name in SEARCHES],
)
def test_a_search_is_the_recorded_one(name: str) -> None:
    """Its tables, its sentences and what its page shows."""
    document, wanted = SEARCHES[name]
    told: list[tuple[float, int]] = []
    asked = question.ask(document, wanted, None)
    found = study.recommended(asked, evaluate.Evaluator(asked, None, lambda *at: told.append(at)))
    assert told[-1][0] == told[-1][1], "the bar is full"
    assert told == sorted(told), "and goes forward"
    made, said = study.recommendation_tables(found), answer.answered(found, "my.yaml")
    shown = page.recommendation_page(made, said, {}, "")
    told = "\n".join(answer.method(found)) if name == "trained" else ""
    require_recorded(f"recommend/{name}", {**made, "page": shown, "method": told})
