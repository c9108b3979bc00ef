"""What users call: how its errors look."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import isfunction
from typing import Any, TypeVar, cast

from erasurehead.sim.base.errors import ConfigError, Dialect

Face = TypeVar("Face", bound=Callable[..., Any])


def face(call: Face) -> Face:
    """A function or a class of which a ``ConfigError`` shows who calls it and one line of ours, in
    which options are arguments of Python."""
    if isinstance(call, type):
        for name, own in [*vars(call).items()]:
            if isinstance(own, property):
                setattr(call, name, property(face(own.fget or call)))
            elif isfunction(own) and not name.startswith("_"):
                setattr(call, name, face(own))
        return call

    @wraps(call)
    def plain(*given: Any, **named: Any) -> Any:
        try:
            return call(*given, **named)
        except ConfigError as error:
            error.dialect = Dialect.PYTHON
            raise error.with_traceback(None) from None

    return cast("Face", plain)
