"""What a person writes is what is meant: YAML, and ``--set``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.config import yaml_text
from experiments.config.document import load, set_dotted
from experiments.config.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("-.5E+3", -500.0),
        ("5.", 5.0),
        (".inf", float("inf")),
        ("010", 10),
        ("-3", -3),
        ("yes", "yes"),
        ("off", "off"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"),
        ("true", True),
        ("~", None),
        ("", None),
        ("'1e-4'", "1e-4"),
        ("{a: &x {b: 1}, c: {<<: *x, d: 2}}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    """Catches YAML 1.1, in which a rate of 1e-4 is a text and ``off`` is false."""
    read = yaml_text.read(text)
    assert read == value
    assert type(read) is type(value)


def test_what_is_written_is_read_back() -> None:
    """Catches a text that comes back as a number, a truth value, or nothing."""
    texts = ["1e-4", "true", "yes", "010", "", "~", "a: b", "<<", "1:30", "2026-01-01", "é", "x\ny"]
    numbers = [1e-4, 1e300, 5e-324, 0.1, -2.0, float("inf"), 3, 2**70]
    document = {"texts": texts, "numbers": numbers, "off": {"a": None, "b": [{"c": True}, []]}}
    back = yaml_text.read(yaml_text.write(document))
    assert back == document
    assert [type(number) for number in back["numbers"]] == [type(number) for number in numbers]


@pytest.mark.parametrize(
    "text",
    [
        "{a: 1, a: 2}",
        "a: {b: 1, b: 2}",
        "a: [1",
        "? [1]\n: 2",
        "!!python/name:os.system x",
        "[" * 4000,
        "!!timestamp x",
        "1" * 5000,
    ],
)
def test_what_is_not_yaml_is_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        yaml_text.read(text)


def test_a_key_that_appears_twice_says_where() -> None:
    with pytest.raises(ValueError, match="line 3, column 3: the key rate appears twice"):
        yaml_text.read("delay:\n  rate: 1\n  rate: 2\n")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text("delay: {rate: 1.0}\nsweep: {delay.rate: [1, 2], workers: [3, 4]}\n")
    return path


def test_set_wins_over_the_file_and_over_its_sweep(config: Path) -> None:
    """Catches ``--set delay.rate=5`` that the file's own sweep then overwrites."""
    assert load(config, ["delay.rate=5"]) == {"delay": {"rate": 5}, "sweep": {"workers": [3, 4]}}


def test_several_values_make_a_sweep(config: Path) -> None:
    document = load(config, ["delay.rate=1e-2,2", "schemes=[1,2],[3]"])
    assert document["sweep"] == {
        "workers": [3, 4],
        "delay.rate": [0.01, 2],
        "schemes": [[1, 2], [3]],
    }
    assert document["delay"] == {"rate": 1.0}


def schemes() -> dict[str, Any]:
    return {"schemes": [{"name": "a"}, {"name": "b", "label": "second"}, {"name": "b"}]}


@pytest.mark.parametrize(("part", "index"), [("a", 0), ("second", 1), ("2", 2)])
def test_an_entry_is_meant_by_index_label_or_name(part: str, index: int) -> None:
    document = schemes()
    set_dotted(document, f"schemes.{part}.load", 3)
    assert [entry.get("load") for entry in document["schemes"]].index(3) == index


@pytest.mark.parametrize(
    ("key", "mention"),
    [
        ("schemes.b.load", r"several entries have this name; say which: \[1, 2\]"),
        ("schemes.c.load", "must be 0 to 2, or a name"),
        ("schemes.3.load", "must be 0 to 2"),
        ("schemes.a.name.x", "plain value"),
    ],
)
def test_a_key_that_means_nothing_or_too_much(key: str, mention: str) -> None:
    with pytest.raises(ConfigError, match=mention):
        set_dotted(schemes(), key, 3)
