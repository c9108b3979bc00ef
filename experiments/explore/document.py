"""From what the sliders say to a config, which ``erasurehead run`` takes as well."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, gamma
from typing import Any

WEIBULL, SIGMA, ALPHA, SHAPE = 0.6, 1.0, 2.5, 4.0

REPLICATIONS, ITERATIONS = 8, 40
"""Few enough for a picture that follows the hand, and enough for a band."""


def document(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a choice.

    Args:
        chosen: of ``experiments.explore.sliders``.
    """
    d, r = int(chosen["d"]), int(chosen["r"])
    law: dict[str, Any] = {"kind": chosen["load_law"]}
    if law["kind"] == "additive":
        law["seconds_per_partition"] = chosen["tau"]
    return {
        "name": "explored",
        "workers": int(chosen["n"]),
        "iterations": ITERATIONS,
        "replications": REPLICATIONS,
        "seed": 0,
        "policy": chosen["policy"],
        "delay": delay(chosen),
        "load_law": law,
        "schemes": [
            {"name": "uncoded", "label": "uncoded"},
            {"name": "ignore_stragglers", "wait_for": r, "label": "ignore stragglers"},
            {"name": "fractional_repetition", "load": d, "label": "fractional repetition"},
            {"name": "cyclic_mds", "load": d, "decoder": "lagrange", "label": "cyclic MDS"},
            {"name": "erasurehead", "load": d, "wait_for": r, "label": "ErasureHead"},
        ],
        "problem": {"loss": "least_squares", "dataset": "synthetic", "rows": 240, "features": 8},
        "optimizer": {"rule": "gd", "learning_rate": chosen["rate"]},
    }


def delay(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The delay model: a law, and perhaps workers that are slow for a while.

    The share of slow workers is the same whatever the persistence p: a slow worker stays slow with
    probability s + p (1 - s), a fast one becomes slow with s (1 - p), whose stationary share is s.
    """
    base = _law(chosen["law"], chosen["shift"], chosen["mean"])
    times, s, p = chosen["slow"], chosen["share"], chosen["persistence"]
    if times == 1:
        return base
    slow = {"model": "scaled", "by": times, "base": base}
    if p == 0:
        return {"model": "mixture", "weights": [1 - s, s], "components": [base, slow]}
    stays, becomes = s + p * (1 - s), s * (1 - p)
    chain = {"slow_to_slow": round(stays, 6), "fast_to_slow": round(becomes, 6)}
    return {"model": "markov", **chain, "fast": base, "slow": slow}


def _law(law: str, shift: float, mean: float) -> dict[str, Any]:
    """Shift and a random part with this mean."""
    match law:
        case "weibull":
            scale = mean / gamma(1 + 1 / WEIBULL)
            return {"model": "weibull", "shape": WEIBULL, "scale": scale, "shift": shift}
        case "lognormal":
            median = mean / exp(SIGMA**2 / 2)
            return {"model": "lognormal", "median": median, "sigma": SIGMA, "shift": shift}
        case "pareto":
            base = {"model": "pareto", "alpha": ALPHA, "scale": mean * (ALPHA - 1) / ALPHA}
            return {"model": "shifted", "by": shift, "base": base}
        case "gamma":
            return {"model": "gamma", "shape": SHAPE, "scale": mean / SHAPE, "shift": shift}
        case _:
            return {"model": "shifted_exponential", "shift": shift, "rate": 1 / mean}
