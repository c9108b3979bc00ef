"""The import direction of the design, checked from the source.

types -> {schemes, problems, optimizers} -> {engines, learner, theory, attack} -> experiments
-> erasurehead; delay_models stands beside sim; simpy is imported in sim/engines/ only.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pytest

Node = TypeVar("Node", bound=ast.AST)

ROOT = Path(__file__).parent.parent
FOLDERS = ("sim", "delay_models", "experiments", "erasurehead")

SHARED = ("sim.files", "sim.tables")
"""Read files, and may be imported from everywhere, but by each other in one direction only."""

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "sim/files.py": (),
    "sim/tables.py": ("sim.files",),
}
"""What of SHARED; all of it where nothing is said."""

FORBIDDEN = {
    "sim": ("delay_models", "experiments"),
    "delay_models": ("sim", "experiments"),
    "sim/types.py": ("sim.",),
    "sim/errors.py": ("sim.",),
    "sim/files.py": ("sim",),
    "sim/tables.py": ("sim",),
    "sim/schemes": (
        "sim.engines",
        "sim.learner",
        "sim.theory",
        "sim.problems",
        "sim.optimizers",
    ),
    "sim/problems": (
        "sim.engines",
        "sim.learner",
        "sim.theory",
        "sim.schemes",
        "sim.optimizers",
    ),
    "sim/optimizers.py": (
        "sim.engines",
        "sim.learner",
        "sim.theory",
        "sim.schemes",
    ),
    "sim/engines": (
        "sim.learner",
        "sim.theory",
        "sim.problems",
        "sim.optimizers",
    ),
    "sim/learner.py": (
        "sim.engines",
        "sim.theory",
        "sim.schemes",
    ),
    "sim/theory": ("sim.engines", "sim.learner", "sim.attack"),
    "sim/attack": (
        "sim.engines",
        "sim.learner",
        "sim.theory",
        "sim.problems",
        "sim.optimizers",
    ),
    "experiments/pictures": (
        "sim.engines",
        "sim.learner",
        "experiments.run.command",
        "experiments.run.compute",
    ),
}


@cache
def trees() -> dict[str, ast.Module]:
    """Each file's path, and what is in it."""
    return {
        file.relative_to(ROOT).as_posix(): ast.parse(file.read_text(encoding="utf-8"))
        for folder in FOLDERS
        for file in sorted((ROOT / folder).rglob("*.py"))
    }


def imports(path: str) -> set[str]:
    """The modules that a file imports; ours without ``erasurehead.`` before them."""
    found: set[str] = set()
    for node in ast.walk(trees()[path]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = path.split("/")[: -node.level or None] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            found |= {source, *(f"{source}.{alias.name}".lstrip(".") for alias in node.names)}
    return {name.removeprefix("erasurehead.") for name in found if name}


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package.rstrip(".") + ".")


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_go_one_way(folder: str) -> None:
    paths = [path for path in trees() if path.startswith(f"{folder}/")]
    assert paths
    for path in paths:
        require_one_way(path)


def require_one_way(path: str) -> None:
    modules = imports(path)
    allowed = MAY_IMPORT.get(path, SHARED)
    for place, packages in FORBIDDEN.items():
        if path == place or path.startswith(place + "/"):
            wrong = {m for m in modules for package in packages if within(m, package)}
            wrong = {m for m in wrong if not any(within(m, shared) for shared in allowed)}
            assert not wrong, f"{path} imports {wrong}"
    if path != "experiments/__main__.py" and not path.startswith("erasurehead/"):
        assert not any(within(m, "erasurehead") for m in modules), f"{path} imports erasurehead"
    if not path.startswith("sim/engines/"):
        assert not any(within(m, "simpy") for m in modules), f"{path} imports simpy"


TERMINAL = "experiments/page/terminal.py"
OURS = ("experiments/commands.py",)
"""Print JSON, the version, and what can be said before anything is imported."""


def nodes(kind: type[Node]) -> Iterator[tuple[str, Node]]:
    """Every node of a kind, with the path of its file."""
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, kind):
                yield path, node


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
            assert path == "sim/numerics.py", path


def test_no_global_random_numbers() -> None:
    """np.random.seed and friends would make a run depend on what ran before it."""
    for path, node in nodes(ast.Attribute):
        if ast.unparse(node.value) in {"np.random", "random"}:
            allowed = {"Generator", "SeedSequence", "PCG64", "RandomState", "default_rng"}
            assert node.attr in allowed, f"{path}: {ast.unparse(node)}"


def submodules(name: str) -> Iterator[tuple[ModuleType, str]]:
    """Packages and the names of their modules, all imported."""
    package = importlib.import_module(name)
    for found in pkgutil.iter_modules(package.__path__):
        if found.name != "__main__":
            importlib.import_module(f"{name}.{found.name}")
            yield package, found.name
            if found.ispkg:
                yield from submodules(f"{name}.{found.name}")


@pytest.mark.parametrize("name", [f"erasurehead.{folder}" for folder in FOLDERS[:3]])
def test_no_name_of_a_package_hides_its_module(name: str) -> None:
    """Catches ``import a.b as b`` that gives a function of the package ``a``, not its module."""
    for package, module in submodules(name):
        assert isinstance(getattr(package, module), ModuleType), f"{package.__name__}.{module}"
