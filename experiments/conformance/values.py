"""Engines, processes and tables share schemes: nobody can change one, and all can travel."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

from .subject import Subject, require


def check_values(subject: Subject) -> str:
    """Family, scheme and its parts are frozen, have a hash, and come back from a pickle."""
    scheme, family = subject.scheme, subject.family
    require(family.name == scheme.name, f"the scheme is called {scheme.name}, not {family.name}")
    parts: list[Any] = [family, scheme]
    if (fixed := subject.fixed) is not None:
        parts += [fixed.assignment, fixed.stopping, fixed.decoder]
    for part in parts:
        kind = type(part).__name__
        hash(part)
        require(_frozen(part), f"{kind} can be changed; make it a frozen dataclass")
        require(type(pickle.loads(pickle.dumps(part))) is type(part), f"{kind} cannot be pickled")
    require(pickle.loads(pickle.dumps(family)) == family, "a pickled family is another one")
    travelled = pickle.loads(pickle.dumps(scheme))
    require(travelled.workers == subject.workers, f"has {scheme.workers} workers when pickled")
    require(scheme.updates(7) >= 7, "fewer updates than iterations")
    return "frozen values"


def _frozen(part: Any) -> bool:
    try:
        part.anything = 1
    except dataclasses.FrozenInstanceError:
        return True
    return False
