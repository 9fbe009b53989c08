"""All checks of a model, in the order in which a newcomer can mend what they find."""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

from nightlite import native_log
from nightlite.ondevice.in_tfx.model_check import conversion, declaration, sample, training
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.quantization import Quantization
from nightlite.runner.in_tfx.beam import memo


def check_model(model: OnDeviceModel, data_dir: Path, others: Iterable[OnDeviceModel] = ()) -> Iterator[str]:
    """Check a model on a small part of its data. Yield a line after each check that passed.

    Nothing is kept: spans, files and logs are made in a temporary folder.

    Args:
      data_dir: its folder of spans. Without a span, the usual source is read.
      others: models whose texts it must not have.

    Raises:
      ModelDeclarationError: the declaration, or a function that it names, is not as expected.
      DataError: its data is not as declared.
      ModelFileError: a converted file is not fit to ship.
    """
    yield declaration.check_texts(model)
    yield declaration.check_own_texts(model, others)
    yield declaration.check_features(model)
    yield declaration.check_functions(model)
    yield declaration.check_parameters(model)
    with tempfile.TemporaryDirectory(prefix="check-model-") as name:
        folder = Path(name)
        with _silent():
            some = sample.take(model, data_dir, folder)
        yield f"data: {some.origin}"
        memo.install()  # Beam looks at each function once
        with _silent():
            training.transform(model, some, folder)
        yield "Transform: the features of each example"
        with _silent():
            saved = training.train(model, some.files, folder)
            said = training.check_signatures(model, saved, some)
        yield said
        for quantization in get_args(Quantization):
            with _silent():
                said = conversion.check_conversion(model, saved, quantization, some, folder)
            yield said


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep the functions' own progress off the list of checks."""
    with native_log.muted(), open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield
