"""Rows to predict, of a file or of NAME=VALUE; whatever is wrong is one sentence."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nightlite.errors import DataError, NightliteError, NoSourceError, UsageError
from nightlite.ondevice.contract.app_contract import Meaning
from nightlite.ondevice.contract.file_contract import TensorContract
from nightlite.ondevice.in_tfx.predict import rows
from nightlite.ondevice.model import Feature

_ISLANDS = ("Biscoe", "Dream")


def _feature(name: str, vocabulary: Sequence[str] = ()) -> Feature:
    tensor = TensorContract(name=name, dtype="float32", shape=(1, 1))
    return Feature(tensor=tensor, meaning=Meaning(description=name, vocabulary=tuple(vocabulary)))


FEATURES = (_feature("mass"), _feature("island", _ISLANDS))


def test_a_file_gives_all_rows(tmp_path: Path) -> None:
    file = tmp_path / "a=b.csv"
    file.write_text("island,other,mass\nDream,x,3\n,y,\n")
    found = rows.read([str(file)], FEATURES)
    np.testing.assert_array_equal(np.hstack([found.inputs["mass"], found.inputs["island"]]), [[3, 1], [np.nan] * 2])
    assert found.first == 2


def test_names_and_values_give_one_row_in_any_order() -> None:
    found = rows.read(["island=Dream", "mass=3.5"], FEATURES)
    assert list(found.inputs) == ["mass", "island"] and found.first == 1
    assert (found.inputs["mass"].tolist(), found.inputs["island"].tolist()) == ([[3.5]], [[1]])
    assert found.inputs["mass"].dtype == np.float32


def test_an_empty_value_is_missing() -> None:
    found = rows.read(["mass=", "island= "], FEATURES)
    assert all(np.isnan(values).all() for values in found.inputs.values())


@pytest.mark.parametrize(
    ("texts", "kind", "said"),
    [
        (["no.csv"], NoSourceError, "Received: 'no.csv', no such file"),
        (["mass=1", "more"], UsageError, "expected one file, or NAME=VALUE for each column. Received: 'more'"),
        (["mass=1", "islandd=Dream"], UsageError, "Did you mean island?"),
        (["mass=1"], UsageError, "Received: none for island; 'island=' is a missing value"),
        (["mass=1", "mass=2", "island="], UsageError, "expected each column once. Received: mass, mass, island"),
        (["mass=heavy", "island="], DataError, "column 'mass': expected a number. Received: 'heavy'"),
        (
            ["mass=1", "island=Dram"],
            DataError,
            "Did you mean Dream? column 'island': expected one of 'Biscoe', 'Dream'",
        ),
    ],
    ids=str,
)
def test_anything_else_is_refused(texts: list[str], kind: type[NightliteError], said: str) -> None:
    with pytest.raises(kind, match=re.escape(said)):
        rows.read(texts, FEATURES)


def test_a_wrong_cell_is_refused_by_its_row_and_column(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("island,mass\nDream,3\nDream,heavy\n")
    with pytest.raises(DataError, match=re.escape(f"{file}: row 3, column 'mass': expected a number")):
        rows.read([str(file)], FEATURES)
