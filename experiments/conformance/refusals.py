"""Whoever refuses a number names one that is accepted."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from ...sim.errors import InvalidParameter
from ...sim.schemes import SchemeFamily
from .subject import Subject, require

CLUSTERS = (*range(1, 34), 64)
"""Numbers of workers that the family is built for as it is."""


def check_refusals(subject: Subject) -> str:
    """Each refusal names a field of the family, in one line, and for a number one that works.

    The family is built for 1 to 33 and 64 workers, and with other whole numbers in each of its
    fields. A refusal of a number has ``nearest``: its message shows these values, and with them the
    family is built, or refused for another field, which then names a value in turn. No whole number
    that is nearer is accepted.
    """
    refused = {}
    for family, workers in _variations(subject):
        error = _refusal(family, workers)
        if error is not None:
            _named(family, workers, error)
            refused[error.field] = str(error)
    return f"refusals of {', '.join(refused)} name what is accepted" if refused else ""


def _variations(subject: Subject) -> Iterator[tuple[SchemeFamily, int]]:
    n, family = subject.workers, subject.family
    for workers in (*CLUSTERS, n):
        yield family, workers
    for field in dataclasses.fields(family):  # type: ignore[arg-type]
        given = getattr(family, field.name)
        if isinstance(given, int) and not isinstance(given, bool):
            for value in sorted({1, 2, 3, 4, 5, 7, n - 1, n, n + 1, 3 * n}):
                try:
                    yield dataclasses.replace(family, **{field.name: value}), n  # type: ignore[type-var]
                except ValidationError:
                    continue


def _refusal(family: SchemeFamily, workers: int) -> InvalidParameter | None:
    try:
        family.build(workers)
    except InvalidParameter as error:
        return error
    return None


def _named(family: SchemeFamily, workers: int, error: InvalidParameter) -> None:
    """Follow the named values to a family that is accepted."""
    seen: set[str] = set()
    while True:
        where = f"refuses {error.field} = {error.value!r} with {workers} workers"
        fields = {field.name for field in dataclasses.fields(family)}  # type: ignore[arg-type]
        text = f"{where}; it has no field {error.field}"
        require(error.field.partition(".")[0] in fields, text)
        require("\n" not in str(error), f"{where} in more than one line")
        number = isinstance(error.value, int | float) and not isinstance(error.value, bool)
        if not error.nearest:
            require(not number, f"{where} and names no value that works: give nearest")
            return
        if "." in error.field:  # a part of another field
            return
        require(error.field not in seen, f"{where} again, with the value that it has named")
        seen.add(error.field)
        for name, value in error.nearest.items():
            shown = re.search(rf"(?<![\w.]){re.escape(_written(value))}(?![\w.]*\w)", error.valid)
            require(shown, f"{where}; its message does not name {name} = {_written(value)}")
        _nearer(family, workers, error, where)
        nearest = dict(error.nearest)
        workers = nearest.pop("workers", workers)
        family = dataclasses.replace(family, **nearest)  # type: ignore[type-var]
        found = _refusal(family, workers)
        if found is None:
            return
        error = found


def _nearer(family: SchemeFamily, workers: int, error: InvalidParameter, where: str) -> None:
    """No whole number between the refused and the named one is accepted."""
    value, named = error.value, error.nearest.get(error.field)
    if "workers" in error.nearest or not isinstance(value, int) or not isinstance(named, int):
        return
    for other in range(value - abs(named - value) + 1, value + abs(named - value)):
        try:
            near = dataclasses.replace(family, **{error.field: other})  # type: ignore[type-var]
        except ValidationError:
            continue
        found = _refusal(near, workers)
        nearer = found is None or found.field != error.field
        require(not nearer, f"{where} and names {named}; {other} is nearer and accepted")


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
