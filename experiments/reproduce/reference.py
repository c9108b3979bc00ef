"""Which data a reproduction has read, and whether its files are those of another one.

The data are the user's, and no copy of them is handed on: hashes say whether two folders had the
same. The same hashes give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...sim.base.errors import ConfigError, at
from ..page.folder import table_at
from .figures.loss_time import EXPERIMENTS, left_out, title_in

DATA_FILE = "data.json"
REAL_TABLE = "loss_time_real.parquet"
KEPT_COLUMNS = ("file", "file_sha256", "arrays_sha256", "rows", "features", "part")
# made of the data and of nothing else, by name and by what stands in the file
COMPARED = ("loss_time_real.md", "claim_b_curve.md", "claims.json", DATA_FILE)


def data_record(folder: Path) -> str | None:
    """``data.json`` of a folder: of each data set its hashes and shape, or why it was left out;
    ``None``: none was asked for."""
    if not (folder / REAL_TABLE).is_file():
        return None
    frame = table_at(folder / REAL_TABLE, ("dataset", "left_out"))
    record: dict[str, Any] = {}
    for name, rows in frame[frame["left_out"] == ""].groupby("dataset", sort=False):
        first = rows.iloc[0]
        facts = {column: first[column] for column in KEPT_COLUMNS}
        sizes = {column: int(first[column]) for column in ("rows", "features")}
        record[str(name)] = {"title": title_in(rows, str(name)), **facts, **sizes}
    for name, reason in left_out(frame).items():
        record[name] = {"title": EXPERIMENTS[name].title, "left_out": reason}
    return json.dumps(record, indent=1) + "\n"


def compare_with(folder: Path, reference: Path) -> tuple[bool, list[str]]:
    """Whether a folder has the data and the bytes of a reference, and what is to be said, in lines.
    Raises ConfigError: one of them has no record of its data."""
    found, wanted = _record(folder), _record(reference)
    lines = []
    same_data = True
    for name, known in wanted.items():
        same, line = _data_line(found.get(name, {}), known)
        same_data = same_data and same
        lines.append(line)
    if not same_data:
        return False, [*lines, "other data than the reference's: its numbers are not compared"]
    differing = [
        name
        for name in COMPARED
        if (reference / name).is_file()
        and (not (folder / name).is_file() or _bytes(folder, name) != _bytes(reference, name))
    ]
    lines += [
        f"{folder / name}: NOT the bytes of {reference / name}, though the data are the same"
        for name in differing
    ]
    if not differing:
        lines.append(f"all files are the bytes of {reference}: {', '.join(COMPARED)}")
    return not differing, lines


def _bytes(folder: Path, name: str) -> bytes:
    """A file's content; of ``data.json`` that of the arrays: a file may have another name."""
    if name != DATA_FILE:
        return (folder / name).read_bytes()
    kept = {key: {**facts, "file": "", "file_sha256": ""} for key, facts in _record(folder).items()}
    return json.dumps(kept).encode()


def _data_line(found: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether a data set is the reference's, and what is said of it."""
    title = found.get("title", known["title"])
    if "left_out" in found or not found:
        reason = found.get("left_out", "it was not run")
        return "left_out" in known, f"{title}: left out: {reason}"
    shape = f"{found['rows']:,} x {found['features']:,} training rows"
    if found["arrays_sha256"] != known.get("arrays_sha256"):
        other = f"file {found['file_sha256'][:8]}, the reference's {known['file_sha256'][:8]}"
        return False, f"{title}: {shape}, NOT the reference's data ({other})"
    if found["file_sha256"] != known["file_sha256"]:
        return True, f"{title}: {shape}, another file with the reference's encoded arrays"
    return True, f"{title}: {shape}, the reference's file and encoded arrays"


def _record(folder: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((folder / DATA_FILE).read_text(encoding="utf-8"))
    except OSError:
        valid = f"holds no {DATA_FILE}; make one with: reproduce --data-dir FOLDER"
        raise at("--against", str(folder), valid) from None
    except ValueError:
        raise ConfigError(f"{folder / DATA_FILE}: is not what this version writes") from None
    return record
