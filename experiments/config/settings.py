"""What a config says, as objects: one point of a grid, checked."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from annotated_types import Ge, Le, Lt
from pydantic import AllowInfNan, BaseModel, BeforeValidator, Field, PlainValidator, TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass

from ...delay_models import DelayModel
from ...delay_models.base import STRICT, IndependentPart, Part, PositiveSeconds, Seconds
from ...sim.base.errors import escaped, is_plain
from ...sim.base.fields import Configurable, Count, Seed, not_bool
from ...sim.engines.run import Network, Policy
from ...sim.load_laws import LoadLaw, Proportional
from ...sim.schemes import SchemeFamily
from ...sim.training.optimizers import Optimizer
from ...sim.training.problems import ProblemConfig
from ..text import shortened
from .catalogue import BUILT_IN, Catalogue
from .codec import (
    Reader,
    fault,
    located,
    no_section,
    plain,
    refuse_underscores,
    require_known,
    takes_list,
    types_of,
)
from .document import MOST_POINTS

LONGEST_LABEL = 100  # characters of a label
OF_WORKERS = re.compile(r"n *([-/]) *([1-9][0-9]{0,6})")  # a count that follows the workers
AUTO = "auto"  # instead of a number of workers: as many as the delays have columns


@checked_dataclass(frozen=True, config=STRICT, kw_only=True)
class OwnSettings(metaclass=Configurable):
    """Settings that one scheme has for itself, in place of the config's.

    Args:
        policy: what workers do with unfinished work when the next model arrives.
        delay: how long a worker takes.
        initial: the start, as in ``problem``.
    """

    policy: Policy | None = None
    delay: Part | None = None
    initial: Literal["zeros", "normal"] | None = None


OWN_SETTINGS = tuple(OwnSettings.__annotations__)


@dataclass(frozen=True)
class SchemeEntry:
    """The scheme that one entry of ``schemes`` says."""

    family: SchemeFamily
    label: str
    swept: Mapping[str, Any]  # this one's values of the fields that list several
    index: int = 0  # which entry
    place: str = ""  # how errors call it, if not by ``schemes`` and its name
    own: OwnSettings = field(default_factory=OwnSettings)


def _by(read: Callable[[Reader, Any], Any]) -> PlainValidator:
    def validate(value: Any, info: pydantic.ValidationInfo) -> Any:
        reader: Any = info.context
        return read(reader, value)

    return PlainValidator(validate)


def _named(kind: str) -> PlainValidator:
    return _by(lambda reader, value: reader.named(kind, value))


def _entries(reader: Reader, section: Mapping[str, Any]) -> tuple[SchemeEntry, ...]:
    entries = []
    for single, swept in _singles(reader, section):
        said = {key: value for key, value in single.items() if key != "label"}
        own = {key: said.pop(key) for key in OWN_SETTINGS if key in said}
        counted = {key: _counted(value, reader.workers) for key, value in said.items()}
        family, label = reader.named("schemes", counted), single.get("label")
        settings: OwnSettings = reader.build(OwnSettings, own)
        label = _label(reader, family, said | own, swept) if label is None else _given(label)
        entries.append(SchemeEntry(family, label, swept, own=settings))
    return tuple(entries)


def follows_workers(value: Any) -> re.Match[str] | None:
    """Whether a value is a count that follows them, and its parts."""
    return OF_WORKERS.fullmatch(value) if isinstance(value, str) else None


def _counted(value: Any, workers: Any) -> Any:
    """``n/2``, rounded up, and ``n-3`` as numbers for n workers; any other value as it is."""
    if (fraction := follows_workers(value)) is None:
        return value
    try:
        n = adapter("workers").validate_python(workers)
    except pydantic.ValidationError:  # which is told of the workers themselves
        return value
    number = int(fraction[2])
    return n - number if fraction[1] == "-" else -(-n // number)


def _given(label: Any) -> str:
    """A label that a config gives: it stands in tables, pictures and the terminal."""
    text = str(label)
    known = isinstance(label, str | int | float) and not isinstance(label, bool)
    if not known or not text.strip() or len(text) > LONGEST_LABEL or not is_plain(text):
        valid = f"1 to {LONGEST_LABEL} visible characters and spaces, in one line"
        raise fault(["label"], label, f"must be {valid}")
    return text


def _singles(
    reader: Reader, section: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
    """A list stands for one scheme per value, unless the field itself takes a list."""
    for key in ("name", "label"):
        if isinstance(section.get(key), list):
            raise fault([key], section[key], "must be one; write an entry for each scheme")
    lists = {key: values for key, values in section.items() if isinstance(values, list)}
    if lists and section.get("name") in reader.names("schemes"):
        family = reader.catalogue["schemes"].classes[section["name"]]
        lists = {key: values for key, values in lists.items() if not takes_list(family, key)}
    for key, values in lists.items():
        if not values:
            raise fault([str(key)], values, "must list at least one value")
    if math.prod(len(values) for values in lists.values()) > MOST_POINTS:
        raise fault([], section, f"must stand for at most {MOST_POINTS} schemes")
    for combination in itertools.product(*lists.values()):
        swept = dict(zip(lists, combination, strict=True))
        yield {**section, **swept}, swept


def _label(
    reader: Reader, family: SchemeFamily, said: Mapping[str, Any], swept: Collection[str]
) -> str:
    """A scheme's name and what was said that is no default or is swept, in its fields' order."""
    defaults = {field.name: field.default for field in fields(family)}  # type: ignore[arg-type]
    section = plain(family, reader.catalogue)
    section |= {key: value for key, value in said.items() if follows_workers(value)}
    unusual = [
        shown_field(key, section[key])
        for key in section
        if key in defaults
        and key in said
        and (key in swept or plain(defaults[key], reader.catalogue) != section[key])
    ]
    unusual += [shown_field(key, said[key]) for key in OWN_SETTINGS if key in said]
    label = escaped(" ".join([section["name"], *unusual]))
    if len(label) <= LONGEST_LABEL:
        return label
    mark = hashlib.sha256(label.encode()).hexdigest()[:8]  # shortened alone, two might be equal
    return f"{shortened(label, LONGEST_LABEL - len(mark) - 1)} {mark}"


def shown_field(key: str, value: Any) -> str:
    """A field as a label has it; a section is ``stop(window=1, at_least=4)``, of what it says."""
    if isinstance(value, Mapping):
        entries = [shown_field(*field) for field in value.items() if field[1] is not None]
        return f"{key}({', '.join(entries)})"
    if isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
        choices = [shown_field(*field) for entry in value for field in entry.items()]
        return f"{key}({', '.join(choices)})"
    if value is True and key == "cover":
        return key
    return f"{key}={Path(value).name if key == 'path' else _shown(value)}"


def _shown(value: Any) -> Any:
    """A load of 3.0 is a load of 3; of a long list its ends."""
    if isinstance(value, list):
        entries = [str(_shown(entry)) for entry in value]
        ends = entries if len(entries) <= 4 else [*entries[:2], "...", entries[-1]]
        return f"[{', '.join(ends)}]"
    return int(value) if isinstance(value, float) and value.is_integer() else value


_LIST = TypeAdapter(Annotated[list[Any], Field(min_length=1)])
# puts a scheme's name into the place of an error
_BY_NAME = TypeAdapter(dict[str, Annotated[Any, _by(_entries)]])


def _schemes(reader: Reader, value: Any) -> tuple[SchemeEntry, ...]:
    entries: list[SchemeEntry] = []
    for index, section in enumerate(_LIST.validate_python(value)):
        if isinstance(section, Mapping) and section.get("name") in reader.names("schemes"):
            (group,) = _BY_NAME.validate_python({section["name"]: section}, context=reader).values()
        elif isinstance(section, Mapping):
            group = _entries(reader, section)
        elif isinstance(section, SchemeEntry):
            group = (section,)
        else:
            raise fault([index], section, no_section(section))
        entries += (replace(entry, index=index) for entry in group)
    for label, count in Counter(entry.label for entry in entries).items():
        if count > 1:
            raise fault([], label, "appears twice; give each its own label")
    return tuple(entries)


@checked_dataclass(frozen=True, config=STRICT)
class FailureSettings(metaclass=Configurable):
    """What can go wrong.

    A task that a crash has cut off is done again as a new execution, which draws its delay anew; a
    replay or a deterministic law gives the same again. A lost message is sent again as it is.

    Args:
        time_to_failure: how long a worker stays up; ``None``: for ever.
        time_to_repair: how long it is down then; ``None``: for good.
        message_loss: probability that an attempt to send a message is lost.
        retry_after: seconds until a lost message is sent again.
        max_wait: seconds after which a round that has not ended stops the run.
    """

    time_to_failure: Part | None = None
    time_to_repair: Part | None = None
    message_loss: Annotated[float, Ge(0), Lt(1), AllowInfNan(False)] = 0.0
    retry_after: Seconds = 0.0
    max_wait: PositiveSeconds | None = None

    def __post_init__(self) -> None:
        """A repair without failures, or workers that fail without ever being up, is a mistake."""
        if self.time_to_repair is not None and self.time_to_failure is None:
            raise ValueError("time_to_repair needs time_to_failure")
        if self.time_to_failure is not None and self.time_to_failure.mean() == 0:
            raise ValueError("time_to_failure must be longer than 0 s on average")
        if self.message_loss > 0 and self.retry_after == 0:
            raise ValueError("message_loss needs retry_after, in seconds, greater than 0")


@checked_dataclass(frozen=True, config=STRICT, kw_only=True)
class NetworkSettings(Network):
    """Latencies in seconds, sizes in bytes, bandwidth in bytes per second; or a law of either time.

    Args:
        uplink: law of a message's seconds in place of ``uplink_latency``; each message has a draw.
        transfer: law of the seconds that a whole gradient takes in place of ``message_bytes`` and
            ``bandwidth``; a message of a share of a gradient takes that share of its draw.
    """

    uplink: IndependentPart | None = None
    transfer: IndependentPart | None = None


def _network(reader: Reader, value: Any) -> NetworkSettings:
    built: NetworkSettings = reader.build(NetworkSettings, value)
    if value == {}:
        raise fault([], value, "delays nothing: must say something, or be left out")
    instead = {"uplink_latency": "uplink", "bandwidth": "transfer", "message_bytes": "transfer"}
    for name, law in instead.items():
        if getattr(built, law) is not None and (constant := getattr(built, name)):
            raise fault([name], constant, f"must be left out beside {law}")
    if built.channels is not None and built.bandwidth is None and built.transfer is None:
        raise fault(["channels"], built.channels, "needs a bandwidth, in bytes per s, or transfer")
    return built


def _failures_of(reader: Reader, value: Any) -> FailureSettings:
    built: FailureSettings = reader.build(FailureSettings, value)
    if value == {}:
        raise fault([], value, "lets nothing fail: must say something, or be left out")
    return built


_failures = _by(_failures_of)


class Settings(BaseModel):
    """One point of a grid, as objects.

    Args:
        name: of the run; its results go to ``results/<name>``.
        workers: number of workers n; ``auto``: as many as the trace has columns.
        iterations: number of iterations T.
        replications: independent repetitions R.
        seed: of everything random.
        engine: ``auto`` takes the batch engine wherever it can; ``law`` draws the length of each
            round from its law, for any number of workers: the clock alone.
        record: ``clock`` keeps when each iteration ended, and neither who had arrived nor what the
            workers did: for long runs of many workers.
        policy: what workers do with unfinished work when the next model arrives.
        delay: how long a worker takes.
        load_law: how that grows with its load.
        schemes: what is compared; a list in a field stands for one scheme per value.
        problem: data and loss; ``None``: timing only.
        optimizer: how the model moves.
        network: between the master and its workers; ``None``: messages take no time.
        failures: what goes wrong; ``None``: nothing.
        target_loss: training loss to which time is measured.
        plugins: files or modules whose classes the config can name.
        sweep: values by dotted key; the grid is their product.
    """

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True
    )

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)] = "run"
    workers: Annotated[Count, Le(10**6)]
    iterations: Annotated[Count, Le(10**9)] = 100
    replications: Annotated[Count, Le(2**30)] = 1
    seed: Seed = 0
    engine: Literal["event", "batch", "auto", "law"] = "auto"
    record: Literal["all", "clock"] = "all"
    policy: Policy = Policy.CANCEL
    delay: Annotated[DelayModel, _named("delays")]
    load_law: Annotated[LoadLaw, _named("load_laws")] = Proportional()
    schemes: Annotated[tuple[SchemeEntry, ...], _by(_schemes)]
    problem: Annotated[ProblemConfig, _by(Reader.problem)] | None = None
    optimizer: Annotated[Optimizer, _named("optimizers")] | None = None
    network: Annotated[NetworkSettings, _by(_network)] | None = None
    failures: Annotated[FailureSettings, _failures] | None = None
    target_loss: Annotated[float, BeforeValidator(not_bool), AllowInfNan(False)] | None = None
    plugins: list[str] = []
    sweep: dict[str, list[Any]] = {}

    @property
    def clock_alone(self) -> bool:
        """Whether results are when iterations ended, and nothing else."""
        return self.record == "clock" or self.engine == "law"


FIELDS = tuple(Settings.model_fields)


@cache
def adapter(field: str) -> TypeAdapter[Any]:
    """What reads one field of ``Settings``; made when it is asked for."""
    return TypeAdapter(types_of(Settings)[field])


def validate(document: Mapping[str, Any], catalogue: Catalogue = BUILT_IN) -> Settings:
    """Read a whole config; a grid's base may be none. Raises ConfigError: a bad key or value."""
    with located(""):
        require_known(document, FIELDS)
        for name, value in document.items():
            refuse_underscores(value, types_of(Settings)[name], [name])
        reader = Reader(catalogue, document.get("workers"))
        return Settings.model_validate(dict(document), context=reader)


def section(name: str, value: Any, catalogue: Catalogue = BUILT_IN, workers: Any = None) -> Any:
    """Read one setting; schemes can have counts that follow ``workers``. Raises ConfigError."""
    with located(name):
        refuse_underscores(value, types_of(Settings)[name], [])
        return adapter(name).validate_python(value, context=Reader(catalogue, workers))
