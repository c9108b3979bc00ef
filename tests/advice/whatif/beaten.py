"""Nothing is hidden: which rows of a list of remedies beat which, from its CSV file alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def beaten(rows: pd.DataFrame) -> dict[str, set[str]]:
    """Which rows beat each one: faster, with the same gradient if it has, and no worse in anything
    else. Needs are words; where a code's time is not known, its least counts."""
    found: dict[str, set[str]] = {text: set() for text in rows["text"]}
    needs = {row["text"]: {*row["needs"].split(", ")} - {""} for _, row in rows.iterrows()}
    for _, row in rows.iterrows():
        for _, other in rows.iterrows():
            no_worse = (
                other["exact"] >= row["exact"]
                and other["least"] >= row["least"]
                and other["heard"] >= row["heard"]
                and other["load"] <= row["load"]
                and other["copies"] <= row["copies"] * (1 + 1e-9)
                and other["hosts"] <= row["hosts"]
                and other["worker_seconds"] <= row["worker_seconds"] * (1 + 1e-9)
                and needs[other["text"]] <= needs[row["text"]]
            )
            if no_worse and other["seconds"] < row["seconds_low"] * (1 - 1e-9):
                found[row["text"]].add(other["text"])
    return found


def require_none_beaten(csv: Path, said: str) -> None:
    """From the CSV file and the terminal alone: a row has a rival if one beats it, which itself has
    none; what is shown has none; and the blocks are in order."""
    rows = pd.read_csv(csv, keep_default_na=False)
    by = beaten(rows)
    for _, row in rows.iterrows():
        rivals = by[row["text"]]
        assert (row["beaten_by"] in rivals) if rivals else not row["beaten_by"]
        if row["beaten_by"]:
            assert not by[row["beaten_by"]]
    lines = [line.rstrip(" *") for line in said.splitlines()]
    shown = [
        text
        for text in rows["text"]
        if any(line.startswith((f"{text}  ", f"{text} *")) for line in lines)
    ]
    assert shown
    assert not any(by[text] for text in shown)
    exact = rows[rows["exact"].astype(str) == "True"]
    assert exact.index.tolist() == [*range(len(exact))]
    assert exact["seconds"].is_monotonic_increasing
    others = rows[rows["exact"].astype(str) == "False"]
    assert others["for_all"].astype(float).is_monotonic_decreasing
