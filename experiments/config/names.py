"""What a person reads in place of a scheme's label: in tables, messages, pictures and reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cells import Cell

# of schemes whose title is not their name with blanks
TITLES = {
    "multi_message": "multi-message",
    "erasurehead": "ErasureHead",
    "mindflayer": "MindFlayer",
    "local_sgd": "local SGD",
    "cyclic_mds": "cyclic MDS",
    "generalized_fractional_repetition": "generalized repetition",
    "heterogeneity_aware": "heterogeneity-aware",
    "communication_efficient": "communication-efficient",
    "bernoulli": "Bernoulli",
    "matrix": "own matrix",
    "k_async": "K-async",
    "k_batch_async": "K-batch-async",
    "k_batch_sync": "K-batch-sync",
    "ssp": "SSP",
    "rennala": "Rennala",
    "ringmaster": "Ringmaster",
    "ringleader": "Ringleader",
    "malenia": "Malenia",
}


def scheme_title(scheme: str) -> str:
    """A scheme's name for people: ``fractional repetition``."""
    return TITLES.get(scheme, scheme.replace("_", " "))


# how a field stands beside a scheme's name; others by their own names
FIELD_FORMATS = {
    "load": "d = {}",
    "degree": "d = {}",
    "wait_for": "r = {}",
    "tolerance": "μ = {}",
    "kappa": "κ = {}",
    "patience": "τ = {} s",
    "trials": "B = {}",
    "stragglers": "λ = {}",
    "cut": "cut: {}",
    "assignment": "{}",
    "rescale": "rescaled",
}


def field_as_read(key: str, value: object) -> str:
    """A field as a person reads it: ``d = 3``."""
    value = f"{value:g}" if isinstance(value, float) else value
    return FIELD_FORMATS.get(key, f"{key.replace('_', ' ')} = {{}}").format(value)


def shown_name(label: str, scheme: str) -> str:
    """A scheme as a person reads it: ``ErasureHead (d = 3, r = 6)`` of the label that the config
    makes of its fields; a label that somebody gave stays."""
    first, *fields = re.split(r"(?<!,) (?=\w+[=(])", label)
    if first != scheme:
        return label
    shown = [
        re.sub(r"[=(_]", lambda sign: {"=": " = ", "(": " (", "_": " "}[sign[0]], own)
        if "(" in own
        else field_as_read(*own.split("=", 1))
        for own in fields
    ]
    title = scheme_title(scheme)
    return f"{title} ({', '.join(shown)})" if shown else title


def shown_in(row: Mapping[Any, Any]) -> str:
    """The same of a row of a table with the columns ``label`` and ``scheme``."""
    return shown_name(str(row["label"]), str(row["scheme"]))


def shown_cell(cell: Cell) -> str:
    """The same of a cell's scheme."""
    return shown_name(cell.label, str(cell.scheme["name"]))


def shown_point(cell: Cell) -> str:
    """The same with the point of the grid: ``uncoded [workers=12]``."""
    return shown_cell(cell) + cell.named.removeprefix(cell.label)
