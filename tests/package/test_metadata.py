"""What the package says of itself to pip and to PyPI."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

import erasurehead

ROOT = Path(__file__).parents[2]
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


def test_pictures_and_documents_get_absolute_addresses() -> None:
    """Every relative one of the README, once the repository's address is known."""
    setup = runpy.run_path(str(ROOT / "setup.py"))
    text = setup["readme"]("https://example.org/her/simulator")
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    addresses = re.findall(r'\]\(([^)]+)\)|src="([^"]+)"', text)
    found = [one or other for one, other in addresses]
    assert len(found) >= 6
    assert all(address.startswith("https://") for address in found), found
    pictures = [address for address in found if address.endswith(".png")]
    assert all("/her/simulator/raw/HEAD/results/reference/" in address for address in pictures)
    assert setup["readme"](None) == (ROOT / "README.md").read_text(encoding="utf-8")
