"""The numbers that papers and their authors' code print, and the configs that they are set up with.

Every number and setting stands in the source that its row names. Of a number whose setting no
source states, there is no config: the row says what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import final

from .base import Section


class Measure(StrEnum):
    """What is measured of a scheme, or of a scheme over another one."""

    SECONDS = "seconds of the run"
    RELATIVE = "time relative to uncoded"
    EARLIEST = "time relative to uncoded, every round as early as the code allows"
    LOAD = "share of the data that a worker computes"
    COMPUTING = "time spent computing (%)"
    SLOW = "rounds longer than 1 s (%)"
    FASTER = "times as fast"
    SAVED = "time saved (%)"
    HOURS = "hours of the run"


@final
@dataclass(frozen=True)
class PrintedNumber:
    """A number, and how ours is measured."""

    source: str
    what: str  # of which it is the number
    printed: str  # its digits as they are printed; empty: it is not printed
    measure: Measure
    config: str = ""  # the config's name; empty: a part of the setting is not stated
    label: str = ""  # the scheme of the config
    at: float | None = None  # the value of the config's sweep
    because: str = ""  # what is not stated; or what differs from the source


@final
@dataclass(frozen=True)
class Setting:
    """A config, and what it is, in a few words."""

    words: str
    document: Section


GC, SR, M = "gradient coding", "SR-SGC", "M-SGC"
EARLY_GC, DILOCO = f"{GC}, 241st arrival", "DiLoCo"
_SGC = "Krishnan et al. (ICLR 2023), their program's table"
_FORGATHER = "forgather, docs/trainers/diloco.md"
_STREAMING = "Streaming DiLoCo (arXiv 2501.18512), table 4, 1B parameters"
_OTHER_BATCH = "the calls are of another batch than theirs"
_OVERLAP = "theirs overlaps sending with the backward pass, and ours does not"

SETTINGS = {
    "printed_sequential": Setting(
        "256 calls of AWS Lambda, 80 jobs, μ = 1",
        {
            "workers": 256,
            "iterations": 80,
            "delay": {  # the preset lambda_cnn without cold starts
                "model": "mixture",
                "weights": [0.785, 0.215],
                "components": [
                    {"model": "lognormal", "median": 0.640, "sigma": 0.044},
                    {"model": "lognormal", "median": 0.901, "sigma": 0.258},
                ],
            },
            # for all the data 2.201 s more
            "load_law": {"kind": "additive", "seconds_per_partition": 2.201 / 256},
            "schemes": [
                {"name": "uncoded"},
                {
                    "name": "cyclic_repetition",
                    "label": GC,
                    "load": 16,
                    "stop": {"window": 1.0, "tolerates": 15},
                },
                {"name": "cyclic_repetition", "label": EARLY_GC, "load": 16},
                {
                    "name": "sequential",
                    "label": SR,
                    "variant": "selective_repeat",
                    "B": 2,
                    "W": 3,
                    "stragglers": 23,
                    "tolerance": 1.0,
                },
                {
                    "name": "sequential",
                    "label": M,
                    "variant": "multiplexed",
                    "B": 1,
                    "W": 2,
                    "stragglers": 27,
                    "tolerance": 1.0,
                },
            ],
        },
    ),
    "printed_tail": Setting(
        "100 servers, each over 1 s with a chance of 1 %",
        {
            "workers": 100,
            "iterations": 1000,
            "delay": {
                "model": "mixture",
                "weights": [0.99, 0.01],
                "components": [{"model": "deterministic", "value": s} for s in (0.5, 2.0)],
            },
            "schemes": [{"name": "uncoded"}],
        },
    ),
    "printed_forgather": Setting(
        "H = 500 steps of 1 s, 1 Gbit/s, 2 bytes a parameter",
        {
            "workers": 2,
            "iterations": 1000,
            "delay": {"model": "deterministic", "value": 1.0},
            "network": {"bandwidth": 1e9 / 8, "message_bytes": 2e9},
            "schemes": [{"name": "local_sgd", "label": DILOCO, "steps": 500}],
            "sweep": {"network.message_bytes": [0.3e9, 2e9, 14e9]},
        },
    ),
    "printed_diloco": Setting(
        "H = 100 steps of 0.1 s, or each step; 16 Gbit",
        {
            "workers": 2,
            "iterations": 200,
            "delay": {"model": "deterministic", "value": 0.1},
            "network": {"bandwidth": 1e9 / 8, "message_bytes": 2e9},
            "schemes": [{"name": "local_sgd", "label": DILOCO, "steps": 100}, {"name": "uncoded"}],
            "sweep": {"network.bandwidth": [x * 1e9 / 8 for x in (1.4, 6.2, 13.3, 23.3, 86.8)]},
        },
    ),
}

PRINTED = (
    *(
        PrintedNumber(f"{_SGC}, over uncoded", name, printed, Measure.RELATIVE,
                      "printed_sequential", name, because=_OTHER_BATCH)
        for name, printed in ((GC, "0.892"), (SR, "0.864"), (M, "0.846"))
    ),
    PrintedNumber(_SGC, GC, "", Measure.EARLIEST, "printed_sequential", EARLY_GC),
    PrintedNumber(_SGC, M, "", Measure.EARLIEST, "printed_sequential", M),
    *(
        PrintedNumber(_SGC, name, printed, Measure.SECONDS, "printed_sequential", name,
                      because=_OTHER_BATCH)
        for name, printed in (
            ("uncoded", "122.64"), (GC, "109.36"), (SR, "105.92"), (M, "103.73")
        )
    ),
    *(
        PrintedNumber(_SGC, name, printed, Measure.LOAD, "printed_sequential", name)
        for name, printed in (
            ("uncoded", "0.00391"), (GC, "0.0625"), (SR, "0.0508"), (M, "0.00754")
        )
    ),
    PrintedNumber("Dean, Barroso, The Tail at Scale (2013), as told on a page about it",
                  "requests to 100 servers", "63", Measure.SLOW, "printed_tail", "uncoded"),
    *(
        PrintedNumber(_FORGATHER, f"{size} parameters", printed, Measure.COMPUTING,
                      "printed_forgather", DILOCO, message)
        for size, printed, message in (
            ("150M", "99.5", 0.3e9), ("1B", "97", 2e9), ("7B", "82", 14e9)
        )
    ),
    *(
        PrintedNumber(_STREAMING, f"DiLoCo at {gbit:g} Gbit/s", printed, Measure.COMPUTING,
                      "printed_diloco", DILOCO, gbit * 1e9 / 8, _OVERLAP)
        for gbit, printed in (
            (1.4, "50"), (6.2, "80"), (13.3, "90"), (23.3, "95"), (86.8, "99")
        )
    ),
    PrintedNumber(_STREAMING, "data-parallel at 86.8 Gbit/s", "50", Measure.COMPUTING,
                  "printed_diloco", "uncoded", 86.8e9 / 8, _OVERLAP),
    PrintedNumber("Streaming DiLoCo (arXiv 2501.18512), table 1", "441 TB at 1 Gbit/s", "109",
                  Measure.HOURS, because="over how many links they go"),
    PrintedNumber("Ramamoorthy, Meng, Girimaji (arXiv 2405.19509)", "partial stragglers, about",
                  "2", Measure.FASTER, because="the law of a worker's time"),
    PrintedNumber("arXiv 1901.09339", "heterogeneity-aware codes, at most", "3",
                  Measure.FASTER, because="the speeds of the cluster"),
    *(
        PrintedNumber("Ye, Abbe (arXiv 1802.03475), abstract", f"on EC2, over {other}", printed,
                      Measure.SAVED, because="the law of a worker's time and of a message's")
        for other, printed in (("uncoded", "32"), ("earlier codes", "23"))
    ),
)  # fmt: skip
