"""Problems: the data, the loss and its gradient for many models at once."""

from .base import Problem
from .datasets import DATASETS
from .datasets.base import DatasetFamily
from .losses import LOSSES, ProblemConfig, ProblemSettings

__all__ = ["DATASETS", "LOSSES", "DatasetFamily", "Problem", "ProblemConfig", "ProblemSettings"]
