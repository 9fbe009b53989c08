"""Functions that return a pipeline, named `module:function`, and their arguments from a command line.

Importing this is cheap: a wrong name is refused before TFX is imported.
"""

import ast
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from nightlite.did_you_mean import did_you_mean
from nightlite.errors import UsageError

_STANDARD_LIBRARY = os.path.dirname(os.__file__)
_KEYWORDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def check(name: str) -> None:
    """Refuse a function whose module is not there, or is not Python, without importing anything.

    Raises:
      UsageError: as said.
    """
    module, _ = _parts(name)
    _import_from_here()
    try:
        file = _file_of(module)
        if file and file.suffix == ".py":
            ast.parse(file.read_bytes(), str(file))
    except (ModuleNotFoundError, SyntaxError) as error:
        raise UsageError(_cannot_import(module, error)) from None
    except (KeyError, ValueError, OSError):  # only an import can tell
        return


def load(name: str) -> Callable[..., Any]:
    """Return the function that `module:function` names. The working directory is importable.

    Raises:
      UsageError: there is none.
    """
    module_name, function_name = _parts(name)
    _import_from_here()
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UsageError(_cannot_import(module_name, error)) from None
    function = getattr(module, function_name, None)
    if not callable(function):
        offered = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise UsageError(
            f"{did_you_mean([function_name], offered)}Expected a function of {module_name}. Received: {function_name}"
        )
    return function  # type: ignore[no-any-return]


def _parts(name: str) -> tuple[str, str]:
    module, _, function = name.partition(":")
    if module.endswith(".py") or "/" in module:
        words = os.path.relpath(module).removesuffix(".py").split("/")
        advice = f"write {'.'.join(words)}:{function or 'FUNCTION'}" if ".." not in words else "go to its folder"
        raise UsageError(f"expected MODULE:FUNCTION, not a file. Received: {name!r}; {advice}")
    if not module or not function:
        raise UsageError(f"expected MODULE:FUNCTION, such as shop.pipeline:create_pipeline. Received: {name!r}")
    return module, function


def _import_from_here() -> None:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def _file_of(module: str) -> Path | None:
    """Return a module's file, or None of one that has none. A package around it is not imported."""
    name, within = "", None
    for part in module.split("."):
        name = f"{name}.{part}".lstrip(".")
        found = (finder.find_spec(name, within) for finder in sys.meta_path)
        spec = next((one for one in found if one), None)
        if not spec:
            raise ModuleNotFoundError(f"No module named {name!r}")
        within = list(spec.submodule_search_locations or ())
    return Path(spec.origin) if spec and spec.origin else None


def _cannot_import(module: str, error: Exception) -> str:
    return f"cannot import {module} from {os.getcwd()}: {_in_words(error)}"


def call(function: Callable[..., Any], name: str, texts: Sequence[str]) -> Any:
    """Return what the function returns for arguments `NAME=VALUE`, each converted to its annotation.

    Raises:
      UsageError: an argument is missing, unknown or of another type, or the function raises.
    """
    arguments = _arguments(inspect.signature(function, eval_str=True), name, texts)
    try:
        return function(**arguments)
    except Exception as error:
        raise UsageError(f"{name} raised {_in_words(error)}") from None


def _arguments(signature: inspect.Signature, name: str, texts: Sequence[str]) -> dict[str, Any]:
    known = {key: item for key, item in signature.parameters.items() if item.kind in _KEYWORDS}
    takes_any = any(item.kind is inspect.Parameter.VAR_KEYWORD for item in signature.parameters.values())
    given: dict[str, Any] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator:
            raise UsageError(f"--arg: expected NAME=VALUE. Received: {text!r}")
        if key not in known and not takes_any:
            raise UsageError(
                f"--arg: {did_you_mean([key], known)}Expected arguments of {name} ({', '.join(known) or 'none'}). "
                f"Received: {key}"
            )
        given[key] = _value(known, key, value)
    if missing := [key for key, item in known.items() if item.default is item.empty and key not in given]:
        options = " ".join(f"--arg {key}=…" for key in missing)
        raise UsageError(f"{name}: expected a value of {', '.join(missing)}. Received: none: add {options}")
    return given


def _value(known: Mapping[str, inspect.Parameter], key: str, text: str) -> Any:
    kind = _kind(known[key]) if key in known else str
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
    except PydanticUserError:
        raise UsageError(f"--arg {key}: expected a type that a text can be converted to. Received: {kind}") from None
    try:
        return adapter.validate_strings(text)
    except ValidationError as error:
        try:
            return adapter.validate_json(text)
        except ValidationError:
            reason = error.errors()[0]["msg"]
            raise UsageError(f"--arg {key}: expected {_name(kind)} ({reason}). Received: {text!r}") from None


def _kind(parameter: inspect.Parameter) -> Any:
    if parameter.annotation is not parameter.empty:
        return parameter.annotation
    return str if parameter.default in (None, parameter.empty) else type(parameter.default)


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _in_words(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    where = next((frame for frame in reversed(frames) if _is_the_users(frame.filename)), None)
    first = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first}" + (f" ({where.filename}, line {where.lineno})" if where else "")


def _is_the_users(file: str) -> bool:
    not_theirs = (f"{_STANDARD_LIBRARY}{os.sep}", "<frozen ")
    return file != __file__ and "site-packages" not in file and not file.startswith(not_theirs)
