"""Classes from a file beside the config, or from what is installed."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from erasurehead import ConfigError
from erasurehead.delays import MODELS
from erasurehead.experiments.config.catalogue import BUILT_IN, load_plugin, streams_kept
from erasurehead.experiments.config.cells import Cell, cells, resolved
from erasurehead.experiments.config.document import load
from erasurehead.experiments.config.moved_modules import MOVED_MODULES
from erasurehead.experiments.run import records
from erasurehead.experiments.run.command import RunOptions, run
from erasurehead.experiments.run.estimate import check
from erasurehead.schemes import SCHEMES
from tests.tools import ROOT, inside, process

PLUGIN = '''
from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic.dataclasses import dataclass

from erasurehead.plugins import (
    STRICT,
    CoverGroups,
    FirstK,
    Fixed,
    Groups,
    IndependentDelays,
    Load,
    OnePerGroup,
    Part,
    Positive,
    SchemeFamily,
)


@dataclass(frozen=True, config=STRICT)
class Both(SchemeFamily):
    """Every group, and all but ``spare`` workers."""

    name: ClassVar[str] = "both"
    load: Load
    spare: tuple[int, ...] = (1,)

    @classmethod
    def examples(cls):
        return (cls(load=2),)

    def build(self, workers: int) -> Fixed:
        rule = CoverGroups(self.load) & FirstK(workers - self.spare[0])
        return Fixed(self.name, Groups(workers, self.load), rule, OnePerGroup(self.load), True)


@dataclass(frozen=True, config=STRICT)
class Flat(IndependentDelays):
    """Uniform up to ``most`` seconds."""

    name: ClassVar[str] = "flat"
    most: Positive

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.uniform(0.0, self.most, shape)

    def longest(self) -> float:
        return self.most
'''
RULE = '''
from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic.dataclasses import dataclass

from erasurehead.plugins import STRICT, NamedRule, Share


@dataclass(frozen=True, config=STRICT)
class Held(NamedRule):
    """A share of the partitions is held by somebody who arrived."""

    rule: ClassVar[str] = "held"
    share: Share

    def enough(self, arrived: np.ndarray) -> np.ndarray:
        holders = arrived.astype(float) @ np.abs(self.code.encoding.toarray())
        return (holders > 0).mean(axis=-1) >= self.share
'''
BASE: dict[str, Any] = {
    "name": "mine",
    "workers": 6,
    "iterations": 5,
    "replications": 2,
    "delay": {"model": "scaled", "by": 2.0, "base": {"model": "flat", "most": 1}},
    "schemes": [{"name": "uncoded"}, {"name": "both", "load": [2, 3]}],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "code" / "my_code.py"
    path.parent.mkdir()
    path.write_text(PLUGIN)
    return path


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution whose entry point names the plugin."""
    site = tmp_path / "site"
    facts = site / "house_plugin-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: house-plugin\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[erasurehead.plugins]\nhouse = house_plugin\n")
    (site / "house_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "house_plugin", raising=False)
    return site


def with_plugin(file: Path, **changes: Any) -> dict[str, Any]:
    return BASE | {"plugins": [str(file)]} | changes


def spoilt(file: Path, words: str) -> Path:
    """A config, and the plugin with something that it does while it draws."""
    before = "        return rng.uniform"
    assert before in PLUGIN
    source = PLUGIN.replace(before, f"        {words}\n{before}")
    file.write_text(f"{source}\nimport os, sys\nclass Odd(BaseException): ...\n")
    config = file.with_name("c.yaml")
    config.write_text(yaml.safe_dump(with_plugin(file)))
    return config


def keys(document: dict[str, Any]) -> list[str]:
    return [cell.key for cell in cells(document)]


def summary(out: Path) -> bytes:
    return (out / "summary.parquet").read_bytes()


def erasurehead(*arguments: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "experiments", *map(str, arguments)],
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr


def test_a_plugin_runs_in_this_process_and_in_others(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named from the config's folder; the saved config names it from anywhere."""
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump(BASE | {"plugins": ["code/my_code.py"]}))
    one, two, again = tmp_path / "one", tmp_path / "two", tmp_path / "again"
    run(with_plugin(file), one, RunOptions())
    erasurehead("sweep", config, "--jobs", 2, "--output", two)
    monkeypatch.chdir("/")
    assert inside("run", two / "config.yaml", "--allow-plugins", "--output", again).returncode == 0
    assert summary(one) == summary(two) == summary(again)
    assert set(pd.read_parquet(one / "summary.parquet").scheme) == {"uncoded", "both"}


def test_a_cell_is_read_again_in_a_fresh_process(tmp_path: Path, file: Path) -> None:
    """Its classes exist there only after the plugin is loaded."""
    cell = cells(with_plugin(file))[1]
    (tmp_path / "cell").write_bytes(pickle.dumps(cell))
    program = (
        "import pickle, sys; from erasurehead.experiments.run.compute import compute;"
        "cell = pickle.load(open(sys.argv[1], 'rb'));"
        "print(cell.settings.schemes[0].label, compute(cell).iterations.time.sum().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "cell")],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    from erasurehead.experiments.run.compute import compute

    assert done.stdout.split() == ["both", "load=2", compute(cell).iterations.time.sum().hex()]


def test_an_edited_plugin_makes_other_cells(file: Path) -> None:
    """Catches old results served as new. Where the file lies does not matter."""
    before = keys(with_plugin(file))
    moved = file.with_name("moved.py")
    moved.write_text(PLUGIN)
    assert keys(with_plugin(moved)) == before
    file.write_text(PLUGIN.replace("uniform(0.0", "uniform(0.5"))
    assert set(keys(with_plugin(file))).isdisjoint(before)


def test_a_plugin_counts_for_the_cells_that_use_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a comment for which all others are computed again. A closed form is made once, also
    of a plugin's scheme."""
    # no other test has this rate: the process remembers closed forms
    plain = {"delay": {"model": "exponential", "rate": 1.37}, "sweep": {"seed": [1, 2, 3]}}
    document = with_plugin(file, **plain)
    before = cells(document)
    file.write_text(PLUGIN + "# a comment\n")
    after = cells(document)
    same = [cell.label for cell in after if cell.key in {cell.key for cell in before}]
    assert same == ["uncoded"] * 3
    assert [len(cell.document["plugins"]) for cell in after] == [0, 1, 1] * 3
    asked: list[str] = []
    theory = records.theory.round_theory
    made = lambda scheme, *given: asked.append(scheme.name) or theory(scheme, *given)  # noqa: E731
    monkeypatch.setattr(records.theory, "round_theory", made)
    for cell in after:
        records.closed_form(cell)
    assert asked == ["uncoded", "both", "both"]


def test_a_cell_is_not_computed_with_another_version(file: Path) -> None:
    cell: Cell = cells(with_plugin(file))[1]
    file.write_text(PLUGIN + "\n")
    assert not all(each.unchanged() for each in cell.inputs)
    with pytest.raises(ConfigError, match="plugins: not the same here"):
        _ = pickle.loads(pickle.dumps(cell)).settings


def test_documents_do_not_see_each_other(file: Path) -> None:
    """Two versions of one plugin in one process, and a document without any."""
    old = cells(with_plugin(file))[1].settings.schemes[0].family
    file.write_text(PLUGIN.replace("self.spare[0]", "2 * self.spare[0]"))
    new = cells(with_plugin(file))[1].settings.schemes[0].family
    assert type(old) is not type(new)
    assert old.build(6).stopping != new.build(6).stopping  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"delay\.base\.model = 'flat': must be one of"):
        cells(BASE)
    assert "both" not in SCHEMES
    assert "flat" not in MODELS
    assert BUILT_IN.plugins == ()


def test_a_field_that_takes_a_list_is_one_scheme(file: Path) -> None:
    """``load: [2, 3]`` stands for two schemes, ``spare: [1, 0]`` is a value."""
    schemes = [{"name": "both", "load": [2, 3], "spare": [2, 0]}]
    found = cells(with_plugin(file, schemes=schemes))
    assert [cell.label for cell in found] == [
        "both load=2 spare=[2, 0]",
        "both load=3 spare=[2, 0]",
    ]
    assert [dict(cell.swept) for cell in found] == [{"scheme.load": 2}, {"scheme.load": 3}]
    written = resolved(with_plugin(file, schemes=schemes))
    assert written["schemes"] == schemes
    assert keys(written) == [cell.key for cell in found]


def test_an_installed_plugin_needs_no_mention(installed: Path, tmp_path: Path) -> None:
    out, two = tmp_path / "one", tmp_path / "two"
    run(BASE, out, RunOptions())
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump(BASE))
    assert inside("sweep", config, "--jobs", 2, "--output", two).returncode == 0
    assert summary(out) == summary(two)


def test_an_installed_plugin_is_part_of_the_cells_that_use_it(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installing one must not make every result old."""
    plain = {"delay": {"model": "exponential", "rate": 1.0}, "schemes": [{"name": "uncoded"}]}
    found = cells(BASE)
    unaffected = keys(BASE | plain)
    assert all(len(cell.code) == 1 for cell in found)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(installed)])
    assert keys(BASE | plain) == unaffected
    with pytest.raises(ConfigError, match="flat"):
        cells(BASE)


def test_a_module_can_be_named_too(installed: Path) -> None:
    """Naming what is installed anyway is no clash."""
    assert len(cells(BASE | {"plugins": ["house_plugin"]})) == 3


CLASH = PLUGIN.replace('"both"', '"uncoded"')
NAMELESS = PLUGIN.replace('name: ClassVar[str] = "flat"', "")
LACKING = """from erasurehead.plugins import SchemeFamily

class Shy(SchemeFamily):
    def build(self, workers: int): ...
"""
LOOSE = PLUGIN.replace("@dataclass(frozen=True, config=STRICT)\nclass Flat", "class Flat")


def test_an_abstract_class_beside_a_good_one_is_told(tmp_path: Path) -> None:
    """Not one that another class of the file derives from."""
    path, decorated = tmp_path / "half.py", "@dataclass(frozen=True, config=STRICT)\nclass Both"
    base = PLUGIN.replace(decorated, f"class Base(SchemeFamily): ...\n\n\n{decorated}")
    based = base.replace("class Both(SchemeFamily)", "class Both(Base)")
    path.write_text(based + LACKING.partition("\n")[2])
    with pytest.warns(UserWarning, match="Shy") as told:
        assert [each.__name__ for each in load_plugin(str(path)).classes] == ["Both", "Flat"]
    lacks = "Shy lacks examples(), which it must define, and is left out"
    assert [str(each.message) for each in told] == [f"plugins: {path}: {lacks}"]


@pytest.mark.parametrize(
    ("source", "mentions"),
    [
        (None, ["no such file"]),
        ("class A(:\n", ["line 1", "SyntaxError"]),
        ("x = 1\n\ny = x / 0\n", ["line 3", "ZeroDivisionError"]),
        ("import nowhere\n", ["line 1", "nowhere"]),
        ("raise SystemExit(3)\n", ["SystemExit"]),
        ("class Odd(BaseException): pass\nraise Odd('q')\n", ["line 2", "Odd: q"]),
        ("x = 1\n", ["defines no class", "SchemeFamily", "DelayModel"]),
        (CLASH, ["schemes", "uncoded", "is taken"]),
        (NAMELESS, ["Flat", "no name", "ClassVar"]),
        (LOOSE, ["Flat", "dataclass"]),
        (LACKING, [": Shy lacks examples(), which it must define\n"]),
        (f"{LACKING}class Other(SchemeFamily): ...\n", [": Shy lacks examples(), which it must "]),
        (LACKING.replace("build", "other"), [": Shy lacks build(), examples(), which it "]),
        ("\0", ["my_code.py"]),
        ('x = "\xe9"'.encode("latin-1"), ["my_code.py", "SyntaxError"]),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_bad_plugin_is_one_clear_line(
    source: str | bytes | None,
    mentions: list[str],
    tmp_path: Path,
) -> None:
    path = tmp_path / "my_code.py"
    if source is not None:
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump(BASE | {"plugins": ["my_code.py"]}))
    done = inside("run", config, "--output", tmp_path / "out")
    error = done.stderr
    assert done.returncode == 2
    assert error.startswith(f"error: plugins: {path}: ")
    assert error.count("\n") == 1, error
    for mention in mentions:
        assert mention in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["FIFO", "device", "folder"])
def test_a_plugin_is_a_regular_file(kind: str, tmp_path: Path) -> None:
    """Catches a command that reads for ever."""
    path = tmp_path / "my_code.py"
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(ConfigError, match=f"{path}: is a {kind}; must be a regular file"):
        cells(BASE | {"plugins": [str(path)]})


@pytest.mark.parametrize("words", ["raise SystemExit(0)", "sys.exit()", "raise Odd('q')"])
def test_a_plugin_that_exits_while_it_computes_is_a_failed_cell(
    words: str, file: Path, tmp_path: Path
) -> None:
    """Catches exit code 0 with nothing computed; other cells have their numbers."""
    done = inside("run", spoilt(file, words), "--output", tmp_path / "out")
    assert done.returncode == 1, done
    assert ("Odd: q" if "Odd" in words else "SystemExit") in done.stdout + done.stderr


@pytest.mark.parametrize("owner", ["Fixed", "Groups"])
def test_a_scheme_that_cannot_say_what_it_plans_is_a_failed_cell(
    owner: str, file: Path, tmp_path: Path
) -> None:
    """Also where its size is estimated, before anything runs; other schemes have their numbers."""
    name = "plan" if owner == "Fixed" else "loads"
    odd = f"class Odd({owner}):\n    {name} = property(lambda self: {{}}['nothing'])\n"
    file.write_text(
        PLUGIN.replace(f"{owner}(self.name", "Odd(self.name").replace(
            f"{owner}(workers, self", "Odd(workers, self"
        )
        + odd
    )
    outcome = run(with_plugin(file), tmp_path / "out", RunOptions())
    assert [cell.label for cell in outcome.finished] == ["uncoded"]
    assert [reason for _, reason in outcome.failed] == ["KeyError: 'nothing'"] * 2


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("run", marks=pytest.mark.slow),
        "sweep --set seed=1,2",
        pytest.param("sweep --set seed=1,2 --jobs 2", marks=pytest.mark.slow),
    ],
)
def test_a_plugin_that_closes_what_the_program_speaks_with(
    command: str, file: Path, tmp_path: Path
) -> None:
    """In a process of its own, whose streams these are; each cell fails, and all is said."""
    config = spoilt(file, "os.close(2); sys.stdout.close()")
    name, *options = command.split()
    done = process(name, config, *options, "--output", tmp_path / "out")
    assert done.returncode == 1, done
    cells_ = 3 * (2 if "seed" in command else 1)
    assert done.stderr.count("OSError: it closes the standard output") == cells_, done
    assert "results in " in done.stdout


def test_a_plugin_that_closes_while_it_is_read_or_exits_in_another_command(
    file: Path, tmp_path: Path
) -> None:
    config = spoilt(file, "sys.exit(0)")
    done = inside("live", config, "--output", tmp_path / "out")
    assert (done.returncode, "my_code.py: line" in done.stderr) == (1, True), done
    file.write_text(f"{PLUGIN}\nimport sys\nsys.stdout.close()\n")
    with (
        contextlib.redirect_stdout(io.StringIO()),
        pytest.raises(ConfigError, match="OSError: it closes the standard output"),
    ):
        keys(with_plugin(file))


@pytest.mark.parametrize(
    ("change", "mention"),
    [
        (
            {"schemes": [{"name": "both", "load": 2, "spare": []}]},
            r"^schemes\.both: cannot be built for 6 workers: IndexError: tuple index out of range$",
        ),
        (
            {"delay": {"model": "broken"}},
            r"^plugins: .*my_code\.py: line \d+: FileNotFoundError: nowhere$",
        ),
    ],
    ids=["scheme", "delay"],
)
def test_an_error_in_a_plugins_class_is_one_line(
    file: Path, change: dict[str, Any], mention: str
) -> None:
    file.write_text(
        PLUGIN
        + """

@dataclass(frozen=True, config=STRICT)
class Broken(Flat):
    name: ClassVar[str] = "broken"
    most: Positive = 1.0

    def longest(self) -> float:
        raise FileNotFoundError("nowhere")
"""
    )
    flat = {"delay": {"model": "flat", "most": 1.0}}
    with pytest.raises(ConfigError, match=mention):
        check(cells(with_plugin(file) | flat | change))


@pytest.mark.parametrize(
    ("plugins", "mention"),
    [
        (["no_such_module"], "plugins: no_such_module: ModuleNotFoundError"),
        (["."], "plugins: ."),
        (["json"], "plugins: json: defines no class"),
        (["sys"], "plugins: sys: defines no class"),
        ("my_code.py", "plugins = 'my_code.py': must be a list"),
        ([3], r"plugins\[0\] = 3"),
    ],
)
def test_bad_lists_of_plugins(plugins: Any, mention: str) -> None:
    with pytest.raises(ConfigError, match=mention):
        cells(BASE | {"plugins": plugins})


def test_plugins_cannot_be_swept(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"sweep\.plugins.*must be another setting"):
        cells(with_plugin(file, sweep={"plugins": [[]]}))


EVERYTHING = '''
"""One class of each kind; a dataclass of the standard library will do."""
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from erasurehead.plugins import (
    Dataset,
    DatasetFamily,
    IndependentDelays,
    LoadLaw,
    Optimizer,
    Problem,
    SchemeFamily,
)
from erasurehead.schemes import Uncoded


@dataclass(frozen=True)
class Everyone(SchemeFamily):
    name: ClassVar[str] = "everyone"

    @classmethod
    def examples(cls):
        return (cls(),)

    def build(self, workers):
        return Uncoded().build(workers)


@dataclass(frozen=True)
class Table(IndependentDelays):
    name: ClassVar[str] = "table"
    path: str

    def draw(self, rng, shape):
        return rng.choice(np.loadtxt(self.path), shape)

    def longest(self):
        return float(np.loadtxt(self.path).max())


@dataclass(frozen=True)
class Squared(LoadLaw):
    kind: ClassVar[str] = "squared"

    def worker_times(self, tape, loads, start, stop):
        return tape.rows(start, stop) * loads**2


@dataclass(frozen=True)
class Line(DatasetFamily):
    name: ClassVar[str] = "line"
    rows: int = 24

    def load(self, task, rng, data_dir):
        X = np.linspace(-1, 1, self.rows)[:, None]
        return Dataset("regression", X, 2 * X[:, 0])


@dataclass(frozen=True, eq=False)
class Quartic(Problem):
    name: ClassVar[str] = "quartic"
    task: ClassVar[str] = "regression"

    def row_losses(self, margins, targets):
        return (margins - targets[:, None]) ** 4

    def row_slopes(self, margins, targets):
        return 4 * (margins - targets[:, None]) ** 3

    def test_auc(self, beta):
        return None


@dataclass(frozen=True)
class Signs(Optimizer):
    rule: ClassVar[str] = "signs"

    def init(self, beta):
        return (beta,)

    def extrapolation(self, t):
        return 0.0

    def point(self, state, t):
        return state[0]

    def step(self, state, gradient, t):
        return (state[0] - self.rate(t) * np.sign(gradient),)
'''


def test_a_plugin_can_bring_every_kind(tmp_path: Path) -> None:
    """And a field called ``path`` is a file: from the config's folder, by content in the key."""
    (tmp_path / "everything.py").write_text(EVERYTHING)
    (tmp_path / "seconds.txt").write_text("1.0\n2.0\n")
    document = {
        "workers": 4,
        "iterations": 6,
        "plugins": ["everything.py"],
        "delay": {"model": "shifted", "by": 1, "base": {"model": "table", "path": "seconds.txt"}},
        "load_law": {"kind": "squared"},
        "schemes": [{"name": "everyone"}, {"name": "fractional_repetition", "load": 2}],
        "problem": {"loss": "quartic", "dataset": "line"},
        "optimizer": {"rule": "signs", "learning_rate": 0.25},
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(document))
    done = inside("sweep", tmp_path / "c.yaml", "--jobs", 2, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "out" / "iterations.parquet").query("iteration > 0")
    times = table.groupby("scheme").iteration_time
    assert set(times.get_group("everyone")) <= {2.0, 3.0}
    assert set(times.get_group("fractional_repetition")) <= {8.0, 12.0}
    assert table.train_loss.is_monotonic_decreasing or table.train_loss.min() < 1.0
    before = keys(load(tmp_path / "c.yaml"))
    (tmp_path / "seconds.txt").write_text("1.0\n3.0\n")
    assert set(keys(load(tmp_path / "c.yaml"))).isdisjoint(before)
    with pytest.raises(ConfigError, match=r"delay\.base\.pth: unknown key; must be one of: path"):
        cells(load(tmp_path / "c.yaml", ["delay.base={model: table, pth: x}"]))


def closes(number: int) -> None:
    os.close(number)


def replaces(number: int) -> None:
    other = os.open(os.devnull, os.O_WRONLY)
    os.dup2(other, number)
    os.close(other)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("harm", [closes, replaces])
def test_streams_that_a_plugin_harms_are_there_again(
    number: int, harm: Callable[[int], None]
) -> None:
    """And nothing else stays open."""
    before, free = os.fstat(number), os.dup(number)
    os.close(free)
    with pytest.raises(OSError, match="it closes the standard output or error"), streams_kept():
        harm(number)
    assert os.path.samestat(os.fstat(number), before)
    with streams_kept():
        pass
    again = os.dup(number)
    os.close(again)
    assert again == free


@pytest.mark.parametrize(("name", "number"), [("stdout", 1), ("stderr", 2)])
def test_a_stream_that_a_plugin_closes_is_open_again(
    name: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the number of its own: what is printed does not turn up among the errors."""
    stream = (tmp_path / "said").open("w", encoding="latin-1")
    monkeypatch.setattr(sys, name, stream)
    with pytest.raises(OSError, match="it closes the standard output or error"), streams_kept():
        stream.close()
    again = getattr(sys, name)
    assert (again.closed, again.fileno(), again.encoding) == (False, number, "latin-1")
    again.close()
    os.fstat(number)


@pytest.mark.parametrize("engine", ["batch", "event"])
def test_a_stopping_rule_alone_is_a_plugin(tmp_path: Path, engine: str) -> None:
    """With a code and decoder of ours: all partitions are ``cover``, within ``any`` and ``all``,
    too; half of them come earlier. Catches a rule that does not know the code."""
    file = tmp_path / "held.py"
    file.write_text(RULE)
    code: dict[str, Any] = {"name": "regular_graph", "load": 3, "decoder": "optimal"}
    whole, half = ({"rule": "held", "share": share} for share in (1.0, 0.5))
    stops: list[Any] = ["cover", whole, {"any": [whole]}, {"all": [whole, half]}, half]
    schemes = [code | {"stop": stop, "label": str(i)} for i, stop in enumerate(stops)]
    changes = {"schemes": schemes, "delay": {"model": "exponential", "rate": 1.0}, "workers": 12}
    run(with_plugin(file, engine=engine, **changes), tmp_path / "out", RunOptions())
    table = pd.read_parquet(tmp_path / "out" / "iterations.parquet")
    covered, *same, earlier = (own["time"].to_numpy() for _, own in table.groupby("label"))
    assert all((times == covered).all() for times in same)
    assert earlier[-1] < covered[-1]
    assert (earlier <= covered).all()


def test_a_rule_without_its_plugin_is_one_line() -> None:
    scheme = {"name": "bernoulli", "load": 2, "stop": {"rule": "held", "share": 0.5}}
    with pytest.raises(ConfigError, match=r"stop\.rule = 'held': no rule is known; plugins: \["):
        cells(BASE | {"delay": {"model": "exponential", "rate": 1.0}, "schemes": [scheme]})


@pytest.mark.parametrize("old", [*MOVED_MODULES])
def test_a_module_of_0_3_that_moved_is_one_line_with_its_new_home(old: str, tmp_path: Path) -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(old if old != "erasurehead.sim.schemes.codes" else f"{old}.old")
    (tmp_path / "mine.py").write_text(f"\nfrom {old} import Anything\n")
    config = tmp_path / "config.yaml"
    config.write_text("schemes: [{name: uncoded}]\nplugins: [mine.py]\n")
    done = inside("run", config)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert f"mine.py: line 2: {old} is gone: import what it had from erasurehead." in line
    for home in re.findall(r"erasurehead\.(?:plugins|schemes|problems|optimizers)", line):
        assert importlib.import_module(home)
