"""Either engine by name, for tests that hold one to the other or to a number worked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from erasurehead.sim.engines.cluster import IDEAL, Cluster, Policy
from erasurehead.sim.engines.run import Recorder, Run
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.load_laws import LoadLaw
from erasurehead.sim.schemes import Scheme
from erasurehead.sim.types import TapeLike, Trace


@dataclass(frozen=True)
class Engine:
    name: Literal["batch", "event"]

    def simulate(
        self,
        scheme: Scheme,
        tapes: Sequence[TapeLike],
        law: LoadLaw,
        rounds: int,
        policy: Policy = Policy.CANCEL,
        cluster: Cluster = IDEAL,
        recorder: Recorder | None = None,
        heard: bool = True,
        work: bool = True,
    ) -> Trace:
        run = Run(scheme, tapes, law, rounds, policy, cluster)
        return simulate(run, self.name, heard=heard, work=work, recorder=recorder)


batch, event = Engine("batch"), Engine("event")
