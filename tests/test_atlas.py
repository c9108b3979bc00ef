"""The atlas: complete for every scheme, true to the code, and as it is in the repository."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from erasurehead.experiments import atlas
from erasurehead.experiments.atlas import (
    COMPARISON,
    FACTS,
    FOLDER,
    NOT_SAID,
    PAGE,
    atlas_page,
    entry_of,
    portrait,
    promised,
    worst,
    write_atlas,
)
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.errors import ConfigError
from erasurehead.experiments.pictures.picture import Bars, Heat
from erasurehead.sim import theory
from erasurehead.sim.schemes import SCHEMES
from erasurehead.sim.schemes.base import Fixed, Guarantees, Scheme, SchemeFamily
from tests.golden.records import require_recorded

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

every_scheme = pytest.mark.parametrize("name", SCHEMES)


REMEDY = "run: erasurehead atlas --output docs"


def test_the_page_is_that_of_the_registry() -> None:
    assert (DOCS / PAGE).read_text(encoding="utf-8") == atlas_page(SCHEMES, BUILT_IN), REMEDY


def test_every_scheme_has_its_picture_and_no_other() -> None:
    files = list((DOCS / FOLDER).iterdir())
    assert {file.stem for file in files} == {*SCHEMES, COMPARISON}, REMEDY
    assert sum(file.stat().st_size for file in files) < 1.5e6


@pytest.mark.golden
@every_scheme
def test_a_portrait_is_the_recorded_one(name: str) -> None:
    require_recorded("atlas", {name: portrait(*SCHEMES[name].portrait(), BUILT_IN)})


@every_scheme
def test_an_entry_is_complete(name: str) -> None:
    """Catches a scheme without facts, and a fact under a key that the page does not know."""
    entry = entry_of(SCHEMES[name])
    assert set(entry.facts) == set(FACTS)
    missing = [key for key, fact in entry.facts.items() if fact == NOT_SAID]
    assert not missing, f"the docstring says nothing under Facts of {', '.join(missing)}"
    assert all(entry.prose)
    for text in (*entry.prose, *entry.facts.values()):
        assert text.count("``") % 2 == 0, text
        assert "\n" not in text


@every_scheme
def test_what_an_entry_names_exists(name: str) -> None:
    """Tests in the files that are said to have them, and functions of the theory."""
    facts = entry_of(SCHEMES[name]).facts
    cited, file = 0, None
    for word in re.findall(r"``([^`]+)``", facts["confirmed"]):
        if word.endswith(".py"):
            file = ROOT / "tests" / word
        else:
            assert file is not None
            assert f"def {word}(" in file.read_text(encoding="utf-8"), word
            cited += 1
    assert cited > 0
    for function in re.findall(r"eh\.theory\.(\w+)", " ".join(facts.values())):
        assert function in theory.__all__


def test_promises_are_those_that_are_tested() -> None:
    """One of each kind; catches a claim that the page does not know."""
    known = {field.name for field in fields(Guarantees)}
    assert known == {"copies", "tolerates", "unbiased", "mean_error", "largest_error"}
    cyclic = SCHEMES["cyclic_mds"](load=4).build(12)  # type: ignore[call-arg]
    assert (
        promised(cyclic) == "exact, 4 workers hold each partition, any 3 stragglers are tolerated"
    )
    assert "unbiased if workers are alike" in promised(
        SCHEMES["mindflayer"].examples()[0].build(12)
    )


def test_worst_cases_are_those_of_the_theory() -> None:
    """Fano, any 4 of 7 arrivals: error 1. A ``bernoulli`` code's worst case is not known."""
    family, workers = SCHEMES["block_design"].portrait()
    [line] = worst(family.build(workers))
    assert "1 with s = 3 (block design)" in line
    assert not worst(SCHEMES["bernoulli"].examples()[0].build(12))


def test_a_portrait_of_a_code_is_its_matrix() -> None:
    """Fano: every worker three partitions, any two workers one in common."""
    [panel] = portrait(*SCHEMES["block_design"].portrait(), BUILT_IN).panels
    [heat] = panel.marks
    assert isinstance(heat, Heat)
    held = ~np.isnan(heat.values)
    np.testing.assert_array_equal(held @ held.T.astype(int), 1 + 2 * np.eye(7, dtype=int))


def test_a_portrait_of_several_messages_has_their_order() -> None:
    """Worker 1 sends partition 1 first and partition 3 last."""
    family = SCHEMES["multi_message"](load=3)  # type: ignore[call-arg]
    [panel] = portrait(family, 6, BUILT_IN).panels
    [heat] = panel.marks
    assert isinstance(heat, Heat)
    np.testing.assert_array_equal(heat.values[1, :5], [np.nan, 1, 2, 3, np.nan])


def test_shades_are_sizes_of_coefficients() -> None:
    """Of a code of one message a worker; rows are workers, columns partitions."""
    family = SCHEMES["cyclic_repetition"](load=3)  # type: ignore[call-arg]
    scheme = family.build(6)
    assert isinstance(scheme, Fixed)
    sizes = np.abs(scheme.assignment.encoding.toarray())
    [panel] = portrait(family, 6, BUILT_IN).panels
    [heat] = panel.marks
    assert isinstance(heat, Heat)
    np.testing.assert_array_equal(heat.values, np.where(sizes > 0, sizes, np.nan))
    assert (panel.x.label, panel.y.label) == ("partition", "worker")


@pytest.mark.parametrize(("workers", "step"), [(12, 1), (14, 2), (24, 2), (26, 3)])
def test_a_portrait_has_at_most_twelve_numbers(workers: int, step: int) -> None:
    family = SCHEMES["erasurehead"](load=2, wait_for=workers // 2)  # type: ignore[call-arg]
    [panel] = portrait(family, workers, BUILT_IN).panels
    for axis in (panel.x, panel.y):
        assert axis.places == tuple(range(0, workers, step))
        assert axis.names == tuple(map(str, range(0, workers, step)))


def test_a_clock_has_every_worker_until_the_last_update() -> None:
    [panel] = portrait(SCHEMES["uncoded"](), 5, BUILT_IN).panels
    bars = [mark for mark in panel.marks if isinstance(mark, Bars)]
    ends = np.concatenate([mark.end for mark in bars])
    assert {*np.concatenate([mark.rows for mark in bars]).tolist()} == {*range(5)}
    assert panel.x.high is not None
    assert ends.max() == pytest.approx(panel.x.high, rel=0.05)


def test_an_atlas_that_is_interrupted_is_known_as_ours(tmp_path: Path) -> None:
    """So that the next one takes the folder's place instead of refusing it."""
    seen: list[str] = []

    def progress(done: int, total: int) -> None:
        seen.append((tmp_path / PAGE).read_text())
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            write_atlas(tmp_path, progress)
        (tmp_path / PAGE).write_text(seen[0])
    assert seen == 2 * ["# Atlas of schemes\n\nIt is being made.\n"]
    (tmp_path / PAGE).write_text("# Mine\n")
    with pytest.raises(ConfigError, match="holds another atlas"):
        write_atlas(tmp_path, progress)


def test_a_portrait_without_a_matrix_is_a_clock() -> None:
    for name, updates in [("uncoded", 4), ("ignore_stragglers", 4), ("k_async", 3)]:
        [panel] = portrait(*SCHEMES[name].portrait(), BUILT_IN).panels
        assert any(isinstance(mark, Bars) for mark in panel.marks)
        assert f": {updates} " in panel.title


@dataclass(frozen=True)
class Bare(SchemeFamily):
    """Says nothing of itself."""

    name: ClassVar[str] = "bare"

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (SCHEMES["uncoded"](),)

    def build(self, workers: int) -> Scheme:
        return SCHEMES["uncoded"]().build(workers)


def test_a_scheme_without_facts_has_a_section() -> None:
    """A plugin's class needs no more than a scheme does."""
    text = atlas_page({"bare": Bare}, BUILT_IN)
    assert "## bare\n\nSays nothing of itself.\n" in text
    assert text.count(NOT_SAID) == len(FACTS)


@pytest.mark.slow
def test_the_pictures_are_those_of_the_registry(tmp_path: Path) -> None:
    """To the pixel with the pinned matplotlib; how a file is packed does not matter.

    The comparison has numbers of a library of linear algebra, which rounds as the machine does.
    """
    pinned = f"matplotlib=={version('matplotlib')}"
    if pinned not in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        pytest.skip("another matplotlib draws other pixels")
    write_atlas(tmp_path, lambda done, total: None)
    for name in SCHEMES:
        file = f"{FOLDER}/{name}.png"
        made, kept = (Image.open(folder / file).convert("RGB") for folder in (tmp_path, DOCS))
        assert made.size == kept.size, f"{name}; {REMEDY}"
        assert made.tobytes() == kept.tobytes(), f"{name}; {REMEDY}"


def test_each_picture_of_an_atlas_is_told_when_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From nothing on; last the picture of all, and the page."""
    two = {name: SCHEMES[name] for name in ("uncoded", "erasurehead")}
    told: list[tuple[int, int]] = []
    saved: list[tuple[Path, object]] = []
    every = SimpleNamespace(compute=lambda effort: "frame", picture=lambda frame: f"all of {frame}")
    catalogue = {"schemes": SimpleNamespace(classes=two)}
    monkeypatch.setattr(atlas, "with_plugins", lambda: catalogue)
    monkeypatch.setattr(atlas, "Atlas", lambda: every)
    monkeypatch.setattr(atlas, "portrait", lambda family, workers, names: family.name)
    monkeypatch.setattr(atlas.paint, "figure", lambda picture, known=None: picture)
    monkeypatch.setattr(
        atlas.style, "save", lambda figure, path, kinds: saved.append((path, figure))
    )
    monkeypatch.setattr(atlas, "atlas_page", lambda families, names: ", ".join(families))
    assert write_atlas(tmp_path, lambda *at: told.append(at)) == tmp_path / PAGE
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [(path.name, figure) for path, figure in saved] == [
        ("uncoded", "uncoded"), ("erasurehead", "erasurehead"), ("all-schemes", "all of frame")
    ]  # fmt: skip
    assert {path.parent.name for path, _ in saved} == {"atlas"}
    assert (tmp_path / PAGE).read_text() == "uncoded, erasurehead"
