"""``erasurehead init``: the example configs that come with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from .config.errors import ConfigError, at, one_of

FOLDER = resources.files("erasurehead.experiments") / "configs"
SUFFIX = ".yaml"


def names() -> list[str]:
    """The examples there are."""
    return sorted(
        file.name.removesuffix(SUFFIX) for file in FOLDER.iterdir() if file.name.endswith(SUFFIX)
    )


def write(name: str, folder: Path) -> Path:
    """Copy an example to ``folder``; returns where it is now.

    Raises:
        ConfigError: there is no such example, a file of this name is there already, or it cannot
            be written.
    """
    name = name.removesuffix(SUFFIX)
    if name not in names():
        raise at("example", name, one_of(names(), name))
    path = folder / f"{name}{SUFFIX}"
    try:
        with path.open("xb") as file:
            file.write((FOLDER / path.name).read_bytes())
    except FileExistsError:
        raise ConfigError(f"{path}: exists already, and init overwrites nothing") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None
    return path
