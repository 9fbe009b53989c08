"""Errors of a model's own functions, as one sentence: what was expected, what was received, where to mend it."""

import contextlib
import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from nightlite.errors import ModelDeclarationError, NightliteError
from nightlite.own_code import line_of
from nightlite.paths import SOURCES


def function(declared: str, field: str, parameters: int) -> Callable[..., Any]:
    """Return the function that a declaration names.

    Args:
      declared: `package.module.function` or `module:function`.
      field: of the declaration, for the message.
      parameters: the number of arguments that it is called with.

    Raises:
      ModelDeclarationError: it cannot be imported, or takes other arguments.
    """
    module, _, name = declared.replace(":", ".").rpartition(".")
    with blamed(f"{field}={declared!r}", "the name of a function that can be imported"):
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    if not callable(found):
        raise ModelDeclarationError(f"{field}={declared!r}: expected a function. Received: {type(found).__name__}")
    signature = inspect.signature(found)
    try:
        signature.bind(*[None] * parameters)
    except TypeError:
        arguments = "one argument" if parameters == 1 else f"{parameters} arguments"
        raise ModelDeclarationError(
            f"{field}={declared!r}: expected a function of {arguments}. Received: {name}{signature}; "
            f"mend {_place(found)}"
        ) from None
    return found


@contextlib.contextmanager
def blamed(subject: str, expected: str, hint: str = "") -> Iterator[None]:
    """Raise any error of the block as a sentence about the subject. The library's own are sentences already.

    Args:
      hint: ends the sentence.

    Raises:
      ModelDeclarationError: the block failed.
    """
    try:
        yield
    except NightliteError:
        raise
    except Exception as error:  # a user's code may raise anything
        lines = str(error).strip().splitlines() or ["no message"]
        raise ModelDeclarationError(
            f"{subject}: expected {expected}. Received: {type(error).__name__}: {lines[0]}{_where(error)}{hint}"
        ) from error


def _where(error: Exception) -> str:
    place = line_of(error, SOURCES / "models")
    return f"; mend {place}" if place else ""


def _place(found: Callable[..., Any]) -> str:
    code = inspect.unwrap(found).__code__
    return f"{code.co_filename}, line {code.co_firstlineno}"
