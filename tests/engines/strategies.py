"""What the property tests of the engines draw: schemes, laws, policies, and trouble."""

from __future__ import annotations

from hypothesis import strategies as st

from erasurehead.sim.engines.run import Policy
from erasurehead.sim.load_laws import (
    Additive,
    LoadLaw,
    PartlyProportional,
    PerPartition,
    Proportional,
)
from erasurehead.sim.schemes import SCHEMES, Scheme
from erasurehead.sim.types import TapeLike
from tests.engines.agreement import Mortal
from tests.tools import LatticeTape

LAWS: list[LoadLaw] = [
    Proportional(),
    PartlyProportional(fixed=0.25),
    Additive(seconds_per_partition=0.25),
    PerPartition(),
]

laws = st.sampled_from(LAWS)
policies = st.sampled_from(list(Policy))
steps = st.sampled_from([0.1, 0.25])
"""Seconds between points of a lattice: sums of 0.1 round, those of 0.25 do not."""

dead_shares = st.sampled_from([0.0, 0.0, 0.01, 0.05, 0.3])
"""Shares of the tasks that never end."""

patience = st.none() | st.integers(1, 12)
"""``max_wait`` in points of the lattice, where rounds often end exactly then."""


@st.composite
def schemes(draw: st.DrawFn) -> Scheme:
    """Any scheme over any shape (n, d, r) that it allows."""
    groups, load = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    n = groups * load
    r = draw(st.integers(1, n))
    deadline = draw(st.none() | st.sampled_from([0.05, 0.1, 0.25, 0.5, 4.0]))
    window, burst = draw(st.sampled_from([(2, 1), (4, 1), (3, 2), (5, 2)]))
    family = draw(
        st.sampled_from(
            [
                SCHEMES["uncoded"](),
                SCHEMES["ignore_stragglers"](wait_for=r, deadline=deadline),
                SCHEMES["ignore_stragglers"](deadline=deadline or 0.1),
                SCHEMES["window"](
                    tolerance=draw(st.sampled_from([0.0, 0.3, 1.0, 2.0])),
                    deadline=deadline,
                    at_least=r,
                ),
                SCHEMES["window"](deadline=deadline or 0.1, at_least=r),
                SCHEMES["fractional_repetition"](load=load),
                SCHEMES["cyclic_repetition"](load=draw(st.integers(1, n))),
                SCHEMES["cyclic_mds"](load=draw(st.integers(1, max(n - 1, 1)))),
                SCHEMES["erasurehead"](load=load, wait_for=r, deadline=deadline),
                SCHEMES["sequential"](
                    B=burst,
                    W=window,
                    stragglers=r if n > 1 else 0,
                    tolerance=draw(st.sampled_from([0.0, 0.5, 2.0])),
                ),
                SCHEMES["sequential"](
                    variant="multiplexed", B=burst, W=window, stragglers=r, tolerance=0.5
                ),
                SCHEMES["adaptive_deadline"](
                    kappa=draw(st.sampled_from([0.0, 1.0, 3.0])), at_least=r, rounds=burst
                ),
                SCHEMES["partial_stragglers"](load=load),
                SCHEMES["fractional_repetition"](load=load, partial=0.3),
                SCHEMES["cyclic_repetition"](load=load, partial=0.5),
                SCHEMES["mindflayer"](trials=load, patience=deadline or 0.1),
                SCHEMES["block_coordinate"](),
                SCHEMES["block_coordinate"](split=(0.5,) * min(load, n)),
                SCHEMES["drop_compute"](
                    pieces=load, patience=deadline, cut=draw(st.sampled_from(["after", "at"]))
                ),
                SCHEMES["pipelined"](load=load, wait_for=r),
                SCHEMES["multi_message"](load=load),
                SCHEMES["multi_message"](load=load, wait_for=r),
                SCHEMES["multi_message"](
                    load=load,
                    assignment=draw(st.sampled_from(["cyclic", "fractional"])),
                    order="rotated",
                ),
            ]
        )
    )
    return family.build(n)


def lattice(
    seed: int, workers: int, replications: int, levels: int, step: float, dead: float
) -> list[TapeLike]:
    """Tapes full of ties and zeros, with a share of tasks that never end."""
    return [
        Mortal(LatticeTape(seed + r, workers, levels, step=step), seed + r, dead)
        for r in range(replications)
    ]
