"""Five additions, each with the edits that CONTRIBUTING names and no other.

All are registered in a process of their own, before anything is imported that reads a registry, as
lines in the registries' files would do. Then each must be found wherever its kind is listed,
checked, computed, drawn or documented.
"""

import json
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pytest
import typer
import yaml
from pydantic.dataclasses import dataclass

from erasurehead.delay_models import base
from erasurehead.delays import MODELS
from erasurehead.plugins import Fixed, FloatArray, Groups, SumArrived
from erasurehead.schemes import SCHEMES, SchemeFamily
from erasurehead.sim.base import fields
from erasurehead.stopping import FirstK
from tests.tools import inside, undrawn

ROOT = Path(__file__).parents[2]

CONFIG: dict[str, Any] = {
    "name": "small",
    "workers": 6,
    "iterations": 5,
    "replications": 3,
    "delay": {"model": "uniform", "longest_time": 2.0},
    "schemes": [{"name": "uncoded"}, {"name": "majority"}],
}

CHECKS: dict[str, Callable[[Path], None]] = {}
"""What each addition must pass."""


def added(check: Callable[[Path], None]) -> Callable[[Path], None]:
    """Mark what an addition must pass, after all are registered."""
    CHECKS[check.__name__] = check
    return check


def check_all(folder: Path) -> None:
    """Register every addition, make one result with them, and write how each check ends."""
    for register in (delay_law, scheme, column, kind_of_picture, command):
        register()
    made(folder)
    ends = {}
    for name, check in CHECKS.items():
        try:
            check(folder)
            ends[name] = ""
        except Exception:
            ends[name] = traceback.format_exc()
    (folder / "ends.json").write_text(json.dumps(ends))


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """How the checks end in a process that has imported nothing before."""
    folder = tmp_path_factory.mktemp("additions")
    program = f"import sys, pathlib; from {__name__} import check_all; "
    program += "check_all(pathlib.Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads((folder / "ends.json").read_text()))


def said(*arguments: object) -> str:
    """What a command prints when it succeeds."""
    done = inside(*arguments, pictures=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def made(folder: Path) -> None:
    """The output of a run, with its pictures and its report."""
    config, output = folder / "small.yaml", folder / "out"
    config.write_text(yaml.safe_dump(CONFIG))
    (folder / "told").write_text(said("run", config, "--output", output))
    said("plot", output, "--format", "svg")
    said("report", output)


def text_of(page: Path) -> str:
    """A report without its line breaks."""
    return " ".join(page.read_text(encoding="utf-8").split())


# A delay law.


@dataclass(frozen=True, config=base.STRICT)
class Uniform(base.IndependentDelays):
    """Any time up to ``longest_time`` is equally likely.

    Args:
        longest_time: no task takes longer.
    """

    longest_time: base.PositiveSeconds

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
        return self.longest_time * rng.random(shape)

    def cdf(self, seconds: Any) -> FloatArray:
        return np.clip(np.asarray(seconds) / self.longest_time, 0, 1)

    def longest(self) -> float:
        return self.longest_time

    @classmethod
    def examples(cls) -> tuple[base.DelayModel, ...]:
        return (cls(longest_time=2.0),)


def delay_law() -> None:
    MODELS["uniform"] = Uniform


@added
def with_a_delay_law(folder: Path) -> None:
    from erasurehead import theory
    from erasurehead.load_laws import Proportional
    from erasurehead.schemes import Uncoded
    from tests.delay_models import test_contracts as contracts
    from website import config_keys, galleries

    assert Uniform(longest_time=2.0) in contracts.INDEPENDENT
    contracts.test_samples_are_delays(Uniform(longest_time=2.0))
    contracts.test_samples_follow_the_cdf(Uniform(longest_time=2.0))
    assert "Any time up to longest_time is equally likely." in said("list", "delays")
    known = said("list", "--schema")
    assert "longest_time" in known
    assert "majority" in known
    assert "uniform" in text_of(folder / "out" / "report.html")
    law = theory.scheme_iteration_time(Uncoded().build(6), Uniform(2.0), Proportional())
    assert not isinstance(law, theory.NoFormula)
    np.testing.assert_allclose(law.mean(), 2 * 6 / 7)
    keys = config_keys.page()
    for page in (keys, galleries.delays()):
        assert "uniform\n\nAny time up to " in page
    assert "### majority\n\nTake what more than half of the workers send." in keys
    with undrawn(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(galleries, "MODELS", {"uniform": MODELS["uniform"]})
        assert [*galleries.delay_pictures()] == ["delays/uniform.png"]


# A scheme.


@dataclass(frozen=True, config=fields.STRICT)
class Majority(SchemeFamily):
    """Take what more than half of the workers send.

    Source: this test."""

    name: ClassVar[str] = "majority"

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(),)

    def build(self, workers: int) -> Fixed:
        rule = FirstK(workers // 2 + 1)
        return Fixed(self.name, Groups(workers, 1), rule, SumArrived(), exact=None)


def scheme() -> None:
    SCHEMES["majority"] = Majority


@added
def with_a_scheme(folder: Path) -> None:
    from erasurehead import testing
    from erasurehead.experiments.config.catalogue import BUILT_IN
    from erasurehead.experiments.pictures.looks import SCHEME_LOOKS, look
    from tests.advice.recommend import test_parts
    from tests.experiments.reproduce import test_comparison
    from tests.repository import test_atlas
    from website import atlas_pictures as atlas

    testing.check_scheme(Majority())
    assert "Take what more than half of the workers send." in said("list", "schemes")
    output = folder / "out"
    assert "majority" in text_of(output / "report.html")
    assert "majority" not in SCHEME_LOOKS, "a scheme needs no look of its own"
    assert look("majority").colour in (output / "plots" / "iteration_time.svg").read_text().upper()
    test_atlas.test_a_docstring_names_its_source("majority")
    with pytest.raises(AssertionError, match="has no entry of majority"):
        test_atlas.test_every_scheme_has_its_entry_and_its_picture()
    assert atlas.portrait(*Majority.portrait(), BUILT_IN).panels
    test_comparison.test_every_synchronous_scheme_is_compared_or_left_out_for_a_reason()
    test_parts.test_every_scheme_is_searched_or_left_out_with_a_reason()


# A column.


def column() -> None:
    from erasurehead.experiments.run.metrics import METRICS, Metric

    METRICS["slowest"] = Metric(  # type: ignore[index]
        "slowest",
        "slowest iteration",
        "s",
        lambda records: (
            records.iterations.groupby("replication")["iteration_time"].max().to_numpy()
        ),
        "the longest iteration of a run",
        heading="s, slowest",
        compared=True,
    )


@added
def with_a_column(folder: Path) -> None:
    import pandas as pd

    import erasurehead as eh
    from tests.golden import tables as golden
    from tests.golden.records import differences

    assert "s, slowest" in (folder / "told").read_text()
    assert "slowest iteration (s)" in text_of(folder / "out" / "report.html")
    summary = pd.read_parquet(folder / "out" / "summary.parquet")
    added = {f"slowest_{end}" for end in ("mean", "se", "difference", "ratio")}
    assert added <= set(summary)
    longest = eh.load(folder / "out").iterations.groupby(["label", "replication"])
    means = longest["iteration_time"].max().groupby("label").mean()
    np.testing.assert_allclose(summary.set_index("label")["slowest_mean"], means[summary["label"]])
    said("report", folder / "out", folder / "out", "--output", folder / "compared")
    found = golden.tables({**CONFIG, "name": "golden"}, folder)
    table, others = found["summary"], {key: found[key] for key in ("iterations", "workers")}
    before = {name: value for name, value in table.items() if not name.startswith("slowest")}
    lines = [*differences(others | {"summary": before}, others | {"summary": table}, "", 0.0)]
    assert {line.split(", ")[-1].partition(":")[0] for line in lines} == set(table) - set(before)
    assert set(table) - set(before) >= added


# A kind of picture.


def kind_of_picture() -> None:
    from erasurehead.experiments.pictures.base import PictureKind
    from erasurehead.experiments.pictures.kinds import PICTURE_KINDS
    from erasurehead.experiments.pictures.looks import look
    from erasurehead.experiments.pictures.picture import Axis, Curve, Panel, Picture

    class Straight(PictureKind):
        """A straight line."""

        name = "straight"
        title = "A straight line"
        caption = "It rises from left to right."
        rank = 15

        def obstacle(self, records: Any) -> str | None:
            return None

        def picture(self, records: Any, band: Any = None) -> Picture:
            line = Curve(look("uncoded"), np.arange(3.0), np.arange(3.0))
            return Picture([Panel(Axis("x"), Axis("y"), [line])], 1, 4.8, 3.0)

    PICTURE_KINDS["straight"] = Straight()


@added
def with_a_kind_of_picture(folder: Path) -> None:
    from website import galleries

    output = folder / "out"
    assert (output / "plots" / "straight.svg").exists()
    assert str(output) in said("plot", output, "--kind", "straight", "--format", "png")
    page = text_of(output / "report.html")
    assert "A straight line" in page
    assert "It rises from left to right." in page
    assert "straight" in inside("plot", output, "--kind", "curved").stderr
    assert "| `straight` | A straight line | It rises from left to right. |" in galleries.figures(
        folder, ""
    )


# A command.


def command() -> None:
    from erasurehead.experiments.commands import table as commands

    @commands.as_command("count results/demo")
    def count(
        directory: Annotated[Path, typer.Argument(metavar="DIR", help="Output of a run.")],
    ) -> None:
        """Count the cells of a result."""
        from erasurehead.experiments.page import terminal
        from erasurehead.experiments.run.reader import read_records

        terminal.say(f"{len(read_records(directory).summary)} cells")


@added
def with_a_command(folder: Path) -> None:
    from tests.experiments.commands import test_commands
    from website import command_line

    output = folder / "out"
    assert said("count", output) == "2 cells\n"
    assert "Count the cells of a result." in said("--help")
    assert "Example: erasurehead count results/demo" in said("count", "--help")
    assert "count" in test_commands.COMMANDS
    missing = inside("count", folder / "nothing")
    assert missing.returncode == 2
    assert len(missing.stderr.splitlines()) == 1
    page = command_line.page()
    assert "[`count`](#count)" in page
    assert "For example: `erasurehead count results/demo`" in page


@pytest.mark.long("a process registers and tries additions")
@pytest.mark.parametrize("check", CHECKS)
def test_what_is_added_is_found_everywhere(check: str, ends: dict[str, str]) -> None:
    assert ends[check] == "", ends[check]
