"""From a config document to cells, the smallest things that are run, each with one key."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ...delay_models import DelayModel
from ...sim.base.errors import ConfigError, DataNotFound, at
from ...sim.base.files import files_of
from ...sim.training.problems import ProblemConfig
from ...sim.training.problems.own_model import ModelFields
from .catalogue import Catalogue, Plugin, blamed, with_plugins
from .codec import classes_in, filled, plain
from .document import MOST_POINTS, anchored, place_of, range_values, set_dotted
from .installed import code_fingerprint
from .settings import (
    AUTO,
    FIELDS,
    OWN_SETTINGS,
    SchemeEntry,
    Settings,
    follows_workers,
    section,
    validate,
)

NO_NUMBERS = ("name", "sweep", "plugins")  # settings that change no number by themselves
ALL_GIVEN = set(FIELDS)  # what pydantic remembers of each cell's settings: one set for all


@dataclass(frozen=True)
class Input:
    """A file that a cell reads."""

    path: Path
    digest: str  # hash of its content
    stamp: tuple[int, int]  # when it was written, and its size; see ``unchanged``

    @classmethod
    def at(cls, path: Path) -> Input:
        """The file as it is now."""
        stamp = _stamp(path)
        with path.open("rb") as file:
            return cls(path, hashlib.file_digest(file, "sha256").hexdigest(), stamp)

    def unchanged(self) -> bool:
        """Whether the file is still the one that was hashed."""
        return self.path.is_file() and _stamp(self.path) == self.stamp


def hashed_text(plain: Any, files: Iterable[Input]) -> str:
    """A section as a text that is hashed: a file counts by its content, wherever it lies."""
    digests = {str(file.path): file.digest for file in files}
    if not digests:
        return _encoded([plain, []])
    public = sorted(set(digests) - {str(path) for path in _named(plain)})
    return _encoded([renamed(plain, digests), [digests[path] for path in public]])


_encoded = json.JSONEncoder(sort_keys=True, default=str).encode


def renamed(section: Any, names: Mapping[str, str]) -> Any:
    """A section in which files have other paths."""
    if isinstance(section, Mapping):
        return {key: renamed(entry, names) for key, entry in section.items()}
    if isinstance(section, list):
        return [renamed(entry, names) for entry in section]
    return names.get(section, section) if isinstance(section, str) else section


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _named(section: Any) -> Iterator[Path]:
    """The paths that a section names under ``path``, however deep."""
    if isinstance(section, dict) and isinstance(path := section.get("path"), str):
        yield Path(path)
    if isinstance(section, dict | list):
        for entry in section.values() if isinstance(section, dict) else section:
            yield from _named(entry)


def _data(value: Any, data_dir: Path | None) -> list[Path]:
    """The file of a problem's data set; one that is missing is reported elsewhere."""
    files: list[Path | None] = []
    if isinstance(value, ProblemConfig):
        files.append(getattr(value.own, "file", None))
        with suppress(DataNotFound):
            files.append(value.family.file(data_dir))
    return [file for file in files if file is not None]


@dataclass(frozen=True, eq=False)
class Cell:
    """One scheme at one point of the sweep's grid. Its numbers depend on what its key is made of
    and on nothing else, and two ways to say one thing have one key. The target is no part of it:
    the time to a target is found in numbers that are there."""

    # the point as a plain document without a sweep, with this cell's scheme alone. It is what
    # travels to another process, which reads it again.
    document: Mapping[str, Any]
    label: str  # how tables and pictures name the scheme
    swept: Mapping[str, Any]  # the grid's keys and this point's values, which become columns
    point: int  # index of the point in the grid; its cells read the same tapes
    # names the cell's file: 16 hexadecimal digits, a hash of its settings but the target, and of
    # the files and plugins among these; then 8 of the code and the libraries that compute it
    key: str
    inputs: tuple[Input, ...] = ()  # the files that it reads
    code: tuple[str, ...] = ()  # in order, the digests of the plugins that it has a class of
    data_dir: Path | None = None  # where the public data sets lie
    says_no_problem: bool = False  # whether the config has ``problem: null``

    @cached_property
    def settings(self) -> Settings:
        """The document's objects; ``schemes`` holds one.
        Raises ConfigError: a file or plugin that it names is not here, or not the same here."""
        catalogue = with_plugins(self.document["plugins"])
        if not {plugin.digest for plugin in catalogue.plugins}.issuperset(self.code):
            raise ConfigError("plugins: not the same here as where the cell comes from")
        return validate(self.document, catalogue)

    @property
    def scheme(self) -> Mapping[str, Any]:
        """The scheme's section, with every default."""
        scheme: Mapping[str, Any] = self.document["schemes"][0]
        return scheme

    @property
    def named(self) -> str:
        """The label with the point of the grid: ``uncoded [workers=12]``."""
        point = ", ".join(f"{key}={value}" for key, value in self.swept.items())
        return f"{self.label} [{point}]" if point else self.label

    def data_stamps(self) -> tuple[tuple[Path, int, int], ...]:
        """Path, time and size of the file of its data set; they change when it does."""
        paths = [p for p in _data(self.settings.problem, self.data_dir) if p.is_file()]
        return tuple((path, *_stamp(path)) for path in paths)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "settings"}


@dataclass(frozen=True)
class Read:
    """One of the settings at a point."""

    value: Any  # its object
    plain: Any  # its plain form
    text: str  # what of that is hashed
    files: tuple[Input, ...]  # those that it names
    plugins: frozenset[Plugin]  # those of whose classes it has objects


Reads = Mapping[str, tuple[Read, ...]]  # one for each setting, and one for each scheme


def cells(document: Mapping[str, Any], data_dir: Path | None = None) -> list[Cell]:
    """A config's cells: the sweep's grid times the schemes, in order. Relative paths start from the
    working directory. What a cell reads, also of the public data sets in ``data_dir``, is part of
    its key. Raises ConfigError: an unknown key, a bad value, or two schemes with one label."""
    given = anchored(document, Path.cwd())
    catalogue = catalogue_of(given)
    with blamed(catalogue):
        grid = _Grid(given, catalogue, data_dir)
        points = enumerate(grid.points())
        return [cell for index, point in points for cell in grid.cells(index, *point)]


def catalogue_of(document: Mapping[str, Any]) -> Catalogue:
    """What a document can name. Raises ConfigError: a plugin cannot be used."""
    return with_plugins(plugins_of(document))


def plugins_of(document: Mapping[str, Any]) -> list[str]:
    """The plugins that a document names."""
    names: list[str] = section("plugins", document.get("plugins", []))
    return names


def resolved(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with what it leaves unsaid written out; it runs from anywhere. Where it needs
    its sweep to be complete, defaults are the first point's. Raises ConfigError: as ``cells``."""
    given = anchored(document, Path.cwd())
    catalogue = catalogue_of(given)
    grid = _Grid(given, catalogue, None)
    base = grid.base
    try:
        settings = validate(base, catalogue)
    except ConfigError:
        for key, values in grid.sweep.items():
            set_dotted(base, key, copy.deepcopy(values[0]))
        settings = validate(base, catalogue)
    full = {name: plain(getattr(settings, name), catalogue) for name in FIELDS}
    schemes = []
    for index, scheme in enumerate(base["schemes"]):
        first = next(entry for entry in settings.schemes if entry.index == index)
        section = plain(first.family, catalogue)
        if isinstance(scheme, Mapping):  # fields that list several values keep their list
            follow = (key for key, value in scheme.items() if follows_workers(value))
            keys = (*first.swept, *follow, *OWN_SETTINGS, "label")
            section |= {key: scheme[key] for key in keys if key in scheme}
        schemes.append(filled(scheme, section))
    full["schemes"] = schemes
    if not full["plugins"]:
        del full["plugins"]
    kept = {"network": base.get("network"), "failures": base.get("failures"), "sweep": grid.sweep}
    return {name: filled(base.get(name), value) for name, value in full.items()} | kept


def read_sweep(document: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The swept keys of a document, and the values of each."""
    given = document.get("sweep", {})
    if isinstance(given, Mapping):
        ranges = {key: range_values(value, f"sweep.{key}") for key, value in given.items()}
        given = {**given, **{key: many for key, many in ranges.items() if many is not None}}
    sweep: dict[str, list[Any]] = section("sweep", given)
    for key, values in sweep.items():
        if not values:
            raise at(f"sweep.{key}", values, "must list at least one value")
        if key in NO_NUMBERS or key.endswith(".label"):
            raise at(f"sweep.{key}", values, "changes no number: must be another setting")
        known = Counter(map(_as_compared, values))
        twice = next((value for value in values if known[_as_compared(value)] > 1), None)
        if twice is not None:
            raise at(f"sweep.{key}", twice, "appears twice; give each value once")
    if (points := math.prod(len(values) for values in sweep.values())) > MOST_POINTS:
        raise at("sweep", points, f"must have at most {MOST_POINTS} points")
    return sweep


def _as_compared(value: Any) -> Any:
    """1 and 1.0 are one value."""
    plain_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if plain_number else json.dumps(value, sort_keys=True, default=str)


def _require_apart(base: Mapping[str, Any], sweep: Mapping[str, list[Any]]) -> None:
    """Refuse (ConfigError) a swept key that replaces what an earlier one has set."""
    places = {key: place_of(base, key) for key in sweep}
    for (first, lower), (key, place) in itertools.combinations(places.items(), 2):
        if lower[: len(place)] == place:
            valid = f"is {first}, too" if lower == place else f"replaces {first}: sweep it before"
            raise at(f"sweep.{key}", sweep[key], valid)


@dataclass(frozen=True)
class _Common:
    """What the cells of a point have in common, but for schemes with settings of their own."""

    document: Mapping[str, Any]  # the plain settings
    given: Mapping[str, Any]  # their objects
    files: Sequence[Input]
    plugins: frozenset[Plugin]
    digest: Any  # a hash to which the scheme is added

    @classmethod
    def of(cls, reads: Reads) -> _Common:
        """From one of each of the settings."""
        without = (*NO_NUMBERS, "target_loss", "schemes")
        shared = [read for name, (read, *_) in reads.items() if name not in without]
        return cls(
            document={name: read.plain for name, (read, *_) in reads.items()},
            given={name: read.value for name, (read, *_) in reads.items()},
            files=[file for read in shared for file in read.files],
            plugins=frozenset[Plugin]().union(*(read.plugins for read in shared)),
            digest=hashlib.sha256("".join(f"{read.text}\n" for read in shared).encode()),
        )


class _Grid:
    """The points of a document; what was read is remembered by the values that it depends on.
    Points share most sections, so each distinct section is read, checked and hashed once: a grid of
    100,000 points costs little more than its cells."""

    def __init__(
        self, document: Mapping[str, Any], catalogue: Catalogue, data_dir: Path | None
    ) -> None:
        self.sweep = read_sweep(document)
        self.base = {key: value for key, value in document.items() if key != "sweep"}
        self._catalogue = catalogue
        self._data_dir = data_dir
        self._fingerprint = code_fingerprint()
        if self.base.get("workers") == AUTO:
            self.base["workers"] = self._workers()
        _require_apart(self.base, self.sweep)
        self._input = cache(Input.at)
        self._touched: dict[str, list[int]] = {}
        for position, key in enumerate(self.sweep):
            if key.split(".")[0] in ("plugins", "sweep"):
                raise at(f"sweep.{key}", self.sweep[key], "cannot be swept")
            self._touched.setdefault(key.split(".")[0], []).append(position)
        if "workers" in self._touched and {"schemes"} & {*self.base, *self._touched}:
            # Counts of schemes can follow the workers, which so are read first.
            own = self._touched.pop("schemes", [])
            self._touched["schemes"] = [*own, *self._touched["workers"]]

    def _workers(self) -> int:
        """As many as the delays have; where delays are swept, those of the first point count.
        Raises ConfigError: the delays cannot be read, or serve any number of workers."""
        first = {"delay": copy.deepcopy(self.base.get("delay"))}
        for key, values in self.sweep.items():
            if key.split(".")[0] == "delay":
                set_dotted(first, key, copy.deepcopy(values[0]))
        delay: DelayModel = section("delay", first["delay"], self._catalogue)
        if (number := delay.workers_available()) is None:
            valid = "these delays serve any number of workers; must be a whole number >= 1"
            raise at("workers", AUTO, valid)
        return number

    def points(self) -> Iterator[tuple[dict[str, Any], Reads]]:
        """Each point's swept values, and its settings."""
        known: dict[tuple[str, tuple[int, ...]], tuple[Read, ...]] = {}
        reads: Reads | None = None
        for choice in itertools.product(*(range(len(values)) for values in self.sweep.values())):
            pairs = zip(self.sweep.items(), choice, strict=True)
            swept = {key: values[index] for (key, values), index in pairs}
            touched = self._touched.items()
            chosen = {
                name: (name, tuple([choice[i] for i in positions])) for name, positions in touched
            }
            if reads is None:
                changed = {name: self._raw(name, swept) for name in chosen}
                settings = validate({**self.base, **changed}, self._catalogue)
                names = [name for name in FIELDS if name != "sweep"]
                reads = {name: self._read(name, getattr(settings, name)) for name in names}
                known = {point: reads[name] for name, point in chosen.items()}
            for name, point in chosen.items():
                if point not in known:
                    raw = self._raw(name, swept)
                    # The workers of this point, which are read before its schemes.
                    (n,) = known.get(chosen.get("workers", point), reads["workers"])
                    known[point] = self._read(name, section(name, raw, self._catalogue, n.value))
            yield swept, {**reads, **{name: known[point] for name, point in chosen.items()}}

    def cells(self, index: int, swept: dict[str, Any], reads: Reads) -> Iterator[Cell]:
        """The cells of a point."""
        common = _Common.of(reads)
        for scheme in reads["schemes"]:
            entry: SchemeEntry = scheme.value
            own = self._own(entry, reads)
            point = _Common.of({**reads, **own}) if own else common
            digest = point.digest.copy()
            digest.update(scheme.text.encode())
            used = point.plugins | scheme.plugins
            known = {plugin.name for plugin in used}
            listed = [name for name in point.document["plugins"] if name in known]
            cell = Cell(
                document={**point.document, "schemes": [scheme.plain], "plugins": listed},
                label=entry.label,
                swept={**swept, **{f"scheme.{key}": value for key, value in entry.swept.items()}},
                point=index,
                key=f"{digest.hexdigest()[:16]}-{self._fingerprint}",
                inputs=tuple(dict.fromkeys([*point.files, *scheme.files])),
                code=tuple(sorted(plugin.digest for plugin in used)),
                data_dir=self._data_dir,
                says_no_problem="problem" in self.base and self.base["problem"] is None,
            )
            # What was read need not be read again here.
            settings = Settings.model_construct(ALL_GIVEN, **{**point.given, "schemes": (entry,)})
            cell.__dict__["settings"] = settings
            yield cell

    def _own(self, entry: SchemeEntry, reads: Reads) -> dict[str, tuple[Read, ...]]:
        """What one scheme has in place of the config's. Raises ConfigError: a start without a
        problem."""
        own = entry.own
        read: dict[str, tuple[Read, ...]] = {}
        if own.policy is not None:
            read["policy"] = self._read("policy", own.policy)
        if own.delay is not None:
            read["delay"] = self._read("delay", own.delay)
        if own.initial is not None:
            problem = reads["problem"][0].value
            if problem is None:
                place = f"schemes.{entry.family.name}.initial"
                raise at(place, own.initial, "needs a problem; leave it out")
            started = replace(problem, settings=replace(problem.settings, initial=own.initial))
            read["problem"] = self._read("problem", started)
        return read

    def _raw(self, name: str, swept: Mapping[str, Any]) -> Any:
        """A setting as the document would give it at a point."""
        section = {name: copy.deepcopy(self.base[name])} if name in self.base else {}
        for position in self._touched[name]:
            key = list(self.sweep)[position]
            if key.split(".")[0] == name:
                set_dotted(section, key, copy.deepcopy(swept[key]))
        return section[name]

    def _read(self, name: str, value: Any) -> tuple[Read, ...]:
        if name == "schemes":
            return tuple(self._one(name, entry, entry.family) for entry in value)
        return (self._one(name, value, value),)

    def _one(self, name: str, value: Any, written: Any) -> Read:
        section = plain(written, self._catalogue)
        used = list[Plugin]()
        if plugins := self._catalogue.plugins:  # to look for classes takes a while in large grids
            classes = {base for own in classes_in(written) for base in own.__mro__}
            used = [plugin for plugin in plugins if not classes.isdisjoint(plugin.classes)]
        files = self._files([*_named(section), *_data(value, self._data_dir)])
        code = sorted(plugin.digest for plugin in used)
        own = value.own if isinstance(value, ProblemConfig) else None
        versions = own.versions() if isinstance(own, ModelFields) else []
        text = hashed_text({name: [section, [*code, *versions]]}, files)
        files += self._files(Path(plugin.name) for plugin in used)
        if isinstance(value, SchemeEntry):
            section["label"] = value.label
        return Read(value, section, text, files, frozenset(used))

    def _files(self, paths: Iterable[Path]) -> tuple[Input, ...]:
        known = dict.fromkeys(paths)
        every = (file for path in known for file in files_of(str(path)) or [path])
        return tuple(self._input(file) for file in every if file.is_file())
