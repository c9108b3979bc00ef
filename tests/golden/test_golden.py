"""What a config gave yesterday it gives today, to the bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from threadpoolctl import threadpool_limits

from tests.golden import tables
from tests.golden.configs import documents
from tests.golden.records import LONG_TEXT, RECORDS, require_recorded

with TemporaryDirectory() as data:
    NAMES = [*documents(Path(data))]
pytestmark = pytest.mark.golden


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("golden")


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_those_of_yesterday(name: str, folder: Path) -> None:
    """Whatever number of threads is allowed: the simulator takes one."""
    with threadpool_limits(2):
        require_recorded("tables", {name: tables.tables(documents(folder)[name], folder)})


def test_verify_and_recommend_try_what_they_tried_yesterday() -> None:
    """Catches an example that moves, so that a case of a scheme is not looked at any more."""
    require_recorded("examples", tables.examples())


def test_pictures_are_those_of_yesterday(folder: Path) -> None:
    """Every kind, and every mark in a page: catches a number, a place or a word that moves."""
    require_recorded("marks", tables.pictures(folder))
    require_recorded("marks/painted", tables.paintings(), drawn=True)


def test_names_of_columns_are_taken_for_what_they_were_yesterday() -> None:
    """Catches a word that moves."""
    require_recorded("columns", {"words": tables.named(), "roles": tables.in_roles()})


@pytest.mark.parametrize(("kind", "name"), tables.NAMES)
def test_every_example_does_what_it_did_yesterday(kind: str, name: str) -> None:
    """Schemes under each policy on times with ties, what is known of them, and their refusals; laws
    and their draws. Numbers to six digits. What least squares gives of a singular system differs
    between processors, so schemes are compared on the recorded one."""
    found = {f"{kind}.{name}": tables.simulated(kind, name)}
    require_recorded("simulated", found, drawn=kind == "schemes")


def test_a_config_can_say_what_it_could_say_yesterday() -> None:
    """Types, ranges, defaults and words."""
    require_recorded("config", tables.offered())


MOST_WORDS = 30  # of a verdict


def recorded_verdicts() -> Iterator[tuple[str, str]]:
    """Each recorded answer's command and verdict: of a page its bold line, of ``fit`` and
    ``whatif`` also what they say first of many tables."""
    for name in ("report", "recommend", "fit", "whatif"):
        for part, kept in json.loads((RECORDS / f"{name}.json").read_text()).items():
            value = kept["is"]
            words = value["words"] if part.endswith(" page") else []
            words = value[:1] if part.endswith(" told") else words
            lines = ["".join(x[1:]) if x[0] == LONG_TEXT else x for x in words]
            bold = [line.strip("*") for line in lines if line.startswith("**")]
            if part == "sweep verdict":
                yield "sweep", value["verdict"]
            elif part.endswith(" told"):
                yield name, lines[0]
            elif bold:
                yield lines[0].removeprefix("# ").partition(":")[0], bold[0]


def test_a_verdict_has_thirty_words() -> None:
    """More is no answer at a glance: what limits it stands in a line of its own."""
    verdicts = [*recorded_verdicts()]
    commands = {"run", "sweep", "compare", "fit", "whatif", "recommend", "reproduce"}
    assert {command for command, _ in verdicts} == commands
    assert not [text for _, text in verdicts if len(text.split()) > MOST_WORDS]
