"""What is imported, installed and promised."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from inspect import isfunction, ismodule
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement

import erasurehead
import erasurehead as eh
from erasurehead import schemes, testing

# ``import erasurehead`` is quick, and offers what it says.


ROOT = Path(__file__).parents[2]


def test_every_public_name_is_there() -> None:
    for name in eh.__all__:
        assert getattr(eh, name) is not None
    assert dir(eh) == sorted(eh.__all__)
    assert "mean_uncoded" in eh.theory.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'runn'"):
        eh.runn  # noqa: B018


def test_importing_it_imports_no_heavy_library() -> None:
    code = "import sys, erasurehead; print(*{'numpy', 'pandas', 'pydantic'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


@pytest.mark.parametrize(
    ("scheme", "engine"),
    [
        pytest.param("ErasureHead(load=3, wait_for=6)", "batch", marks=pytest.mark.slow),
        ("ErasureHead(load=3, wait_for=6)", "event"),
        ("Uncoded()", "law"),
        pytest.param("Asynchronous()", "auto", marks=pytest.mark.slow),
    ],
)
def test_times_and_arrivals_need_no_library_of_tables(scheme: str, engine: str) -> None:
    """Catches an import of pandas or pyarrow above the functions that make or read a table."""
    code = f"""
import sys
import erasurehead as eh
from erasurehead.delays import ShiftedExponential
from erasurehead.schemes import Asynchronous, ErasureHead, Uncoded

delay = ShiftedExponential(shift=0.5, rate=1.0)
rounds = eh.simulate({scheme}, delay, workers=12, iterations=5, engine="{engine}")
assert rounds.times.shape == (1, 5)
if "ErasureHead" in "{scheme}":
    assert rounds.arrived.shape == (1, 5, 12)
print(*{{"pandas", "pyarrow"}} & {{*sys.modules}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder; our package comes after it on the path, as an installed one does."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_files_of_others_with_our_names_do_not_disturb(tmp_path: Path) -> None:
    """Catches an import of a part of ours by its name alone. A folder that is no package hides
    nothing; one that is, as ``python -m experiments`` shows, is somebody else's program. Both ways
    to start are one program."""
    (tmp_path / "sim.py").write_text("raise SystemExit('not ours')")
    (tmp_path / "delay_models.py").write_text("raise SystemExit('not ours')")
    (tmp_path / "experiments").mkdir()
    first, second = (
        python(tmp_path, "-m", name, "list", "schemes") for name in ("erasurehead", "experiments")
    )
    assert (first.returncode, first.stderr) == (second.returncode, second.stderr) == (0, "")
    assert "erasurehead" in first.stdout
    assert first.stdout == second.stdout


@pytest.mark.parametrize("name", ["sim", "delay_models", "experiments"])
def test_our_parts_have_one_name(name: str) -> None:
    """From a checkout, where the folders lie side by side, each would be a second module."""
    done = python(ROOT, "-c", f"import {name}")
    *_, last = done.stderr.splitlines()
    assert last.startswith(f"ImportError: {name} is a part of erasurehead: write ")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package alone, as a wheel leaves it: no links, no checkout around it."""
    folder = tmp_path_factory.mktemp("installed")
    for part in ("", "sim", "delay_models", "experiments"):
        shutil.copytree(
            ROOT / (part or "erasurehead"),
            folder / "erasurehead" / part,
            ignore=shutil.ignore_patterns("__pycache__", "sim", "delay_models", "experiments"),
        )
    return folder


def alone(installed: Path, folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder that comes first on the path, and then the package alone."""
    path = f"import sys; sys.path[:0] = {[str(folder), str(installed)]!r}"
    return subprocess.run(
        [sys.executable, "-I", "-c", f"{path}\n{program}"],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_packages_of_others_with_our_names_do_not_disturb(installed: Path, tmp_path: Path) -> None:
    """Catches a part of ours that is imported by a name which is somebody else's package here."""
    for name in ("sim.py", "delay_models.py", "experiments/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('not ours')")
    program = "import erasurehead as eh; print(eh.__file__, eh.run, eh.fit, eh.theory.__name__)"
    done = alone(installed, tmp_path, program)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{installed / 'erasurehead'}/__init__.py ")


# What the package says of itself to pip and to PyPI.


PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(name: str) -> dict[str, str]:
    """``name==version`` lines of a requirements file."""
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def ranges(texts: list[str]) -> dict[str, Requirement]:
    return {Requirement(text).name: Requirement(text) for text in texts}


@pytest.mark.parametrize(
    ("file", "texts"),
    [
        ("requirements.txt", PROJECT["dependencies"]),
        ("requirements-cluster.txt", PROJECT["optional-dependencies"]["cluster"]),
    ],
)
def test_the_pins_are_within_the_ranges(file: str, texts: list[str]) -> None:
    allowed, pinned = ranges(texts), pins(file)
    assert set(pinned) == set(allowed)
    for name, version in pinned.items():
        assert allowed[name].specifier.contains(version), name


def test_ranges_have_a_lower_end_and_no_upper_one() -> None:
    for name, requirement in ranges(PROJECT["dependencies"]).items():
        assert [each.operator for each in requirement.specifier] == [">="], name


def test_extras_are_those_of_this_distribution() -> None:
    """Catches a message or a page after which pip would install somebody else's package."""
    extra = re.compile(rf"([\w.-]+)\[({'|'.join(PROJECT['optional-dependencies'])})\]")
    places = ("sim", "delay_models", "experiments", "erasurehead", "docs", "website")
    files = [file for place in places for file in sorted((ROOT / place).rglob("*"))]
    named = [
        found
        for file in [*files, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
        if file.suffix in (".py", ".md", ".ipynb", ".yaml")
        for found in extra.findall(file.read_text(encoding="utf-8"))
        if "erasurehead" in found[0]
    ]
    assert {*named} == {(PROJECT["name"], "cluster"), (PROJECT["name"], "jax")}


def test_the_authors_are_those_of_the_citation() -> None:
    for author in PROJECT["authors"]:
        assert f'name: "{author["name"]}"' in (ROOT / "CITATION.cff").read_text()


def test_the_version_is_the_same_everywhere() -> None:
    """Package, citation and the top of the changelog; ``pyproject.toml`` takes the package's."""
    citation = (ROOT / "CITATION.cff").read_text()
    [cited] = re.findall(r"^version: (.*)$", citation, re.MULTILINE)
    released, *_ = re.findall(
        r"^## (\d[\d.]*) \(", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert cited == released == erasurehead.__version__


def test_hosted_runs_are_those_of_any_machine() -> None:
    """Every Python that the package names, and nothing but the script that everybody has."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    [job] = workflow["jobs"].values()
    names = [each.rpartition(" :: ")[2] for each in PROJECT["classifiers"]]
    assert job["strategy"]["matrix"]["python"] == [each for each in names if "3." in each]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]


# The public API is what the page says: ``docs/compatibility.md``.


CALLS = {each for each in erasurehead.__all__ if isfunction(getattr(erasurehead, each))}
PAGE = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `erasurehead\.(\w+)(?:\(.*?\))?` \| (.*) \|$", PAGE, re.MULTILINE))
SIGNATURES = dict(re.findall(r"`erasurehead\.([\w.]+)\((.*?)\)`", PAGE))


def public(dotted: str) -> Any:
    """``run`` is ``erasurehead.run``, and ``testing.check_scheme`` that of the module."""
    found: Any = erasurehead
    for name in dotted.split("."):
        found = getattr(found, name, None) or import_module(f"{found.__name__}.{name}")
    return found


def test_the_page_names_what_is_public() -> None:
    """Catches a name that was added, removed or renamed without the page."""
    assert {*ROWS} == {*erasurehead.__all__}
    assert all(f"`{name}`" in ROWS["testing"] for name in testing.__all__ if name[0].isupper())


def test_reproduce_installs_what_it_runs(tmp_path: Path) -> None:
    """No linter, browser or cluster; ``make test`` does."""
    plans = [
        subprocess.check_output(
            ["make", "-n", target, f"VENV={tmp_path}/none"], cwd=ROOT, text=True
        )
        for target in ("reproduce", "test")
    ]
    assert ["requirements.txt" in plan for plan in plans] == [True, True]
    assert ["requirements-dev.txt" in plan for plan in plans] == [False, True]
    assert ["requirements-cluster.txt" in plan for plan in plans] == [False, True]


def test_arguments_are_those_of_the_page() -> None:
    """Catches an argument that was renamed, removed or moved, or whose default became none."""
    assert {*SIGNATURES} == {*CALLS, "testing.check_scheme"}
    for name, shown in SIGNATURES.items():
        words = []
        for parameter in inspect.signature(public(name)).parameters.values():
            optional = parameter.default is not inspect.Parameter.empty
            star = "**" if parameter.kind is inspect.Parameter.VAR_KEYWORD else ""
            words.append(f"{star}{parameter.name}{'=...' if optional else ''}")
        assert shown == ", ".join(words), name


def test_methods_of_results_are_in_the_python_page() -> None:
    """What a user can call of a result stands in ``docs/python.md``."""
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    for owner in (erasurehead.Result, erasurehead.Fitted, public("api.result").Plots):
        for name in vars(owner):
            if not name.startswith("_") and name not in ("of", "directory", "failed", "source"):
                assert name in text, f"{owner.__name__}.{name}"


def test_the_reference_has_every_public_name() -> None:
    """mkdocstrings reads what these lines name, and stops where there is nothing."""
    shown = re.findall(r"^::: ([\w.]+)", REFERENCE, re.MULTILINE)
    for name in erasurehead.__all__:
        if name == "__version__" or ismodule(getattr(erasurehead, name)):
            continue
        assert any(each.endswith(f".{name}") for each in shown), name
    for path in shown:
        module, _, name = path.rpartition(".")
        try:
            import_module(path)
        except ModuleNotFoundError:
            assert hasattr(import_module(module), name), path


def test_the_reference_has_what_a_plugin_imports() -> None:
    """Every name of ours that a how-to page or an example plugin imports."""
    plugins = (
        p for p in (ROOT / "tests/package/plugins").glob("*.py") if not p.name.startswith("test_")
    )
    files = [*plugins, *(ROOT / "docs/howto").glob("own_*.md")]
    text = "\n".join(each.read_text(encoding="utf-8") for each in files)
    ours = re.compile(r"^from erasurehead\.plugins import (\([^)]*\)|.*)$", re.M)
    names = {name for each in ours.findall(text) for name in re.findall(r"[A-Za-z_]\w*", each)}
    assert len(names) > 20
    assert "erasurehead.sim" not in text
    assert not names - {*re.findall(r"\w+", REFERENCE)}


def test_the_python_page_names_every_option_of_fit() -> None:
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    own = [name for name in inspect.signature(erasurehead.fit).parameters if name != "reading"]
    with pytest.raises(eh.ConfigError, match="nothing: no such argument") as said:
        eh.fit([[1.0, 2.0]], nothing=1)  # type: ignore[call-arg]
    of_reading = str(said.value).partition("must be one of: ")[2].split(", ")
    assert len(of_reading) > 10
    for name in [*own[1:], *of_reading]:
        assert re.search(rf"^\| .*`{name}`.* \|.*\|$", text, re.MULTILINE), name


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (lambda: eh.run("demo.yaml", set="delay.rate=2"), "set"),
        (lambda: eh.sweep("demo.yaml", set=["delay.rate=2"]), "set"),
        (lambda: eh.run({}, set={3: 1}), "set"),
        (lambda: eh.run(None), "config"),
        (lambda: eh.run({}, jobs="a"), "jobs"),
        (lambda: eh.run({}, output=3), "output"),
        (lambda: eh.run({}, data_dir=3), "data_dir"),
        (lambda: eh.recommend({}, jobs=0), "jobs"),
        (lambda: eh.recommend({}, set=["delay.rate=2"]), "set"),
        (lambda: eh.recommend({}, data_dir=3), "data_dir"),
        (lambda: eh.recommend({}, target="low"), "target"),
        (lambda: eh.recommend({}, criterion="mode"), "criterion"),
        (lambda: eh.whatif([[1.0, 2.0]] * 30, output=3), "output"),
        (lambda: eh.load(None), "directory"),
        (lambda: eh.fit([[1.0, 2.0]] * 30, workers="many"), "workers"),
        (lambda: testing.check_scheme(None), "scheme"),
        (lambda: testing.check_scheme("uncoded", "a"), "workers"),
        (lambda: testing.check_scheme("uncoded", only="exactness"), "only"),
        (lambda: testing.check_scheme("erasurehead", wait_for=4), "erasurehead.load"),
        (lambda: testing.check_scheme("erasurehead", load="x", wait_for=4), "erasurehead.load"),
        (lambda: testing.check_scheme("uncoded", load=3), "uncoded.load"),
        (lambda: testing.check_scheme("erasurehead", waitfor=3), "erasurehead.waitfor"),
        (lambda: testing.check_scheme("erasurehed"), "scheme"),
        (lambda: testing.check_scheme(schemes.Uncoded(), worker=30), "worker"),
        (lambda: testing.check_scheme(schemes.Uncoded(), plugins=["x.py"]), "plugins"),
        (lambda: testing.check_scheme("uncoded", only=["values", "load"]), "only"),
        (
            lambda: testing.check_scheme("fractional_repetition", 30, load=4),
            "fractional_repetition.load",
        ),
    ],
)
def test_an_argument_of_a_wrong_kind_is_one_line_that_names_it(
    wrong: Callable[[], Any], name: str
) -> None:
    with pytest.raises(eh.ConfigError, match=rf"\A{re.escape(name)}( =|:) .*\Z"):
        wrong()


@pytest.mark.filterwarnings("error")
def test_a_table_of_nothing_is_refused_without_a_warning() -> None:
    with pytest.raises(eh.ConfigError, match='missing="never"'):
        eh.fit(np.full((10, 5), np.nan))
