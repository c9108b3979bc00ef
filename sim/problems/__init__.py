"""Problems: the data, the loss and its gradient for many models at once."""

from sim.problems.base import Problem
from sim.problems.build import ProblemConfig, ProblemSettings
from sim.problems.datasets import DATASETS
from sim.problems.datasets.base import DatasetFamily
from sim.problems.losses import LOSSES

__all__ = [
    "DATASETS",
    "LOSSES",
    "DatasetFamily",
    "Problem",
    "ProblemConfig",
    "ProblemSettings",
]
