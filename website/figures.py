"""The gallery of figures: what ``erasurehead reproduce`` draws, from its registry."""

from __future__ import annotations

from pathlib import Path

from erasurehead.experiments.config.schema import prose_of
from erasurehead.experiments.reproduce import FIGURES, figure_named

HEAD = """# Gallery of figures

`erasurehead reproduce` computes and draws all of them, `erasurehead reproduce NAME ...` some.
Each comes as PNG and SVG, with the table that it is drawn from (`NAME.parquet`) and a text with
the numbers behind it (`NAME.md`); `--full` has more replications. The pictures here are those of
the quick version.
"""

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
        parts += [f"## {name}", *prose_of(drawn), f"```text\nerasurehead reproduce {name}\n```"]
        if (pictures / f"{name}.png").is_file():
            parts.append(f"![{drawn.title}]({address}/{name}.png)")
        elif name in ELSEWHERE:
            parts.append(f"![{drawn.title}]({ELSEWHERE[name]})")
    return "\n\n".join(parts) + "\n"
