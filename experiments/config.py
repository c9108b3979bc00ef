"""From a YAML file and ``--set`` to cells: the smallest things that are run.

A *cell* is one scheme at one point of the sweep's grid. Its bytes in the results depend on its
own settings alone, and its hash names them.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from annotated_types import Ge
from pydantic import AllowInfNan, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from experiments import resolve
from experiments.errors import ConfigError, at, from_validation
from experiments.resolve import Section
from sim.engines.policy import Policy


def _not_bool(value: Any) -> Any:
    """YAML reads yes and on as True; a count or a rate is never a truth value."""
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")
    return value


Count = Annotated[int, BeforeValidator(_not_bool), Ge(1)]


class Settings(BaseModel):
    """One point of the grid: a whole config whose sections are still plain mappings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "run"
    workers: Count
    iterations: Count = 100
    replications: Count = 1
    seed: Annotated[int, BeforeValidator(_not_bool), Ge(0)] = 0
    engine: Literal["event", "batch", "auto"] = "auto"
    policy: Policy = Policy.CANCEL
    delay: Section
    load_law: Section = {"kind": "proportional"}
    schemes: Annotated[list[Section], Field(min_length=1)]
    problem: Section | None = None
    optimizer: Section | None = None
    network: Section | None = None
    failures: Section | None = None
    target_loss: Annotated[float, BeforeValidator(_not_bool), AllowInfNan(False)] | None = None
    sweep: dict[str, list[Any]] = {}


class Cell(BaseModel):
    """One scheme at one point of the grid.

    Attributes:
        settings: the point, with ``schemes`` holding this cell's scheme alone.
        label: how tables and pictures name the scheme.
        swept: the grid's keys and this point's values, which become columns.
        point: index of the point in the grid; its cells read the same tapes.
    """

    model_config = ConfigDict(frozen=True)

    settings: Settings
    label: str
    swept: dict[str, Any]
    point: int

    @property
    def scheme(self) -> Section:
        """The scheme's section."""
        return self.settings.schemes[0]

    @property
    def key(self) -> str:
        """Hash of everything that the cell's numbers depend on (input files by content)."""
        facts = self.settings.model_dump(mode="json", exclude={"name", "sweep", "schemes"})
        facts["scheme"] = {k: v for k, v in self.scheme.items() if k != "label"}
        facts["files"] = {str(path): _digest(path) for path in _files(facts)}
        text = json.dumps(facts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _files(section: Any) -> Iterator[Path]:
    """The existing files that a section names under ``path``, however deep."""
    if isinstance(section, dict):
        path = section.get("path")
        if isinstance(path, str) and Path(path).is_file():
            yield Path(path)
    if isinstance(section, (dict, list)):
        for entry in section.values() if isinstance(section, dict) else section:
            yield from _files(entry)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a YAML config and apply ``--set`` overrides; several values become a sweep.

    Raises:
        ConfigError: unreadable file or malformed override.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: must be a mapping of settings; it is {_kind(document)}")
    for override in overrides:
        _override(document, override)
    return document


def _kind(document: Any) -> str:
    return "empty" if document is None else f"a {type(document).__name__}"


def _override(document: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: must be dotted.key=value or dotted.key=v1,v2,...")
    try:
        values = [yaml.safe_load(part) for part in _split(text)]
    except yaml.YAMLError:
        raise at(f"--set {key}", text, "must be YAML values separated by commas") from None
    sweep = document.get("sweep")
    if isinstance(sweep, dict):
        sweep.pop(key, None)
    if len(values) == 1:
        set_dotted(document, key, values[0])
    else:
        if not isinstance(sweep, dict):
            sweep = document["sweep"] = {}
        sweep[key] = values


def _split(text: str) -> list[str]:
    """Split at commas outside brackets, so that ``[1,2]`` stays one value."""
    parts, depth = [""], 0
    for character in text:
        depth += character in "[{"
        depth -= character in "]}"
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def set_dotted(document: dict[str, Any], key: str, value: Any) -> None:
    """Set ``a.b.c`` in place; a list is entered by index or by an entry's ``name``.

    Raises:
        ConfigError: the path leads through something that is neither mapping nor list.
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
    for index, entry in enumerate(entries):
        if part == str(index) or (isinstance(entry, dict) and entry.get("name") == part):
            return index
    names = [entry.get("name") for entry in entries if isinstance(entry, dict)]
    raise at(f"key {key}", part, f"must be 0 to {len(entries) - 1}, or a name: {names}")


def cells(document: Mapping[str, Any]) -> list[Cell]:
    """Expand a config into its cells: the sweep's grid times the schemes, in order.

    Raises:
        ConfigError: an unknown key, a wrong type, or two schemes with one label.
    """
    base = validate(document)
    return [
        cell
        for index, (swept, point) in enumerate(_grid(document, base.sweep))
        for cell in _cells_of_point(validate(point), swept, index)
    ]


def validate(document: Mapping[str, Any]) -> Settings:
    """Check a document's own keys and write out every default.

    Raises:
        ConfigError: an unknown key or a wrong type.
    """
    try:
        settings = Settings.model_validate(dict(document))
    except ValidationError as error:
        raise from_validation(error, "", Settings.model_fields) from None
    return settings.model_copy(
        update={
            "delay": resolve.delay(settings.delay),
            "load_law": resolve.load_law(settings.load_law),
            "schemes": [resolve.scheme(section) for section in settings.schemes],
            "problem": resolve.problem(settings.problem),
            "optimizer": resolve.optimizer(settings.optimizer),
        }
    )


def _grid(
    document: Mapping[str, Any], sweep: Mapping[str, list[Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for key, values in sweep.items():
        if not values:
            raise at(f"sweep.{key}", values, "must list at least one value")
    for combination in itertools.product(*sweep.values()):
        swept = dict(zip(sweep, combination, strict=True))
        point = copy.deepcopy(dict(document))
        for key, value in swept.items():
            set_dotted(point, key, value)
        yield swept, point


def _cells_of_point(settings: Settings, swept: dict[str, Any], index: int) -> Iterator[Cell]:
    singles = [single for section in settings.schemes for single in _singles(section)]
    labels = [resolve.label(section) for section, _ in singles]
    for (section, fields), label in zip(singles, labels, strict=True):
        if labels.count(label) > 1:
            raise at("schemes", label, "appears twice; give each its own label")
        point = settings.model_copy(update={"schemes": [section], "sweep": {}})
        yield Cell(settings=point, label=label, swept=swept | fields, point=index)


def _singles(section: Section) -> Iterator[tuple[Section, dict[str, Any]]]:
    """A list-valued scheme field stands for one scheme per value, and becomes a swept key."""
    lists = {key: value for key, value in section.items() if isinstance(value, list)}
    for values in itertools.product(*lists.values()):
        fields = dict(zip(lists, values, strict=True))
        yield section | fields, {f"scheme.{key}": value for key, value in fields.items()}
