"""Fixtures and hooks that the tests of both environments share."""

import gc
import os

# No settings.env of the person who runs the tests.
os.environ["MNIST_LITE_SETTINGS_FILE"] = os.devnull


def pytest_collection_finish() -> None:
    """Take what was imported out of the garbage collector's rounds: TFX is a million objects."""
    gc.collect()
    gc.freeze()
