"""Data sets, one file for each source.

To add one: write one frozen dataclass and add its name to ``DATASETS``."""

from ....base.types import registry
from .base import BreastCancer, DatasetFamily, Diabetes, Digits, Synthetic
from .brought import Amazon, Covertype, File, KcHousing

__all__ = [
    "DATASETS", "Amazon", "BreastCancer", "Covertype", "DatasetFamily", "Diabetes", "Digits",
    "File", "KcHousing", "Synthetic",
]  # fmt: skip

DATASETS: dict[str, type[DatasetFamily]] = registry(
    "name", Synthetic, BreastCancer, Diabetes, Digits, Amazon, Covertype, KcHousing, File
)
