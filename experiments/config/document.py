"""A config as a person gives it: a YAML file, and ``--set`` on the command line."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...sim.files import UnusableFile, require_regular
from . import ranges, yaml_text
from .errors import ConfigError, at

LARGEST = 2**25
"""Bytes of a config's file."""

DEEPEST, MOST_VALUES = 100, 1_000_000
"""Bounds on a document from Python, which can contain itself; a text has been counted before."""


def load(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a YAML config and apply ``--set`` overrides; several values become a sweep.

    Raises:
        ConfigError: unreadable file or malformed override.
    """
    text = text_of(path)
    try:
        document = yaml_text.read(text)
    except ValueError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: must be a mapping of settings; it is {_kind(document)}")
    document = anchored(document, path.parent)
    override(document, overrides)
    return document


def override(document: dict[str, Any], overrides: Sequence[str]) -> None:
    """Apply ``--set`` overrides in place.

    Raises:
        ConfigError: one is malformed.
    """
    for each in overrides:
        _override(document, each)


def text_of(path: Path) -> str:
    """The text of a config's file.

    Raises:
        ConfigError: no such file, no file, too large, or no UTF-8.
    """
    try:
        require_regular(path)
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise UnusableFile(f"is no config: larger than {LARGEST // 2**20} MiB")
        return content.decode("utf-8-sig")
    except UnusableFile as error:
        raise ConfigError(f"{path}: {error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: cannot be read: byte {error.start} is not UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None


def anchored(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A copy whose relative paths start from ``folder``.

    Paths are the values of keys called ``path``, and files among ``plugins``.

    Raises:
        ConfigError: it is nested too deep or too large; in YAML, few lines can say that.
    """
    room = itertools.count()

    def copied(value: Any, key: str, depth: int) -> Any:
        if next(room) > MOST_VALUES:
            raise ConfigError(f"the config holds more than {MOST_VALUES:,} values")
        if depth > DEEPEST:
            raise ConfigError(f"{key}: nested more than {DEEPEST} deep")
        if isinstance(value, Mapping):
            for name in value:
                if not isinstance(name, str):
                    raise ConfigError(f"{key}: the key {name!r} must be text")
            return {name: copied(entry, name, depth + 1) for name, entry in value.items()}
        if isinstance(value, list | tuple):
            return [copied(entry, key, depth + 1) for entry in value]
        if not isinstance(value, str):
            return value
        if not value.isprintable() and any("\ud800" <= each <= "\udfff" for each in value):
            raise at(key, value, "half a character; must be text")
        named = str(key).rpartition(".")[2] == "path"
        listed = key == "plugins" and depth == 2 and is_file(value)
        return str(Path.absolute(folder / value)) if named or listed else value

    whole: dict[str, Any] = copied(document, "config", 0)
    return whole


def is_file(plugin: str) -> bool:
    """Whether an entry of ``plugins`` is a file's path rather than a module's name."""
    return plugin.endswith(".py") or "/" in plugin


def _kind(document: Any) -> str:
    return "empty" if document is None else f"a {type(document).__name__}"


def _override(document: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: must be dotted.key=value or dotted.key=v1,v2,...")
    values: list[Any] = []
    single = True
    for part in (parts := _split(text)):
        many = ranges.values(part, f"--set {key}")
        single = many is None and len(parts) == 1
        values += [_value(part, key, text)] if many is None else many
    sweep = document.get("sweep")
    if isinstance(sweep, dict):
        sweep.pop(key, None)
    if single:
        set_dotted(document, key, values[0])
    else:
        if not isinstance(sweep, dict):
            sweep = document["sweep"] = {}
        sweep[key] = values


def _value(part: str, key: str, text: str) -> Any:
    try:
        return yaml_text.read(part)
    except ValueError:
        raise at(f"--set {key}", text, "must be YAML values separated by commas") from None


def _split(text: str) -> list[str]:
    """Split at commas outside brackets, so that ``[1,2]`` and ``range(1,2)`` stay whole."""
    parts, depth = [""], 0
    for character in text:
        depth += character in "[{("
        depth -= character in "]})"
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def set_dotted(document: dict[str, Any], key: str, value: Any) -> None:
    """Set ``a.b.c`` in place; a list is entered by index or by an entry's ``label`` or ``name``.

    Raises:
        ConfigError: the path leads through something that is neither mapping nor list, or to a
            name that no entry, or more than one, has.
    """
    node: Any = document
    *path, last = key.split(".")
    for part in path:
        if isinstance(node, dict):
            if node.get(part) is None:
                node[part] = {}
            node = node[part]
        elif isinstance(node, list):
            node = node[_index(node, part, key)]
        else:
            raise at(f"key {key}", part, "leads into a plain value")
    if isinstance(node, dict):
        node[last] = value
    elif isinstance(node, list):
        node[_index(node, last, key)] = value
    else:
        raise at(f"key {key}", last, "leads into a plain value")


def _index(entries: list[Any], part: str, key: str) -> int:
    """Which entry ``part`` means: its index, its label, or its name if no other has it."""
    if part in map(str, range(len(entries))):
        return int(part)
    for tag in ("label", "name"):
        named = [isinstance(entry, dict) and entry.get(tag) == part for entry in entries]
        if sum(named) == 1:
            return named.index(True)
        if sum(named) > 1:
            where = [index for index, same in enumerate(named) if same]
            raise at(f"key {key}", part, f"several entries have this {tag}; say which: {where}")
    names = [entry.get("name") for entry in entries if isinstance(entry, dict)]
    raise at(f"key {key}", part, f"must be 0 to {len(entries) - 1}, or a name: {names}")
