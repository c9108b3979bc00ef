"""What a person writes is what is meant: YAML, and ``--set``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from erasurehead import ConfigError
from erasurehead.experiments.config import document
from erasurehead.experiments.config.cells import cells, resolved
from erasurehead.experiments.config.codec import filled
from erasurehead.experiments.config.document import (
    MAX_BYTES,
    anchored,
    load,
    override,
    range_values,
    read_yaml,
    set_dotted,
    write_yaml,
)


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
    read = read_yaml(text)
    assert read == value
    assert type(read) is type(value)


def test_what_is_written_is_read_back() -> None:
    """Catches a text that comes back as a number, a truth value, or nothing."""
    texts = ["1e-4", "true", "yes", "010", "", "~", "a: b", "<<", "1:30", "2026-01-01", "é", "x\ny"]
    numbers = [1e-4, 1e300, 5e-324, 0.1, -2.0, float("inf"), 3, 2**70]
    document = {"texts": texts, "numbers": numbers, "off": {"a": None, "b": [{"c": True}, []]}}
    back = read_yaml(write_yaml(document))
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
        *("a: !!bool abc", "a: !!float ''", "a: !!map [b]", "a: !!int x"),
    ],
)
def test_what_is_not_yaml_is_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        read_yaml(text)


def test_a_key_that_appears_twice_says_where() -> None:
    with pytest.raises(ValueError, match="line 3, column 3: the key rate appears twice"):
        read_yaml("delay:\n  rate: 1\n  rate: 2\n")


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
    entries = [{"name": "a"}, {"name": "b", "label": "second"}, {"name": "b"}]
    return {"schemes": entries, "parts": [{"x": 1}, {"x": 2}]}


@pytest.mark.parametrize(("part", "index"), [("a", 0), ("second", 1), ("2", 2)])
def test_an_entry_is_meant_by_index_label_or_name(part: str, index: int) -> None:
    document = schemes()
    set_dotted(document, f"schemes.{part}.load", 3)
    assert [entry.get("load") for entry in document["schemes"]].index(3) == index
    set_dotted(document, "a.b.c", 1)
    assert document["a"] == {"b": {"c": 1}}


@pytest.mark.parametrize(
    ("key", "mention"),
    [
        ("schemes.b.load", r"several entries have this name; say which: \[1, 2\]"),
        ("schemes.c.load", "must be 0 to 2, or one of: a, b, second$"),
        ("schemes.secnd.load", r"\(did you mean second\?\)$"),
        ("parts.x.y", "must be 0 to 1$"),
        ("schemes.3.load", "must be 0 to 2"),
        ("schemes.a.name.x", "plain value"),
    ],
)
def test_a_key_that_means_nothing_or_too_much(key: str, mention: str) -> None:
    with pytest.raises(ConfigError, match=mention):
        set_dotted(schemes(), key, 3)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("range(1,4)", [1, 2, 3]),
        ("range(3, 1, -1)", [3, 2]),
        ("range(0,0.5,0.1)", [0.0, 0.1, 0.2, 0.3, 0.4]),
        ("range(1,2,0.25)", [1.0, 1.25, 1.5, 1.75]),
        ("linspace(1,2,5)", [1.0, 1.25, 1.5, 1.75, 2.0]),
        ("linspace(1,2,1)", [1.0]),
        ("logspace(-3,0,4)", [0.001, 0.01, 0.1, 1.0]),
        ("logspace(0,-1,3)", [1.0, 10**-0.5, 0.1]),
    ],
)
def test_ranges_stand_for_many_values(config: Path, text: str, values: list[float]) -> None:
    """On the command line and in the config's sweep; catches 0.30000000000000004."""
    found = load(config, [f"seed={text}"])["sweep"]["seed"]
    assert found == values
    assert [type(each) for each in found] == [type(each) for each in values]
    base = {"workers": 3, "delay": {"model": "exponential", "rate": 1.0}}
    whole = base | {"schemes": [{"name": "uncoded"}], "sweep": {"target_loss": text}}
    assert [cell.swept["target_loss"] for cell in cells(whole)] == values


def test_ranges_and_values_mix(config: Path) -> None:
    assert load(config, ["seed=7,range(1,3),9"])["sweep"]["seed"] == [7, 1, 2, 9]
    assert load(config, ["seed=range(4,5)"])["sweep"]["seed"] == [4]


@pytest.mark.parametrize(
    ("text", "mention"),
    [
        ("range(1)", r"must be range\(a, b\[, step\]\)"),
        ("linspace(0,1)", "must be range"),
        ("range(a,b)", "must be range"),
        ("range(0,1,1e999)", "must be range"),
        ("range(1,2,0)", "the step must not be 0"),
        ("range(2,1)", "holds no value; to count down, give a negative step"),
        ("range(0,1e9)", "1 to 100000 values"),
        ("range(0,1,1e-300)", "1 to 100000 values"),
        ("linspace(0,1,2.5)", "the number of values must be a whole number"),
        ("linspace(0,1,0)", "1 to 100000 values"),
        ("linspace(0,1,100001)", "1 to 100000 values"),
        ("logspace(0,400,3)", "at most 308"),
    ],
)
def test_a_bad_range_is_one_line(config: Path, text: str, mention: str) -> None:
    with pytest.raises(ConfigError, match=rf"^--set seed = '{re.escape(text)}': .*{mention}.*$"):
        load(config, [f"seed={text}"])
    document = {"workers": 3, "sweep": {"seed": text}}
    with pytest.raises(ConfigError, match=rf"^sweep\.seed = .*{mention}.*$"):
        cells(document)


def test_paths_start_from_the_configs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a config that only runs from one working directory."""
    folder, other = tmp_path / "configs", tmp_path / "other"
    for place, seconds in ((folder, 1.0), (other, 2.0)):
        (place / "data").mkdir(parents=True)
        np.savez(place / "data" / "t.npz", seconds=np.full((5, 3), seconds))
    text = "{workers: 3, iterations: 2, schemes: [{name: uncoded}], delay: {model: scaled, by: 1, "
    text += "base: {model: trace, path: data/t.npz}}}"
    (folder / "c.yaml").write_text(text)
    monkeypatch.chdir(other)

    def longest(document: dict[str, Any]) -> float:
        return cells(document)[0].settings.delay.longest()

    document = load(Path("../configs/c.yaml"))
    assert longest(document) == 1.0
    assert longest(load(folder / "c.yaml", ["delay.base.path=data/t.npz"])) == 2.0
    assert longest(read_yaml(text)) == 2.0  # from Python: the working directory
    written = write_yaml(resolved(document))
    monkeypatch.chdir("/")
    assert longest(read_yaml(written)) == 1.0
    assert cells(read_yaml(written))[0].key == cells(document)[0].key


def test_where_a_file_lies_does_not_matter(tmp_path: Path) -> None:
    """Results stay valid when a folder with config and data moves."""
    base = {"workers": 3, "schemes": [{"name": "uncoded"}]}
    keys = set()
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("0.1,0.2,0.3\n")
        delay = {"model": "trace", "path": str(tmp_path / name)}
        keys.add(cells(base | {"delay": delay})[0].key)
    assert len(keys) == 1


def test_a_document_that_is_endless_is_refused_at_once() -> None:
    """A mapping can contain itself."""
    endless: dict[str, Any] = {}
    endless["network"] = endless
    with pytest.raises(ConfigError, match="network: nested more than 100 deep"):
        cells(endless)


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^label = '\\ud800': half a character"):
        cells({"workers": 3, "schemes": [{"name": "uncoded", "label": "\ud800"}]})


BAD_YAML = [
    ("x: !!float ''", "line 1, column 4: a value is not what its tag !!float says"),
    ("x: !!bool 7", "line 1, column 4: a value is not what its tag !!bool says"),
    ("x: {1: 2, a: 3}", "line 1, column 5: a key must be text; put it in quotes"),
    ("x: {null: 2}", "a key must be text"),
    ("? [a]\n: 3", "a key must be text"),
    ("x: &a [*a]", "line 1, column 8: a value contains itself"),
    ("x: &a {y: {z: *a}}", "a value contains itself"),
    ("x: " + "[" * 100 + "]" * 100, "nested more than 100 deep"),
    ("x: " + "[" * 100_000, "nested more than 100 deep"),
    ("x: " + "9" * 401, "a number has at most 400 digits, not 401"),
]


@pytest.mark.parametrize(("text", "problem"), BAD_YAML, ids=lambda text: text[:20])
def test_what_yaml_can_say_and_we_do_not_take(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        read_yaml(text)


def nested(levels: int, close: str = "") -> str:
    """Lists that repeat the one before, each level twice what it repeats."""
    lines = ["a0: &a0 [1, 1]"]
    lines += [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, levels)]
    return "\n".join([*lines, close])


def test_repetitions_count_as_often_as_they_stand() -> None:
    """Catches a count of the text's own values, and one that is made after they are written out."""
    assert len(read_yaml(nested(14))) == 14
    for levels in (20, 60, 90):
        with pytest.raises(ValueError, match="holds more than 300,000 values"):
            read_yaml(nested(levels))


def test_merge_keys_multiply_too() -> None:
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 25)]
    with pytest.raises(ValueError, match="holds more than"):
        read_yaml("\n".join(lines))


def test_a_mapping_from_python_has_texts_as_keys() -> None:
    with pytest.raises(ConfigError, match="problem: the key 1 must be text"):
        anchored({"problem": {1: 2}}, Path())


def test_an_override_with_a_line_break_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("workers: 3")
    with pytest.raises(ConfigError, match=r"--set =a\\nb: must be"):
        load(tmp_path / "c.yaml", ["=a\nb"])
    with pytest.raises(ConfigError, match=r"--set x\\ny"):
        load(tmp_path / "c.yaml", ["x\ny=[1"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_config_is_a_regular_file_of_some_size(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigError, match="is a FIFO; must be a regular file"):
        load(tmp_path / "fifo")
    with pytest.raises(ConfigError, match="is a folder"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="is a device"):
        load(Path("/dev/zero"))
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ConfigError, match="larger than 32 MiB"):
        load(tmp_path / "large")
    (tmp_path / "latin").write_bytes("name: é".encode("latin-1"))
    with pytest.raises(ConfigError, match="byte 6 is not UTF-8"):
        load(tmp_path / "latin")


# Both sides of every bound of a document.


def test_as_deep_and_as_many_as_a_document_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred levels, the outermost among them; 400 digits; so many values, repeated ones too."""
    assert read_yaml("[" * 100 + "]" * 100)
    with pytest.raises(ValueError, match="line 1, column 101: nested more than 100 deep"):
        read_yaml("[" * 101 + "]" * 101)
    chain = ["a0: &a0 [1]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 99)]
    assert read_yaml("\n".join(chain[:98]))
    with pytest.raises(ValueError, match="line 99, column 12: nested more than 100 deep"):
        read_yaml("\n".join(chain))
    assert read_yaml("9" * 400) == int("9" * 400)
    monkeypatch.setattr(document, "MOST_VALUES", 10)
    assert len(read_yaml("[1, 1, 1, 1, 1, 1, 1, 1, 1]")) == 9
    assert read_yaml("{a: 1, b: 2, c: 3, d: [4]}")
    assert read_yaml("[&a [1, 1], *a, *a]")
    for many in ("[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]", "{a: 1, b: 2, c: 3, d: [4, 5]}"):
        with pytest.raises(ValueError, match="line 1, column 1: holds more than 10 values"):
            read_yaml(many)
    with pytest.raises(ValueError, match="holds more than 10 values"):
        read_yaml("[&a [1, 1], *a, *a, 1]")


def test_as_deep_and_as_many_as_a_mapping_from_python_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def deep(levels: int) -> dict[str, Any]:
        value: Any = 1
        for _ in range(levels):
            value = [value]
        return {"x": value}

    assert anchored(deep(99), Path()) == deep(99)
    with pytest.raises(ConfigError, match="x: nested more than 100 deep"):
        anchored(deep(100), Path())
    monkeypatch.setattr(document, "MOST_GIVEN", 10)
    assert anchored({"x": [1] * 8}, Path())
    with pytest.raises(ConfigError, match="the config holds more than 10 values"):
        anchored({"x": [1] * 10}, Path())


def test_a_config_may_have_so_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_BYTES", 64)
    text = "name: run\n# "
    for more, said in ((0, None), (1, "larger than")):
        (tmp_path / "c.yaml").write_text(text + "x" * (64 - len(text) + more))
        if said is None:
            assert load(tmp_path / "c.yaml") == {"name": "run"}
        else:
            with pytest.raises(ConfigError, match=said):
                load(tmp_path / "c.yaml")
    text = ("step,host,t\n1,a,2.5\n", "text like a table [(]try `erasurehead whatif ")
    for content, kind in (("", "empty"), ("[1]", "a list"), ("3", "a int"), ("a b", "a str"), text):
        (tmp_path / "c.yaml").write_text(content)
        with pytest.raises(ConfigError, match=f"must be a mapping of settings; it is {kind}"):
            load(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("text", "count", "last"),
    [
        ("range(0,100)", 100, 99),
        ("range(0,101)", None, "must have 1 to 100 values"),
        ("linspace(0,1,100)", 100, 1.0),
        ("linspace(0,1,101)", None, "must have 1 to 100 values"),
        ("linspace(3,5,2)", 2, 5.0),
        ("range(5,6)", 1, 5),
        ("range(5,5)", None, "holds no value"),
        ("range(0,-1,-0.5)", 2, -0.5),
        ("logspace(307,308,2)", 2, 1e308),
        ("logspace(307.5,307.9,2)", 2, 10.0**307.9),
        ("logspace(308,309,2)", None, "at most 308"),
        ("logspace(300,308.5,2)", None, "at most 308"),
        ("logspace(2,2,1)", 1, 100.0),
        ("range(0,1.5)", 2, 1.0),  # a fraction makes all of them floats
        ("range(1,2,3,4)", None, "must be range"),
        ("linspace(0,1,2,3)", None, "must be range"),
        ("range(1,2e1000)", None, "must be range"),
    ],
)
def test_the_first_and_the_last_value_of_a_range(
    text: str, count: int | None, last: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert document.MOST_POINTS == 100_000
    monkeypatch.setattr(document, "MOST_POINTS", 100)
    if count is None:
        with pytest.raises(ConfigError, match=re.escape(last)):
            range_values(text, "x")
        return
    found = range_values(text, "x")
    assert found is not None
    assert (len(found), found[-1], type(found[-1])) == (count, last, type(last))


@pytest.mark.parametrize(
    "text", ["ranges(1,2)", "range 1,2", 5, None, "[range(1,2)]", "range(1,2) x"]
)
def test_what_is_no_range_is_left_alone(text: object) -> None:
    assert range_values(text, "x") is None


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ({"a": {"b": 1, "c": 2, "d": 3, "e": 4}}, 1),  # a section of four plain values
        ({"a": {"b": 1, "c": 2, "d": 3, "e": 4, "f": 5}}, 6),
        ({"a": {"b": {"c": 1}}}, 2),
        ({"a": [1, 2, 3, 4, 5, 6]}, 1),
        ({"a": [[1], [2]]}, 3),
        ({"a": 1, "b": 2}, 1),
    ],
)
def test_what_holds_plain_values_stands_on_one_line(value: dict[str, Any], lines: int) -> None:
    assert len(write_yaml(value).splitlines()) == lines
    assert read_yaml(write_yaml(value)) == value


def test_entries_are_numbered_in_brackets_as_well() -> None:
    given: dict[str, Any] = {"schemes": [{"name": "window", "load": 1}]}
    override(given, ["schemes[0].load=9", "schemes[0].at_least=1,2"])
    assert given == {
        "schemes": [{"name": "window", "load": 9}],
        "sweep": {"schemes.0.at_least": [1, 2]},
    }


def test_what_is_left_unsaid_is_filled_in() -> None:
    """What is said keeps its order and its spelling; a number that means another one does not."""
    given = {"b": 1, "a": [1, {"x": 2}], "unknown": 3, "d": [1], "e": True, "f": 2}
    full = {"a": [1.0, {"y": 0, "x": 2.0}], "b": 1.0, "c": None, "d": [1.0, 2.0], "e": 1, "f": 3}
    found = filled(given, full)
    expected = {"b": 1, "a": [1, {"x": 2, "y": 0}], "d": [1.0, 2.0], "e": 1, "f": 3, "c": None}
    assert found == expected
    assert list(found) == list(expected)
    assert list(found["a"][1]) == ["x", "y"]
    assert type(found["b"]) is type(found["a"][0]) is int
    assert type(found["e"]) is int
    assert filled([1, 2, 3], [1.0, 2.0]) == [1.0, 2.0]
    assert filled("a", "b") == "b"


def test_keys_below_levels_may_be_numbers() -> None:
    """From YAML, ``--set`` and Python, also in a list and in a sweep; they are texts from then on.
    Nowhere else, and no other numbers."""
    expected = {
        "schemes": [{"levels": [{"2": 8}, {"4": 2, "2": 1}]}],
        "sweep": {"a.levels": [{"1": 2}]},
    }
    text = "schemes: [{levels: [{2: 8}, {4: 2, 02: 1}]}]\nsweep: {a.levels: [{1: 2}]}"
    assert read_yaml(text) == expected
    assert read_yaml(write_yaml(expected)) == expected
    for given in (1, "2"):
        with pytest.raises(ConfigError, match="levels: a key stands there twice"):
            anchored({"levels": {1: 3, given: 4, "1": 5, 2: 6}}, Path())
    python = {"schemes": [{"levels": [{2: 8}, {4: 2, 2: 1}]}], "sweep": {"a.levels": [{1: 2}]}}
    assert anchored(python, Path()) == expected
    document: dict[str, Any] = {"schemes": [{"name": "local_sgd", "steps": 8}]}
    override(document, ["schemes.local_sgd.levels={2: 3, 4: 6}"])
    assert document["schemes"][0]["levels"] == {"2": 3, "4": 6}
    override(document, ["schemes.local_sgd.levels.2=4"])
    override(document, ["schemes.0.levels={2: 3},{4: 6}"])
    assert document["schemes"][0]["levels"] == {"2": 4, "4": 6}
    assert document["sweep"] == {"schemes.0.levels": [{"2": 3}, {"4": 6}]}
    for wrong in ("{1: 2}", "levels: {2: 1, 02: 3}", "levels: {2.5: 1}", "levels: {a: {3: 1}}"):
        with pytest.raises(ValueError, match=r"put it in quotes|appears twice"):
            read_yaml(wrong)
    with pytest.raises(ConfigError, match="must be text"):
        anchored({"level": {1: 2}}, Path())
    for other in ({True: 2}, {1.5: 2}):
        with pytest.raises(
            ConfigError, match=r"levels: the key (True|1\.5) must be a whole number"
        ):
            anchored({"levels": other}, Path())
