"""Notebooks as pages, with the outputs that are committed in them."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

FOLDER = "notebooks"
"""In ``docs/``; pages lie beside the notebooks, which can be downloaded."""


def pages(docs: Path) -> dict[str, str | bytes]:
    """Address in the site and content, of the pages and of their pictures."""
    found: dict[str, str | bytes] = {}
    for path in sorted((docs / FOLDER).glob("*.ipynb")):
        found |= _page(path)
    return found


def _page(path: Path) -> dict[str, str | bytes]:
    document = json.loads(path.read_text(encoding="utf-8"))
    pictures: dict[str, str | bytes] = {}
    parts = []
    for cell in document["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(re.sub(r"\.ipynb([)#])", r".md\1", source))
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            parts += _shown(output, path.stem, pictures)
    title, rest = parts[0].split("\n", 1)
    download = f"*This page is a notebook: [{path.name}]({path.name}).*"
    text = "\n\n".join([title, download, rest.strip(), *parts[1:]]) + "\n"
    return {f"{FOLDER}/{path.stem}.md": text, **pictures}


def _shown(output: dict[str, Any], stem: str, pictures: dict[str, str | bytes]) -> list[str]:
    """What an output looks like; its picture, if it is one, goes to the others."""
    data = output.get("data", {})
    if "image/png" in data:
        name = f"{stem}-{len(pictures) + 1}.png"
        pictures[f"{FOLDER}/{name}"] = base64.b64decode(data["image/png"])
        return [f"![Output of the cell above]({name})"]
    if output["output_type"] == "stream":
        return [f"```text\n{''.join(output['text']).rstrip()}\n```"]
    return []
