"""Ingest of tables: CSV (.csv, .csv.gz) and Parquet, one column a feature, by name, and one for the label.

A source is a file, or a folder of files. `train` and `eval` files in it, or folders of these names, are the splits.
A folder without them is split. Other columns and other files are not read. Arrow reads a file in slices.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from numpy.typing import NDArray
from pyarrow import csv
from pyarrow.fs import LocalFileSystem

from nightlite.did_you_mean import did_you_mean
from nightlite.errors import DataError, ModelDeclarationError
from nightlite.ondevice.in_tfx.ingest.columns import Column, values_of
from nightlite.ondevice.in_tfx.ingest.examples import EVAL_SHARE, Dataset, Split, split_at_random
from nightlite.ondevice.in_tfx.ingest.progress import shown
from nightlite.ondevice.in_tfx.ingest.sources import find, listed, names_and_indices
from nightlite.ondevice.in_tfx.ingest.stored_rows import RowsWriter
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.ondevice.model import Feature, OnDeviceModel
from nightlite.ondevice.spans import Span

FORMS = (".csv", ".csv.gz", ".parquet")
_BATCH_ROWS = 16_384
_Values = Mapping[str, NDArray[np.float32]]


def ingest_table(model: OnDeviceModel, source: str, data_dir: Path, eval_share: float = EVAL_SHARE) -> Span:
    """Write the rows of a table as the next span of `data_dir`. `str()` of the span is a sentence to print.

    Args:
      source: a file or a folder.
      eval_share: part of the rows that is held out, if the source has no splits of its own.

    Raises:
      DataError: a file, a column or a cell is malformed, or the span could not be written. Nothing was changed.
      ModelDeclarationError: a feature has several values, so it is no column.
    """
    return write_span(model, load_table(model, source, eval_share, data_dir), data_dir)


def load_table(
    model: OnDeviceModel, source: str, eval_share: float = EVAL_SHARE, scratch: Path | None = None
) -> Dataset:
    """Read a table. Examples come in an order of their own, so the order of rows does not matter.

    Args:
      scratch: the folder for the values, in files without a name. None: the system's.
    """
    require_columns(model)
    path = find(model, source, "a table, a file or a folder", may_be_file=True)
    train, evaluation = (_files_of_split(path, name) for name in ("train", "eval"))
    if bool(train) != bool(evaluation):
        found, missing = ("train", "eval") if train else ("eval", "train")
        raise DataError(f"{path}: expected train and eval files, or neither. Received: {found} without {missing}")
    if train:
        return Dataset(str(path), _read(train, model, scratch), _read(evaluation, model, scratch))
    files = _tables(path) if path.is_dir() else [path]
    if not files:
        names = sorted(item.name for item in path.iterdir())
        raise DataError(f"{path}: expected {', '.join(FORMS)} files in it. Received: {listed(names) or 'nothing'}")
    return split_at_random(str(path), _read(files, model, scratch), model.labels, eval_share)


def _tables(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.endswith(FORMS) and not path.name.startswith("."))


def _files_of_split(path: Path, split: str) -> list[Path]:
    if (path / split).is_dir():
        return _tables(path / split)
    return [file for form in FORMS if (file := path / f"{split}{form}").is_file()]


def require_columns(model: OnDeviceModel) -> None:
    """Refuse a model that no table can be an example of.

    Raises:
      ModelDeclarationError: a feature has several values.
    """
    for feature in model.features:
        if not feature.is_column:
            raise ModelDeclarationError(
                f"{model.name}: expected features of one value, for a table has a column for each. "
                f"Received: {feature.tensor.name} of shape {feature.tensor.shape[1:]}"
            )


def read_features(file: Path, features: Sequence[Feature]) -> tuple[dict[str, NDArray[np.float32]], int]:
    """Return each feature's raw values, float32 [n, 1], in the rows' order, and the number of the first row.

    Raises:
      DataError: the file is no table, or a column or a cell is malformed.
    """
    slices = [values for values, _ in _slices(file, features, None)]
    whole = {name: np.concatenate([part[name] for part in slices]) for name in slices[0]} if slices else {}
    if not whole or not len(next(iter(whole.values()))):
        raise DataError(f"{file}: expected one or more rows. Received: none")
    return whole, _first_row(file)


def _read(files: Sequence[Path], model: OnDeviceModel, scratch: Path | None) -> Split:
    label, rows = _Label(model), RowsWriter(scratch)
    labels: list[Any] = []
    slices = (part for file in files for part in _slices(file, model.features, label))
    for values, found in shown(slices, "Reading rows", size=_rows):
        rows.append(values)
        labels.append(found)
    if not rows.count:
        raise DataError(f"{listed([str(file) for file in files])}: expected one or more rows. Received: none")
    return Split(rows.finish(), np.concatenate(labels)).by_content()


def _rows(part: tuple[_Values, NDArray[Any] | None]) -> int:
    return len(next(iter(part[0].values())))


@dataclass(frozen=True)
class _Label:
    """Column of the labels."""

    model: OnDeviceModel

    @property
    def key(self) -> str:
        return self.model.label_key

    def values(self, cells: pa.Array, file: Path, first_row: int) -> NDArray[np.int64] | NDArray[np.float32]:
        column, labels = Column(cells, f"label {self.key!r}", file, first_row), self.model.labels
        if not labels:
            return column.numbers(may_be_empty=False)
        codes = column.codes(names_and_indices(labels), labels, may_be_empty=False)
        return codes.astype(np.int64) % len(labels)


def _slices(
    file: Path, features: Sequence[Feature], label: _Label | None
) -> Iterator[tuple[_Values, NDArray[Any] | None]]:
    """Yield some rows after the other: float32 [n, 1] of each feature, and the labels."""
    names = [*(feature.tensor.name for feature in features), *([label.key] if label else [])]
    words = {word for feature in features for word in feature.meaning.vocabulary}
    form, first_row = _form(file, names, words | set(label.model.labels if label else ())), _first_row(file)
    try:
        schema = form.inspect(str(file), LocalFileSystem())
        for name in names:
            if name not in schema.names:
                hint = did_you_mean([column for column in schema.names if column not in names], [name])
                raise DataError(f"{hint}{file}: expected a column {name!r}. Received: {listed(schema.names)}")
        table = ds.dataset(str(file), schema=pa.schema([schema.field(name) for name in names]), format=form)
        for batch in table.to_batches(batch_size=_BATCH_ROWS, batch_readahead=1, use_threads=False):
            values = {item.tensor.name: values_of(item, batch[item.tensor.name], file, first_row) for item in features}
            yield values, label.values(batch[label.key], file, first_row) if label else None
            first_row += batch.num_rows
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        reason = str(error).splitlines()[0].rpartition("Invalid: ")[2]
        raise DataError(f"{file}: expected a whole table, in UTF-8 if it is CSV. Received: {reason}") from None


def _first_row(file: Path) -> int:
    return 1 if file.suffix == ".parquet" else 2


def _form(file: Path, names: Sequence[str], words: Set[str]) -> ds.FileFormat:
    if file.name.endswith(".parquet"):
        return ds.ParquetFileFormat()
    if not file.name.endswith(FORMS):
        raise DataError(f"{file}: expected a file that ends in {', '.join(FORMS)}. Received: {file.name}")
    options = csv.ConvertOptions(
        # As text, because Arrow's own errors name no row.
        column_types=dict.fromkeys(names, pa.string()),
        strings_can_be_null=True,
        null_values=[value for value in csv.ConvertOptions().null_values if value not in words],
    )
    return ds.CsvFileFormat(read_options=csv.ReadOptions(use_threads=False), convert_options=options)
