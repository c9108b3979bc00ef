"""``erasurehead data``: fetch one of the authors' data sets, once, into a folder for runs."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from ...sim.base.errors import ConfigError, InvalidParameter, at, one_of
from ...sim.base.files import sha256
from ...sim.training.problems import DATASETS
from ...sim.training.problems.datasets.brought import (
    AMAZON_COLUMNS,
    KC_COLUMNS,
    recorded_as,
    require_unchanged,
)
from ..run.files import write_bytes
from ..text import OF_THE_MACHINE
from .samples import SAMPLES

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Source:
    """Where a data set comes from, and what has to arrive."""

    file: str  # its name here, which its loader looks for
    page: str  # the source's page
    rows: int
    training: tuple[int, int]  # training rows and features, encoded as in the authors' program
    openml: int | None = None  # its number at OpenML; ``None``: scikit-learn's ``fetch_covtype``
    columns: tuple[str, ...] = ()  # those that are kept, the target first; empty: all
    target: str = ""  # the target's name at OpenML
    licence: str = ""  # what is known of it besides what the source states


# Sizes: the authors' tables (2019), and the same encoding of the files that users have brought.
DATA_SOURCES = {
    "covertype": Source(
        "covtype.data.gz", "archive.ics.uci.edu/dataset/31/covertype", 581_012, (396_112, 15_509)
    ),
    "amazon": Source(
        "amazon_employee_access_train.csv.gz",
        "www.openml.org/d/4135",
        32_769,
        (26_215, 241_915),
        4135,
        ("ACTION", *AMAZON_COLUMNS),
        "target",
        "the rules of kaggle.com/c/amazon-employee-access-challenge hold, too: do not pass it on",
    ),
    "kc_housing": Source(
        "kc_house_data.csv.gz",
        "www.openml.org/d/42731",
        21_613,
        (17_290, 27_654),
        42731,
        ("price", *KC_COLUMNS),
        "price",
    ),
}


def data_lines() -> list[str]:
    """The data sets, a line each."""
    width = max(map(len, DATA_SOURCES))
    return [
        f"  {name:{width}}  {source.rows:,} rows, from {source.page}"
        for name, source in DATA_SOURCES.items()
    ]


def bring(name: str, folder: Path) -> list[str]:
    """Fetch a data set into a folder, unless it is there; returns what there is to say. Written is
    a whole file, after its loader has read it, and its SHA-256 beside it, or nothing.
    Raises ConfigError: there is no such set, it cannot be fetched or is another one, or the file
    that is there has changed since it was fetched."""
    name = {"kc_house": "kc_housing"}.get(name, name)  # another name of it
    if name not in DATA_SOURCES:
        raise at("data", name, one_of([*SAMPLES, *DATA_SOURCES], name))
    source = DATA_SOURCES[name]
    file = folder / source.file
    if file.exists():
        try:
            require_unchanged(name, file)
        except InvalidParameter as error:
            raise ConfigError(str(error)) from None
        return [f"{file} is there already"]
    with TemporaryDirectory() as cache:
        table, stated = _fetched(name, source, Path(cache))
        table_file = Path(cache) / source.file
        table.to_csv(
            table_file,
            index=False,
            header=source.openml is not None,
            float_format="%.15g",
            compression={"method": "gzip", "mtime": 0},
        )
        _require_it(name, source, len(table), table_file)
        digest, content = sha256(table_file), table_file.read_bytes()
    write_bytes(recorded_as(file), f"{digest}  {file.name}\n".encode())
    write_bytes(file, content)
    rows, features = source.training
    licence = f"{stated}, says {source.page}" if stated else f"unknown here; see {source.page}"
    return [
        f"{name}: {source.rows:,} rows; for training {rows:,} x {features:,}, encoded as by the "
        "paper's authors",
        f"licence: {licence}{f'; {source.licence}' if source.licence else ''}",
        f"{file}: {len(content) / 1e6:.1f} MB, SHA-256 {digest}",
        f"{recorded_as(file)}: the same hash, which every later read checks",
    ]


def _fetched(name: str, source: Source, cache: Path) -> tuple[pd.DataFrame, str]:
    """The table, and the licence that its source states; nothing stays outside of ``cache``."""
    from sklearn import datasets

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of attempts that are repeated
            if source.openml is None:
                fetched = datasets.fetch_covtype(data_home=cache, as_frame=True)
            else:
                fetched = datasets.fetch_openml(
                    data_id=source.openml, data_home=cache, as_frame=True
                )
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
            raise
        why = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(
            f"data {name}: cannot be fetched, which needs a network ({why}); see {source.page}"
        ) from error
    table = fetched.frame
    if source.columns:
        table = table.rename(columns={source.target: source.columns[0]})
        if missing := [column for column in source.columns if column not in table]:
            raise ConfigError(f"data {name}: {source.page} has no column {', '.join(missing)}")
        table = table[[*source.columns]]
    return table, str(fetched.get("details", {}).get("licence") or "")


def _require_it(name: str, source: Source, rows: int, file: Path) -> None:
    """Refuse what is not the set that the authors had. Raises ConfigError."""
    if rows != source.rows:
        raise ConfigError(f"data {name}: {source.page} has {rows:,} rows; must be {source.rows:,}")
    try:
        loaded = DATASETS[name]().load("classification", np.random.default_rng(0), file.parent)
    except InvalidParameter as error:
        raise ConfigError(str(error).replace(str(file), source.page)) from None
    if loaded.X.shape != source.training:
        has, needs = (
            " x ".join(f"{n:,}" for n in shape) for shape in (loaded.X.shape, source.training)
        )
        raise ConfigError(f"data {name}: {source.page} is encoded as {has}; must be {needs}")
