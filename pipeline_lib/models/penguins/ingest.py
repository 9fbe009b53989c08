"""Ingest of penguins: `nightlite ingest penguins`, or a CSV or Parquet file, or a folder of such."""

import dataclasses
from importlib import metadata
from pathlib import Path

from models.penguins.on_device import MODEL
from nightlite.ondevice.in_tfx.ingest.tables import ingest_table, load_table
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.ondevice.spans import Span

# Only the file of PyPI's palmerpenguins is read, the package is not imported.
_PACKAGE, _FILE = "palmerpenguins", "palmerpenguins/data/penguins.csv"


def ingest(source: str, data_dir: Path) -> Span:
    """Write the rows of `source` as the next span of `data_dir`. `str()` of the span is a sentence to print.

    Args:
      source: `penguins`, or a CSV or Parquet file, or a folder of such.
      data_dir: the folder of spans, created if missing.

    Raises:
      DataError: the source is malformed, or the span could not be written. Nothing was changed.
    """
    if source not in MODEL.sources:
        return ingest_table(MODEL, source, data_dir)
    file = metadata.distribution(_PACKAGE).locate_file(_FILE)
    dataset = load_table(MODEL, str(file), scratch=data_dir)
    return write_span(MODEL, dataclasses.replace(dataset, source=source), data_dir)
