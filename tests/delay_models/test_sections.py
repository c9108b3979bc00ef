"""Config sections of nested delay models: built, filled with defaults, refused with their place."""

from __future__ import annotations

from typing import Any

import pytest

from erasurehead.delay_models.compose import Scaled
from erasurehead.delay_models.mixture import Mixture
from erasurehead.delay_models.parametric import Exponential, LogNormal
from erasurehead.experiments.config.build import delay_model
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.codec import plain
from erasurehead.experiments.config.errors import ConfigError

EXPONENTIAL = {"model": "exponential", "rate": 2.0}
LOGNORMAL = {"model": "lognormal", "median": 1.0, "sigma": 0.5}
MIXTURE = {"model": "mixture", "weights": [0.8, 0.2], "components": [EXPONENTIAL, LOGNORMAL]}


def test_nested_sections_become_models() -> None:
    section = {"model": "scaled", "by": 2, "base": MIXTURE}
    parts = (Exponential(rate=2.0), LogNormal(median=1.0, sigma=0.5))
    mixture = Mixture(weights=(0.8, 0.2), components=parts)
    assert delay_model(section) == Scaled(by=2.0, base=mixture)


def test_nested_defaults_are_written_out() -> None:
    """Two ways to say one thing are one cell. Catches defaults filled at the top only."""
    filled = plain(delay_model({"model": "scaled", "by": 2, "base": MIXTURE}), BUILT_IN)
    assert filled["base"]["components"][1]["shift"] == 0.0
    assert "shift" not in LOGNORMAL
    assert delay_model(filled) == delay_model({"model": "scaled", "by": 2, "base": MIXTURE})


def test_a_section_that_holds_itself_is_refused() -> None:
    """YAML can say that (``&a {base: *a}``). Catches endless recursion."""
    section: dict[str, Any] = {"model": "scaled", "by": 2}
    section["base"] = section
    with pytest.raises(ConfigError, match="nested more than 20 deep"):
        delay_model(section)


def wrong(**fields: Any) -> dict[str, Any]:
    return MIXTURE | fields


@pytest.mark.parametrize(
    ("section", "line"),
    [
        (
            wrong(components=[EXPONENTIAL, {"model": "exponential", "rate": -1}]),
            "delay.components[1].rate = -1: must be greater than 0",
        ),
        (
            wrong(components=[EXPONENTIAL, {"model": "exponental", "rate": 1}]),
            "delay.components[1].model = 'exponental': must be one of",
        ),
        (
            wrong(components=[EXPONENTIAL, {"rate": 1}]),
            "delay.components[1].model: missing; must be one of",
        ),
        (
            wrong(components=[EXPONENTIAL, {"model": "gamma", "shape": 1, "scales": 1}]),
            "delay.components[1].scales: unknown key; must be one of: scale, shape, shift",
        ),
        (wrong(weights=[0.5, 0.4]), "delay: weights sum to 0.9; must sum to 1"),
        (wrong(weights=[True, 0.0]), "delay.weights[0] = True: must be a number or a delay model"),
        (
            {"model": "scaled", "by": 1, "base": "exponential"},
            "delay.base: must be a delay model, such as {model: exponential, rate: 2.0}",
        ),
        (
            {"model": "scaled", "by": 1, "base": {"model": "scaled", "by": 0, "base": MIXTURE}},
            "delay.base.by = 0: must be greater than 0",
        ),
        (
            {"model": "scaled", "by": 1, "base": {"model": "trace", "path": "no/such.csv"}},
            "delay.base: no/such.csv: no such file",
        ),
        (
            {"model": "scaled", "by": 1, "base": {"model": "exponential", "rate": True}},
            "delay.base.rate = True: must be a number or a name",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_say_where(section: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        delay_model(section)
    assert str(caught.value).startswith(line)


def test_the_place_can_be_another() -> None:
    """Other sections may hold a delay model too."""
    with pytest.raises(ConfigError, match=r"^failures\.repair\.rate = 0"):
        delay_model({"model": "exponential", "rate": 0}, "failures.repair")
