"""From a config document to cells: the smallest things that are run.

A *cell* is one scheme at one point of the sweep's grid. Its bytes in the results depend on its
own settings alone, and its hash names them.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import AllowInfNan, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from experiments.config import identity, resolve
from experiments.config.document import set_dotted
from experiments.config.errors import at, from_validation
from experiments.config.identity import Input, Inputs
from experiments.config.resolve import Section
from sim.engines.policy import Policy
from sim.schemes.fields import not_bool

MOST_POINTS = 100_000
"""Points of a grid; more is a slip of the pen."""

Count = Annotated[int, BeforeValidator(not_bool), Ge(1)]


class Settings(BaseModel):
    """One point of the grid: a whole config whose sections are still plain mappings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "run"
    workers: Count
    iterations: Count = 100
    replications: Annotated[Count, Le(2**30)] = 1
    seed: Annotated[int, BeforeValidator(not_bool), Ge(0)] = 0
    engine: Literal["event", "batch", "auto"] = "auto"
    policy: Policy = Policy.CANCEL
    delay: Section
    load_law: Section = {"kind": "proportional"}
    schemes: Annotated[list[Section], Field(min_length=1)]
    problem: Section | None = None
    optimizer: Section | None = None
    network: Section | None = None
    failures: Section | None = None
    target_loss: Annotated[float, BeforeValidator(not_bool), AllowInfNan(False)] | None = None
    sweep: dict[str, list[Any]] = {}


class Cell(BaseModel):
    """One scheme at one point of the grid.

    Attributes:
        settings: the point, with ``schemes`` holding this cell's scheme alone.
        label: how tables and pictures name the scheme.
        swept: the grid's keys and this point's values, which become columns.
        point: index of the point in the grid; its cells read the same tapes.
        key: hash of everything that the cell's numbers depend on.
        inputs: the files among these.
    """

    model_config = ConfigDict(frozen=True)

    settings: Settings
    label: str
    swept: dict[str, Any]
    point: int
    key: str
    inputs: tuple[Input, ...] = ()

    @property
    def scheme(self) -> Section:
        """The scheme's section."""
        return self.settings.schemes[0]


def cells(document: Mapping[str, Any], data_dir: Path | None = None) -> list[Cell]:
    """Expand a config into its cells: the sweep's grid times the schemes, in order.

    Args:
        document: the config.
        data_dir: where the public data sets lie; what a cell reads is part of its key.

    Raises:
        ConfigError: an unknown key, a wrong type, or two schemes with one label.
    """
    base = validate(document)
    inputs = Inputs(data_dir)
    return [
        cell
        for index, (swept, point) in enumerate(_grid(document, base.sweep))
        for cell in _cells_of_point(validate(point), swept, index, inputs)
    ]


def validate(document: Mapping[str, Any]) -> Settings:
    """Check a document's own keys and write out every default.

    Raises:
        ConfigError: an unknown key or a wrong type.
    """
    try:
        settings = Settings.model_validate(dict(document))
    except ValidationError as error:
        raise from_validation(error, "", Settings.model_fields) from None
    return settings.model_copy(
        update={
            "delay": resolve.delay(settings.delay),
            "load_law": resolve.load_law(settings.load_law),
            "schemes": [resolve.scheme(section) for section in settings.schemes],
            "problem": resolve.problem(settings.problem),
            "optimizer": resolve.optimizer(settings.optimizer),
        }
    )


def _grid(
    document: Mapping[str, Any], sweep: Mapping[str, list[Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for key, values in sweep.items():
        if not values:
            raise at(f"sweep.{key}", values, "must list at least one value")
    points = math.prod(len(values) for values in sweep.values())
    if points > MOST_POINTS:
        raise at("sweep", points, f"must have at most {MOST_POINTS} points")
    for combination in itertools.product(*sweep.values()):
        swept = dict(zip(sweep, combination, strict=True))
        point = copy.deepcopy(dict(document))
        for key, value in swept.items():
            set_dotted(point, key, value)
        yield swept, point


def _cells_of_point(
    settings: Settings, swept: dict[str, Any], index: int, inputs: Inputs
) -> Iterator[Cell]:
    singles = [single for section in settings.schemes for single in _singles(section)]
    labels = [resolve.label(section) for section, _ in singles]
    for (section, fields), label in zip(singles, labels, strict=True):
        if labels.count(label) > 1:
            raise at("schemes", label, "appears twice; give each its own label")
        point = settings.model_copy(update={"schemes": [section], "sweep": {}})
        facts = point.model_dump(mode="json", exclude={"name", "sweep", "schemes"})
        facts["scheme"] = {k: v for k, v in section.items() if k != "label"}
        files = inputs.of(facts)
        yield Cell(
            settings=point,
            label=label,
            swept=swept | fields,
            point=index,
            key=identity.key(facts, files),
            inputs=files,
        )


def _singles(section: Section) -> Iterator[tuple[Section, dict[str, Any]]]:
    """A list-valued scheme field stands for one scheme per value, and becomes a swept key."""
    lists = {key: value for key, value in section.items() if isinstance(value, list)}
    for key, values in lists.items():
        place = f"schemes.{section.get('name')}.{key}"
        if key in ("name", "label"):
            raise at(f"schemes.{key}", values, "must be one; write an entry for each scheme")
        if not values:
            raise at(place, values, "must list at least one value")
    for combination in itertools.product(*lists.values()):
        fields = dict(zip(lists, combination, strict=True))
        yield section | fields, {f"scheme.{key}": value for key, value in fields.items()}
