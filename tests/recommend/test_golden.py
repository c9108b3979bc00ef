"""What a search found yesterday it finds today, to the bit.

``python -m tests.recommend.test_golden`` writes the golden tables.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from erasurehead.experiments.options import SearchRequest
from erasurehead.experiments.recommend import study
from erasurehead.experiments.recommend.question import ask
from erasurehead.experiments.recommend.search import Search
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
    "bare": (BARE, SearchRequest(only="uncoded,erasurehead,k_batch_async")),
    "trained": (TRAINED, SearchRequest(only="uncoded,ignore_stragglers,k_async,adaptive_k")),
    "budget": (
        TRAINED,
        SearchRequest(budget=8.0, max_load=2, only="uncoded,fractional_repetition"),
    ),
}


def tables(name: str) -> Kept:
    """Every table of a search."""
    document, request = SEARCHES[name]
    search = Search(ask(document, request, None), (), lambda done, total: None)
    found = study.recommended(search)
    return {table: columns(frame) for table, frame in study.recommendation_tables(found).items()}


@pytest.mark.parametrize("name", SEARCHES)
def test_tables_are_the_golden_ones(name: str) -> None:
    """Texts alone where the machine is another: numbers in them are rounded."""
    golden, found = json.loads(FILE.read_text()), tables(name)
    same_machine = golden["machine"] == machine()
    for table, expected in golden["searches"][name].items():
        assert list(found[table]) == list(expected), table
        for column, kept in expected.items():
            if same_machine:
                assert found[table][column]["hash"] == kept["hash"], f"{table}.{column}"
            elif kept["mean"] is not None:
                mean = pytest.approx(kept["mean"], rel=1e-6, abs=1e-12)
                assert found[table][column]["mean"] == mean, f"{table}.{column}"


if __name__ == "__main__":
    lines = [f'  "{name}": {json.dumps(tables(name))}' for name in SEARCHES]
    text = ",\n".join(lines)
    FILE.write_text(f'{{"machine": {json.dumps(machine())},\n"searches": {{\n{text}\n}}}}\n')
