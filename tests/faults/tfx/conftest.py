"""One run of the real pipeline on few digits, for all the faults that come after it."""

from pathlib import Path

import pytest

from pipeline_lib.mnist.dataset import Dataset, Split
from pipeline_lib.mnist.sources import load_digits
from pipeline_lib.mnist.spans import write_span
from pipeline_lib.settings import Settings
from pipeline_lib.tfx.compile import mnist_tflite
from tests.tfx.gate_laboratory import Laboratory, Run


def few_digits(train: int = 300, evaluation: int = 100) -> Dataset:
    digits = load_digits()
    return Dataset(
        "a few digits",
        Split(digits.train.images[:train], digits.train.labels[:train]),
        Split(digits.eval.images[:evaluation], digits.eval.labels[:evaluation]),
    )


def new_laboratory(folder: Path, dataset: Dataset) -> Laboratory:
    settings = Settings(var_dir=folder)
    write_span(dataset, settings.data_dir)
    return Laboratory(settings, mnist_tflite(settings))


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    return new_laboratory(tmp_path_factory.mktemp("laboratory"), few_digits())


@pytest.fixture(scope="session")
def good(laboratory: Laboratory) -> Run:
    """A whole run with nothing wrong in it, released."""
    run = laboratory.run("good", epochs=2)
    assert run["Pusher.mnist_lite"].pushed
    return run
