"""Data sets, one file for each source.

To add one: write one frozen dataclass and add one line to ``DATASETS``.
"""

from .base import BreastCancer, DatasetFamily, Diabetes, Synthetic
from .brought import Amazon, Covertype, File, KcHousing

DATASETS: dict[str, type[DatasetFamily]] = {
    "synthetic": Synthetic,
    "breast_cancer": BreastCancer,
    "diabetes": Diabetes,
    "amazon": Amazon,
    "covertype": Covertype,
    "kc_housing": KcHousing,
    "file": File,
}
