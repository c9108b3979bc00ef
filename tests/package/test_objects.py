"""Schemes, delay laws and load laws as objects: the same classes and numbers as in a config."""

from __future__ import annotations

import importlib
import inspect
import pickle
import runpy
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import erasurehead as eh
from erasurehead import delays, load_laws, optimizers, problems, schemes, stopping
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.plugins import Sees
from tests.tools import SMALL, agg, inside, notebook_html

DELAY = delays.ShiftedExponential(shift=0.5, rate=1.0)
LAW = load_laws.Additive(seconds_per_partition=0.1)
CODE = schemes.ErasureHead(load=3, wait_for=6)
NAMES = {
    name: value
    for module in (schemes, delays, load_laws, optimizers, problems, stopping)
    for name, value in vars(module).items()
}
"""What a user can import."""

FAMILIES = [family.examples()[0] for family in schemes.SCHEMES.values() if family.examples()]
EXAMPLES: list[Any] = [
    *FAMILIES,
    *(law.examples()[0] for law in delays.MODELS.values() if law.examples()),
]
LAWS = [
    LAW,
    load_laws.Proportional(),
    load_laws.PartlyProportional(fixed=0.3),
    load_laws.PerPartition(),
    load_laws.StepCosts(loads=(1, 3), seconds=(0.1, 0.4)),
]


@pytest.mark.parametrize("kind", list(BUILT_IN.kinds))
def test_every_name_of_a_config_is_a_public_class(kind: str) -> None:
    """Catches a scheme that is added to its registry and cannot be imported."""
    for family in BUILT_IN[kind].classes.values():
        assert NAMES[family.__name__] is family


@pytest.mark.parametrize("made", [*EXAMPLES, *LAWS], ids=lambda made: type(made).__name__)
def test_an_object_comes_back_from_its_repr_and_from_a_pickle(made: Any) -> None:
    assert eval(repr(made), dict(NAMES)) == made
    assert pickle.loads(pickle.dumps(made)) == made
    with pytest.raises(eh.ConfigError, match=f"^{type(made).__name__}: no field lod; "):
        type(made)(lod=3)


BY_PLACE = {
    *("Deadline", "FirstK", "LeastSquares", "Logistic", "Mlp", "OwnModel", "PastDeadline"),
    *("Softmax", "Spread", "Tape", "Window"),
}
"""Classes whose fields may be given without their names: data come first."""
CONFIGURED = {
    name: family
    for name, family in NAMES.items()
    if isinstance(family, type) and is_dataclass(family) and not inspect.isabstract(family)
    if name not in BY_PLACE
}


@pytest.mark.parametrize("family", CONFIGURED.values(), ids=CONFIGURED)
def test_a_signature_has_the_fields_by_name_also_after_an_object_was_made(family: Any) -> None:
    """Catches pydantic's own, ``(*args, load: Annotated[...])``, which it assigns at the first."""
    before = inspect.signature(family)
    with suppress(eh.ConfigError):  # a field is missing: the class is built all the same
        family()
    assert inspect.signature(family) == before
    assert [*before.parameters] == [each.name for each in fields(family) if each.init]
    kinds = {each.kind for each in before.parameters.values()}
    assert kinds <= {inspect.Parameter.KEYWORD_ONLY}


SIZE: dict[str, Any] = {"workers": 12, "iterations": 20, "replications": 2, "seed": 3}
NAMED = [each for each in FAMILIES if getattr(each.build(12), "sees", None) is not Sees.LOSSES]


@pytest.mark.parametrize("first", range(4))
def test_a_run_of_objects_is_the_run_of_their_sections(first: int) -> None:
    """Of every scheme: the same cells, which their hashes name, and the numbers of ``simulate``."""
    some = NAMED[first::4]
    whole = SIZE | {"delay": DELAY, "load_law": LAW, "schemes": some, "record": "clock"}
    found = eh.run(whole, progress=False)
    assert all(isinstance(section, dict) for section in found.config["schemes"])
    again = eh.run(found.config, progress=False)
    assert again.summary["cell"].tolist() == found.summary["cell"].tolist()
    parts = [rows for _, rows in found.iterations.groupby("cell", sort=False)]
    for scheme, rows in zip(some, parts, strict=True):
        own = eh.simulate(scheme, DELAY, load_law=LAW, **SIZE).table
        kept = [name for name in own if name in rows]
        expected = rows[kept].reset_index(drop=True)
        assert_frame_equal(own[kept], expected, check_exact=True, check_dtype=False)


def test_a_scheme_that_sees_losses_is_that_of_its_section() -> None:
    seeing = [each for each in FAMILIES if each not in NAMED]
    found = eh.run(SMALL | {"workers": 12, "schemes": seeing}, progress=False)
    again = eh.run(found.config, progress=False)
    assert again.summary["cell"].tolist() == found.summary["cell"].tolist()
    assert len(seeing) == len(found.summary) > 0


@pytest.mark.filterwarnings("ignore:delay. the first 12 of 64 hosts")
@pytest.mark.parametrize("engine", ["batch", "event"])
@pytest.mark.parametrize(
    ("delay", "law"),
    [
        *((each, LAW) for each in EXAMPLES if isinstance(each, delays.DelayModel)),
        *((DELAY, law) for law in LAWS),
    ],
    ids=lambda made: type(made).__name__,
)
@pytest.mark.filterwarnings("ignore:replications = ")
def test_a_law_has_the_numbers_of_its_config(delay: Any, law: Any, engine: Any) -> None:
    size = SIZE | {"workers": delay.workers_required() or 12, "engine": engine}
    scheme = schemes.IgnoreStragglers(wait_for=2)
    found = eh.simulate(scheme, delay, load_law=law, **size).table
    if not delay.random:  # whose run would be the same in each replication
        found = found[found["replication"] == 0]
    sections = eh.run(
        size | {"delay": delay, "load_law": law, "schemes": [scheme], "iterations": 1},
        progress=False,
    ).config
    named = eh.run(sections, set={"iterations": 20}, progress=False).iterations
    assert_frame_equal(found, named[[*found]], check_exact=True, check_dtype=False)


def test_what_arrived_and_what_it_weighed_are_of_the_same_rounds() -> None:
    """By hand: the groups of three workers that were heard, and the partitions that they hold."""
    found = eh.simulate(CODE, DELAY, load_law=LAW, **SIZE)
    r, t, n = found.arrived.shape
    assert (r, t, n) == (2, 20, 12)
    heard = found.arrived.reshape(r, t, 4, 3).any(axis=3)
    np.testing.assert_array_equal(found.weights, np.repeat(heard, 3, axis=2))
    np.testing.assert_array_equal(found.decoding_error, 3 * (~heard).sum(axis=2))
    by_table = found.table.query("iteration > 0").time.to_numpy().reshape(2, 20)
    np.testing.assert_array_equal(found.times, by_table)
    clock = eh.simulate(CODE, DELAY, engine="law", **SIZE)
    assert clock.times.shape == (2, 20)
    assert list(clock.table)[:3] == ["replication", "iteration", "time"]
    assert repr(CODE) in repr(found)
    several = eh.simulate(schemes.MultiMessage(load=3, wait_for=20), DELAY, **SIZE)
    assert several.arrived.shape == (2, 20, 12)


def test_training_has_the_losses_of_a_run() -> None:
    """The problem of a config and the one that is made from its data set are one."""
    data = problems.Synthetic(rows=60, features=4)
    descent = optimizers.Accelerated(learning_rate=0.1)
    problem, start = problems.from_dataset(problems.Logistic, data, l2="1/rows", seed=3)
    rounds = eh.simulate(CODE, DELAY, load_law=LAW, **SIZE)
    learned = eh.train(rounds, problem, descent, initial=start)
    sections = {"schemes": [CODE], "delay": DELAY, "load_law": LAW, "optimizer": descent}
    named = {"dataset": "synthetic", "rows": 60, "features": 4}
    for own in (named, {"dataset": data}):
        whole = {"problem": {"loss": "logistic", "l2": "1/rows", **own}}
        found = eh.run(SIZE | sections | whole, progress=False)
        losses = found.iterations.train_loss.to_numpy().reshape(2, 21)
        np.testing.assert_array_equal(learned.train_loss, losses)
    lists: Any = np.asarray(problem.X).tolist(), problem.y.tolist()
    again = problems.Logistic(*lists, l2=1 / 60)
    np.testing.assert_array_equal(eh.train(rounds, again, descent).train_loss, losses)


def test_a_run_takes_objects_wherever_a_section_stands() -> None:
    sections = {
        "delay": {"model": "pareto", "alpha": 1.5, "scale": 0.4},
        "load_law": {"kind": "additive", "seconds_per_partition": 0.1},
        "schemes": [{"name": "uncoded"}, {"name": "erasurehead", "load": 3, "stop": {"first": 6}}],
    }
    early = schemes.ErasureHead(load=3, stop=stopping.FirstK(first=6))
    objects = {"delay": DELAY, "load_law": LAW, "schemes": [schemes.Uncoded(), early]}
    pareto = delays.Pareto(alpha=1.5, scale=0.4)
    one = eh.run(SIZE | sections, progress=False)
    two = eh.run(SIZE | objects, set={"delay": pareto}, progress=False)
    assert_frame_equal(one.iterations, two.iterations, check_exact=True)
    swept = eh.sweep(SIZE | objects, set={"delay": [DELAY, pareto]}, progress=False)
    assert len(swept.summary) == 4


OWN = """
    from typing import ClassVar

    from pydantic.dataclasses import dataclass

    from erasurehead.plugins import STRICT, SchemeFamily
    from erasurehead.schemes import IgnoreStragglers

    class Base(SchemeFamily):
        def half(self, workers):
            return (workers) // 2

    @dataclass(frozen=True, config=STRICT, kw_only=True)
    class Half(Base):
        name: ClassVar[str] = "half"
        spare: ClassVar[list[int]] = [1, 2]
        kinds: ClassVar[set[str]] = {"a", "b"}
        less: int = 0

        @classmethod
        def examples(cls):
            return (cls(),)

        @property
        def fewer(self):
            return self.less

        def build(self, workers):
            return IgnoreStragglers(wait_for=self.half(workers) - self.fewer).build(workers)
"""


def test_a_plugin_is_given_as_an_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is copied to the result, whose config names the copy."""
    (tmp_path / "halves.py").write_text(dedent(OWN))
    monkeypatch.syspath_prepend(tmp_path)
    own = importlib.import_module("halves").Half
    whole = SIZE | {"delay": DELAY, "schemes": [own(less=1), schemes.Uncoded()]}
    kept = eh.run(whole, output=tmp_path / "out", progress=False)
    assert kept.config["plugins"] == [str(tmp_path / "out" / "code" / "halves.py")]
    assert kept.summary["label"].tolist() == ["half less=1", "uncoded"]
    both = {"schemes": [[own(less=1)], [own(less=2)]]}
    swept = eh.sweep(SIZE | {"delay": DELAY}, set=both, progress=False)
    assert swept.summary["label"].tolist() == ["half less=1", "half less=2"]
    first = kept.iterations.query("label == 'half less=1' and iteration > 0")
    found = eh.simulate(own(less=1), DELAY, **SIZE)
    np.testing.assert_array_equal(found.times.ravel(), first.time)
    assert (first.arrived == 5).all()


def test_a_class_of_a_notebook_is_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name or as an object, in this process alone; another source makes other cells."""
    (tmp_path / "halves.py").write_text(dedent(OWN))
    monkeypatch.syspath_prepend(tmp_path)
    own = importlib.reload(importlib.import_module("halves")).Half
    main = sys.modules["__main__"]
    for of_script in (own, own.__base__):
        monkeypatch.setattr(of_script, "__module__", "__main__")
    monkeypatch.setattr(main, "Half", own, raising=False)
    named = SIZE | {"delay": DELAY, "schemes": [{"name": "half", "less": 1}]}
    found = eh.run(named, plugins=[own], progress=False)
    assert found.config["plugins"] == ["__main__:Half"]
    same = eh.run(SIZE | {"delay": DELAY, "schemes": [own(less=1)]}, progress=False)
    assert same.summary["cell"].tolist() == found.summary["cell"].tolist()
    cells = {found.summary["cell"][0]}
    for turn, (before, after) in enumerate(
        (
            ("self.half(workers) - self.fewer", "workers - self.fewer"),
            ("(workers) // 2", "(workers) // 3"),  # of its base
            ("return self.less", "return 0 * self.less"),  # of a property
            ("[1, 2]", "[1, 3]"),
            ('{"a", "b"}', '{"a", "c"}'),
        ),
        1,
    ):
        assert before in OWN
        (tmp_path / f"others{turn}.py").write_text(dedent(OWN).replace(before, after))
        module = importlib.import_module(f"others{turn}")
        other = module.Half
        for edited in (other, module.Base):
            monkeypatch.setattr(edited, "__module__", "__main__")
        monkeypatch.setattr(main, "Half", other)
        cells.add(eh.run(named, plugins=[other], progress=False).summary["cell"][0])
        assert len(cells) == 1 + turn
    for wrong, line in (
        ({"plugins": [other], "jobs": 2}, "plugins = '__main__:Half': use jobs=1, or put it"),
        ({"plugins": ["__main__:Nobody"]}, "plugins: __main__:Nobody: is no scheme, law or"),
        ({"plugins": "halves.py"}, "plugins = 'halves.py': must be a list"),
    ):
        with pytest.raises(eh.ConfigError) as error:
            eh.run(named, progress=False, **wrong)  # type: ignore[arg-type]
        assert str(error.value).startswith(line)


X, Y = np.ones((24, 2)), np.where(np.arange(24) % 2, 1.0, -1.0)
ANY: Any = schemes
ROUNDS = eh.simulate(CODE, DELAY, workers=12)
DESCENT = optimizers.GradientDescent(learning_rate=0.1)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: ANY.ErasureHead(load=0, wait_for=6), "ErasureHead.load = 0: must be greater"),
        (lambda: ANY.ErasureHead(wait_for=6), "ErasureHead.load: missing"),
        (lambda: ANY.ErasureHead(3, 6), "ErasureHead: fields are given by name: ErasureHead("),
        (lambda: delays.Exponential(rate=-1.0), "Exponential.rate = -1.0: must be greater than 0"),
        (
            lambda: ANY.ErasureHead(load=3, stop=stopping.FirstK(first=-1)),
            "ErasureHead.stop.first = -1: must be greater",
        ),
        (
            lambda: eh.simulate(schemes.ErasureHead(load=5, wait_for=6), DELAY, workers=12),
            "ErasureHead.load = 5: must divide workers = 12: 1, 2, 3, 4, 6, 12",
        ),
        (lambda: eh.simulate(CODE, DELAY, workers=0), "workers = 0: must be greater"),
        (lambda: eh.simulate(CODE, ANY, workers=12), "delay = <module"),
        (lambda: eh.simulate(ANY, DELAY, workers=12), "scheme = <module"),
        (lambda: eh.train(ANY, ANY, DESCENT), "simulation = <module"),
        (lambda: eh.train(ROUNDS, ANY, DESCENT), "problem = <module"),
        (lambda: eh.train(ROUNDS, problems.LeastSquares(X, Y), ANY), "optimizer = <module"),
        (
            lambda: eh.simulate(CODE, delays.LogNormal(median=1.0, sigma=300.0), workers=12),
            "delay: LogNormal(median=1.0, sigma=300.0, shift=0.0) can give delays up to infinity",
        ),
        (
            lambda: eh.simulate(schemes.AdaptiveK.examples()[0], DELAY, workers=12),
            "AdaptiveK decides by the losses",
        ),
        (
            lambda: eh.simulate(CODE, DELAY, workers=12, engine="law").weights,
            "engine = 'law': gives the clock alone",
        ),
        (lambda: eh.simulate(schemes.Asynchronous(), DELAY, workers=12).arrived, "arrived: Async"),
        (lambda: problems.Logistic(X, Y > 0), "y = [0.0, 1.0]: logistic loss needs labels -1"),
        (lambda: problems.Logistic(X[0], Y), "X = (2,): its shape must be (rows, features)"),
        (lambda: problems.LeastSquares(X, Y[:5]), "y = (5,): its shape must be (24,)"),
        (
            lambda: eh.train(ROUNDS, problems.LeastSquares(X * np.nan, Y), DESCENT),
            "X = nan: every number must be finite",
        ),
        (
            lambda: eh.train(ROUNDS, problems.LeastSquares(X[:5], Y[:5]), DESCENT),
            "rows = 5: must be at least the number of partitions, 12",
        ),
        (
            lambda: eh.run({"delay": DELAY, "problem": problems.LeastSquares(X, Y)}),
            "problem: LeastSquares holds arrays: use eh.simulate and eh.train",
        ),
        (
            lambda: eh.run({"delay": DELAY, "problem": {"loss": problems.LeastSquares}}),
            "config: LeastSquares is a class; give its name as text, and plugins=[LeastSquares]",
        ),
    ],
)
def test_a_mistake_is_the_line_of_a_config_with_the_names_of_python(
    call: Callable[[], Any], line: str
) -> None:
    with pytest.raises(eh.ConfigError) as error:
        call()
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_a_scheme_without_workers_says_how_it_gets_them() -> None:
    ask = eh.theory.scheme_iteration_time
    with pytest.raises(AttributeError, match=r"ErasureHead\(...\)\.build\(12\) is the scheme"):
        ask(CODE, DELAY, LAW)  # type: ignore[arg-type]
    assert ask(CODE.build(12), DELAY, LAW).mean() > 0  # type: ignore[union-attr]


def test_whatif_says_what_the_command_says(tmp_path: Path) -> None:
    """Of a file, and of the same table in memory; its picture is that of the report."""
    seconds = 0.2 + np.random.default_rng(0).exponential(0.05, (60, 8))
    seconds[:, 5] *= 2
    np.savez(tmp_path / "job.npz", delays=seconds)
    inside("whatif", tmp_path / "job.npz", "--unit", "s", "--output", tmp_path / "shell")
    shell = pd.read_parquet(tmp_path / "shell" / "whatif.parquet")
    with agg():
        for table in (pd.DataFrame(seconds), tmp_path / "job.npz"):
            found = eh.whatif(table, unit="s")
            assert_frame_equal(found.remedies, shell)
            assert found.verdict.startswith("Replace host 5: ")
            assert found.verdict in notebook_html(found)
            assert found.plot().get_xlabel() == "round"
    kept = eh.whatif(seconds, output=tmp_path / "python")
    assert (tmp_path / "python" / "answer.json").is_file()
    assert kept.tables.keys() == {"whatif", "hosts", "slowdown", "heat_map"}
    assert_frame_equal(kept.tables["hosts"], kept.hosts)
    assert kept.config["delay"]["path"] == str(tmp_path / "python" / "rounds.npz")
    np.testing.assert_array_equal(kept.delays, seconds)
    assert "erasurehead fit" not in (tmp_path / "python" / "report.md").read_text()
    found = eh.whatif(tmp_path / "job.npz", unit="s", output=tmp_path / "file")
    fitted, command = eh.fit(tmp_path / "job.npz", unit="s"), f"{tmp_path / 'job.npz'} --unit s"
    for report, name in ((found.report, "fit"), (fitted.report, "whatif")):  # in lines
        assert f"`erasurehead {name} {command}`" in " ".join(report.split())
    for call, line in (
        (lambda: eh.whatif(seconds, unitt="s"), "unitt: no such argument"),  # type: ignore[call-arg]
        (lambda: eh.whatif(seconds, load_law=7), "load_law = 7: must be a load law"),  # type: ignore[arg-type]
        (lambda: eh.whatif(seconds, load_law="per_partition"), "load_law = 'per_partition': must"),
        (lambda: eh.whatif(seconds, load_law={"kind": "no"}), "load_law"),
    ):
        with pytest.raises(eh.ConfigError) as error:
            call()
        assert str(error.value).startswith(line)


def test_tables_of_advice_without_an_output_folder_stay_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tables stay values: they are neither written nor read back."""

    def refuse(*_given: object, **_options: object) -> None:
        raise AssertionError("the disk is used")

    for target in ("pyarrow.parquet.write_table", "pandas.read_parquet"):
        monkeypatch.setattr(target, refuse)
    table = np.random.default_rng(0).exponential(1.0, (40, 8))
    assert len(eh.whatif(table).remedies)
    config = {**SMALL, "replications": 4}
    assert len(eh.recommend(config, only="uncoded", progress=False).table)


def test_recommend_takes_a_config_with_objects(tmp_path: Path) -> None:
    """The winner's config runs; measured rounds, in a file or not, are told what answers."""
    few = [schemes.Uncoded(), schemes.ErasureHead(load=2, wait_for=3)]
    config: Any = {"workers": 6, "iterations": 20, "delay": DELAY, "schemes": few}
    found = eh.recommend(config, only=["uncoded", "fractional_repetition"], progress=False)
    best = found.table.iloc[0]
    assert best["scheme"].replace("_", " ") in found.verdict.lower()
    assert eh.run(found.config, progress=False).summary["scheme"].tolist() == [best["scheme"]]
    seconds = 0.2 + np.random.default_rng(0).exponential(0.05, (40, 6))
    drawn = config | {"delay": delays.MeasuredRounds(seconds=tuple(map(tuple, seconds.tolist())))}
    instead = "recommend searches where nothing was measured; `eh.whatif(table)` ranks what helps"
    table: Any = seconds
    for call, line in (
        (lambda: eh.recommend(config, unit="s"), "unit: no such argument; must be one of"),  # type: ignore[call-arg]
        (lambda: eh.recommend(config, only=["uncodd"]), "only = 'uncodd': must be one of"),
        (lambda: eh.recommend(config, max_load=0.5), "max_load = 0.5: must be a number of"),
        (lambda: eh.recommend(table), f"the table: {instead}"),
        (lambda: eh.recommend(pd.DataFrame(table)), f"the table: {instead}"),  # type: ignore[arg-type]
        (lambda: eh.recommend(tmp_path / "t.csv"), f"{tmp_path / 't.csv'}: {instead}"),
        (lambda: eh.recommend(drawn), "delay.model = measured_rounds: recommend searches where"),
    ):
        with pytest.raises(eh.ConfigError) as error:
            call()
        assert str(error.value).startswith(line)


def test_what_a_user_writes_runs_as_its_types_say() -> None:
    """``make lint`` reads the same file with ``mypy --strict``."""
    told = runpy.run_path(str(Path(__file__).with_name("user_script.py")))
    assert told["shape"] == (1, 100, 1, 100, 12, 1, 100, 12)
    assert (told["losses"].shape, told["features"]) == ((1, 101), 31)
    assert len(told["summary"]) == 2
