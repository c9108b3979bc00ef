"""What git holds, what a build makes of it, and what a type checker sees where it is installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import erasurehead

ROOT = Path(__file__).parents[2]
NOT_IN_GIT = (
    ".venv", ".editable", ".*_cache", ".hypothesis", "__pycache__", "build", "dist", "site",
    "commit.txt",
)  # fmt: skip
PARTS = ("sim", "delay_models", "experiments")


def run(folder: Path, *command: str | Path) -> str:
    """Run a command that finds none of the checkout's modules but those of its own folder."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the checkout without the links of an editable install, and with no others."""

    def not_in_git(folder: str, names: list[str]) -> set[str]:
        links = {name for name in names if (Path(folder) / name).is_symlink()}
        return links | shutil.ignore_patterns(*NOT_IN_GIT)(folder, names)

    folder = tmp_path_factory.mktemp("clone") / "repository"
    shutil.copytree(ROOT, folder, ignore=not_in_git)
    return folder


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an sdist has no git")
def test_git_holds_no_links() -> None:
    """A clone on Windows has text files in their place."""
    files = run(ROOT, "git", "ls-files", "--stage").splitlines()
    assert len(files) > 100
    assert [line for line in files if line.startswith("120000")] == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an sdist has no git")
def test_a_tag_is_the_version_of_its_commit() -> None:
    tags = run(ROOT, "git", "tag", "--points-at", "HEAD").split()
    assert [tag for tag in tags if tag.startswith("v")] in ([], [f"v{erasurehead.__version__}"])


def test_a_clone_without_links_is_the_program(clone: Path) -> None:
    """Not installed: the folders beside ``erasurehead`` are its parts."""
    said = run(clone, sys.executable, "-m", "experiments", "--version")
    assert said == f"erasurehead {erasurehead.__version__}\n"
    program = "import erasurehead.sim.schemes as part; print(part.__file__)"
    assert Path(run(clone, sys.executable, "-c", program).strip()).is_relative_to(clone)


def built(folder: Path, target: str, source: Path) -> Path:
    """The sdist or wheel of a folder of source."""
    run(source, sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder)
    [file] = folder.iterdir()
    return file


@pytest.mark.slow
def test_wheel_of_the_checkout_and_of_the_sdist_are_equal(clone: Path, tmp_path: Path) -> None:
    """Installed there is one top-level name, with every module of the checkout under it."""
    sdist = built(tmp_path / "sdist", "sdist", clone)
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    [source] = tmp_path.glob("erasurehead_simulator-*")
    wheels = [
        built(tmp_path / "direct", "wheel", clone),
        built(tmp_path / "from_sdist", "wheel", source),
    ]
    contents = []
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            contents.append({name: archive.read(name) for name in archive.namelist()})
    assert contents[0] == contents[1]
    assert {name.split("/")[0].partition("-")[0] for name in contents[0]} == {
        "erasurehead",
        "erasurehead_simulator",
    }
    modules = {
        path.relative_to(clone).as_posix()
        for part in (*PARTS, "erasurehead")
        for path in (clone / part).rglob("*.py")
    }
    for file in (clone / "delay_models" / "samples").iterdir():
        assert contents[0][f"erasurehead/delay_models/samples/{file.name}"] == file.read_bytes()
    packed = {name for name in contents[0] if name.endswith(".py")}
    assert packed == {re.sub(f"^({'|'.join(PARTS)})/", r"erasurehead/\1/", m) for m in modules}


def metadata_of(clone: Path, folder: Path, citation: str) -> str:
    """The metadata that PyPI would show, with this line added to CITATION.cff."""
    source = folder / "source"
    shutil.copytree(clone, source)
    with (source / "CITATION.cff").open("a", encoding="utf-8") as file:
        file.write(citation)
    program = (
        "import json, sys\n"
        "from hatchling.metadata.core import ProjectMetadata\n"
        "from hatchling.plugin.manager import PluginManager\n"
        "core = ProjectMetadata(sys.argv[1], PluginManager()).core\n"
        "print(json.dumps([core.readme, core.urls]))"
    )
    return run(folder, sys.executable, "-c", program, source)


def test_pictures_and_documents_get_absolute_addresses(clone: Path, tmp_path: Path) -> None:
    """Every relative one of the README, once the repository's address is known."""
    citation = "repository-code: https://example.org/her/simulator\n"
    readme, urls = json.loads(metadata_of(clone, tmp_path, citation))
    text = re.sub(r"```.*?```", "", readme, flags=re.DOTALL)
    addresses = re.findall(r'\]\(([^)]+)\)|src="([^"]+)"', text)
    found = [one or other for one, other in addresses]
    assert len(found) >= 6
    assert all(address.startswith("https://") for address in found), found
    pictures = [address for address in found if address.endswith(".png")]
    assert all("/her/simulator/raw/HEAD/results/reference/" in address for address in pictures)
    assert urls["Repository"] == "https://example.org/her/simulator"


def test_without_an_address_the_readme_is_as_it_stands(clone: Path, tmp_path: Path) -> None:
    readme, urls = json.loads(metadata_of(clone, tmp_path, ""))
    assert readme == (ROOT / "README.md").read_text(encoding="utf-8")
    assert urls.keys() == {"Paper"}


@pytest.mark.slow
def test_a_type_checker_elsewhere_refuses_a_misspelt_field(tmp_path: Path) -> None:
    """In a folder of a user, beside an editable install."""
    (tmp_path / "mine.py").write_text(
        "from erasurehead.schemes import ErasureHead\nErasureHead(laod=3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "mine.py"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert 'mine.py:2: error: Unexpected keyword argument "laod"' in done.stdout
