"""The models of this deployment, found by their folders: `models/NAME/on_device.py` holds MODEL, whose name is NAME."""

import functools
import importlib
import reprlib
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from nightlite.did_you_mean import did_you_mean
from nightlite.errors import SettingsError, UsageError
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.settings import enabled_variable, is_enabled
from nightlite.own_code import line_of
from nightlite.paths import IS_CHECKOUT, SOURCES
from nightlite.settings import expected

_DECLARATION = "on_device"
_FOLDER = SOURCES / "models"


def models() -> dict[str, OnDeviceModel]:
    """Return the enabled models by their names, in the names' order.

    Raises:
      SettingsError: there is none, or a declaration cannot be used.
    """
    return {name: declared(name) for name in _enabled()}


def all_models() -> dict[str, OnDeviceModel]:
    """Return every declared model by its name, those that are switched off, too.

    Raises:
      SettingsError: a declaration cannot be used.
    """
    return {name: declared(name) for name in names()}


def model_named(name: str | None = None) -> OnDeviceModel:
    """Return the enabled model of that name. Without a name, return the only one.

    No other model is imported, so one that is broken harms no other.

    Raises:
      UsageError: there is no such model, or several and no name.
      SettingsError: there is none at all, or its declaration cannot be used.
    """
    if name in names() and is_enabled(name):
        return declared(name)
    enabled = _enabled()
    if name is None and len(enabled) > 1:
        raise UsageError(
            f"expected --model NAME, because this deployment has {len(enabled)} models ({', '.join(enabled)}). "
            "Received: none"
        )
    if name is None:
        return declared(enabled[0])
    if name in names():
        raise UsageError(
            f"--model: expected a model that is switched on ({', '.join(enabled)}). "
            f"Received: {name}, which {enabled_variable(name)}=false switches off"
        )
    raise UsageError(
        f"{did_you_mean([name], enabled)}--model: expected a model of this deployment ({', '.join(enabled)}). "
        f"Received: {name!r}"
    )


def first_model(name: str | None = None) -> OnDeviceModel:
    """Return the enabled model of that name. Without a name, return the first one.

    Raises:
      UsageError, SettingsError: as `model_named`.
    """
    return model_named(name or _enabled()[0])


def names() -> list[str]:
    """Return the names of all declared models, without importing any."""
    return sorted(file.parent.name for file in _FOLDER.glob(f"*/{_DECLARATION}.py"))


def _enabled() -> list[str]:
    found = names()
    enabled = [name for name in found if is_enabled(name)]
    if not found:
        raise SettingsError(
            f"expected a model, a folder of {_FOLDER} with a file {_DECLARATION}.py. Received: none"
            f"{'' if IS_CHECKOUT else '. The runner needs none: see nightlite --help'}"
        )
    if not enabled:
        raise SettingsError(
            f"expected a model that is switched on. Received: {_variables(found)}; remove one of these settings"
        )
    return enabled


def _variables(found: Iterable[str]) -> str:
    return ", ".join(f"{enabled_variable(name)}=false" for name in found)


@functools.cache
def declared(name: str) -> OnDeviceModel:
    """Return the declaration of one model.

    Raises:
      SettingsError: it cannot be imported, is no OnDeviceModel, or has another name than its folder.
    """
    file = f"models/{name}/{_DECLARATION}.py"
    try:
        found = importlib.import_module(f"models.{name}.{_DECLARATION}").MODEL
    except ValidationError as error:
        raise SettingsError(f"{file}: {_of_fields(error)}{_to_mend(error)}") from error
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise SettingsError(
            f"{file}: expected a module that declares MODEL. Received: {reason}{_to_mend(error)}"
        ) from error
    if not isinstance(found, OnDeviceModel):
        raise SettingsError(f"models/{name}: expected MODEL to be an OnDeviceModel. Received: {found!r}")
    if found.name != name:
        raise SettingsError(f"models/{name}: expected a MODEL of its folder's name. Received: {found.name!r}")
    return found


def _to_mend(error: Exception) -> str:
    place = line_of(error, _FOLDER)
    return f"; mend {place}" if place else ""


def _of_fields(error: ValidationError) -> str:
    """Return all that is wrong with the fields of a declaration, such as "limits: expected a text. Received: none"."""
    return "; ".join(_of_field(error.title, dict(item)) for item in error.errors())


def _of_field(title: str, error: dict[str, Any]) -> str:
    if error["type"] == "value_error" and "Received" in error["msg"]:
        return expected(error)  # a sentence of ours
    loc = [str(part) for part in error["loc"]]
    field = ".".join(loc if title == OnDeviceModel.__name__ else [title, *loc])
    is_none = error["type"] == "missing" or error["input"] is None
    return f"{field}: {expected(error)}. Received: {'none' if is_none else reprlib.repr(error['input'])}"
