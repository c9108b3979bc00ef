"""What a cell's numbers depend on, as one hash. Two ways to say one thing have one hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sim.errors import DataNotFound, InvalidParameter
from sim.problems import parse_problem


@dataclass(frozen=True)
class Input:
    """A file that a cell reads.

    Attributes:
        path: where it lies.
        digest: hash of its content.
        stamp: when it was written, and its size; see ``unchanged``.
    """

    path: Path
    digest: str
    stamp: tuple[int, int]

    def unchanged(self) -> bool:
        """Whether the file is still the one that was hashed."""
        return self.path.is_file() and _stamp(self.path) == self.stamp


@dataclass(frozen=True)
class Inputs:
    """The files of a config, each hashed once.

    Attributes:
        data_dir: where the public data sets lie.
    """

    data_dir: Path | None = None
    _known: dict[Path, Input] = field(default_factory=dict)

    def of(self, facts: Mapping[str, Any]) -> tuple[Input, ...]:
        """The files that a cell's settings name, those of its data set included."""
        paths = [*_named(facts), *_data(facts.get("problem"), self.data_dir)]
        return tuple(self._hashed(path) for path in dict.fromkeys(paths) if path.is_file())

    def _hashed(self, path: Path) -> Input:
        if path not in self._known:
            stamp = _stamp(path)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            self._known[path] = Input(path, digest, stamp)
        return self._known[path]


def key(facts: Mapping[str, Any], inputs: tuple[Input, ...]) -> str:
    """Hash of a cell's settings and of the contents of its files, 16 hexadecimal digits."""
    everything = {"settings": _plain(facts), "files": [each.digest for each in inputs]}
    text = json.dumps(everything, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    """Numbers as floats: 2 and 2.0 are one rate."""
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return float(value)
    return value


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _named(section: Any) -> Iterator[Path]:
    """The paths that a section names under ``path``, however deep."""
    if isinstance(section, Mapping):
        path = section.get("path")
        if isinstance(path, str):
            yield Path(path)
    if isinstance(section, (Mapping, list)):
        for entry in section.values() if isinstance(section, Mapping) else section:
            yield from _named(entry)


def _data(problem: Mapping[str, Any] | None, data_dir: Path | None) -> Iterator[Path]:
    """The file of a problem's data set; a section that is wrong is reported elsewhere."""
    if problem is None:
        return
    try:
        path = parse_problem(problem).family.file(data_dir)
    except (ValidationError, InvalidParameter, DataNotFound):
        return
    if path is not None:
        yield path
