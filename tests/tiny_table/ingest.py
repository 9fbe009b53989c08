"""Ingest of scikit-learn's irises, 105 to train on and 45 to evaluate on, or of a table of irises."""

from pathlib import Path

import numpy as np

from nightlite.ondevice.in_tfx.ingest.examples import Split, split_at_random
from nightlite.ondevice.in_tfx.ingest.tables import ingest_table
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.ondevice.spans import Span
from tests.tiny_table.features import FEATURES
from tests.tiny_table.on_device import MODEL


def ingest(source: str, data_dir: Path) -> Span:
    """Write `iris`, a CSV or Parquet file, or a folder of such, as the next span of `data_dir`."""
    if source != "iris":
        return ingest_table(MODEL, source, data_dir)
    from sklearn.datasets import load_iris

    iris = load_iris()
    inputs = dict(zip(FEATURES, iris.data.astype(np.float32).T, strict=True))
    irises = split_at_random(source, Split(inputs, iris.target), MODEL.labels, eval_share=0.3)
    irises.train.inputs["sepal_width"][::7] = np.nan  # not measured
    return write_span(MODEL, irises, data_dir)
