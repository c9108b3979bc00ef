"""Pictures on axes."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

import erasurehead as eh
from tests.package.conftest import SMALL

pytestmark = pytest.mark.usefixtures("screenless")

KINDS = ("loss_time", "loss_iteration", "iteration_time", "tradeoff", "utilisation")


@pytest.fixture(scope="module")
def swept() -> eh.Result:
    return eh.sweep(SMALL, set={"delay.rate": [1.0, 2.0]}, progress=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_goes_into_the_axes_that_are_given(result: eh.Result, kind: str) -> None:
    figure, (left, right) = pyplot.subplots(1, 2)
    assert getattr(result.plot, kind)(ax=right) is right
    assert right.has_data()
    assert right.get_xlabel()
    assert not left.has_data()
    assert pyplot.get_fignums() == [figure.number]


@pytest.mark.parametrize("kind", [*KINDS, "workers", "delays"])
def test_without_axes_pyplot_has_a_new_figure(result: eh.Result, kind: str) -> None:
    axes = getattr(result.plot, kind)()
    assert pyplot.gcf() is axes.figure
    axes.figure.canvas.draw()


def test_matplotlib_keeps_its_settings(result: eh.Result) -> None:
    with matplotlib.rc_context({"axes.grid": False, "font.size": 17.0}):
        before = dict(matplotlib.rcParams)
        result.plot.loss_time()
        result.plot.loss_time(pyplot.subplots()[1])
        assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("schemes", ["erasurehead", ["erasurehead load=2 wait_for=3"]])
def test_schemes_are_picked_by_name_or_label(result: eh.Result, schemes: str | list[str]) -> None:
    axes = result.plot.loss_time(pyplot.subplots()[1], schemes=schemes)
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["erasurehead load=2 wait_for=3", "line: median; band: 10th to 90th percentile"]


def test_the_band_is_quantiles_or_an_interval(result: eh.Result) -> None:
    axes = result.plot.loss_time(pyplot.subplots()[1], band="ci")
    *_, note = [text.get_text() for text in axes.get_legend().get_texts()]
    assert note == "line: mean; band: 95 % confidence interval"


def test_an_unknown_scheme_is_one_line(result: eh.Result) -> None:
    with pytest.raises(eh.ConfigError, match=r"schemes = 'uncode': must be one of: .*uncoded"):
        result.plot.loss_time(schemes="uncode")


def test_a_sweep_has_a_panel_for_each_point(swept: eh.Result) -> None:
    axes = swept.plot.loss_time()
    assert [each.get_title() for each in axes.figure.axes] == ["delay.rate = 1", "delay.rate = 2"]
    with pytest.raises(eh.ConfigError, match="this picture has 2 panels"):
        swept.plot.loss_time(pyplot.subplots()[1])


def test_what_the_tables_do_not_hold_is_said(result: eh.Result) -> None:
    with pytest.raises(eh.ConfigError, match="gantt cannot be drawn: "):
        result.plot.gantt()


def test_a_timeline_is_drawn_when_it_was_recorded() -> None:
    result = eh.run(SMALL, timeline=True, progress=False)
    assert result.plot.gantt().has_data()


@pytest.mark.parametrize("kind", ["loss_time", "loss_iteration", "iteration_time", "tradeoff"])
def test_bands_are_quantiles_or_confidence_intervals(result: eh.Result, kind: str) -> None:
    draw = getattr(result.plot, kind)
    pictures = []
    for band in ("quantiles", "ci"):
        figure = draw(pyplot.subplots()[1], band=band).figure
        figure.canvas.draw()
        pictures.append(np.asarray(figure.canvas.buffer_rgba()))
    assert not np.array_equal(*pictures)


def test_an_unknown_band_is_one_line(result: eh.Result) -> None:
    with pytest.raises(eh.ConfigError, match=r"band = 'cis': must be one of: ci, quantiles"):
        result.plot.loss_time(band="cis")  # type: ignore[arg-type]
