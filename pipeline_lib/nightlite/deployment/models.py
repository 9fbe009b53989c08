"""The models of this deployment, found by their folders: `models/NAME/on_device.py` holds MODEL."""

import functools
import importlib

from nightlite.errors import SettingsError
from nightlite.ondevice.model import OnDeviceModel
from nightlite.paths import SOURCES

_DECLARATION = "on_device"


@functools.cache
def the_model() -> OnDeviceModel:
    """Return the one model of this deployment.

    Raises:
      SettingsError: there is none, or more than one.
    """
    folders = sorted(file.parent.name for file in (SOURCES / "models").glob(f"*/{_DECLARATION}.py"))
    if len(folders) != 1:
        raise SettingsError(
            f"expected one model, a folder of {SOURCES / 'models'} with a file {_DECLARATION}.py. "
            f"Received: {', '.join(folders) or 'none'}"
        )
    found = importlib.import_module(f"models.{folders[0]}.{_DECLARATION}").MODEL
    if not isinstance(found, OnDeviceModel):
        raise SettingsError(f"models/{folders[0]}: expected MODEL to be an OnDeviceModel. Received: {found!r}")
    return found
