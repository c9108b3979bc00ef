"""Pictures of any run or sweep, drawn from its tables alone.

To add a kind: write one file with one ``Kind`` and add one line here.
"""

from __future__ import annotations

from experiments.pictures.base import Kind
from experiments.pictures.kinds.delays import Delays
from experiments.pictures.kinds.gantt import Gantt
from experiments.pictures.kinds.iteration_time import IterationTime
from experiments.pictures.kinds.loss_iteration import LossIteration
from experiments.pictures.kinds.loss_time import LossTime
from experiments.pictures.kinds.tradeoff import Tradeoff
from experiments.pictures.kinds.utilisation import Utilisation
from experiments.pictures.kinds.workers import Workers

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
