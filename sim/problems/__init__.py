"""Problems: the data, the loss and its gradient for many models at once."""

from sim.problems.base import Problem
from sim.problems.build import ProblemConfig, parse_problem
from sim.problems.datasets import DATASETS
from sim.problems.datasets.base import DatasetFamily
from sim.problems.losses import LOSSES

__all__ = [
    "DATASETS",
    "LOSSES",
    "DatasetFamily",
    "Problem",
    "ProblemConfig",
    "parse_problem",
]
