"""Sections of models, and how long a delay may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from erasurehead import ConfigError
from erasurehead.delay_models.base import (
    EXPONENTIAL_END,
    MAX_DELAY_SECONDS,
    NORMAL_END,
    EndlessDelays,
    FloatArray,
    refuse_endless,
)
from erasurehead.delays import (
    MODELS,
    DelayModel,
    Exponential,
    Gamma,
    LogNormal,
    Mixture,
    Scaled,
    Tape,
)
from erasurehead.experiments.advice.fit.laws.families import FAMILIES
from erasurehead.experiments.advice.fit.laws.goodness import fit_families
from erasurehead.experiments.config import settings
from erasurehead.experiments.config.build import delay_model
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.codec import plain

# Delays that are too long to be numbers are refused before anything is drawn.


FINE = MODELS["exponential"](rate=1.0)
WILD = MODELS["lognormal"](median=1.0, sigma=300.0)
ENDLESS = {
    "lognormal": WILD,
    "exponential": MODELS["exponential"](rate=1e-320),
    "shifted_exponential": MODELS["shifted_exponential"](shift=1.0, rate=1e-200),
    "pareto": MODELS["pareto"](alpha=1e-5, scale=1.0),
    "weibull": MODELS["weibull"](shape=1e-3, scale=1.0),
    "gamma": MODELS["gamma"](shape=2.0, scale=1e150),
    "deterministic": MODELS["deterministic"](value=1e308),
    "authors_stream": MODELS["authors_stream"](scale=1e150),
    "scaled": MODELS["scaled"](by=1e100, base=MODELS["deterministic"](value=1e100)),
    "heterogeneous": MODELS["heterogeneous"](spread=100.0, base=FINE),
    "drift": MODELS["drift"](to=1e160, over=3, base=FINE),
}
"""By the registry name of the cause."""


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_model_is_refused_by_name(name: str) -> None:
    """In one line, without drawing."""
    refuse_endless(MODELS["deterministic"](value=MAX_DELAY_SECONDS))
    with pytest.raises(EndlessDelays) as caught:
        refuse_endless(ENDLESS[name])
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(MODELS[name].__name__ + "(")
    assert line.endswith("must be at most 1e+150 s")


@pytest.mark.parametrize(
    "model",
    [
        MODELS["mixture"](weights=(0.5, 0.5), components=(FINE, WILD)),
        MODELS["markov"](slow_to_slow=0.5, fast_to_slow=0.1, fast=FINE, slow=WILD),
        MODELS["shifted"](by=1.0, base=WILD),
        MODELS["round_effects"](factor=WILD, base=MODELS["deterministic"](value=0.0)),
        MODELS["cold_starts"](probability=0.1, share=0.1, delay=WILD, base=FINE),
        MODELS["drift"](to=0.5, over=3, base=MODELS["scaled"](by=2.0, base=WILD)),
    ],
    ids=lambda m: type(m).__name__,
)
def test_the_innermost_model_is_to_blame(model: DelayModel) -> None:
    """Also where 0 times infinity, which is NaN, would hide it."""
    with pytest.raises(EndlessDelays) as caught:
        refuse_endless(model)
    assert caught.value.model == WILD


@pytest.mark.parametrize(
    "model",
    [
        MODELS["pareto"](alpha=0.2, scale=1.0),
        MODELS["lognormal"](median=1.0, sigma=10.0),
        MODELS["weibull"](shape=0.1, scale=1.0),
        MODELS["deterministic"](value=1e100),
    ],
    ids=repr,
)
def test_heavy_tails_stay_valid(model: DelayModel) -> None:
    """However long, their delays are numbers."""
    refuse_endless(model)
    assert np.all(np.isfinite(Tape(model, workers=30, seed=0, replication=0).rows(0, 1000)))


def test_the_ends_are_those_of_the_ziggurat() -> None:
    """Catches a bound below the tail that NumPy draws from; a million draws reach two thirds."""
    rng = np.random.default_rng(0)
    exponential = rng.standard_exponential(10**6).max()
    normal = np.abs(rng.standard_normal(10**6)).max()
    assert exponential < 7.7 + 53 * np.log(2) < EXPONENTIAL_END < 4 * exponential
    assert normal < 3.66 + 53 * np.log(2) / 3.65 < NORMAL_END < 4 * normal
    for shape in (0.01, 0.5, 1.0, 2.0, 30.0, 1e4, 1e8):
        z = np.sqrt(9 * (shape - 1 / 3)) if shape > 1 else np.inf
        most = (shape - 1 / 3) * (1 + NORMAL_END / z) ** 3 if shape > 1 else 2 * EXPONENTIAL_END
        assert rng.standard_gamma(shape, 10**4).max() < most < Gamma(shape=shape, scale=1).longest()


def test_a_fit_leaves_out_what_cannot_be_simulated() -> None:
    """And says so; the other families are still ranked."""
    rng = np.random.default_rng(0)
    sample: FloatArray = np.exp(rng.uniform(-60, 60, (40, 10)))
    families = [FAMILIES["pareto"], FAMILIES["exponential"]]
    fits, refused = fit_families(families, sample.ravel(), sample, [5, 10])
    assert [fit.family.name for fit in fits] == ["exponential"]
    assert "too heavy to simulate" in refused["pareto"]


# Config sections of nested delay models: built, filled with defaults, refused with their place.


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
    with pytest.raises(ConfigError, match=r"^failures\.time_to_failure\.rate = 0"):
        settings.section("failures", {"time_to_failure": {"model": "exponential", "rate": 0}})
