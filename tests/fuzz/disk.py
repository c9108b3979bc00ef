"""``unshare -Urm python -m tests.fuzz.disk``: commands on a disk that is too small, at many sizes.

A command that meets the end of the disk is refused in one line; what it leaves is whole; once there
is room, the same command goes on and gives the tables that it would have given. Needs the right to
mount a tmpfs, which ``unshare`` gives where the system allows it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz import harness, labels
from tests.fuzz.values import Case, Command, randomness

CONFIG = {
    "workers": 4,
    "iterations": 30,
    "replications": 4,
    "delay": {"model": "exponential", "rate": 1.0},
    "schemes": [{"name": "uncoded"}, {"name": "erasurehead", "load": 2, "wait_for": [1, 2, 3]}],
}
TRACE = "\n".join(f"{1 + t % 7 / 10},{1 + t % 5 / 9},{1 + t % 3 / 8}" for t in range(30)) + "\n"
FILES = {
    "config.yaml": labels.write(CONFIG, randomness("disk", 0)).encode(),
    "trace.csv": TRACE.encode(),
}
OUT = "disk/out"
RUN: Command = ("run", "config.yaml", "--output", OUT)
ROOMY = "size=16m"
LIMITS = (
    *(f"size={pages * 4}k" for pages in (1, 2, 4, 6, 8, 10, 12, 14, 17, 20, 24, 32)),
    *(f"nr_inodes={count}" for count in (1, 2, 3, 4, 5, 6, 8, 10, 12)),
)


def mount(place: Path, options: str) -> None:
    """A file system in memory, or another size for the one that is there."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def small_disk(options: str, command: Command) -> Iterator[tuple[Case, Path]]:
    """A case's folder in which ``disk`` is a file system of its own."""
    case = Case(FILES, (command,))
    with harness.room(case) as folder:
        (folder / "disk").mkdir()
        mount(folder / "disk", options)
        try:
            yield case, folder
        finally:
            subprocess.run(["umount", "-l", str(folder / "disk")], check=True)


def tables(folder: Path) -> dict[str, bytes]:
    """The tables of a run by name."""
    return {path.name: path.read_bytes() for path in (folder / OUT).glob("*.parquet")}


def told(case: Case, folder: Path, refused: bool | None = None) -> Iterator[str]:
    """What is wrong with how a command ended that may have met the end of the disk."""
    from tests.fuzz import judge

    (ending,) = harness.run(case, folder)
    for fault in judge.faults(case, [ending], folder):
        if "written:" not in fault:  # cells that were finished before the disk was full stay
            yield fault
    if refused is not None and (ending.code == 2) != refused:
        yield f"disk: exit code {ending.code}"
    for cell in (folder / OUT).glob("cells/*.parquet"):
        if judge.read_cell(folder / OUT, cell.stem) is None:
            yield f"disk: {cell.name} is not whole"
    yield from judge.picture_faults(folder)


def runs(options: str, known: dict[str, bytes]) -> Iterator[str]:
    """A run that meets the end of the disk, and goes on when there is room."""
    with small_disk(options, RUN) as (case, folder):
        yield from told(case, folder)
        subprocess.run(
            ["mount", "-o", f"remount,{ROOMY},nr_inodes=0", str(folder / "disk")], check=True
        )
        yield from told(case, folder, refused=False)
        if tables(folder) != known:
            yield "disk: the tables are others than those of a run that had room"


def leave(disk: Path, options: str) -> None:
    """Leave so much room beside what is on the disk: ``size=64k``."""
    used = shutil.disk_usage(disk).used // 1024
    left = int(options.removeprefix("size=").removesuffix("k"))
    subprocess.run(["mount", "-o", f"remount,size={used + left}k", str(disk)], check=True)


def pictures(options: str, known: dict[str, bytes]) -> Iterator[str]:
    """Pictures of a run on a disk that has little room left."""
    with small_disk(ROOMY, RUN) as (case, folder):
        yield from told(case, folder, refused=False)
        leave(folder / "disk", options)
        plot: Command = ("plot", OUT, "--kind", "iteration_time")
        yield from told(Case({}, (plot,)), folder, refused=True)
        if tables(folder) != known:
            yield "disk: pictures have changed the tables"


def fits(options: str, known: dict[str, bytes]) -> Iterator[str]:
    """A fit whose output has no room."""
    with small_disk(options, ("fit", "trace.csv", "--output", OUT)) as (case, folder):
        yield from told(case, folder, refused=True)


def reports(options: str, known: dict[str, bytes]) -> Iterator[str]:
    """A report of a run on a disk that has little room left."""
    with small_disk(ROOMY, RUN) as (case, folder):
        yield from told(case, folder, refused=False)
        leave(folder / "disk", options)
        yield from told(Case({}, (("report", OUT),)), folder, refused=True)


def figures(options: str, known: dict[str, bytes]) -> Iterator[str]:
    """Figures whose output has no room."""
    figure: Command = ("reproduce", "iteration_time_scale", "--jobs", "1", "--output", OUT)
    with small_disk(options, figure) as (case, folder):
        yield from told(case, folder, refused=True)


def read_only(options: str, known: dict[str, bytes]) -> Iterator[str]:
    """A disk that cannot be written."""
    with small_disk(f"{ROOMY},ro", RUN) as (case, folder):
        yield from told(case, folder, refused=True)


def temporary(options: str, known: dict[str, bytes]) -> Iterator[str]:
    """A full TMPDIR, in which processes that compute want a socket."""
    with small_disk(ROOMY, ("sweep", *RUN[1:], "--jobs", "2")) as (case, folder):
        mount(folder.parent / "tmp", "nr_inodes=1")
        try:
            yield from told(case, folder)
        finally:
            subprocess.run(["umount", "-l", str(folder.parent / "tmp")], check=True)


STEPS: tuple[tuple[Callable[[str, dict[str, bytes]], Iterator[str]], tuple[str, ...]], ...] = (
    (runs, LIMITS),
    (pictures, ("size=0k", "size=8k", "size=16k")),
    (fits, ("size=4k", "size=16k", "nr_inodes=1", "nr_inodes=3")),
    (reports, ("size=0k", "size=16k")),
    (figures, ("size=4k", "size=64k", "nr_inodes=3")),
    (read_only, ("",)),
    (temporary, ("",)),
)


def main() -> int:
    harness.prepare()
    with small_disk(ROOMY, RUN) as (case, folder):
        found = [*told(case, folder, refused=False)]
        known = tables(folder)
    for step, limits in STEPS:
        for limit in limits:
            found += [f"{step.__name__} {limit}: {fault}" for fault in step(limit, known)]
    print("\n".join(found) or "every command ended well")
    return min(len(found), 100)


if __name__ == "__main__":
    sys.exit(main())
