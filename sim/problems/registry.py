"""Names of losses and data sets.

To add a data set: write one frozen dataclass and add one line to ``DATASETS``; to add a loss, one
final subclass of ``Problem`` and one line to ``LOSSES``.
"""

from sim.problems.base import Problem
from sim.problems.data import DatasetFamily
from sim.problems.embedded import BreastCancer, Diabetes
from sim.problems.least_squares import LeastSquares
from sim.problems.logistic import LogisticLoss
from sim.problems.npz import File
from sim.problems.public import Amazon, Covertype, KcHousing
from sim.problems.synthetic import Synthetic

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
