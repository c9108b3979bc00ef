"""What a failed record says, and what is written when one is renewed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden import records
from tests.golden.records import differences, require_recorded

OLD = {"schemes": ["uncoded 1.5", "window 2", "erasurehead 3"], "law": "#0123456789ab 0.25"}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of records, with one of the value OLD that a machine of another kind wrote."""
    monkeypatch.setattr(records, "RECORDS", tmp_path)
    (tmp_path / "made.json").write_text(json.dumps({"a run": {"on": "another", "is": OLD}}))
    return tmp_path / "made.json"


def test_an_entry_more_moves_no_others() -> None:
    new = {**OLD, "schemes": ["uncoded 1.5", "mine 9", "window 2", "erasurehead 3"]}
    assert [*differences(OLD, new, "a run", 0.0)] == ["came: a run, schemes: 'mine 9'"]
    assert [*differences(new, OLD, "a run", 0.0)] == ["went: a run, schemes: 'mine 9'"]


@pytest.mark.parametrize(
    ("new", "line"),
    [
        ({"schemes": OLD["schemes"]}, "went: a run, law"),
        ({**OLD, "more": 1}, "came: a run, more: 1"),
        ({**OLD, "law": "#0123456789ab 0.26"}, "moved: a run, law: '#0123456789ab 0.25' is now"),
    ],
)
def test_a_failure_says_what_moved_and_which_command_renews_it(
    written: Path, new: Any, line: str
) -> None:
    with pytest.raises(AssertionError) as failed:
        require_recorded("made", {"a run": new})
    said = str(failed.value).splitlines()
    assert said[0] == "tests/golden/records/made.json:"
    assert said[1].startswith(line)
    assert said[-1].endswith("say so in CHANGELOG.md and run: python -m tests.golden made")


@pytest.mark.parametrize("name", ["made", "none"])
def test_what_has_no_record_fails_on_every_machine(written: Path, name: str) -> None:
    with pytest.raises(AssertionError, match="came: another run"):
        require_recorded(name, {"another run": OLD}, drawn=True)


def test_a_record_with_the_marks_of_a_merge_says_how_it_is_renewed(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is: nothing of it is read."""
    damaged = f"<<<<<<< HEAD\n{written.read_text()}"
    written.write_text(damaged)
    with pytest.raises(AssertionError, match=r"no JSON: .*\n.*run: python -m tests\.golden made"):
        require_recorded("made", {"a run": OLD})
    (written.parent / "before").mkdir()
    written.rename(written.parent / "before" / written.name)
    monkeypatch.setenv("RECORD_NAMES", "made")
    monkeypatch.setenv("RECORD_BEFORE", str(written.parent / "before"))
    require_recorded("made", {"a run": OLD})
    assert json.loads(written.read_text())["a run"]["is"] == OLD


def test_renewing_writes_what_moved_beyond_rounding_and_what_was_missing(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches lines that another processor rewrites, texts cut for their length, and parts that no
    test compares any more."""
    before = written.parent / "before"
    before.mkdir()
    monkeypatch.setenv("RECORD_NAMES", "made")
    monkeypatch.setenv("RECORD_BEFORE", str(before))
    kept = {"same": OLD, "more": OLD, "moved": OLD, "gone": OLD}
    parts = {name: {"on": "another", "is": value} for name, value in kept.items()}
    (before / "made.json").write_text(json.dumps(parts))
    written.unlink()
    near = {"schemes": ["uncoded 1.5000000001", *OLD["schemes"][1:]], "law": "#ba9876543210 0.25"}
    more = near | {"more": 1}
    long = "\n".join(f'a "line" of {n} words' for n in range(40))
    require_recorded("made", {"same": near, "more": more, "moved": long})
    require_recorded("other", {"same": 1})
    assert [*written.parent.glob("*.json")] == [written]
    found = json.loads(written.read_text())
    assert found["same"] == parts["same"]
    assert found["more"]["is"] == OLD | {"more": 1}, "as they stand, but what came"
    assert set(found) == {"same", "more", "moved"}
    assert max(map(len, written.read_text().splitlines())) <= 200
    monkeypatch.delenv("RECORD_NAMES")
    require_recorded("made", {"more": more, "moved": long})
