"""The gallery: what ``erasurehead reproduce`` and ``erasurehead plot`` draw, from registries."""

from __future__ import annotations

from pathlib import Path

from erasurehead.experiments.config.schema import prose_of
from erasurehead.experiments.pictures.kinds import kinds_by_rank
from erasurehead.experiments.reproduce import FIGURES, figure_named
from website.markdown import code, plain, table

HEAD = """# Gallery of figures

`erasurehead reproduce` computes and draws all of them, `erasurehead reproduce NAME ...` some. The
first five are behind the verdicts on [the paper's claims](notebooks/erasurehead_claims.md).
Each comes as PNG and SVG, with the table that it is drawn from (`NAME.parquet`) and a text with
the numbers behind it (`NAME.md`); `--full` has more replications. The pictures here are those of
the quick version.

They use data sets that come with scikit-learn. The paper's data sets are not shipped. For
`erasurehead reproduce --full --data-dir FOLDER`, which takes an hour, put `train.csv` (Amazon
Employee Access), `covtype.data.gz` (Covertype) and `kc_house_data.csv` (King County house sales)
into a folder; `$ERASUREHEAD_DATA` names it as well.
"""

KINDS_HEAD = """## Pictures of any run

`erasurehead plot DIR` draws these from the tables of a run or sweep, `--kind KIND` one of them;
`erasurehead report DIR` has them in its page."""

ELSEWHERE = {"atlas": "atlas/all-schemes.png"}
"""Pictures that another page has."""


def page(pictures: Path, address: str) -> str:
    """The page, as Markdown.

    Args:
        pictures: where the pictures lie.
        address: of the same folder in the site.
    """
    parts = [HEAD]
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
