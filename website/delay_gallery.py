"""The gallery of delay models: a picture of each, and its fields, from the registry."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import yaml

from erasurehead.delay_models import MODELS, DelayModel
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.codec import plain as section_of
from erasurehead.experiments.config.schema import first_sentence
from erasurehead.experiments.pictures import style
from erasurehead.experiments.pictures.looks import INK
from website.config_keys import fields
from website.markdown import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEAD = """# Gallery of delay models

A delay model is the law of a worker's unit time, the time of a task of load 1. In a config it is
the section `delay: {{model: ..., fields}}`; models nest in each other where a field is a delay
model. On the left of a picture, the share of {draws:,} delays that are longer than t; on the
right, what {workers} workers take in {rounds} consecutive rounds, one row a worker: there one
sees whether slow workers stay slow, and whether rounds are slow for all. [Your own
law](howto/own_delay_law.md) is a class of some twenty lines; [your own measurements](traces.md)
are the model `trace`.
"""

WORKERS, ROUNDS = 12, 40
"""Of the picture on the right."""

BLOCKS = 100
"""Replications that the picture on the left is drawn from."""

REST = 1e-3
"""Share of the longest delays that the left picture leaves out of its axis."""


def page() -> str:
    """The page, as Markdown."""
    head = HEAD.format(draws=BLOCKS * WORKERS * ROUNDS, workers=WORKERS, rounds=ROUNDS)
    return "\n\n".join([head, *(_entry(name, family) for name, family in MODELS.items())]) + "\n"


def pictures() -> dict[str, str | bytes]:
    """Address in the site and bytes (PNG) of each picture."""
    found: dict[str, str | bytes] = {}
    for name, family in MODELS.items():
        if shown := family.examples()[:1]:
            file = BytesIO()
            with style.applied():
                _draw(shown[0]).savefig(file, format="png", dpi=110, metadata={"Software": None})
            found[_address(name)] = file.getvalue()
    return found


def _address(name: str) -> str:
    return f"delays/{name}.png"


def _entry(name: str, family: type[DelayModel]) -> str:
    parts = [f"## {name}", plain(first_sentence(family))]
    for model in family.examples()[:1]:
        text = yaml.safe_dump(
            section_of(model, BUILT_IN), default_flow_style=True, sort_keys=False, width=10**6
        )
        parts.append(f"![Delays of {name}]({_address(name)})")
        parts.append(f"Shown: `delay: {text.strip()}`" + _mean(model))
    return "\n\n".join(filter(None, [*parts, fields(family)]))


def _mean(model: DelayModel) -> str:
    mean = model.mean()
    return "" if mean is None else f"; mean {mean:.3g} s"


def _draw(model: DelayModel) -> Figure:
    """Survival of all delays, and one run as a heat map."""
    tables = np.stack(
        [model.sample(np.random.default_rng(seed), ROUNDS, WORKERS) for seed in range(BLOCKS)]
    )
    ordered = np.sort(tables, axis=None)
    longer = 1 - np.arange(1, ordered.size + 1) / ordered.size
    figure = style.blank(style.TWO_PANELS, 1.9)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.5))
    left.step(np.concatenate([[0.0], ordered]), np.concatenate([[1.0], longer]), color=INK)
    left.set(xlabel="t (s)", ylabel="P(delay > t)", ylim=(0, 1.02))
    left.set_xlim(0, 1.05 * float(np.quantile(ordered, 1 - REST)))
    shades = right.imshow(
        tables[0].T, aspect="auto", interpolation="nearest", cmap="viridis", vmin=0.0
    )
    right.set(xlabel="round", ylabel="worker")
    right.grid(visible=False)
    figure.colorbar(shades, ax=right, pad=0.02).set_label("delay (s)")
    return figure
