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
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_info

from ... import __version__
from ...sim.base.errors import ConfigError
from ..config.code import FOLDER as CODE_FOLDER
from ..config.code import Carried, code_in
from ..config.document import is_file, read_yaml
from .files import (
    MARK,
    REPORT_FILE,
    cell_path,
    has_results,
    remove,
    write_arrow,
    write_bytes,
    writer_of,
)

# What stays of another config, and what a result's id is for: docs/design.md, cells.

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
ID: Final = b"erasurehead.id"  # where a Parquet file's metadata hold the id of its result
ORIGIN_OF_0_3: Final = b"erasurehead.origin"  # where files of version 0.3 hold it, in two halves
# what computes, writes or draws; some of these need not be installed
PACKAGES = (
    *("numpy", "scipy", "simpy", "pandas", "pyarrow", "scikit-learn", "networkx", "pydantic"),
    *("matplotlib", "numba", "jax", "jaxlib", "torch", "distributed"),
)


def result_id(config: Any, cells: Iterable[str], beside: Any = None) -> str:
    """A hash that tells a result from every other one: of what its resolved config says, in
    whatever order, of the keys of its cells, and of what it depends on beside these."""
    text = json.dumps([config, [*dict.fromkeys(cells)], beside], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def id_of(output: Path) -> str | None:
    """The id of the result in ``output``; ``None`` where no run has come to its end."""
    return id_in_manifest(manifest_in(output))


def id_in(metadata: Mapping[bytes, bytes] | None) -> str | None:
    """The id of the result that a Parquet file with these metadata is of."""
    facts = metadata or {}
    try:
        return facts[ID].decode() if ID in facts else _id_of_0_3(json.loads(facts[ORIGIN_OF_0_3]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def manifest_in(output: Path) -> dict[str, Any]:
    """The manifest in ``output``; nothing where there is none, or a damaged one."""
    try:
        manifest = json.loads((output / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def id_in_manifest(manifest: Mapping[str, Any]) -> str | None:
    """The id of the result with this manifest; ``None`` if it says none."""
    try:
        return str(manifest["id"]) if "id" in manifest else _id_of_0_3(manifest["origin"])
    except (KeyError, TypeError):
        return None


def _id_of_0_3(origin: Mapping[str, str]) -> str:
    """The id of a result of version 0.3: of its config, and of its cells."""
    return f"{origin['config']} {origin['cells']}"


def _is_made_from(manifest: Mapping[str, Any], config: Any) -> bool:
    """Whether a result with this manifest is of this resolved config."""
    identity = id_in_manifest(manifest)
    if identity is None:
        return False
    try:
        if "id" not in manifest:
            return identity.startswith(_config_of_0_3(config))
        return identity == result_id(config, manifest["cells"], manifest.get("live"))
    except (KeyError, TypeError, RecursionError):  # damaged, or no config of ours
        return False


def _config_of_0_3(config: Any) -> str:
    """What the id of a result of version 0.3 begins with."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]


def checksum_of(output: Path, cells: Iterable[str]) -> str:
    """Of the tables, and of these cells' files. Raises OSError. Cost: 25 microseconds a cell, and
    a second for a gigabyte."""
    tables = (output / name for name in TABLES if (output / name).is_file())
    digest = hashlib.sha256()
    for path in (*tables, *(cell_path(output, key) for key in dict.fromkeys(cells))):
        with path.open("rb", buffering=0) as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def warnings_of_whole(
    output: Path, config: Mapping[str, Any], cells: Collection[str]
) -> tuple[str, ...] | None:
    """The warnings of the result of this resolved config, if its tables and these cells are there
    as they were written; else ``None``."""
    manifest = manifest_in(output)
    try:
        is_ours = manifest["id"] == result_id(config, cells) and _is_made_from(manifest, config)
        whole = is_ours and manifest["checksum"] == checksum_of(output, cells)
        return tuple(map(str, manifest["warnings"])) if whole else None
    except (OSError, KeyError, TypeError):
        return None


def failed_cells(output: Path) -> dict[str, str]:
    """The cells that could not be computed, with the reasons."""
    try:
        failed = manifest_in(output)["failed"]
        return {str(name): str(reason) for name, reason in failed.items()}
    except (KeyError, AttributeError):
        return {}  # results of before had none


def warnings_of_live(output: Path) -> tuple[str, ...]:
    """What the reader of a measured result should know of it; empty for a simulated one."""
    manifest = manifest_in(output)
    warnings = manifest.get("warnings")
    return tuple(map(str, warnings)) if "live" in manifest and isinstance(warnings, list) else ()


def required_id(output: Path, config: Any = None) -> str:
    """The id of the result that every table in ``output`` must be of; ``config`` if it has been
    read there. Raises ConfigError: no run has come to its end here, or ``config.yaml`` is of
    another one."""
    manifest = manifest_in(output)
    if (identity := id_in_manifest(manifest)) is None:
        raise unfinished(output)
    try:
        os.stat(output / CONFIG)
    except FileNotFoundError:
        return identity  # tables alone are a result, too
    except OSError as error:
        raise ConfigError(f"{output / CONFIG}: cannot be read: {error.strerror}") from None
    if not _is_made_from(manifest, _config_in(output) if config is None else config):
        raise ConfigError(
            f"{output / CONFIG}: is not the config that the tables in this folder were made from; "
            "run it again"
        )
    return identity


def require_id(wanted: str, found: str | None, path: Path) -> None:
    """Refuse a table of another result. Raises ConfigError: it has another id, or none."""
    if found is None:
        raise ConfigError(f"{path}: does not say what it is made from; run the same command again")
    if found != wanted:
        raise ConfigError(
            f"{path}: is made from another config or other cells than the result in its folder; "
            "run the same command again"
        )


def unfinished(output: Path) -> ConfigError:
    """The one line for a folder in which no run has come to its end."""
    writer = writer_of(output)
    if writer not in (None, os.getpid()):
        return ConfigError(f"{output}: process {writer} is writing to it; wait for its end")
    return ConfigError(f"{output}: its run has not come to the end; run the same command again")


def nothing_at(path: Path) -> ConfigError:
    """The one line for a table that is not there."""
    output = path.parent
    if id_of(output) is None:
        if (output / "cells").is_dir():
            return unfinished(output)
    elif not any((output / name).is_file() for name in TABLES):
        return ConfigError(f"{output}: no cell of its run could be computed, so there is no table")
    return ConfigError(f"{path}: no such file; is {output} the output of a run?")


def make_way(output: Path, config: Mapping[str, Any]) -> bool:
    """Remove what another config has left in ``output``, and say whether there was such a result.
    The finished cells of the resolved config stay. Raises ConfigError: it cannot be removed."""
    manifest = manifest_in(output)
    if _is_made_from(manifest, config):
        return False
    finished = id_in_manifest(manifest) is not None
    return clear(output) and (finished or _config_in(output) != config)


def holds_another(output: Path, config: Mapping[str, Any]) -> bool:
    """Whether a run of another config has come to its end in ``output``."""
    manifest = manifest_in(output)
    return id_in_manifest(manifest) is not None and not _is_made_from(manifest, config)


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


def _config_in(output: Path) -> Any:
    """The config that lies in ``output``; ``None`` where none can be read."""
    try:
        return read_yaml((output / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
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


# The code of a result: whose it is, and the copies.


def sent_code(document: Mapping[str, Any], config: Path | None = None) -> list[str]:
    """The code that a document names and that the user need not have written: all of it where the
    ``config`` lies in a result; of a mapping (``None``) the files that lie in one."""
    code = code_in(document)
    if config is not None:
        folders = (config.absolute().parent, config.resolve().parent)
        return code if any(map(has_results, folders)) else []
    return [name for name in code if is_file(name) and _lies_in_result(Path(name))]


def _lies_in_result(file: Path) -> bool:
    folders = {*file.absolute().parents, *file.resolve().parents}
    return any(map(has_results, folders))


def write_code(carried: Carried, output: Path) -> None:
    """Make the copies of code that a result carries, and remove those of another config. Raises
    ConfigError: a file is not there, or something else than copies lies in their place."""
    folder, mark = output / CODE_FOLDER, output / CODE_FOLDER / MARK
    if not carried.copies and not mark.is_file():
        return
    if folder.is_dir() and not mark.is_file():
        own = {path.resolve() for path in carried.copies.values()}
        others = [path for path in folder.iterdir() if path.resolve() not in own]
        if others:
            raise ConfigError(
                f"{folder}: holds {min(path.name for path in others)}, where copies of plugins "
                "and models go; choose another output folder"
            )
    before = mark.read_text(errors="replace").splitlines() if mark.is_file() else []
    noted = "".join(f"{name}\n" for name in sorted({*before, *carried.copies}))
    write_bytes(mark, noted.encode())
    for name, file in carried.copies.items():
        copy = folder / name
        content = _content(file)
        if not (copy.is_file() and copy.read_bytes() == content):
            write_bytes(copy, content)
    old = {Path(name).name for name in before} - {*carried.copies}
    remove(folder / name for name in sorted(old))
    if carried.copies:
        write_bytes(mark, "".join(f"{name}\n" for name in sorted(carried.copies)).encode())
    else:
        remove([mark])
        if not any(folder.iterdir()):
            folder.rmdir()


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror or error}") from None
