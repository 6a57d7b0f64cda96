"""Check the kinds of the arguments of public functions."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from functools import wraps
from numbers import Integral, Real
from typing import Any, ParamSpec, TypeVar

from probing_core.errors import BadConfig

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Kind:
    """A kind of argument.

    Attributes:
        description: phrase that follows "must be".
        accepts: function that returns whether a value is of this kind.
    """

    description: str
    accepts: Callable[[Any], bool]


def _is_several(value: Any) -> bool:
    # The order of a set is arbitrary. NumPy arrays without axes have `__iter__`, but cannot be iterated.
    unordered = isinstance(value, bytes | Set | Mapping)
    return isinstance(value, Iterable) and not unordered and getattr(value, "ndim", 1) > 0


def _is_path(value: Any) -> bool:
    return isinstance(value, str | os.PathLike)


TEXT = Kind("a string", lambda value: isinstance(value, str))
PATH = Kind("a path", _is_path)
RUN = Kind("a run or the path of its folder", lambda value: _is_path(value) or hasattr(value, "store"))
COMPARABLE = Kind("the name of a model, a run or a path", RUN.accepts)
NAMES = Kind("a string or a sequence of strings", _is_several)
MODELS = Kind("a name, or a sequence of names or loaded models", _is_several)
NUMBER = Kind("a number", lambda value: isinstance(value, Real) and not isinstance(value, bool))
INTEGER = Kind("an integer", lambda value: isinstance(value, Integral) and not isinstance(value, bool))


def checked(**kinds: Kind) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Return a decorator that checks arguments by name before a function is called. Default values are accepted.

    The decorated function raises `BadConfig` if an argument is of the wrong kind.

    Examples:
        >>> @checked(models=NAMES)
        ... def count(models=None):
        ...     return len(models or ())
        >>> count(["a"])
        1
    """

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        parameters = inspect.signature(function).parameters

        @wraps(function)
        def checking(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            for name, value in {**dict(zip(parameters, args, strict=False)), **kwargs}.items():
                kind = kinds.get(name)
                if kind and value is not parameters[name].default and not kind.accepts(value):
                    raise BadConfig(f"{name} must be {kind.description}; got {type(value).__name__}.")
            return function(*args, **kwargs)

        return checking

    return decorate
