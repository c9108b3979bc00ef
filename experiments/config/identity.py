"""What a cell's numbers depend on, as one hash. Two ways to say one thing have one hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...sim.errors import DataNotFound
from ...sim.problems import ProblemConfig


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

    def of(self, value: Any, plain: Any) -> tuple[Input, ...]:
        """The files that a section names under ``path``, and the file of its data set."""
        paths = [*_named(plain), *_data(value, self.data_dir)]
        return tuple(self.hashed(path) for path in dict.fromkeys(paths) if path.is_file())

    def hashed(self, path: Path) -> Input:
        """A file's content and stamp, taken once."""
        if path not in self._known:
            stamp = _stamp(path)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._known[path] = Input(path, digest, stamp)
        return self._known[path]


def text(plain: Any, files: Iterable[Input]) -> str:
    """A section as a text that is hashed: a file counts by its content, wherever it lies."""
    digests = {str(file.path): file.digest for file in files}
    if not digests:
        return _encoded([plain, []])
    public = sorted(set(digests) - {str(path) for path in _named(plain)})
    return _encoded([_by_content(plain, digests), [digests[path] for path in public]])


_encoded = json.JSONEncoder(sort_keys=True, default=str).encode


def stamps(problem: ProblemConfig, data_dir: Path | None) -> tuple[tuple[Path, int, int], ...]:
    """Of the file of a problem's data set; they change when it does."""
    paths = [path for path in _data(problem, data_dir) if path.is_file()]
    return tuple((path, *_stamp(path)) for path in paths)


def key(texts: Iterable[str]) -> str:
    """The hash of a cell's sections: 16 hexadecimal digits."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _by_content(section: Any, digests: Mapping[str, str]) -> Any:
    if isinstance(section, list):
        return [_by_content(entry, digests) for entry in section]
    if isinstance(section, dict):
        return {
            name: digests.get(entry, entry)
            if name == "path" and isinstance(entry, str)
            else _by_content(entry, digests)
            for name, entry in section.items()
        }
    return section


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _named(section: Any) -> Iterator[Path]:
    """The paths that a section names under ``path``, however deep."""
    if isinstance(section, dict):
        for key, entry in section.items():
            if key == "path" and isinstance(entry, str):
                yield Path(entry)
            elif isinstance(entry, (dict, list)):
                yield from _named(entry)
    elif isinstance(section, list):
        for entry in section:
            yield from _named(entry)


def _data(value: Any, data_dir: Path | None) -> Iterator[Path]:
    """The file of a problem's data set; one that is missing is reported elsewhere."""
    if isinstance(value, ProblemConfig):
        try:
            path = value.family.file(data_dir)
        except DataNotFound:
            return
        if path is not None:
            yield path
