"""Pictures of any run or sweep, drawn from its tables alone.

To add a kind: write one file with one ``Kind`` and add one line here.
"""

from __future__ import annotations

from experiments.plots.base import Kind
from experiments.plots.delays import Delays
from experiments.plots.gantt import Gantt
from experiments.plots.iteration_time import IterationTime
from experiments.plots.loss_iteration import LossIteration
from experiments.plots.loss_time import LossTime
from experiments.plots.tradeoff import Tradeoff
from experiments.plots.utilisation import Utilisation
from experiments.plots.workers import Workers

KINDS: dict[str, Kind] = {
    "loss_time": LossTime(),
    "loss_iteration": LossIteration(),
    "iteration_time": IterationTime(),
    "tradeoff": Tradeoff(),
    "utilisation": Utilisation(),
    "workers": Workers(),
    "delays": Delays(),
    "gantt": Gantt(),
}
