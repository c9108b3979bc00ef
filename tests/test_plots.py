"""Pictures of a run: every kind, from its tables alone, in one look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.errors import ConfigError
from experiments.plots import KINDS, style
from experiments.plots.command import plot
from experiments.plots.curves import band, loss_at, pareto
from experiments.plots.records import MOST_PANELS, Records, read
from experiments.run import Options, run
from sim.schemes import SCHEMES
from tests.test_cli import BASE, LEARNING, call

QUIET = Options(1, None)


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A training run, a timing-only run and a sweep."""
    root = tmp_path_factory.mktemp("runs")
    documents: dict[str, dict[str, Any]] = {
        "training": BASE | LEARNING,
        "timing": BASE,
        "sweep": BASE | LEARNING | {"sweep": {"delay.rate": [0.5, 2.0], "workers": [6, 12]}},
    }
    for name, document in documents.items():
        run(document, root / name, QUIET)
    return {name: root / name for name in documents}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["training", "sweep"])
def test_every_kind_has_labels_and_a_legend(
    kind: str, name: str, directories: dict[str, Path]
) -> None:
    figure = KINDS[kind].draw(read(directories[name]))
    assert len(figure.axes) == (1 if name == "training" else 4)
    assert all(axes.has_data() for axes in figure.axes)
    assert figure.axes[0].get_ylabel()
    assert figure.axes[-1].get_xlabel()
    assert figure.axes[-1].get_xlabel().endswith(("(s)", "iteration", "time"))
    [legend] = figure.legends
    labels = {text.get_text() for text in legend.get_texts()}
    assert {"uncoded", "erasurehead load=2 wait_for=3"} <= labels
    if name == "sweep":
        assert figure.axes[0].get_title() == "delay.rate = 0.5\nworkers = 6"


def test_all_kinds_are_written_and_repeat_to_the_byte(directories: dict[str, Path]) -> None:
    """Catches dates, random identifiers, and settings that leak from one picture to the next."""
    written, left_out = plot(directories["training"], None)
    assert {path.name for path in written} == {k + e for k in KINDS for e in (".png", ".svg")}
    assert left_out == []
    before = {path: path.read_bytes() for path in written}
    for kind in reversed(KINDS):
        plot(directories["training"], kind)
    assert {path: path.read_bytes() for path in written} == before


def test_the_users_own_settings_play_no_part(directories: dict[str, Path]) -> None:
    import matplotlib

    [png, _], _ = plot(directories["training"], "tradeoff")
    before = png.read_bytes()
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30, "savefig.dpi": 30}):
        plot(directories["training"], "tradeoff")
    assert png.read_bytes() == before


def test_timing_only_runs_have_no_losses(directories: dict[str, Path]) -> None:
    written, left_out = plot(directories["timing"], None)
    assert {p.stem for p in written} == {"iteration_time", "tradeoff", "utilisation"}
    assert [line.split()[0] for line in left_out] == ["loss_time", "loss_iteration"]
    with pytest.raises(ConfigError, match=r"loss_time cannot be drawn: .*timing-only"):
        plot(directories["timing"], "loss_time")


def test_command_line_errors(
    directories: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2 and one line that says what is wrong."""
    (tmp_path / "other").mkdir()
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other" / "iterations.parquet")
    (tmp_path / "other" / "summary.parquet").write_bytes(b"PAR1 not")
    for arguments, mention in (
        (["plot", tmp_path / "none"], "no such directory"),
        (["plot", tmp_path], "iterations.parquet: no such file"),
        (["plot", tmp_path / "other"], "summary.parquet: cannot be read"),
        (["plot", directories["training"], "--kind", "losstime"], "did you mean loss_time"),
        (["plot", directories["timing"], "--kind", "loss_iteration"], "timing-only"),
    ):
        assert call(monkeypatch, *arguments) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert error.startswith("error: ")
        assert mention in error
    assert call(monkeypatch, "plot", directories["timing"]) == 0
    assert "utilisation.svg" in capsys.readouterr().out


def test_a_sweep_of_many_points_is_cut_and_says_so(directories: dict[str, Path]) -> None:
    whole = read(directories["training"])
    many = MOST_PANELS + 3
    tables = [
        pd.concat([table.assign(seed=i) for i in range(many)], ignore_index=True)
        for table in (whole.iterations, whole.summary)
    ]
    parts = Records(*tables).points()
    assert [part.title for part in parts] == [f"seed = {i}" for i in range(MOST_PANELS)]
    assert {part.left_out for part in parts} == {3}
    pd.testing.assert_frame_equal(
        parts[2].iterations.drop(columns="seed").reset_index(drop=True), whole.iterations
    )
    figure = KINDS["iteration_time"].draw(Records(*tables))
    assert "3 more points" in figure.get_suptitle()


def test_scheme_fields_make_lines_not_panels(tmp_path: Path) -> None:
    schemes = [{"name": "uncoded"}, {"name": "erasurehead", "load": [2, 3], "wait_for": [2, 4]}]
    run(BASE | {"schemes": schemes}, tmp_path, QUIET)
    [part] = read(tmp_path).points()
    looks = style.variants(part.labels())
    assert len(looks) == 5
    assert len({(look.colour, look.marker) for look in looks.values()}) == 5


def test_looks_are_distinct_and_stable() -> None:
    """Catches two schemes that look alike, also in grey."""
    looks = [style.look(name) for name in SCHEMES]
    assert len({look.colour for look in looks}) == len(looks)
    assert len({look.marker for look in looks}) == len(looks)
    assert style.look("a_new_scheme") == style.look("a_new_scheme")
    assert style.look("a_new_scheme").title == "a new scheme"
    assert style.shade("#000000", 0.5) == "#808080"


def test_loss_at_takes_the_newest_model() -> None:
    times, losses = np.array([[0.0, 1.0, 3.0]]), np.array([[9.0, 5.0, 4.0]])
    instants = np.array([0.0, 0.99, 1.0, 2.9, 3.0, 8.0])
    np.testing.assert_array_equal(loss_at(times, losses, instants), [[9, 9, 5, 5, 4, 4]])


def test_a_band_holds_diverged_runs_above() -> None:
    values = np.arange(11.0)[:, None] * np.ones((1, 2))
    values[10, 1] = np.nan
    result = band(values)
    np.testing.assert_array_equal(result.median, [5, 5])
    np.testing.assert_array_equal(result.low, [1, 1])
    np.testing.assert_array_equal(result.high, [9, 9])


def test_pareto_front_by_hand() -> None:
    cost = np.array([1.0, 2.0, 2.0, 3.0, 4.0, np.nan, 1.0])
    loss = np.array([5.0, 4.0, 3.0, 3.0, 1.0, 0.0, 5.0])
    expected = [True, False, True, False, True, False, True]
    np.testing.assert_array_equal(pareto(cost, loss), expected)
