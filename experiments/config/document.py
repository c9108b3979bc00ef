"""A config as a person gives it: a YAML file, and ``--set`` on the command line."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from ...sim.base.errors import ConfigError, address_defect, at, one_of, shell_word
from ...sim.base.files import UnusableFile, require_regular

# YAML is read as version 1.2 has it: PyYAML follows version 1.1, in which ``1e-4`` is a text,
# ``yes`` is true, ``010`` is eight and of two equal keys the last one silently wins.

MAX_DEPTH, MOST_VALUES = 100, 300_000  # bounds on a document with all its repetitions written out
DEEP = f"nested more than {MAX_DEPTH} deep"
MAX_BYTES = 2**25  # bytes of a config's file
# bounds on a document from Python, which can contain itself; a text has been counted before
DEEPEST_GIVEN, MOST_GIVEN = 100, 1_000_000
MOST_DIGITS = 400  # of a whole number: more than the largest float has
YAML_FLOAT = (
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
TAG = "tag:yaml.org,2002:"
NUMBERED = "levels"  # the key of sections whose own keys may be whole numbers: they become texts
CORE = ("null", "bool", "int", "float", "str", "seq", "map")
MOST_POINTS = 100_000  # points of a grid, and values of a range: more are a mistake
RANGE_FORMS = "must be range(a, b[, step]), linspace(a, b, m) or logspace(a, b, m), with numbers"
_CALL = re.compile(r"\s*(range|linspace|logspace)\s*\((.*)\)\s*", re.DOTALL)
_WHOLE = re.compile(r"[-+]?[0-9]{1,15}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")


class _Reader(yaml.SafeLoader):
    """The core schema of YAML 1.2, and merge keys; keys are texts, each once in a mapping.
    A part that is repeated by its name counts as often as it stands in the document."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._open = 0
        self._sizes: dict[int, int] = {}
        self._depths: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if self._open == MAX_DEPTH:
            raise _error(DEEP, event)
        self._open += 1
        node = super().compose_node(parent, index)
        self._open -= 1
        if node is None:
            return None
        if not isinstance(event, yaml.AliasEvent):
            children = node.value if isinstance(node, yaml.CollectionNode) else ()
            if isinstance(node, yaml.MappingNode):
                children = [child for pair in node.value for child in pair]
            self._sizes[id(node)] = 1 + sum(self._sizes[id(child)] for child in children)
            depths = (self._depths[id(child)] for child in children)
            self._depths[id(node)] = 1 + max(depths, default=0)
        if id(node) not in self._sizes:
            raise _error("a value contains itself", event)
        if self._open + self._depths[id(node)] > MAX_DEPTH:
            raise _error(DEEP, event)
        if self._sizes[id(node)] > MOST_VALUES:
            raise _error(f"holds more than {MOST_VALUES:,} values", event)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (LookupError, TypeError, AttributeError, ValueError):
            tag = node.tag.removeprefix(TAG)
            raise _error(f"a value is not what its tag !!{tag} says", node) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            if key.tag == TAG + "merge":
                continue
            if isinstance(key, yaml.ScalarNode) and _numbered(key.value):
                _make_keys_texts(value)
            if not isinstance(key, yaml.ScalarNode) or key.tag != TAG + "str":
                raise _error("a key must be text; put it in quotes", key)
            if key.value in seen:
                raise _error(f"the key {key.value} appears twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_decimal(self, node: yaml.ScalarNode) -> int:
        text = self.construct_scalar(node)
        if len(text) > MOST_DIGITS:
            raise _error(f"a number has at most {MOST_DIGITS} digits, not {len(text)}", node)
        return int(text)


def _numbered(key: str) -> bool:
    """Whether keys of the section at a dotted key may be whole numbers."""
    return key.rpartition(".")[2] == NUMBERED


def _make_keys_texts(section: yaml.Node | None) -> None:
    """Those that are whole numbers, of a section or of each in a list."""
    for entry in section.value if isinstance(section, yaml.SequenceNode) else ():
        _make_keys_texts(entry)
    for key, _ in section.value if isinstance(section, yaml.MappingNode) else ():
        if key.tag == TAG + "int" and len(key.value) <= MOST_DIGITS:
            key.tag, key.value = TAG + "str", str(int(key.value))


def _error(problem: str, at: yaml.Node | yaml.Event) -> yaml.MarkedYAMLError:
    mark: Any = at.start_mark
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


class _Writer(yaml.SafeDumper):
    """What a person can read: on one line where a section or list holds nothing but plain values.
    It quotes what the reader would take for something else."""

    def represent_section(self, value: Mapping[str, Any]) -> yaml.Node:
        node = self.represent_mapping(TAG + "map", value)
        node.flow_style = _flat(value.values()) and len(value) <= 4
        return node

    def represent_values(self, value: list[Any]) -> yaml.Node:
        node = self.represent_sequence(TAG + "seq", value)
        node.flow_style = _flat(value)
        return node


def _flat(values: Iterable[Any]) -> bool:
    return not any(isinstance(value, dict | list) for value in values)


_Reader.yaml_constructors = {
    tag: yaml.SafeLoader.yaml_constructors[tag] for tag in (None, *(TAG + name for name in CORE))
}
_Reader.add_constructor(TAG + "int", _Reader.construct_decimal)
_Writer.add_representer(dict, _Writer.represent_section)
_Writer.add_representer(list, _Writer.represent_values)
_Reader.yaml_implicit_resolvers = {}
_Writer.yaml_implicit_resolvers = {}
for name, pattern, first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", YAML_FLOAT, list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    for either in (_Reader, _Writer):
        either.add_implicit_resolver(TAG + name, re.compile(f"^({pattern})$"), first)


def read_yaml(text: str, key: str = "") -> Any:
    """The document that a text holds, or the value at a dotted key of one. Raises ValueError: one
    line says where it is not YAML."""
    try:
        reader = _Reader(text)
        node = reader.get_single_node()
        if _numbered(key):
            _make_keys_texts(node)
        return None if node is None else reader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        position = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        raise ValueError(f"{position}{error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from None


def write_yaml(document: Mapping[str, Any]) -> str:
    """A mapping as a text, keys in their order; ``read`` gives the same mapping back."""
    return yaml.dump(dict(document), Dumper=_Writer, sort_keys=False, width=96)


def range_values(text: object, place: str) -> list[int] | list[float] | None:
    """The values of a range, or ``None`` for anything else.

    - ``range(a, b[, step])``: a, a + step, ... as long as it is before b, as in Python; fractions
      too. Decimals are exact: ``range(0, 1, 0.1)`` has 0.3 and not 0.30000000000000004.
    - ``linspace(a, b, m)``: m numbers at equal distances, both ends included.
    - ``logspace(a, b, m)``: ten to the powers ``linspace(a, b, m)``, as in NumPy.

    Raises ConfigError: it is a range, but a wrong one; ``place`` is where it stands."""
    call = _CALL.fullmatch(text) if isinstance(text, str) else None
    if call is None:
        return None
    name, arguments = call[1], [argument.strip() for argument in call[2].split(",")]
    known = all(
        _NUMBER.fullmatch(argument) and math.isfinite(float(argument)) for argument in arguments
    )
    if not known or len(arguments) not in ((2, 3) if name == "range" else (3,)):
        raise at(place, text, RANGE_FORMS)
    # What is meant: of a fraction the shortest decimal of the nearest float.
    texts = [
        argument if _WHOLE.fullmatch(argument) else repr(float(argument))
        for argument in [*arguments, "1"]
    ]
    first, last, third = map(Fraction, texts[:3])
    if name == "range":
        count, step = Fraction(math.ceil((last - first) / third) if third else 0), third
    else:
        count, step = third, (last - first) / (third - 1 if third > 1 else 1)
    if name == "range" and step == 0:
        raise at(place, text, "the step must not be 0")
    if name == "range" and count < 1:
        raise at(place, text, "holds no value; to count down, give a negative step")
    if count.denominator > 1:
        raise at(place, text, "the number of values must be a whole number")
    if not 1 <= count <= MOST_POINTS:
        raise at(place, text, f"must have 1 to {MOST_POINTS} values")
    numbers = [first + i * step for i in range(int(count))]
    if name == "range" and all(_WHOLE.fullmatch(argument) for argument in arguments):
        return [int(number) for number in numbers]
    values = [_power(number) if name == "logspace" else float(number) for number in numbers]
    if not all(math.isfinite(number) for number in values):
        raise at(place, text, "the powers of ten must be at most 308")
    return values


def _power(exponent: Fraction) -> float:
    """Ten to a power; to a whole one the nearest float."""
    if exponent.denominator == 1:
        return float(f"1e{exponent}")
    return 10.0 ** float(exponent) if exponent < 308 else math.inf


def load(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a YAML config and apply ``--set`` overrides. Raises ConfigError: one cannot be used."""
    document = anchored(read_mapping(path), path.parent)
    override(document, overrides)
    return document


def read_mapping(path: Path) -> dict[str, Any]:
    """What a config's file says, its paths as they are written.
    Raises ConfigError: no such file, no file, too large, no UTF-8, no YAML, or no mapping."""
    try:
        require_regular(path)
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UnusableFile(f"is no config: larger than {MAX_BYTES // 2**20} MiB")
        document = read_yaml(content.decode("utf-8-sig"))
    except UnusableFile as error:
        raise ConfigError(f"{path}: {error}") from None
    except UnicodeDecodeError as error:
        text = f"{path}: cannot be read: byte {error.start} is not UTF-8"
        raise ConfigError(f"{text}; is it {_table(path)}?") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    if not isinstance(document, dict):
        kind = "empty" if document is None else f"a {type(document).__name__}"
        if isinstance(document, str) and {*",;"} & {*document}:
            kind = f"text like {_table(path)}"
        raise ConfigError(f"{path}: must be a mapping of settings; it is {kind}")
    return document


def _table(path: Path) -> str:
    name = shell_word(str(path))
    return f"a table (try `erasurehead whatif {name}`, or `erasurehead fit {name}`)"


def anchored(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A copy whose relative paths start from ``folder``.
    Paths are the values of keys called ``path``, and files among ``plugins`` or as a ``model``.
    Raises ConfigError: a path is an address, or it is nested too deep or too large; in YAML, few
    lines can say that."""
    room = itertools.count()

    def copied(value: Any, key: str, depth: int) -> Any:
        if next(room) > MOST_GIVEN:
            raise ConfigError(f"the config holds more than {MOST_GIVEN:,} values")
        if depth > DEEPEST_GIVEN:
            raise ConfigError(f"{key}: nested more than {DEEPEST_GIVEN} deep")
        if isinstance(value, Mapping):
            for name in value:
                if not isinstance(name, str) and not (type(name) is int and _numbered(key)):
                    valid = "a whole number" if _numbered(key) else "text"
                    raise ConfigError(f"{key}: the key {name!r} must be {valid}")
            entries = {str(name): entry for name, entry in value.items()}
            if len(entries) < len(value):
                raise ConfigError(f"{key}: a key stands there twice, as a number and as text")
            return {name: copied(entry, name, depth + 1) for name, entry in entries.items()}
        if isinstance(value, list | tuple):
            return [copied(entry, key, depth + 1) for entry in value]
        if not isinstance(value, str):
            return value
        if not value.isprintable() and any("\ud800" <= sign <= "\udfff" for sign in value):
            raise at(key, value, "half a character; must be text")
        last = str(key).rpartition(".")[2]
        named = last == "path" or (last == "model" and value.endswith(".py"))
        listed = key == "plugins" and depth == 2 and is_file(value)
        if not (named or listed):
            return value
        if (defect := address_defect(value)) is not None:
            raise at(str(key), value, defect)
        return str(Path.absolute(folder / value))

    whole: dict[str, Any] = copied(document, "config", 0)
    return whole


def is_file(plugin: str) -> bool:
    """Whether an entry of ``plugins`` is a file's path rather than a module's name."""
    return plugin.endswith(".py") or "/" in plugin


def override(document: dict[str, Any], overrides: Sequence[str]) -> None:
    """Apply ``--set`` overrides in place. Raises ConfigError: one is malformed, or would undo an
    earlier one."""
    places = dict[tuple[str | int, ...], str]()
    for setting in overrides:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {setting}: must be dotted.key=value or dotted.key=v1,v2,...")
        key = re.sub(r"\[(\d+)\]", r".\1", key)  # schemes[0].load is schemes.0.load
        texts = _split(text)
        ranges = [range_values(text, f"--set {key}") for text in texts]
        try:
            both = zip(texts, ranges, strict=True)
            lists = [[read_yaml(text, key)] if many is None else many for text, many in both]
            values = [value for many in lists for value in many]
        except ValueError:
            raise at(f"--set {key}", text, "must be YAML values separated by commas") from None
        place = place_of(document, key)
        for earlier, first in places.items():
            if earlier[: len(place)] == place:
                undoes = "is set twice" if earlier == place else f"undoes --set {first}"
                raise at(f"--set {key}", text, f"{undoes}: give each key once, a section first")
        places[place] = key
        drop_axes(document, key)
        sweep = document.get("sweep")
        if ranges == [None]:
            set_dotted(document, key, values[0])
        else:
            if not isinstance(sweep, dict):
                sweep = document["sweep"] = {}
            sweep[key] = values


def _split(text: str) -> list[str]:
    """Split at commas outside brackets and quotes, so that ``[1,2]`` and ``"a, b"`` stay whole."""
    pieces, depth, quote = [""], 0, ""
    for character in text:
        if quote or (character in "\"'" and not pieces[-1].strip()):
            quote = "" if character == quote else quote or character
        depth += not quote and character in "[{("
        depth -= not quote and character in "]})"
        if character == "," and depth == 0 and not quote:
            pieces.append("")
        else:
            pieces[-1] += character
    return pieces


def set_dotted(document: dict[str, Any], key: str, value: Any) -> None:
    """Set ``a.b.c`` in place; a list is entered by index or by an entry's ``label`` or ``name``.
    Raises ConfigError: the path leads through something that is neither mapping nor list, or to a
    name that no entry, or more than one, has."""
    node: Any = document
    *path, last = key.split(".")
    for step in path:
        if isinstance(node, dict) and node.get(step) is None:
            node[step] = {}
        node = node[_place(node, step, key)]
    node[_place(node, last, key)] = value


def place_of(document: Mapping[str, Any], key: str) -> tuple[str | int, ...]:
    """Where a dotted key leads, entries of lists by index, as far as the document has it."""
    node: Any = document
    place: list[str | int] = []
    for step in key.split("."):
        inner: str | int = step
        with suppress(ConfigError):  # a label that comes later, or no way at all
            inner = _place(node, step, key)
        there = isinstance(inner, int) or (isinstance(node, dict) and inner in node)
        node = node[inner] if there else {}
        place.append(inner)
    return tuple(place)


def drop_axes(document: Mapping[str, Any], key: str) -> None:
    """A set value replaces the axes of the sweep that lead to its place or below it."""
    if isinstance(sweep := document.get("sweep"), dict):
        place = place_of(document, key)
        for axis in [axis for axis in sweep if place_of(document, axis)[: len(place)] == place]:
            del sweep[axis]


def _place(entries: Any, step: str, key: str) -> str | int:
    """Where ``step`` leads: a key, or of a list an index, a label, or a name if no other has it."""
    if isinstance(entries, dict):
        return step
    if not isinstance(entries, list):
        raise at(f"key {key}", step, "leads into a plain value")
    if step in map(str, range(len(entries))):
        return int(step)
    for tag in ("label", "name"):
        where = [i for i, e in enumerate(entries) if isinstance(e, dict) and e.get(tag) == step]
        if len(where) == 1:
            return where[0]
        if where:
            raise at(f"key {key}", step, f"several entries have this {tag}; say which: {where}")
    sections = [entry for entry in entries if isinstance(entry, dict)]
    named = {str(entry[tag]) for entry in sections for tag in ("label", "name") if tag in entry}
    valid = f"must be 0 to {len(entries) - 1}"
    names = f", or {one_of(named, step).removeprefix('must be ')}" if named else ""
    raise at(f"key {key}", step, valid + names)
