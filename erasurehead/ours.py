"""Are the packages that Python finds under our names really ours?

``sim``, ``delay_models`` and ``experiments`` are common names. Whoever has a ``sim.py`` beside his
script shadows ours, and the error that follows ("'sim' is not a package") helps nobody.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]

PACKAGES = ("sim", "delay_models", "experiments")


def shadowed() -> str | None:
    """Which of our packages cannot be reached and why, in one line; ``None`` when all is well."""
    for name in PACKAGES:
        own, found = HOME / name / "__init__.py", _found(name)
        if found is None:
            return f"the package {name} is missing: install erasurehead-simulator again"
        if found.resolve() != own:
            return (
                f"{found} hides the package {name} of erasurehead ({own.parent}): "
                "rename it, or start from another folder"
            )
    return None


def _found(name: str) -> Path | None:
    """Where ``import name`` leads, without importing it."""
    if name in sys.modules:
        file = sys.modules[name].__file__
        return None if file is None else Path(file)
    spec = find_spec(name)
    return None if spec is None or spec.origin is None else Path(spec.origin)


def require_ours() -> None:
    """Stop here if one of our packages is shadowed.

    Raises:
        ImportError: which file is in the way.
        SystemExit: the same as one line on stderr and exit code 2, where this program is our
            command and not somebody's script.
    """
    reason = shadowed()
    if reason is None:
        return
    if _is_our_command(Path(sys.argv[0])):
        print(f"error: {reason}", file=sys.stderr)
        raise SystemExit(2)
    raise ImportError(reason)


def _is_our_command(program: Path) -> bool:
    """The program is called ``-m`` while Python looks for the package of ``-m erasurehead``."""
    return program.stem in ("erasurehead", "-m") or program == HOME / "experiments" / "__main__.py"
