"""``python -m benchmarks.held_out TRACE``: a fit to half of a trace predicts the other half.

A fit can hardly be expected to predict a half better than the other half, replayed, does: that is
the noise ceiling. Each point is a load, a split of the rounds (consecutive halves, or every second
round), a direction and a k: the error of the mean k-th smallest delay by the fit against that by
replaying.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import erasurehead as eh
from erasurehead.delay_models.base import FloatArray
from erasurehead.delay_models.measured.read import read_measured
from erasurehead.experiments.advice.fit.config import CONFIG
from erasurehead.experiments.advice.fit.laws.goodness import folds, observed_order_statistics
from erasurehead.experiments.pictures import style

SHARES = (0.75, 0.9, 0.97, 1.0)
"""k as shares of n."""

LOOKS = dict(zip(SHARES, ("#56B4E9", "#009E73", "#E69F00", "#D55E00"), strict=True))
MARKERS = dict(zip(SHARES, "o^sD", strict=True))

ALLOWED = 0.1
"""An error that is good enough however small that of replaying is."""

GOOD = "within 10 %, or as near as replaying"

SMALLEST = 0.001
"""Errors below are drawn here."""


def errors(path: str) -> pd.DataFrame:
    """One row per load, half and share: ``fit`` and ``replay``, \\|predicted / measured - 1\\|."""
    tables = read_measured(path).tables
    rows = [row for load, table in tables.items() for row in _of_table(load, table)]
    return pd.DataFrame(rows, columns=["load", "half", "share", "fit", "replay"])


def _of_table(load: float | None, table: FloatArray) -> Iterator[tuple[object, ...]]:
    n = table.shape[1]
    ks = [max(1, round(share * n)) for share in SHARES]
    for number, half in enumerate(folds([table])):
        (seen,) = half.seen
        fitted = eh.fit(seen, k_range=(ks[0], n)).order_statistics
        chosen = fitted[fitted["family"] == CONFIG].set_index("k")["predicted"]
        truth = observed_order_statistics(half.held_out, ks)
        replayed = observed_order_statistics(seen, ks)
        for share, k, true, replay in zip(SHARES, ks, truth, replayed, strict=True):
            yield load, number, share, _apart(chosen[k], true), _apart(replay, true)


def _apart(predicted: float, measured: float) -> float:
    """The larger ratio of the two, less 1."""
    return float(np.exp(abs(np.log(predicted / measured))) - 1)


def draw(frame: pd.DataFrame, path: Path) -> int:
    """Errors of the fit against those of replaying, both logarithmic; how many are good."""
    good = int((frame["fit"] <= np.maximum(frame["replay"], ALLOWED)).sum())
    with style.applied():
        figure = style.blank_figure(style.ONE_PANEL, 4.4)
        axes = figure.subplots()
        top = 1.3 * float(frame[["fit", "replay"]].to_numpy().max())
        x = np.geomspace(SMALLEST * 0.8, top, 200)
        limit = np.maximum(x, ALLOWED)
        axes.fill_between(x, SMALLEST * 0.8, limit, color="#F0F0F0", linewidth=0, label=GOOD)
        for share, part in frame.groupby("share"):
            axes.plot(
                np.maximum(part["replay"], SMALLEST),
                np.maximum(part["fit"], SMALLEST),
                color=LOOKS[share],
                marker=MARKERS[share],
                linestyle="",
                label=f"k = {100 * share:g} % of n",
            )
        for axis in (axes.xaxis, axes.yaxis):
            style.log_axis(axis, (1,))
            axis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
        ends = SMALLEST * 0.8, top
        axes.set(xlim=ends, ylim=ends, title=f"{good} of {len(frame)} {GOOD}")
        axes.set(xlabel="error of replaying the other half", ylabel="error of the fit to it")
        figure.legend(loc="outside lower center", ncols=2)
    style.save(figure, path.with_suffix(""), ("png",))
    return good


def main() -> None:
    """Compute the held-out errors of a trace and draw them into a PNG."""
    trace, *rest = sys.argv[1:]
    path = Path(rest[0] if rest else "results/benchmarks/held_out.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = errors(trace)
    good = draw(frame, path)
    print(f"the fit is within 10 % or the error of replaying in {good} of {len(frame)} cases;")
    print(f"replaying is within 10 % in {(frame['replay'] <= ALLOWED).sum()}; picture in {path}")


if __name__ == "__main__":
    main()
