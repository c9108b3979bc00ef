"""``erasurehead data``: what is fetched, checked and written. The fetch functions of scikit-learn
give small tables in the format of the real ones."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

from erasurehead.experiments.commands.data import DATA_SOURCES
from erasurehead.plugins import InvalidParameter
from tests.sim.training.test_datasets import TASKS, amazon_table, covertype_table, kc_table, load
from tests.tools import inside


def small(name: str) -> pd.DataFrame:
    """What the source sends: named, ordered and typed as there."""
    if name == "covertype":
        return covertype_table().astype(float)
    if name == "amazon":
        table = amazon_table().rename(columns={"ACTION": "target"}).astype(str).astype("category")
        return table[[*table.columns[1:], "target"]]
    return kc_table().astype({"waterfront": int}).drop(columns="id").assign(date_year=2014)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """Small sources, and what their fetchers are asked for."""
    calls: list[dict[str, Any]] = []

    def fetch(**asked: Any) -> Bunch:
        calls.append(asked)
        numbers = {source.openml: name for name, source in DATA_SOURCES.items()}
        table = small(numbers[asked.get("data_id")])
        return Bunch(frame=table, details={"licence": "Public"} if "data_id" in asked else {})

    monkeypatch.delenv("ERASUREHEAD_DATA", raising=False)
    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
    monkeypatch.setattr("sklearn.datasets.fetch_covtype", lambda **asked: fetch(**asked))
    for name in DATA_SOURCES:
        rows, shape = len(small(name)), own(name, tmp_path / "own").X.shape
        monkeypatch.setitem(
            DATA_SOURCES, name, replace(DATA_SOURCES[name], rows=rows, training=shape)
        )
    return calls


def own(name: str, folder: Path) -> Any:
    """The same table, brought by a user."""
    folder.mkdir(exist_ok=True)
    if name == "covertype":
        covertype_table().to_csv(folder / "covtype.data", index=False, header=False)
    else:
        file, table = {
            "amazon": ("train.csv", amazon_table()), "kc_housing": ("kc_house_data.csv", kc_table())
        }[name]  # fmt: skip
        table.to_csv(folder / file, index=False)
    return load(name, folder)


@pytest.mark.parametrize("name", TASKS)
def test_what_is_fetched_is_what_a_user_would_bring(name, asked, tmp_path):
    """Catches a column that is lost, renamed or rounded; and a file whose hash is another's."""
    folder = tmp_path / "data"
    done = inside("data", name, "--data-dir", folder)
    assert done.returncode == 0, done.stderr
    mine, theirs = load(name, folder), own(name, tmp_path / "own")
    np.testing.assert_array_equal(mine.X.toarray(), theirs.X.toarray())
    np.testing.assert_array_equal(mine.y, theirs.y)
    file = folder / DATA_SOURCES[name].file
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (folder / f"{file.name}.sha256").read_text() == f"{digest}  {file.name}\n"
    assert digest in done.stdout
    assert ("Public, says" if "data_id" in asked[0] else "licence: unknown here") in done.stdout
    assert len(list(folder.iterdir())) == 2
    assert not any(Path(call["data_home"]).exists() for call in asked)


def test_a_set_is_fetched_once_and_a_changed_file_is_refused(asked, tmp_path):
    for _ in range(2):
        assert inside("data", "kc_house", "--data-dir", tmp_path).returncode == 0
    assert len(asked) == 1
    file = tmp_path / DATA_SOURCES["kc_housing"].file
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(InvalidParameter, match="has changed since it was fetched"):
        load("kc_housing", tmp_path)
    done = inside("data", "kc_house", "--data-dir", tmp_path)
    assert done.returncode == 2
    assert "has changed since it was fetched" in done.stderr
    assert len(asked) == 1


def unreachable(**_: Any) -> None:
    raise URLError("[Errno -3] Temporary failure in name resolution")


def without_a_column(**_: Any) -> Any:
    return SimpleNamespace(frame=small("amazon").drop(columns="MGR_ID"), get=lambda *_: {})


def with_a_row_more(**_: Any) -> Any:
    table = small("amazon")
    return Bunch(frame=pd.concat([table, table[:1]]))


def with_another_value(**_: Any) -> Any:
    table = small("amazon").astype(object)
    table.loc[0, "RESOURCE"] = "77"
    return Bunch(frame=table)


def with_text(**_: Any) -> Any:
    table = small("amazon").astype(object)
    table.loc[0, "RESOURCE"] = "none"
    return Bunch(frame=table)


@pytest.mark.parametrize(
    ("fetch", "says"),
    [
        (
            unreachable,
            "cannot be fetched, which needs a network (<urlopen error [Errno -3] Temporary",
        ),
        (without_a_column, "has no column MGR_ID"),
        (with_a_row_more, "has 31 rows; must be 30"),
        (with_another_value, "must be 24 x"),
        (with_text, "www.openml.org/d/4135 holds other things than numbers in column RESOURCE"),
    ],
)
def test_what_does_not_arrive_whole_is_one_line_and_no_file(
    fetch, says, asked, tmp_path, monkeypatch
):
    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
    done = inside("data", "amazon", "--data-dir", tmp_path / "data")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert says in done.stderr
    assert not (tmp_path / "data").exists()


def test_an_unknown_set_is_refused_with_the_names(tmp_path: Path) -> None:
    done = inside("data", "amazone", "--data-dir", tmp_path)
    assert done.returncode == 2
    assert (
        "must be one of: amazon, covertype, cut_rounds, kc_housing, llm_steps, slow_host"
        in done.stderr
    )
