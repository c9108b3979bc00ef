"""``answer.json``: what commands found, for programs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from erasurehead.experiments.compare import answer
from erasurehead.experiments.config.errors import ConfigError
from erasurehead.experiments.run import outputs
from erasurehead.experiments.run.outputs import Answer


def test_an_answer_comes_back_as_it_was(tmp_path: Path) -> None:
    said = Answer(
        "fit", "a.csv", "It is so.", ("because",), ("`do` this", "é<script>"), "erase", ()
    )
    outputs.write(said, tmp_path)
    assert outputs.read(tmp_path) == said
    assert (tmp_path / outputs.NAME).read_bytes().isascii()


@pytest.mark.parametrize("content", ["", "[]", '{"kind": "fit"}', '{"kind": 3}', "[" * 10_000])
def test_what_is_no_answer_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / outputs.NAME).write_text(content)
    with pytest.raises(ConfigError, match="is no answer"):
        outputs.read(tmp_path)


def test_the_command_is_told_without_where_its_results_went() -> None:
    given = ["fit", "my cluster.csv", "--output", "x", "--unit=s", "--output=y", "--debug"]
    assert outputs.command_line(given) == "erasurehead fit 'my cluster.csv' --unit=s"


def rows(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"label": [f"code {i}" for i in range(len(columns["ratio"]))], **columns})


def test_a_comparison_in_words() -> None:
    """The geometric mean of 2 and 8 is 4; one of two intervals holds 1."""
    table = rows(
        first=[1.0, 2.0],
        second=[2.0, 16.0],
        ratio=[2.0, 8.0],
        ratio_low=[0.9, 7.0],
        ratio_high=[3.0, 9.0],
        loss_difference=[0.0, 0.25],
    )
    said = answer(table, "a", "b")
    assert "takes 4 times as long as one of a (2 to 8), over the 2 schemes" in said.verdict
    assert said.why[0].startswith("1 of 2 ratios")
    assert "code 1: 2 s an iteration in a, 16 s in b" in said.why[1]
    assert "0.25 at most" in said.why[2]


def test_equal_results_are_called_equal() -> None:
    table = rows(first=[1.0], second=[1.0], ratio=[1.0], ratio_low=[1.0], ratio_high=[1.0])
    assert answer(table, "a", "b").verdict == "Iterations of b take exactly as long as those of a."
