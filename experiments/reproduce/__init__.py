"""The delay analysis and the loss-versus-time comparison: one file per figure.

To add a figure: write one file with one ``PaperFigure`` and add one line here.
"""

from __future__ import annotations

from experiments.reproduce.atlas import Atlas
from experiments.reproduce.backlog import Backlog
from experiments.reproduce.base import PaperFigure
from experiments.reproduce.decoding_error_arrivals import DecodingErrorArrivals
from experiments.reproduce.iteration_time_workers import IterationTimeWorkers
from experiments.reproduce.loss_iteration_floor import LossIterationFloor
from experiments.reproduce.loss_time import LossTimeFigure
from experiments.reproduce.policies import Policies
from experiments.reproduce.ranking import Ranking
from experiments.reproduce.sequential_persistence import SequentialPersistence
from experiments.reproduce.speedup import Speedup
from experiments.reproduce.time_to_target import TimeToTarget
from experiments.reproduce.tradeoff_load_arrivals import TradeoffLoadArrivals

FIGURES: dict[str, PaperFigure] = {
    "iteration_time_workers": IterationTimeWorkers(),
    "decoding_error_arrivals": DecodingErrorArrivals(),
    "loss_iteration_floor": LossIterationFloor(),
    "loss_time": LossTimeFigure(),
    "speedup": Speedup(),
    "tradeoff_load_arrivals": TradeoffLoadArrivals(),
    "policies": Policies(),
    "backlog": Backlog(),
    "ranking": Ranking(),
    "sequential_persistence": SequentialPersistence(),
    "time_to_target": TimeToTarget(),
    "atlas": Atlas(),
}
