"""What a reader of the how-to pages has: measured tables, a code, example configs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np

from tests.docs.blocks import ROOT, Page, page

INIT = re.compile(r"erasurehead init *(\w*)")


def lay_out(folder: Path, shown: Page) -> None:
    """Put everything that pages speak of into a folder, but not what this one makes itself."""
    shutil.copytree(ROOT / "experiments" / "configs", folder / "experiments" / "configs")
    blocks = "".join(each.text for each in shown.blocks)
    for name in {"demo", "example"} - {found or "demo" for found in INIT.findall(blocks)}:
        shutil.copy(ROOT / "experiments" / "configs" / f"{name}.yaml", folder)
    (plugin,) = [each for each in page(ROOT / "README.md").blocks if each.about == "both.py"]
    (folder / plugin.about).write_text(plugin.text)
    shutil.copytree(
        ROOT / "tests" / "delay_models" / "profiler",
        folder / "traces",
        ignore=lambda _, names: [name for name in names if not name.startswith("rank")],
    )
    rng = np.random.default_rng(0)
    seconds = 1 + rng.gamma(3.0, 0.2, size=(40, 256))
    np.savetxt(folder / "my_cluster.csv", seconds, delimiter=",", fmt="%.4f")
    milliseconds = np.round(1000 * (1 + rng.gamma(3.0, 0.2, size=(200, 12))))
    cells = [[f"{value:.0f}" for value in row] for row in milliseconds]
    cells[7][3] = ""  # somebody never came
    names = ",".join(f"node{worker}" for worker in range(12))
    (folder / "delays.csv").write_text("\n".join([names, *map(",".join, cells)]) + "\n")
    code = np.eye(4) + np.roll(np.eye(4), 1, axis=1)
    np.savetxt(folder / "my_code.csv", code, delimiter=",", fmt="%g")
