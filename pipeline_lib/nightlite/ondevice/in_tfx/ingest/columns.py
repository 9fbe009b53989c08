"""Some rows of a table's column as numbers. A wrong cell is refused by its row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nightlite.did_you_mean import did_you_mean
from nightlite.errors import DataError
from nightlite.ondevice.in_tfx.ingest.sources import listed
from nightlite.ondevice.model import Feature

_OF_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
_OF_WORDS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_boolean, pa.types.is_null)


@dataclass(frozen=True)
class Column:
    """Consecutive cells of a column.

    Attributes:
      cells: of any of Arrow's types.
      title: the column's part in messages.
      file: the table; None for a cell of no file.
      first_row: the row of the first cell. A CSV's header is row 1.
    """

    cells: pa.Array
    title: str
    file: Path | None
    first_row: int

    def numbers(self, may_be_empty: bool = True) -> NDArray[np.float32]:
        """Return the cells as float32; an empty one is NaN.

        Raises:
          DataError: the column holds something else, or a cell is no finite number, or empty where it may not be.
        """
        cells, kind = self.cells, self.cells.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            cells = self._parsed()
        elif not any(check(kind) for check in _OF_NUMBERS):
            raise self._of_another_type("numbers")
        # By float64, since Arrow refuses an integer that float32 has to round.
        wide = pc.cast(cells, pa.float64()).to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore"):
            found: NDArray[np.float32] = wide.astype(np.float32)
        if np.isinf(found).any():
            raise self._wrong(int(np.isinf(found).argmax()), "a finite number")
        if not may_be_empty and np.isnan(found).any():
            raise self._wrong(int(np.isnan(found).argmax()), "a number")
        return found

    def codes(self, words: Sequence[str], told: Sequence[str], may_be_empty: bool = True) -> NDArray[np.float32]:
        """Return the cells as indices of words, in float32; an empty one is NaN.

        Args:
          told: the words that a message tells of.

        Raises:
          DataError: the column holds no words, or a cell is none of them.
        """
        kind = self.cells.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if not any(check(kind) for check in _OF_WORDS):
            raise self._of_another_type("words or whole numbers")
        cells = pc.utf8_trim_whitespace(pc.cast(self.cells, pa.string()))
        found = pc.index_in(cells, value_set=pa.array(words, pa.string()))
        wrong = found.is_null().to_numpy(zero_copy_only=False)
        if may_be_empty:
            wrong &= cells.is_valid().to_numpy(zero_copy_only=False)
        if wrong.any():
            index = int(wrong.argmax())
            hint = did_you_mean([str(cells[index])], told)
            raise self._wrong(index, f"one of {listed([repr(word) for word in told])}", hint)
        codes: NDArray[np.float32] = pc.cast(found, pa.float32()).to_numpy(zero_copy_only=False)
        return codes

    def _parsed(self) -> pa.Array:
        cells = pc.utf8_trim_whitespace(self.cells)
        try:
            return pc.cast(cells, pa.float64())
        except pa.ArrowInvalid:
            for index, cell in enumerate(cells):
                try:
                    pc.cast(cell, pa.float64())
                except pa.ArrowInvalid:
                    raise self._wrong(index, "a number") from None
            raise

    def _wrong(self, index: int, expected: str, hint: str = "") -> DataError:
        cell = self.cells[index].as_py()
        received = "an empty cell" if cell is None else repr(cell)
        place = f"{self.file}: row {self.first_row + index}, " if self.file else ""
        return DataError(f"{hint}{place}{self.title}: expected {expected}. Received: {received}")

    def _of_another_type(self, expected: str) -> DataError:
        place = f"{self.file}: " if self.file else ""
        return DataError(f"{place}{self.title}: expected {expected}. Received: {self.cells.type}")


def values_of(feature: Feature, cells: pa.Array, file: Path | None, first_row: int) -> NDArray[np.float32]:
    """Return a feature's raw values, float32 [n, 1]: codes if it has a vocabulary, else numbers. An empty cell is NaN.

    Raises:
      DataError: a cell is none.
    """
    column = Column(cells, f"column {feature.tensor.name!r}", file, first_row)
    words = feature.meaning.vocabulary
    return (column.codes(words, words) if words else column.numbers()).reshape(-1, 1)
