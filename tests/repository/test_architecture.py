"""The directions of imports that the design promises, checked from the source."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pytest

Node = TypeVar("Node", bound=ast.AST)

ROOT = Path(__file__).parents[2]
FOLDERS = ("sim", "delay_models", "experiments", "erasurehead")

LAYERS = [
    line.split()
    for line in """
  sim.base
  sim.training.steps sim.load_laws
  delay_models sim.training sim.schemes
  sim.attack sim.engines sim.theory experiments.text experiments.run.metrics
  experiments.advice.statistics experiments.config experiments.checks.conformance
  experiments.run experiments.advice.understood
  experiments.pictures experiments.options
  experiments.page experiments.commands.samples
  experiments.checks experiments.reports.explore experiments.commands.data experiments.commands.run
  experiments.reports.compare experiments.reproduce experiments.advice.live experiments.advice.fit
  experiments.advice.whatif
  experiments.commands.listing experiments.advice.recommend experiments.reports.report
  experiments.commands.table experiments.commands.aliases
  experiments.commands.cli
  erasurehead experiments.__main__
    """.strip().splitlines()
]
"""Packages and modules from below to above: each imports what stands in the lines above its own."""

SHARED = ("sim.base",)
"""Check fields and read files; ``delay_models``, which stands beside ``sim``, may import them."""

FORBIDDEN = {
    "sim": ("delay_models",),
    "delay_models": ("sim",),
    "sim.engines": ("sim.training.problems", "sim.training.optimizers"),
    "sim.attack": ("sim.training.problems", "sim.training.optimizers"),
    "experiments.pictures": (
        "sim.engines",
        "sim.training.learner",
        "experiments.run.command",
        "experiments.run.compute",
    ),
}
"""What the layers alone would allow."""


@cache
def trees() -> dict[str, ast.Module]:
    """Each file's path, and what is in it."""
    return {
        file.relative_to(ROOT).as_posix(): ast.parse(file.read_text(encoding="utf-8"))
        for folder in FOLDERS
        for file in sorted((ROOT / folder).rglob("*.py"))
    }


@cache
def modules() -> dict[str, str]:
    """The path of each module of ours, by its name without ``erasurehead.`` before it."""
    return {p.removesuffix(".py").removesuffix("/__init__").replace("/", "."): p for p in trees()}


def module_in(text: str, module: str) -> str | None:
    """The module that a string of ``module`` names, if it is one: in full, from its own package
    (``.page``, ``..run.files``) or from one above (``advice.fit.page``). A word without a dot
    names none."""
    dots = len(text) - len(text.lstrip("."))
    name = text.lstrip(".").removeprefix("erasurehead.")
    package = modules()[module].split("/")[:-1]
    known = len(package) - dots + 1
    bases = range(known, known + 1) if dots else range(len(package))
    named = [".".join([*package[:base], name]) for base in bases if base >= 0]
    return next((each for each in named if "." in text and name and each in modules()), None)


@cache
def imports() -> dict[str, set[str]]:
    """Of each module what it imports, also in functions, for types, and by a string that names a
    module; ours without ``erasurehead.`` before them."""
    paths = modules()
    found: dict[str, set[str]] = {module: set() for module in paths}
    for module, path in paths.items():
        for node in ast.walk(trees()[path]):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if named := module_in(node.value, module):
                    found[module].add(named)
            elif isinstance(node, ast.Import):
                found[module] |= {each.name.removeprefix("erasurehead.") for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                above = path.split("/")[: -node.level] if node.level else []
                source = ".".join([*above, *filter(None, [node.module])])
                source = source.removeprefix("erasurehead.")
                names = {each.name: f"{source}.{each.name}" for each in node.names}
                found[module] |= {name if name in paths else source for name in names.values()}
        found[module].discard(module)
    return found


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def place(module: str) -> tuple[int, str]:
    """The line of ``LAYERS``, and the package or module in it."""
    found = [(i, each) for i, line in enumerate(LAYERS) for each in line if within(module, each)]
    assert found or module in FOLDERS, f"{module}: add it to LAYERS"
    return max(found, key=lambda pair: len(pair[1]), default=(0, module))


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_go_one_way(folder: str) -> None:
    """Catches an import from a line further down, or from another package of the same line."""
    assert len(LAYERS) <= 15
    for module, targets in imports().items():
        for target in targets if within(module, folder) else ():
            if target.partition(".")[0] in FOLDERS:
                (high, mine), (low, theirs) = place(module), place(target)
                assert low < high or mine == theirs, f"{module} imports {target}"
            for package, refused in FORBIDDEN.items():
                if within(module, package) and not any(within(target, each) for each in SHARED):
                    assert not any(within(target, each) for each in refused), (module, target)
            assert within(module, "sim.engines") or not within(target, "simpy"), module


ADVICE = ("experiments.advice",)
PROGRAM = ("experiments.commands.table", "experiments.commands.cli", "experiments.__main__")
DOORS: dict[tuple[str, str], set[str]] = {}
"""Modules of one wing that may import from one further right: none. The table of commands stands
above all."""


def wing(module: str) -> str:
    if any(within(module, package) for package in ADVICE):
        return "advice"
    if any(within(module, package) for package in PROGRAM):
        return "face"
    folder = module.partition(".")[0]
    return {"experiments": "laboratory", "erasurehead": "face"}.get(folder, "simulator")


def test_the_wings_of_the_design_have_no_doors() -> None:
    """Catches a simulator that cannot be read without the rest of the house."""
    order = ("simulator", "laboratory", "advice", "face")
    crossed: dict[tuple[str, str], set[str]] = {}
    for module, targets in imports().items():
        for target in targets:
            ours, theirs = wing(module), wing(target)
            known = target.partition(".")[0] in FOLDERS
            if known and order.index(theirs) > order.index(ours):
                crossed.setdefault((ours, theirs), set()).add(module)
    assert crossed == DOORS


LOADERS = {
    "experiments/config/catalogue.py": "plugins, which a config names",
    "experiments/reproduce/__init__.py": "the files of its own figures",
    "erasurehead/__init__.py": "names of the package, when they are asked for",
}
"""Import modules whose names are made as they run, and which."""


def test_other_modules_are_imported_by_their_names() -> None:
    """Catches a name that is put together, in which ``imports`` finds no module."""
    for path, node in nodes(ast.Call):
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in ("import_module", "__import__", "find_spec", "resolve_name", "run_module"):
            [name, *_] = node.args
            assert isinstance(name, ast.Constant) or path in LOADERS, f"{path}: {ast.unparse(node)}"


ENTRIES = 12
PRODUCT = (*FOLDERS, "website")


def entries(folder: Path) -> list[str]:
    """What a reader sees in a folder: not what every package has, nor what programs leave."""
    usual = ("__init__.py", "__main__.py", "py.typed", "__pycache__", "commit.txt")
    return [
        path.name
        for path in folder.iterdir()
        if path.name not in usual and not path.is_symlink() and not path.name.startswith(".")
    ]


@pytest.mark.parametrize("product", PRODUCT)
def test_a_folder_can_be_taken_in_at_a_glance(product: str) -> None:
    """Catches the thirteenth entry of a folder: find its like, and give them a folder."""
    top = ROOT / product
    below = (path for path in top.rglob("*") if path.is_dir() and path.name != "__pycache__")
    for folder in (top, *below):
        if not folder.is_symlink():
            assert len(entries(folder)) <= ENTRIES, (folder, sorted(entries(folder)))


def test_files_that_the_design_names_are_there() -> None:
    """Those of the lists in reading order with their lines."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    lists = re.findall(r"^\*\*The (\w+)\*\*.*?\n\n", text, flags=re.DOTALL | re.MULTILINE)
    assert lists == ["simulator", "laboratory", "advice"]
    for path in re.findall(r"`((?:sim|delay_models|experiments)/[\w/]+\.py)`", text):
        assert path in trees(), path


def test_no_module_imports_itself_through_others() -> None:
    """``CycleError`` names the modules of a circle."""
    TopologicalSorter(imports()).prepare()


def test_the_layout_of_the_design_has_every_package() -> None:
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    layout = text[text.index("## Layout") : text.index("## Two engines")]
    packages = [path for path in trees() if path.count("/") == 2 and path.endswith("__init__.py")]
    for package in packages:
        assert f"{Path(package).parent.name}/`" in layout, package


TERMINAL = "experiments/page/terminal.py"
OURS = ("experiments/commands/table.py",)
"""Print JSON, the version, and what can be said before anything is imported."""


@cache
def nodes_by_type() -> dict[type[ast.AST], list[tuple[str, ast.AST]]]:
    """Every node with the path of its file."""
    found: dict[type[ast.AST], list[tuple[str, ast.AST]]] = {}
    for path, tree in trees().items():
        for node in ast.walk(tree):
            found.setdefault(type(node), []).append((path, node))
    return found


def nodes(kind: type[Node]) -> Iterator[tuple[str, Node]]:
    """Every node of a kind, with the path of its file."""
    for own, found in nodes_by_type().items():
        if issubclass(own, kind):
            yield from found  # type: ignore[misc]


def test_one_way_to_the_terminal() -> None:
    """Text from outside is escaped there; print and rich's console would pass it on as it is."""
    for path, node in nodes(ast.Call):
        if path != TERMINAL:
            called = ast.unparse(node.func)
            assert called != "print" or path in OURS, f"{path}: print"
            assert called != "Console", f"{path}: a console of its own"


def test_one_way_to_one_thread() -> None:
    """Where ``threadpool_limits`` stands alone, a BLAS that is loaded later has all threads."""
    for path, node in nodes(ast.Call):
        if ast.unparse(node.func).endswith("threadpool_limits"):
            assert path == "sim/base/numerics.py", path


def test_no_global_random_numbers() -> None:
    """np.random.seed and friends would make a run depend on what ran before it."""
    for path, node in nodes(ast.Attribute):
        if ast.unparse(node.value) in {"np.random", "random"}:
            allowed = {"Generator", "SeedSequence", "PCG64", "RandomState", "default_rng"}
            assert node.attr in allowed, f"{path}: {ast.unparse(node)}"


def submodules(name: str) -> Iterator[tuple[ModuleType, str]]:
    """Packages and the names of their modules, all imported but what needs PyTorch."""
    package = importlib.import_module(name)
    for found in pkgutil.iter_modules(package.__path__):
        if found.name not in ("__main__", "of_torch"):
            importlib.import_module(f"{name}.{found.name}")
            yield package, found.name
            if found.ispkg:
                yield from submodules(f"{name}.{found.name}")


@pytest.mark.parametrize("name", [f"erasurehead.{folder}" for folder in FOLDERS[:3]])
def test_no_name_of_a_package_hides_its_module(name: str) -> None:
    """Catches ``import a.b as b`` that gives a function of the package ``a``, not its module."""
    for package, module in submodules(name):
        assert isinstance(getattr(package, module), ModuleType), f"{package.__name__}.{module}"


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda p: p.stem)
def test_benchmarks_import_what_is_there(path: Path) -> None:
    """They run rarely, and their types are not checked: a name that moved would go unnoticed."""
    module = importlib.import_module(f"benchmarks.{path.stem}")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = getattr(module, node.value.id, None)
            assert not isinstance(owner, ModuleType) or hasattr(owner, node.attr), node.attr


def test_no_random_case_is_judged_by_the_clock() -> None:
    """Where ``examples`` is missing, a busy machine makes a test of Hypothesis fail."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if "@given(" in text else ():
            if isinstance(node, ast.FunctionDef):
                decorators = [ast.unparse(each) for each in node.decorator_list]
                if any(each.startswith("given(") for each in decorators):
                    place = f"{path}:{node.lineno}"
                    assert any(each.startswith("examples(") for each in decorators), place


def test_at_most_twenty_quick_tests_are_long() -> None:
    """Each says why it takes more than a second. Catches a suite that grows slow in small steps."""
    long = r"^@pytest\.mark\.long\((.*)\)$"
    reasons = [
        reason
        for path in (ROOT / "tests").rglob("test_*.py")
        for reason in re.findall(long, path.read_text(), re.MULTILINE)
    ]
    assert 0 < len(reasons) <= 20
    assert all(len(reason.split()) > 1 for reason in reasons)
