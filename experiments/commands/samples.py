"""Small tables of delays that ship with the program, to try ``read``, ``whatif`` and ``fit`` on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ... import delay_models
from ...sim.base.errors import ConfigError, at, one_of
from ..run.files import write_bytes

SHIPPED = Path(delay_models.__file__).parent / "samples"


@dataclass(frozen=True)
class Sample:
    """A table that ships with the program."""

    table: str  # the name of its file
    about: str  # what it is, and whether it was measured or made
    beside: tuple[str, ...] = ()  # files that belong to it
    licence: str = "made by this program: as the program"


SAMPLES = {
    "slow_host": Sample(
        table="slow_host.csv",
        about="made: 60 rounds of 12 hosts, of which gpu07 takes 1.5 times as long",
    ),
    "cut_rounds": Sample(
        table="replication_acc_0_worker_timeset.dat",
        about="made: 100 rounds of 30 workers, of which 15 are heard, as ErasureHead's authors' "
        "programs write them; each delay is .02 s and exponential with a mean of .5 s",
        beside=("replication_acc_0_timeset.dat",),
    ),
    "llm_steps": Sample(
        table="llm_steps.csv",
        about="measured: 43 steps of 32 data-parallel ranks of an LLM's training, seconds of "
        "computing",
        beside=("llm_steps_LICENSE.txt",),
        licence="Apache-2.0, in llm_steps_LICENSE.txt; derived from github.com/ByteDance-Seed/"
        "StragglerAnalysis: job SE, stage 0, forward and backward seconds of each rank added up",
    ),
}


def write_sample(name: str, folder: Path) -> Path:
    """Write a sample into a folder, without a network, and return the path of its table. Raises
    ConfigError: there is no such sample, or another file of its name is there."""
    if name not in SAMPLES:
        raise at("sample", name, one_of(SAMPLES, name))
    sample = SAMPLES[name]
    contents = {file: (SHIPPED / file).read_bytes() for file in (sample.table, *sample.beside)}
    for file, content in contents.items():
        there = folder / file
        if there.is_file() and there.read_bytes() != content:
            raise ConfigError(f"{there} is there and is not the sample: move it, or name a folder")
    for file, content in contents.items():
        write_bytes(folder / file, content)
    return folder / sample.table


def sample_lines() -> list[str]:
    """The samples, a line each."""
    width = max(map(len, SAMPLES))
    return [f"  {name:{width}}  {sample.about}" for name, sample in SAMPLES.items()]
