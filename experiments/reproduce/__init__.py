"""The delay analysis and the loss-versus-time comparison: one file per figure.

To add a figure: write one file that ends with ``FIGURE = TheClass()``, and add its name and the
first sentence of the class here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import PaperFigure

FIGURES = {
    "iteration_time_workers": (
        "Mean iteration time against the number of workers, simulated and in theory, two load laws."
    ),
    "iteration_time_scale": (
        "Mean iteration time from ten workers to ten million: both engines on the theory's lines."
    ),
    "decoding_error_arrivals": (
        "Decoding error of ErasureHead against arrivals r for several loads, points on formulas."
    ),
    "loss_iteration_floor": (
        "Suboptimality against iteration on least squares, with the bound on its mean."
    ),
    "loss_time": (
        "Loss against simulated time on real data, five schemes, delays of the authors' "
        "experiments."
    ),
    "speedup": "Time to a target loss, ErasureHead against exact schemes, paired 95 % intervals.",
    "tradeoff_load_arrivals": (
        "Seconds per iteration against final loss over (d, r), Pareto front marked, both load laws."
    ),
    "policies": "The same runs under cancel, finish, queue and drain: when the gain is real.",
    "backlog": (
        "Iteration time over rounds and persistence, where work is cancelled, finished or queued."
    ),
    "ranking": (
        "Iteration times relative to uncoded over load laws, tails, persistence, real clusters."
    ),
    "sequential_persistence": (
        "Sequential codes against codes without memory, over the persistence of stragglers."
    ),
    "time_to_target": (
        "Time to a target loss over all families, every scheme at its own best learning rate."
    ),
    "measured_curve": (
        "What nine schemes wait for on the authors' measured completion times, both load laws."
    ),
    "atlas": (
        "Seconds per iteration against decoding error of all synchronous schemes, Pareto front "
        "marked."
    ),
}
"""Every figure, named as its file, with the first sentence of its class.

The sentences stand here, too, so that ``erasurehead list`` need not import what draws.
"""


def figure_named(name: str) -> PaperFigure:
    """The figure of one of ``FIGURES``; its file is imported now."""
    made: PaperFigure = import_module(f"{__name__}.{name}").FIGURE
    return made
