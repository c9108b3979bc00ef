"""The galleries, from registries: delay models, and what ``erasurehead reproduce`` and
``erasurehead plot`` draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from erasurehead.delay_models import MODELS, DelayModel
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.codec import plain as section_of
from erasurehead.experiments.config.schema import first_sentence, prose_of
from erasurehead.experiments.pictures import paint, style
from erasurehead.experiments.pictures.kinds import kinds_by_rank
from erasurehead.experiments.pictures.looks import INK, SOLID, Look
from erasurehead.experiments.pictures.picture import Axis, Curve, Heat, Panel, Picture
from erasurehead.experiments.reproduce import FIGURES, figure_named
from erasurehead.experiments.text import shortened
from website.config_keys import fields
from website.markdown import code, plain, table

DELAYS_HEAD = """# Gallery of delay models

A delay model is the law of a worker's unit time, the time of a task of load 1. In a config it is
the section `delay: {{model: ..., fields}}`; models nest in each other where a field is a delay
model. On the left of a picture, the share of {draws:,} delays that are longer than t; on the
right, what {workers} workers take in {rounds} consecutive rounds, one row a worker: there one
sees whether slow workers stay slow, and whether rounds are slow for all. [Your own
law](howto/own_delay_law.md) is a class of some twenty lines; [your own measurements](traces.md)
are the model `trace`.
"""

MOST_SHOWN = 400  # characters of a section; tables of measured delays are cut in the middle
WORKERS, ROUNDS = 12, 40  # of the picture on the right
BLOCKS = 100  # replications that the picture on the left is drawn from
REST = 1e-3  # share of the longest delays that the left picture leaves out of its axis
# From this multiple of the median on, the longest delays would take the room or the shades of all
# others: the scale is logarithmic.
LONG = 12


def delays() -> str:
    """The page of delay models, as Markdown."""
    head = DELAYS_HEAD.format(draws=BLOCKS * WORKERS * ROUNDS, workers=WORKERS, rounds=ROUNDS)
    return "\n\n".join([head, *(_entry(name, family) for name, family in MODELS.items())]) + "\n"


def delay_pictures() -> dict[str, str | bytes]:
    """Address in the site and bytes (PNG) of each picture."""
    found: dict[str, str | bytes] = {}
    for name, family in MODELS.items():
        if examples := family.examples()[:1]:
            drawn = paint.figure(picture_of(examples[0]))
            found[_address(name)] = style.rendered(drawn, "png")
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
        shown = f"Shown: `delay: {shortened(text.strip(), MOST_SHOWN)}`"
        parts.append(shown if (mean := model.mean()) is None else f"{shown}; mean {mean:.3g} s")
    return "\n\n".join(filter(None, [*parts, fields(family)]))


def picture_of(model: DelayModel) -> Picture:
    """Survival of all delays, and one run as a heat map."""
    tables = np.stack(
        [model.sample(np.random.default_rng(seed), ROUNDS, WORKERS) for seed in range(BLOCKS)]
    )
    ordered = np.sort(tables, axis=None)
    longer = 1 - np.arange(1, ordered.size + 1) / ordered.size
    x, y = np.concatenate([[0.0], ordered]), np.concatenate([[1.0], longer])
    places = (0, 4, 8)
    most, median = 1.05 * float(np.quantile(ordered, 1 - REST)), float(np.median(ordered))
    least = max(float(ordered[0]), median / LONG)
    far, outlier = most > LONG * median, bool(tables[0].max() > LONG * median)
    return Picture(
        [
            Panel(
                Axis("t (s)", far, (1, 2, 5), 0.9 * least if far else 0.0, most),
                Axis("P(delay > t)", low=0.0, high=1.02),
                [Curve(Look(INK, "", SOLID, ""), x, y, steps=True)],
            ),
            Panel(
                Axis("round"),
                Axis("worker", names=tuple(map(str, places)), places=places),
                [Heat(tables[0].T, "delay (s)", outlier, least if outlier else None)],
                grid=False,
            ),
        ],
        columns=2,
        width=style.TWO_PANELS,
        height=1.9,
    )


FIGURES_HEAD = """# Gallery of figures

`erasurehead reproduce` computes and draws all of them, `erasurehead reproduce NAME ...` some. The
first six are behind the verdicts on [the paper's claims](notebooks/erasurehead_claims.md).
Each comes as PNG and SVG, with the table that it is drawn from (`NAME.parquet`) and a text with
the numbers behind it (`NAME.md`); `--full` has more replications. The pictures here are those of
the quick version.

They use data sets that come with scikit-learn. Those of the authors' program are not shipped. For
`loss_time_real`, which takes minutes, put `train.csv` (Amazon Employee Access), `covtype.csv`
(Covertype) and `kc_house_data.csv` (King County house sales) into a folder, and say
`--data-dir FOLDER`; `$ERASUREHEAD_DATA` names it as well.
"""

KINDS_HEAD = """## Pictures of any run

`erasurehead plot DIR` draws these from the tables of a run or sweep, `--kind KIND` one of them;
`erasurehead report DIR` has them in its page."""

ELSEWHERE = {"atlas": "atlas/all-schemes.png"}
"""Pictures that another page has."""


def figures(pictures: Path, address: str) -> str:
    """The page of figures, as Markdown.

    Args:
        pictures: where the pictures lie.
        address: of the same folder in the site.
    """
    parts = [FIGURES_HEAD]
    for name in FIGURES:
        drawn = figure_named(name)
        parts += [
            f"## {drawn.title}",
            *prose_of(drawn),
            f"```text\nerasurehead reproduce {name}\n```",
        ]
        if (pictures / f"{name}.png").is_file():
            parts.append(f"![{drawn.title}]({address}/{name}.png)")
        elif name in ELSEWHERE:
            parts.append(f"![{drawn.title}]({ELSEWHERE[name]})")
    rows = [(code(kind.name), kind.title, plain(kind.caption)) for kind in kinds_by_rank()]
    parts += [KINDS_HEAD, table(["kind", "picture", "how to read it"], rows)]
    return "\n\n".join(parts) + "\n"
