"""The output folder of a command: its manifest, and ``answer.json``."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_info

from ... import __version__
from ...sim.base.errors import ConfigError
from ..config.document import read_yaml
from .files import MARK, REPORT_FILE, cell_path, remove, write_arrow, write_bytes, writer_of

# What stays of another config, and what its tables' origin is for: docs/design.md, cells.

CONFIG = "config.yaml"
MANIFEST = "manifest.json"
OWN_PROCESSES = "processes of this machine"  # workers of a live run without a scheduler
TABLES = ITERATIONS, SUMMARY, WORKERS = ("iterations.parquet", "summary.parquet", "workers.parquet")
# with ``--tables csv``: the tables once more
CSV_TABLES = tuple(str(Path(name).with_suffix(".csv")) for name in TABLES)
CSV_HEADER = b"cell,scheme,label,"  # how each of them begins
TIMELINE_TABLE, TIMELINE_EVENTS = "timeline.parquet", "timeline.json"
INDEX = "index.html"
ATTACK = ("attack.parquet", "attack.csv", "attack.png", "attack.svg")  # of ``verify --worst``
RUN_FILES = (CONFIG, MANIFEST, *TABLES, TIMELINE_TABLE, TIMELINE_EVENTS, *CSV_TABLES)
PLOTS = "plots"
FACT: Final = b"erasurehead.origin"  # where a Parquet file's metadata hold its origin
# what computes, writes or draws; some of these need not be installed
PACKAGES = (
    *("numpy", "scipy", "simpy", "pandas", "pyarrow", "scikit-learn", "networkx", "pydantic"),
    *("matplotlib", "numba", "jax", "jaxlib", "torch", "distributed"),
)


@dataclass(frozen=True)
class Origin:
    """What tables are made from, as hashes."""

    config: str  # what the resolved config says, in whatever order
    cells: str  # the cells' names, in their order, with the code that computed them

    @classmethod
    def of(cls, config: Any, keys: Iterable[str], code: str) -> Origin:
        """The origin of tables of these cells."""
        return cls(_said(config), _hash("\n".join([code, *keys])))

    @property
    def facts(self) -> dict[bytes, bytes]:
        """As metadata of a Parquet file."""
        return {FACT: json.dumps(asdict(self)).encode()}


def _said(config: Any) -> str:
    return _hash(json.dumps(config, sort_keys=True))


def _hash(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def origin_of(output: Path) -> Origin | None:
    """The origin of the result in ``output``; ``None`` where no run has come to its end."""
    return _origin(lambda: json.loads((output / MANIFEST).read_bytes())["origin"])


def origin_in(metadata: Mapping[bytes, bytes] | None) -> Origin | None:
    """The origin in the metadata of a Parquet file."""
    return _origin(lambda: json.loads((metadata or {})[FACT]))


def _origin(read: Callable[[], Any]) -> Origin | None:
    try:
        facts = read()
        return Origin(str(facts["config"]), str(facts["cells"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def content_of(output: Path, cells: Iterable[str]) -> str:
    """A hash of the tables, and of these cells' files. Raises OSError. Cost: 25 microseconds a
    cell, and a second for a gigabyte."""
    tables = (output / name for name in TABLES if (output / name).is_file())
    digest = hashlib.sha256()
    for path in (*tables, *(cell_path(output, key) for key in dict.fromkeys(cells))):
        with path.open("rb", buffering=0) as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def warnings_of_whole(output: Path, origin: Origin, cells: Iterable[str]) -> tuple[str, ...] | None:
    """The warnings of the result of this origin, if its tables and these cells are there as they
    were written; else ``None``."""
    try:
        manifest = json.loads((output / MANIFEST).read_bytes())
        of_it = _origin(lambda: manifest["origin"]) == origin
        whole = of_it and manifest["content"] == content_of(output, cells)
        return tuple(map(str, manifest["warnings"])) if whole else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def failed_cells(output: Path) -> dict[str, str]:
    """The cells that could not be computed, with the reasons."""
    try:
        failed = json.loads((output / MANIFEST).read_bytes())["failed"]
        return {str(name): str(reason) for name, reason in failed.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}  # results of before had none


def required_origin(output: Path, config: Any = None) -> Origin:
    """The origin that every table in ``output`` must have; ``config`` if it has been read there.
    Raises ConfigError: no run has come to its end here, or ``config.yaml`` is of another one."""
    if (origin := origin_of(output)) is None:
        raise unfinished(output)
    try:
        os.stat(output / CONFIG)
    except FileNotFoundError:
        return origin  # tables alone are a result, too
    except OSError as error:
        raise ConfigError(f"{output / CONFIG}: cannot be read: {error.strerror}") from None
    if (_said_in(output) if config is None else _said(config)) != origin.config:
        raise ConfigError(
            f"{output / CONFIG}: is not the config that the tables in this folder were made from; "
            "run it again"
        )
    return origin


def require(origin: Origin, found: Origin | None, path: Path) -> None:
    """Refuse a table of another result. Raises ConfigError: it has another origin, or none."""
    if found == origin:
        return
    if found is None:
        what = "does not say what it is made from"
    elif found.config != origin.config:
        what = "is made from another config than the result in its folder"
    else:
        what = "is made from other cells than the result in its folder"
    raise ConfigError(f"{path}: {what}; run the same command again")


def unfinished(output: Path) -> ConfigError:
    """The one line for a folder in which no run has come to its end."""
    writer = writer_of(output)
    if writer not in (None, os.getpid()):
        return ConfigError(f"{output}: process {writer} is writing to it; wait for its end")
    return ConfigError(f"{output}: its run has not come to the end; run the same command again")


def nothing_at(path: Path) -> ConfigError:
    """The one line for a table that is not there."""
    output = path.parent
    if origin_of(output) is None:
        if (output / "cells").is_dir():
            return unfinished(output)
    elif not any((output / name).is_file() for name in TABLES):
        return ConfigError(f"{output}: no cell of its run could be computed, so there is no table")
    return ConfigError(f"{path}: no such file; is {output} the output of a run?")


def make_way(output: Path, config: Mapping[str, Any]) -> bool:
    """Remove what another config has left in ``output``, and say whether there was such a result.
    The finished cells of the resolved config stay. Raises ConfigError: it cannot be removed."""
    origin, wanted = origin_of(output), _said(config)
    if origin is not None and origin.config == wanted:
        return False
    another = origin is not None or _said_in(output) != wanted
    return clear(output) and another


def holds_another(output: Path, config: Mapping[str, Any]) -> bool:
    """Whether a run of another config has come to its end in ``output``."""
    origin = origin_of(output)
    return origin is not None and origin.config != _said(config)


def clear(output: Path) -> bool:
    """Remove everything that is made of one config, the manifest first, and say whether there was
    something. A timeline is emptied instead: a program that reads it by name finds its columns and
    no rows. Raises ConfigError: it cannot be removed."""
    made = (MANIFEST, *TABLES, TIMELINE_EVENTS, REPORT_FILE, *ATTACK)
    old = [output / name for name in made if (output / name).is_file()]
    old += [output / name for name in CSV_TABLES if _is_table(output / name)]
    drawn = output / PLOTS / MARK
    if drawn.is_file():
        old += [output / PLOTS / Path(name).name for name in drawn.read_text().splitlines()]
    remove([*old, drawn])
    timeline = output / TIMELINE_TABLE
    if not has_rows(timeline):
        return bool(old)
    try:
        empty = pq.read_schema(timeline).empty_table().replace_schema_metadata()
    except (OSError, pa.ArrowException):
        remove([timeline])
    else:
        write_arrow(timeline, empty)
    return True


def _is_table(csv: Path) -> bool:
    """Whether a CSV_TABLES file is a table of ours: a file of the user's may have its name."""
    try:
        with csv.open("rb") as file:
            return file.read(len(CSV_HEADER)) == CSV_HEADER
    except OSError:
        return False


def note_drawn(output: Path, pictures: Iterable[Path]) -> None:
    """Note which pictures of its plots are of this result: what else is there is the user's."""
    mark = output / PLOTS / MARK
    known = mark.read_text().splitlines() if mark.is_file() else []
    names = sorted({*known, *(path.name for path in pictures)})
    write_bytes(mark, "".join(f"{name}\n" for name in names).encode())


def has_rows(table: Path) -> bool:
    """Whether there is a table with rows; a damaged one counts as such."""
    try:
        return table.is_file() and pq.read_metadata(table).num_rows > 0
    except (OSError, pa.ArrowException):
        return True


def _said_in(output: Path) -> str | None:
    """``_said`` of the config that lies in ``output``; ``None`` where none can be read."""
    try:
        return _said(read_yaml((output / CONFIG).read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError):
        return None


def provenance() -> dict[str, Any]:
    """Versions, commit, host, machine and date. ``dirty``: whether tracked files differ from the
    commit; ``None`` without a repository."""
    versions = {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}
    versions["erasurehead-simulator"] = __version__  # the code's own, whatever was installed once
    commit, dirty = _commit()
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    facts = ("internal_api", "version", "architecture")
    kernels = (" ".join(str(pool.get(fact)) for fact in facts) for pool in blas)
    machine = {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "blas": ", ".join(dict.fromkeys(kernels)),
    }
    date = datetime.now(UTC).isoformat(timespec="seconds")
    known = {"versions": versions, "commit": commit, "dirty": dirty, "host": platform.node()}
    return known | {"machine": machine, "date": date}


def seeds_of(manifest: Mapping[str, Any]) -> str:
    """The seeds of a result in words: ``0, 1, 2``, or ``600 from 0 to 599``."""
    seeds = manifest.get("seeds") or [manifest.get("seed")]
    few = len(seeds) <= 5
    return ", ".join(map(str, seeds)) if few else f"{len(seeds)} from {seeds[0]} to {seeds[-1]}"


def to_json(document: Mapping[str, Any]) -> bytes:
    """The bytes of ``manifest.json``, indented for people."""
    text = io.StringIO()  # of 10,000 cells, the pieces that ``dumps`` joins take 10 MiB
    json.dump(document, text, indent=2, default=str)
    return f"{text.getvalue()}\n".encode()


@cache  # 15 of them are 12 ms
def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name, which only Linux keeps in a file."""
    try:
        known = Path("/proc/cpuinfo").read_text()
        names = re.findall(r"^model name\s*: (.*)$", known, re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> tuple[str | None, bool | None]:
    """The commit of this program, and whether it was changed since: that of the repository which
    tracks this file, else the one that was noted when the package was built."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        quiet = subprocess.DEVNULL
        command = ["git", *words]
        said = subprocess.check_output(command, cwd=here, stderr=quiet, text=True, timeout=10)
        return said.strip()

    with suppress(OSError, subprocess.SubprocessError):
        if git("ls-files", Path(__file__).name):  # or it lies in a repository of the user's
            said = git("describe", "--always", "--dirty", "--abbrev=40", "--match=none")
            return said.removesuffix("-dirty"), said.endswith("-dirty")
    with suppress(OSError):
        # in an installed package: the commit that it was built from
        return (here.parents[1] / "commit.txt").read_text().strip(), None
    return None, None
