"""What was measured: a table of delays for each load, with the workers' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...sim.files import short
from ..base import FloatArray


@dataclass(frozen=True)
class Repair:
    """Something in the file that was not simply read, and how often.

    Attributes:
        kind: ``missing`` (cells), ``timeout``, ``zero``, ``infinite`` (all four are missing cells),
            ``dropped`` (rounds), ``retry`` (rows), ``hold`` (repeated samples), ``unused`` (cells),
            ``gap`` (round numbers that no row has), ``unit`` (no unit was given).
        count: how many.
        text: a line for people, with the count; empty where another repair says it.
    """

    kind: str
    count: int
    text: str = ""


@dataclass(frozen=True, eq=False)
class Measured:
    """Measured delays.

    Attributes:
        hosts: the workers' names, one for each column; ``"0"``, ``"1"``, ... in a file without.
        tables: ``{load: (rounds, n) seconds}``, loads ascending, the key ``None`` without a column
            load. Finite and >= 0; infinite where a worker never arrived, and only if the caller
            asked for that.
        repairs: what was left out, mended or counted.
    """

    hosts: tuple[str, ...]
    tables: Mapping[float | None, FloatArray]
    repairs: tuple[Repair, ...] = ()

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return len(self.hosts)

    def only(self, hosts: Sequence[str]) -> Measured:
        """These workers alone, in this order.

        Raises:
            ValueError: naming one that was not measured.
        """
        for host in hosts:
            if host not in self.hosts:
                raise ValueError(f"no worker is named {short(host)!r}")
        places = [self.hosts.index(host) for host in hosts]
        tables = {load: table[:, places] for load, table in self.tables.items()}
        return replace(self, hosts=tuple(hosts), tables=tables)

    @property
    def notes(self) -> list[str]:
        """The repairs, a line each."""
        return [repair.text for repair in self.repairs if repair.text]


@dataclass(frozen=True, eq=False)
class Part:
    """What the file holds at one load, before it is known what a missing delay means.

    Attributes:
        hosts: names of the workers.
        table: ``(rounds, n)`` seconds, NaN where there is none.
        failed: how many of these say that the call failed.
        repairs: what was done to the rows.
    """

    hosts: tuple[str, ...]
    table: FloatArray
    failed: int = 0
    repairs: tuple[Repair, ...] = ()
