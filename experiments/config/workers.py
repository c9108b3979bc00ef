"""``workers: auto``: as many as the delays have columns."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from .catalogue import Catalogue
from .document import set_dotted
from .errors import at
from .settings import section

AUTO = "auto"


def counted(
    document: Mapping[str, Any], sweep: Mapping[str, list[Any]], catalogue: Catalogue
) -> dict[str, Any]:
    """The document with the number of workers that its delays have, where it says ``auto``.

    Where delays are swept, those of the first point count.

    Raises:
        ConfigError: the delays cannot be read, or serve any number of workers.
    """
    if document.get("workers") != AUTO:
        return dict(document)
    part = {"delay": copy.deepcopy(document.get("delay"))}
    for key, values in sweep.items():
        if key.split(".")[0] == "delay":
            set_dotted(part, key, copy.deepcopy(values[0]))
    number = section("delay", part["delay"], catalogue).workers_available()
    if number is None:
        valid = "these delays serve any number of workers; must be a whole number >= 1"
        raise at("workers", AUTO, valid)
    return {**document, "workers": number}
