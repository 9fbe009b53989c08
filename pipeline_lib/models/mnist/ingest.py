"""Ingest of handwritten digits: `nightlite ingest mnist5k|digits|mnist|FOLDER`."""

from pathlib import Path

from models.mnist.data.download import MIRRORS
from models.mnist.data.sources import load
from models.mnist.on_device import MODEL
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.ondevice.settings import settings
from nightlite.ondevice.spans import Span


def ingest(source: str, data_dir: Path) -> Span:
    """Write the digits of `source` as the next span of `data_dir`. `str()` of the span is a sentence to print.

    Args:
      source: `mnist5k`, `digits`, `mnist` or a folder, of IDX files or of pictures by label.
      data_dir: the folder of spans, created if missing.

    Raises:
      DataError: the source is malformed, or the span could not be written. Nothing was changed.
      DownloadError: no mirror gave the public files whole.
      SettingsError: a setting is malformed.
    """
    dataset = load(source, settings().var_dir / "cache" / "mnist", MIRRORS, scratch=data_dir)
    return write_span(MODEL, dataset, data_dir)
