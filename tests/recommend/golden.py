"""Golden answers of ``recommend``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from erasurehead.experiments.recommend.command import ask
from erasurehead.experiments.recommend.question import Options
from erasurehead.experiments.recommend.study import investigate
from erasurehead.experiments.recommend.writing import FRAMES
from tests.golden.tables import Kept, columns, machine

FILE = Path(__file__).parent / "golden.json"

BARE: dict[str, Any] = {
    "workers": 6,
    "iterations": 10,
    "seed": 3,
    "delay": {"model": "shifted_exponential", "shift": 1.0, "rate": 1.0},
    "load_law": {"kind": "additive", "seconds_per_partition": 0.05},
}
TRAINED = {
    **BARE,
    "problem": {"loss": "least_squares", "dataset": "synthetic", "rows": 60, "features": 4},
    "optimizer": {"rule": "gd", "learning_rate": 0.1},
}
SEARCHES = {
    "bare": (BARE, Options(only="uncoded,erasurehead,k_batch_async")),
    "trained": (TRAINED, Options(only="uncoded,ignore_stragglers,k_async,adaptive_k")),
    "budget": (TRAINED, Options(budget=8.0, max_load=2, only="uncoded,fractional_repetition")),
}


def tables(name: str) -> Kept:
    """Every table of a search."""
    document, options = SEARCHES[name]
    asked = ask(document, options, None)
    study = investigate(
        *(asked.subject, asked.goal, asked.course, asked.limits, asked.only, asked.common),
        lanes=(),
        report=lambda done, total: None,
    )
    return {table: columns(frame_of(study)) for table, frame_of in FRAMES.items()}


if __name__ == "__main__":
    lines = [f'  "{name}": {json.dumps(tables(name))}' for name in SEARCHES]
    text = ",\n".join(lines)
    FILE.write_text(f'{{"machine": {json.dumps(machine())},\n"searches": {{\n{text}\n}}}}\n')
