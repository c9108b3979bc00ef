"""What this machine can give: memory that is free, within the limits that are set, and disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Limit and use of a container, of both versions."""


def read(path: str) -> str:
    """The text of a file; empty if there is none, as on other systems than Linux."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def free_memory(text: Callable[[str], str] = read) -> int | None:
    """Bytes that this process may still take, by every limit that is known; ``None``: none is.

    Args:
        text: gives the text of a file of the system.
    """
    return min((max(room, 0) for room in _rooms(text)), default=None)


def _rooms(text: Callable[[str], str]) -> Iterator[int]:
    facts = dict(line.split(":", 1) for line in text("/proc/meminfo").splitlines() if ":" in line)
    if "MemAvailable" in facts:
        yield 1024 * int(facts["MemAvailable"].split()[0])
    elif hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit, used in CGROUPS:
        if (most := text(limit).strip()).isdigit():
            yield int(most) - int(text(used).strip() or 0)
    space = _address_space()
    if space is not None:
        pages = (text("/proc/self/statm").split() or ["0"])[0]
        yield space - int(pages) * os.sysconf("SC_PAGE_SIZE")


def _address_space() -> int | None:
    """The limit of ``ulimit -v`` in bytes."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if most == resource.RLIM_INFINITY else most


def free_disk(folder: Path) -> int | None:
    """Bytes that are free where a folder is or will be; ``None`` if nobody knows."""
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None
