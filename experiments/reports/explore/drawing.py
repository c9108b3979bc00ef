"""From a config to two pictures and a table, in a fraction of a second."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....sim.base.types import FloatArray
from ....sim.engines.simulate import simulate
from ...config import build
from ...config.cells import Cell, cells
from ...config.document import write_yaml
from ...page.content import Section, Table, capped, plain_cell
from ...page.html import drawn, environment, panel_values
from ...pictures.kinds.losses import (
    DIVERGED_FACTOR,
    LOSS_BAND_NOTES,
    band_key,
    band_of,
    cut,
    instants_of,
    loss_at,
    student,
)
from ...pictures.looks import INK, Look, look
from ...pictures.picture import Axis, Chart, Curve, Mark, Panel, Picture, Points, axis_of
from ...pictures.svg.marks import PageStyle
from ...pictures.svg.scale import log_ticks, tick_text
from ...run.compute import learn
from ...run.metrics import METRICS
from ...run.records import TIMING, ClosedForm, closed_form, mean_and_error
from ...run.tuning import clock
from ...text import number, theory_text

Estimate = tuple[float, float]  # a mean over replications, and its standard error


@dataclass(frozen=True, eq=False)
class Simulated:
    """What a cell's run did, as arrays: quicker than the tables of ``erasurehead run``."""

    label: str  # ``label``, ``scheme``: its name in pictures, and in the registry
    scheme: str
    times: FloatArray  # ``(R, T + 1)`` seconds, when each iteration ended; 0 at the start
    losses: FloatArray  # ``(R, T + 1)`` training losses
    errors: FloatArray  # ``(R,)`` mean decoding errors

    @property
    def sizes(self) -> tuple[int, int]:
        """Replications and iterations."""
        replications, evaluations = self.times.shape
        return replications, evaluations - 1

    @property
    def seconds(self) -> Estimate:
        """Mean seconds of an iteration, and its standard error."""
        return mean_and_error(self.times[:, -1] / (self.times.shape[1] - 1))

    @property
    def error(self) -> Estimate:
        """The mean decoding error."""
        mean, error = mean_and_error(self.errors)
        row = {"decoding_error_mean": mean, "decoding_error_se": error}
        return METRICS["decoding_error"].estimate(row)


def run_cell(cell: Cell) -> Simulated:
    """Run a cell with rounds and a problem, without tables. Raises ConfigError: a bad cell."""
    run, learning = build.both(cell)
    run = build.made_once(run, cell.settings)
    assert learning is not None
    steps = run.scheme.steps(simulate(run, work=False))
    losses = learn(learning, steps, run.iterations).train_loss
    times = clock(steps, run.iterations)
    return Simulated(cell.label, cell.scheme["name"], times, losses, steps.error.mean(axis=1))


RING_LOOK = Look(INK, "o", "none", "hollow: closed form")
BARS_LOOK = Look(INK, "", "none", "bars: 95 % confidence interval of the mean")


def drawn_page(
    config: Mapping[str, Any], theory: ClosedForms, patient: bool = True, whole: bool = False
) -> dict[str, Any]:
    """What the page shows: HTML, what a pointer reads, colours, and the config as YAML. ``theory``
    holds closed forms that were worked out before; with ``patient`` the others are, too, else
    ``more`` says that some are missing. ``whole`` shows all of the runs, on plain axes. Raises
    ConfigError: the config cannot be run. Cost: 0.1 s, and with ``patient`` up to 0.3 s more."""
    made = cells(config)
    runs = [run_cell(cell) for cell in made]
    forms = {cell.label: theory.of(cell, patient) for cell in made}
    known = {label: form or ClosedForm() for label, form in forms.items()}
    charts = [
        Chart("loss-time", "Loss against time", "", loss_time(runs, whole)),
        Chart("time-error", "Time against error", "", time_error(runs, known, whole)),
    ]
    page_style = PageStyle()
    table = closed_form_table(runs, known)
    section = drawn(Section("explored", "Pictures", [*charts, table]), page_style)
    light, dark = page_style.css()
    templates: Any = environment().get_template("parts.html.j2").module
    return {
        "html": str(templates.section(section)),
        "definitions": str(page_style.definitions()),
        "inks": f"{light}@media screen and (prefers-color-scheme:dark){{{dark}}}",
        "values": panel_values([section]),
        "config": write_yaml(config),
        "more": None in forms.values(),
    }


class ClosedForms:
    """The closed forms that were asked for, each worked out once; at most so many are kept."""

    def __init__(self, most: int = 2000) -> None:
        self._known: dict[str, ClosedForm] = {}
        self._most = most

    def __len__(self) -> int:
        return len(self._known)

    def of(self, cell: Cell, patient: bool) -> ClosedForm | None:
        """Those of a cell; ``None`` where they would have to be worked out now."""
        text = json.dumps([cell.document.get(key) for key in TIMING], sort_keys=True)
        if text not in self._known and patient:
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[text] = closed_form(cell)
        return self._known.get(text)


def loss_time(runs: Sequence[Simulated], whole: bool = False) -> Picture:
    """The picture of that name, made of arrays. It ends with the fastest scheme, on a logarithmic
    axis, as they differ at first; ``whole``: on a plain axis that shows what runs end at."""
    last = np.inf if whole else min(float(instants_of(run.times)[-1]) for run in runs)
    start = max(float(run.losses[:, 0].max()) for run in runs)
    curves = []
    for run in runs:
        instants = instants_of(np.minimum(run.times, last))
        losses = band_of(loss_at(run.times, run.losses, instants), "quantiles")
        curves.append(Curve(_look(run), instants, *cut(losses, DIVERGED_FACTOR * start)))
    key = LOSS_BAND_NOTES["quantiles"]
    loss = Axis(LOSS_LABEL)
    ends = [float(curve.y[-1]) for curve in curves if curve.y[-1] < start]
    if not whole:
        loss = axis_of(LOSS_LABEL, np.concatenate([curve.y for curve in curves]), 1.0)
    elif ends:  # the lower half of the axis is what the runs end at
        step = max(max(ends) - min(ends), 0.05 * max(ends))
        loss = Axis(LOSS_LABEL, low=min(ends) - 0.3 * step, high=min(max(ends) + 1.5 * step, start))
    above = "" if loss.high is None else f"all begin above, at {start:.3g}"
    panel = Panel(Axis("simulated time (s)"), loss, [*curves, band_key(key)], remark=above)
    return Picture([panel], 1, 4.8, 3.4, last=(key,))


def time_error(runs: Sequence[Simulated], known: Mapping[str, ClosedForm], whole: bool) -> Picture:
    """Mean iteration time against mean decoding error; closed forms as hollow rings around. Errors
    of a ratio of 5 or more have a logarithmic axis that says so, unless ``whole``; exact schemes
    then stand at the bottom, at a tick that is no number."""
    seconds = Axis("mean iteration time (s)", low=0.0)
    errors = np.array([run.error[0] for run in runs])
    error = axis_of(ERROR_LABEL, errors[errors > 0], np.inf if whole else 5.0)
    floor = errors[errors > 0].min() / 3 if error.log else 0.0
    if error.log:
        error = replace(error, label=f"{ERROR_LABEL} (logarithmic)")
    if error.log and not errors.all():
        above = [float(at) for at in log_ticks(2 * floor, errors.max(), error.ticks)]
        names = ("exact", *(tick_text(at, log=True) for at in above))
        error = replace(error, names=names, places=(floor, *above))
    marks, theory = list[Mark](), list[Mark]()
    for run in runs:
        (x, dx), (y, dy) = run.seconds, run.error
        half_widths = np.nan_to_num(student([dx, dy], run.errors.size))
        across, along = (np.full((2, 1), half) for half in half_widths)
        along = np.minimum(along, [[max(0.0, y - floor)], [np.inf]])
        marks.append(Points(_look(run), np.array([x]), np.maximum([y], floor), across, along))
        closed = known[run.label]
        if not np.isnan([closed.seconds, closed.error]).any():
            ring = Look(look(run.scheme).colour, "o", "none", "")
            at = np.array([closed.seconds]), np.maximum([closed.error], floor)
            theory.append(Points(ring, *at, hollow=True, size=11.0))
    keys = [Points(RING_LOOK, hollow=True)] if theory else []
    marks = [*theory, *marks, *keys, Points(BARS_LOOK)]
    last = RING_LOOK.title, BARS_LOOK.title
    return Picture([Panel(seconds, error, marks)], 1, 4.8, 3.4, last=last)


LOSS_LABEL, ERROR_LABEL = "training loss (mean over rows)", "mean decoding error"


def _look(run: Simulated) -> Look:
    return replace(look(run.scheme), title=run.label)


def closed_form_table(runs: Sequence[Simulated], known: Mapping[str, ClosedForm]) -> Table:
    """What was simulated beside the closed forms, a row for each scheme."""
    columns = ["scheme", "s / iteration", "closed form (z)", "decoding error"]
    columns += ["its closed form (z)", "final loss"]
    rows = []
    for run in runs:
        closed, row = known[run.label], [plain_cell(run.label)]
        for metric, (mean, error), value in (
            ("iteration_time", run.seconds, closed.seconds),
            ("decoding_error", run.error, closed.error),
        ):
            z = closed.z(metric, mean - value, error, *run.sizes)
            row += [number(mean, error), theory_text(value, z, error)]
        rows.append([*row, number(*mean_and_error(run.losses[:, -1]))])
    title = "Simulated (± standard error) and in closed form (z: standard errors between)"
    return capped("numbers", title, columns, rows, "")
