"""Rows to predict: a table without a label, or one row of NAME=VALUE."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nightlite.did_you_mean import did_you_mean
from nightlite.errors import NoSourceError, UsageError
from nightlite.ondevice.in_tfx.ingest.columns import values_of
from nightlite.ondevice.in_tfx.ingest.tables import FORMS, read_features
from nightlite.ondevice.model import Feature


@dataclass(frozen=True)
class Rows:
    """Raw values by the features' names, float32 [n, 1], NaN where missing. `first` is the number of the first row."""

    inputs: dict[str, NDArray[np.float32]]
    first: int


def read(texts: Sequence[str], features: Sequence[Feature]) -> Rows:
    """Return the rows of a file, or the one row that NAME=VALUE describes.

    Args:
      texts: one name of a file, or NAME=VALUE for each feature.

    Raises:
      UsageError: it is neither, or names are unknown, twice there or missing.
      DataError: the file is no table, or a value is malformed.
    """
    if len(texts) == 1 and ("=" not in texts[0] or Path(texts[0]).exists()):
        file = Path(texts[0]).expanduser().absolute()
        if not file.is_file():
            raise NoSourceError(
                f"expected a file that ends in {', '.join(FORMS)}, or NAME=VALUE for each column. "
                f"Received: {texts[0]!r}, no such file"
            )
        return Rows(*read_features(file, features))
    return Rows(_one_row(texts, features), 1)


def _one_row(texts: Sequence[str], features: Sequence[Feature]) -> dict[str, NDArray[np.float32]]:
    names = [feature.tensor.name for feature in features]
    if wrong := [text for text in texts if "=" not in text]:
        raise UsageError(f"expected one file, or NAME=VALUE for each column. Received: {wrong[0]!r}")
    pairs = [text.partition("=")[::2] for text in texts]
    given = dict(pairs)
    if unknown := [name for name in given if name not in names]:
        raise UsageError(f"{did_you_mean(unknown, names)}Expected columns {', '.join(names)}. Received: {unknown[0]!r}")
    if len(given) < len(pairs):
        raise UsageError(f"expected each column once. Received: {', '.join(name for name, _ in pairs)}")
    if missing := [name for name in names if name not in given]:
        raise UsageError(
            f"expected a value for each column. Received: none for {', '.join(missing)}; "
            f"'{missing[0]}=' is a missing value"
        )
    cells = {name: pa.array([text.strip() or None], pa.string()) for name, text in given.items()}
    return {item.tensor.name: values_of(item, cells[item.tensor.name], None, 1) for item in features}
