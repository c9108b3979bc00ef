"""Results of every kind for a report, and a reader of its page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from erasurehead.experiments.page.content import Answer
from erasurehead.experiments.page.folder import write_answer
from tests.tools import inside

# Reads a page as a browser does, as far as a test asks.


VOID = {"meta", "link", "input", "br", "img", "wbr"}


class Reader(HTMLParser):
    """What is in a page: its elements, with their attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.faults: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing, at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def inside(self, tag: str) -> list[str]:
        """The texts directly in elements of a kind."""
        return [text for name, text in self.texts if name == tag]

    @property
    def words(self) -> str:
        """All text that is shown."""
        shown = (text for tag, text in self.texts if tag not in ("script", "style"))
        return re.sub(r"\s+", " ", " ".join(shown))


# Results of every kind, small, for the tests of the report.


EVIL = "<script>alert(\"x\")</script> & 'q' {{ 7 * 7 }}"
"""A label that would run, were it not text."""

CONFIG = {
    "name": "demo",
    "workers": 6,
    "iterations": 12,
    "replications": 4,
    "delay": {"model": "shifted_exponential", "shift": 0.5, "rate": 1.0},
    "load_law": {"kind": "additive", "seconds_per_partition": 0.1},
    "schemes": [
        {"name": "uncoded", "label": EVIL},
        {"name": "fractional_repetition", "load": 3},
        {"name": "ignore_stragglers", "wait_for": 5},
    ],
    "problem": {"loss": "logistic", "dataset": "synthetic", "rows": 60, "features": 3},
    "optimizer": {"rule": "gd", "learning_rate": 0.5},
    "target_loss": 0.6,
}


def config(folder: Path, **changes: object) -> Path:
    """A config file."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**CONFIG, **changes}, sort_keys=False))
    return path


def done(*arguments: object) -> None:
    """Run a command that must succeed."""
    ended = inside(*arguments)
    assert ended.returncode == 0, ended.stderr


def make_run(folder: Path) -> Path:
    """A run with a timeline."""
    out = folder / "run"
    done("run", config(folder), "--output", out, "--timeline", folder / "timeline.json")
    return out


def make_sweep(folder: Path, *values: str, losses: bool = False) -> Path:
    """A sweep; by default over two keys, one of which is no number."""
    out = folder / "sweep"
    chosen = values or ("delay.rate=1,2,4", "policy=cancel,queue")
    options = [option for value in chosen for option in ("--set", value)]
    path = config(folder) if losses else config(folder, problem=None, target_loss=None)
    done("sweep", path, *options, "--output", out)
    return out


def table(folder: Path) -> Path:
    """Measured delays with one slow host, of names that would run."""
    seconds = np.random.default_rng(1).lognormal(0.0, 0.05, (60, 12))
    seconds[:, 7] *= 1.5
    names = [f"<b>gpu</b>-{worker:02d}" for worker in range(12)]
    path = folder / "cluster.csv"
    pd.DataFrame(seconds, columns=names).to_csv(path, index=False)
    return path


def make_fit(folder: Path) -> Path:
    """A fit of the measured delays."""
    done("fit", table(folder), "--unit", "s", "--output", folder / "fit")
    return folder / "fit"


def make_whatif(folder: Path) -> Path:
    """What if, of the measured delays."""
    done("whatif", table(folder), "--unit", "s", "--output", folder / "whatif")
    return folder / "whatif"


def make_compare(folder: Path) -> Path:
    """A run beside the same run with another policy."""
    one, two = folder / "one", folder / "two"
    path = config(folder)
    done("run", path, "--output", one)
    done("run", path, "--set", "policy=queue", "--output", two)
    done("report", one, two, "--output", folder / "compare")
    return folder / "compare"


def make_recommend(folder: Path) -> Path:
    """What ``recommend`` writes, as its docs describe it, by hand: searching takes a minute."""
    out = folder / "recommend"
    out.mkdir()
    ends = {"_low": 0.9, "_high": 1.1}
    ranking = pd.DataFrame(
        [
            {
                "rank": rank,
                "scheme": scheme,
                "label": label,
                "goal": "seconds",
                **{f"{n}{e}": rank * f for n in ("value", "ratio", "to_today") for e, f in
                   {"": 1.0, **ends}.items()},
                "tied": rank == 2,
                "rate": 0.5,
                "iteration_time": 1.0,
                "error": 0.1 * rank,
                "load": 1,
                "worker_seconds": 2681.0,
                "bytes": 1.906e5,
                "breaks": None if rank < 3 else "--max-load",
            }
            for rank, (scheme, label) in enumerate(
                [("erasurehead", "erasurehead load=3"), ("uncoded", EVIL), ("k_async", "k_async")],
                1,
            )
        ]
    )  # fmt: skip
    ranking.to_parquet(out / "ranking.parquet")
    candidates = ranking[["scheme", "label", "value", "iteration_time", "error"]].assign(
        stage=["stayed", "stayed", "race"], reason=["", "", "behind"], front=[True, False, True]
    )
    candidates.to_parquet(out / "candidates.parquet")
    rows = [("load", times, s, label, times, times, 0.9 * times, 1.1 * times)
            for times in (0.5, 1.0, 2.0) for s, label in [("uncoded", EVIL)]]  # fmt: skip
    columns = ["dial", "times", "scheme", "label", "value", "ratio", "ratio_low", "ratio_high"]
    pd.DataFrame(rows, columns=columns).to_parquet(out / "sensitivity.parquet", index=False)
    (out / "winner.yaml").write_text("name: demo-winner\n")
    (out / "manifest.json").write_text('{"seed": 0, "versions": {"numpy": "2"}, "question": {}}')
    said = Answer(
        "recommend", "demo", "Take erasurehead.", ("because",), ("`erasurehead run winner.yaml`",),
        "erasurehead recommend demo.yaml",
    )  # fmt: skip
    write_answer(said, out)
    return out


def make_reproduce(folder: Path) -> Path:
    """Two figures of ``reproduce``, small, one of them at other values."""
    out = folder / "reproduce"
    few = ("--set", "rounds=400", "--jobs", 1, "--output", out)
    done("reproduce", "iteration_time_workers", "--set", "workers=12,48", *few)
    done("reproduce", "delay_tolerance", "--set", "stragglers=0,15", *few)
    return out


def page_of(folder: Path) -> Path:
    """The page in a folder of results."""
    index = folder / "index.html"
    return index if index.is_file() else folder / "report.html"


MADE = {
    "run": make_run,
    "sweep": make_sweep,
    "fit": make_fit,
    "whatif": make_whatif,
    "compare": make_compare,
    "recommend": make_recommend,
    "reproduce": make_reproduce,
}
