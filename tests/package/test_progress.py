"""The bar in a notebook."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

import erasurehead as eh
from erasurehead.progress import bar, in_notebook
from tests.package.conftest import SMALL


class Display:
    """What IPython shows: the HTML of one place, as it changes."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def update(self, html: str) -> None:
        self.shown.append(html)


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Display:
    """A Jupyter kernel."""
    place = Display()
    ipython, module = ModuleType("IPython"), ModuleType("IPython.display")

    def show(html: str, display_id: bool) -> Display:
        assert display_id
        place.update(html)
        return place

    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    module.HTML, module.display = str, show  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return place


def test_a_notebook_gets_a_bar_that_ends_full(
    display: Display, capsys: pytest.CaptureFixture[str]
) -> None:
    eh.run(SMALL)
    assert 'value="0" max="2"' in display.shown[0]
    assert 'value="2" max="2"' in display.shown[-1]
    assert capsys.readouterr() == ("", "")


def test_no_bar_where_none_is_wanted(display: Display) -> None:
    eh.run(SMALL, progress=False)
    assert not display.shown


def test_no_bar_where_the_config_is_bad(display: Display) -> None:
    with pytest.raises(eh.ConfigError):
        eh.run(SMALL, set={"workers": 0})
    assert not display.shown


def test_a_script_is_no_notebook() -> None:
    assert not in_notebook()


def test_the_unit_is_escaped() -> None:
    assert bar("<cells>", 1.5, 3, 2.0).startswith("&lt;cells&gt; <progress")
    assert "1/3, 2 s" in bar("cells", 1.5, 3, 2.0)
