"""Names of losses and data sets.

To add a data set: write one frozen dataclass and add one line to ``DATASETS``; to add a loss, one
final subclass of ``Problem`` and one line to ``LOSSES``.
"""

from sim.problems.base import Problem
from sim.problems.datasets.base import DatasetFamily
from sim.problems.datasets.embedded import BreastCancer, Diabetes
from sim.problems.datasets.npz import File
from sim.problems.datasets.public import Amazon, Covertype, KcHousing
from sim.problems.datasets.synthetic import Synthetic
from sim.problems.least_squares import LeastSquares
from sim.problems.logistic import LogisticLoss

LOSSES: dict[str, type[Problem]] = {
    "logistic": LogisticLoss,
    "least_squares": LeastSquares,
}

DATASETS: dict[str, type[DatasetFamily]] = {
    "synthetic": Synthetic,
    "breast_cancer": BreastCancer,
    "diabetes": Diabetes,
    "amazon": Amazon,
    "covertype": Covertype,
    "kc_housing": KcHousing,
    "file": File,
}
