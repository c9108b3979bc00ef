"""The paper's delay analysis and loss-versus-time comparison: one file per figure."""

from __future__ import annotations

from collections.abc import Callable

FIGURES: dict[str, Callable[..., None]] = {}
