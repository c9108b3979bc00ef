"""What a framework must give of a user's model, and how its file's mistakes are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ...base.errors import InvalidParameter
from ...base.types import FloatArray


class Functions(Protocol):
    """A model as plain functions of M models ``(M, P)`` and m rows."""

    parameters: int  # P
    judges: bool  # whether ``scored`` says how many rows are right
    good: bool = False  # whether it was tried, and can be trained

    def start(self, seed: int) -> FloatArray:
        """``(P,)`` parameters."""

    def scored(self, models: FloatArray, X: FloatArray, y: Any) -> FloatArray:
        """Summed losses of the rows, and how many are right or NaN: ``(2, M)``."""

    def gradients(
        self, models: FloatArray, X: FloatArray, y: Any, w: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Summed losses ``(M,)``, and gradients ``(M, P)`` of the losses weighted by ``w``, ``(M,
        m)``."""

    def tried(self, model: FloatArray, X: FloatArray, y: Any) -> tuple[float, FloatArray]:
        """The summed loss and gradient of one model ``(P,)``, each time from the functions anew."""


def called(path: str, function: str, of: Callable[..., Any], *given: Any) -> Any:
    """What a function of the file returns. Raises InvalidParameter: it raised something."""
    try:
        return of(*given)
    except InvalidParameter:
        raise
    except Exception as error:
        if type(error).__name__ == "TracerArrayConversionError":
            text = f"{function} computes with NumPy, which JAX cannot differentiate"
            raise wrong(path, f"{text}; write it with jax.numpy") from None
        first = str(error).strip().partition("\n")[0]
        raise wrong(path, f"{function} raises {type(error).__name__}: {first}") from None


def wrong(path: str, defect: str) -> InvalidParameter:
    """The error of a file that cannot be used."""
    return InvalidParameter("model", Path(path).name, defect)
