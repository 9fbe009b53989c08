"""Fixtures and hooks that the tests of both environments share."""

import gc
import os

# As a process of an Airflow that is started: no settings.env of the person who runs the tests.
os.environ["MNIST_LITE_STACK"] = "the tests"


def pytest_collection_finish() -> None:
    """Take what was imported out of the garbage collector's rounds: TFX is a million objects."""
    gc.collect()
    gc.freeze()
