"""Problems: the data, the loss and its gradient for many models at once."""

from .base import Problem
from .datasets import DATASETS
from .datasets.base import DatasetFamily
from .losses import LOSSES, ProblemConfig, ProblemSettings
from .objective import Objective

__all__ = [
    "DATASETS",
    "LOSSES",
    "DatasetFamily",
    "Objective",
    "Problem",
    "ProblemConfig",
    "ProblemSettings",
]
