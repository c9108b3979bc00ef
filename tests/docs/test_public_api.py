"""The public API is what the page says: ``docs/compatibility.md``."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any

import erasurehead
from erasurehead import testing
from tests.docs.blocks import ROOT

PAGE = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `erasurehead\.(\w+)(?:\(.*?\))?` \| (.*) \|$", PAGE, re.MULTILINE))
SIGNATURES = dict(re.findall(r"`erasurehead\.([\w.]+)\((.*?)\)`", PAGE))


def public(dotted: str) -> Any:
    """``run`` is ``erasurehead.run``, and ``testing.check_scheme`` that of the module."""
    found: Any = erasurehead
    for name in dotted.split("."):
        found = getattr(found, name, None) or import_module(f"erasurehead.{name}")
    return found


def test_the_page_names_what_is_public() -> None:
    """Catches a name that was added, removed or renamed without the page."""
    assert {*ROWS} == {*erasurehead.__all__, "testing"}
    assert all(f"`{name}`" in ROWS["testing"] for name in testing.__all__ if name[0].isupper())


def test_arguments_are_those_of_the_page() -> None:
    """Catches an argument that was renamed, removed or moved, or whose default became none."""
    assert {*SIGNATURES} == {"run", "sweep", "load", "fit", "testing.check_scheme"}
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
    for owner in (erasurehead.Result, erasurehead.Fitted, public("plots").Plots):
        for name in vars(owner):
            if not name.startswith("_") and name not in ("of", "directory", "failed", "source"):
                assert name in text, f"{owner.__name__}.{name}"


def test_the_reference_has_every_public_name() -> None:
    """mkdocstrings reads what these lines name, and stops where there is nothing."""
    shown = re.findall(r"^::: ([\w.]+)", REFERENCE, re.MULTILINE)
    for name in set(erasurehead.__all__) - {"__version__", "theory"}:
        assert any(each.endswith(f".{name}") for each in shown), name
    for path in shown:
        module, _, name = path.rpartition(".")
        try:
            import_module(path)
        except ModuleNotFoundError:
            assert hasattr(import_module(module), name), path
