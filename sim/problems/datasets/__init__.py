"""Data sets, one file for each source.

To add one: write one frozen dataclass and add its name to ``_ALL``.
"""

from .base import BreastCancer, DatasetFamily, Diabetes, Synthetic
from .brought import Amazon, Covertype, File, KcHousing

_ALL: tuple[type[DatasetFamily], ...] = (
    Synthetic, BreastCancer, Diabetes, Amazon, Covertype, KcHousing, File,
)  # fmt: skip
DATASETS = {family.name: family for family in _ALL}
