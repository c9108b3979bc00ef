"""Data sets, one file for each source.

To add one: write one frozen dataclass and add one line to ``DATASETS``.
"""

from sim.problems.datasets.base import DatasetFamily
from sim.problems.datasets.embedded import BreastCancer, Diabetes
from sim.problems.datasets.npz import File
from sim.problems.datasets.public import Amazon, Covertype, KcHousing
from sim.problems.datasets.synthetic import Synthetic

DATASETS: dict[str, type[DatasetFamily]] = {
    "synthetic": Synthetic,
    "breast_cancer": BreastCancer,
    "diabetes": Diabetes,
    "amazon": Amazon,
    "covertype": Covertype,
    "kc_housing": KcHousing,
    "file": File,
}
