"""A deployment that declares other models than this checkout."""

import contextlib
from collections.abc import Iterator, Mapping

import pytest

from nightlite.deployment import models
from nightlite.ondevice.model import OnDeviceModel


@contextlib.contextmanager
def declared_models(found: Mapping[str, OnDeviceModel]) -> Iterator[None]:
    """Take these as the models that the folders declare."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "names", lambda: sorted(found))
        patch.setattr(models, "declared", found.__getitem__)
        yield
