"""Tables: what was written is read, and every wrong file, column and cell is one sentence with its place."""

import gzip
import math
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from nightlite.errors import DataError, ModelDeclarationError, NoSourceError
from nightlite.ondevice.contract.app_contract import Meaning
from nightlite.ondevice.contract.file_contract import TensorContract
from nightlite.ondevice.in_tfx.ingest.tables import ingest_table, load_table, read_features
from nightlite.ondevice.model import Feature, OnDeviceModel
from nightlite.ondevice.task import Classification, Regression
from tests.tiny_table import ingest as tiny_table
from tests.tiny_table.on_device import MODEL as IRIS

ISLANDS = ("Biscoe", "Dream", "NA")


def feature(name: str, **meaning: Any) -> Feature:
    tensor = TensorContract(name=name, dtype="float32", shape=(1, 1))
    return Feature(tensor=tensor, meaning=Meaning(description=name, **meaning))


# An island may be named as a missing value usually is.
MODEL: OnDeviceModel = IRIS.model_copy(
    update={
        "features": (feature("mass", unit="g", scale=0.001), feature("island", vocabulary=ISLANDS)),
        "task": Classification(labels=("small", "large")),
        "label_key": "size",
    }
)
ROWS = [(float(mass), ISLANDS[mass % 3], ("small", "large")[mass % 2]) for mass in range(100, 120)]
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_text(name: str, text: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return file

    return write_text


def csv(rows: list[tuple[Any, ...]] = ROWS, header: str = "mass,island,size") -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def parquet(file: Path, **columns: Any) -> Path:
    mass, island, size = zip(*ROWS, strict=True)
    pq.write_table(pa.table({"mass": mass, "island": island, "size": size, **columns}), file)
    return file


def rows_of(*splits: Any) -> list[tuple[float, float, int]]:
    return sorted(
        (float(mass), float(island), int(label))
        for split in splits
        for mass, island, label in zip(*(raw[:, 0] for raw in split.inputs.values()), split.labels, strict=True)
    )


CODED = sorted((mass, float(ISLANDS.index(island)), int(size == "large")) for mass, island, size in ROWS)


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_csv_is_read(write: Write, name: str) -> None:
    dataset = load_table(MODEL, str(write(name, csv())))
    assert rows_of(dataset.train, dataset.eval) == CODED
    assert (dataset.train.per_class(2), dataset.eval.per_class(2)) == ((8, 8), (2, 2))
    assert {raw.dtype for raw in dataset.train.inputs.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"mass": pa.array([int(mass) for mass, *_ in ROWS], pa.int16())},
        {"island": pa.array([island for _, island, _ in ROWS]).dictionary_encode()},
        {"size": pa.array([int(size == "large") for *_, size in ROWS])},
        {"unrelated": [{"nested": 1}] * 20},
    ],
    ids=str,
)
def test_parquet_gives_the_same_examples_as_csv(tmp_path: Path, write: Write, columns: dict[str, Any]) -> None:
    first = load_table(MODEL, str(write("table.csv", csv())))
    second = load_table(MODEL, str(parquet(tmp_path / "table.parquet", **columns)))
    assert [part.sha256() for part in first.splits.values()] == [part.sha256() for part in second.splits.values()]


def test_the_order_of_rows_columns_and_files_does_not_matter(write: Write, tmp_path: Path) -> None:
    first = ingest_table(MODEL, str(write("table.csv", csv())), tmp_path / "data")
    turned = [(size, "other", island, mass) for mass, island, size in ROWS]
    write("parts/a.csv", csv(turned[12:], "size,more,island,mass"))
    write("parts/b.csv.gz", csv(turned[:12], "size,more,island,mass"))
    again = ingest_table(MODEL, str(tmp_path / "parts"), tmp_path / "data")
    assert (first.created, again.created) == (True, False)


@pytest.mark.parametrize("names", [("train.csv", "eval.csv.gz"), ("train/1.csv", "eval/1.csv")])
def test_a_folder_has_splits_of_its_own(write: Write, tmp_path: Path, names: tuple[str, str]) -> None:
    for name, rows in zip(names, (ROWS[:15], ROWS[15:]), strict=True):
        write(f"drop/{name}", csv(rows))
    write("drop/READY", "")
    write("drop/test.csv", "not,read\n")
    dataset = load_table(MODEL, str(tmp_path / "drop"))
    assert (rows_of(dataset.train), rows_of(dataset.eval)) == (CODED[:15], CODED[15:])


def test_empty_cells_are_nan_and_spaces_are_trimmed(write: Write) -> None:
    text = csv([(" 100 ", " Biscoe ", "large "), ("", "", "small"), ("nan", "NA", "large"), ("n/a", "Dream", "small")])
    dataset = load_table(MODEL, str(write("table.csv", text)))
    found = {label: [] for label in (0, 1)}
    for mass, island, label in rows_of(dataset.train, dataset.eval):
        found[label].append((None if math.isnan(mass) else mass, None if math.isnan(island) else island))
    assert set(found[1]) == {(100.0, 0.0), (None, 2.0)} and set(found[0]) == {(None, None), (None, 1.0)}


def test_labels_by_index(write: Write) -> None:
    rows = [(mass, island, int(size == "large")) for mass, island, size in ROWS]
    dataset = load_table(MODEL, str(write("table.csv", csv(rows))))
    assert rows_of(dataset.train, dataset.eval) == CODED


def test_where_labels_are_numbers_an_index_is_none(write: Write) -> None:
    """Classes 1 and 2: is a 1 the first or the second? It is the name."""
    model = MODEL.model_copy(update={"task": Classification(labels=("1", "2"))})
    rows = [(mass, island, 1 + int(size == "large")) for mass, island, size in ROWS]
    dataset = load_table(model, str(write("table.csv", csv(rows))))
    assert rows_of(dataset.train, dataset.eval) == CODED
    with pytest.raises(DataError, match=r"row 2, label 'size': expected one of '1', '2'\. Received: '0'"):
        load_table(model, str(write("table.csv", csv([(1, "Biscoe", 0)]))))


def test_what_is_written_is_scaled_by_meaning(write: Write, tmp_path: Path) -> None:
    span = ingest_table(MODEL, str(write("table.csv", csv())), tmp_path / "data")
    assert span.manifest.values == {"mass": "raw * 0.001 + 0.0", "island": "raw * 1.0 + 0.0"}
    assert span.manifest.splits["train"].per_class == (8, 8)
    records = [record for file in span.path.glob("*.gz") for record in _records(file)]
    examples = [tf.train.Example.FromString(record).features.feature for record in records]
    written = sorted(
        (*(example[name].float_list.value[0] for name in ("mass", "island")), example["size"].int64_list.value[0])
        for example in examples
    )
    expected = [(float(np.float32(mass / 1000)), island, size) for mass, island, size in CODED]
    assert written == expected


def test_the_bytes_of_a_span_are_a_function_of_its_data(tmp_path: Path) -> None:
    """Each process has an order of its own of a message's features, unless it is told to sort them."""
    span = tiny_table.ingest("iris", tmp_path / "data")
    for record in _records(next(span.path.glob("train-*"))):
        assert record == tf.train.Example.FromString(record).SerializeToString(deterministic=True)


def _records(file: Path) -> Iterator[bytes]:
    return tf.compat.v1.io.tf_record_iterator(str(file), tf.io.TFRecordOptions(compression_type="GZIP"))


HINTS = {"'Bisco'": "Biscoe", "'Small'": "small", "mas, ": "mass"}
GOOD = "100,Biscoe,small\n"
CELLS = {
    "no number": ("3.5,Dream,small\nabc,Dream,small", "row 4, column 'mass': expected a number. Received: 'abc'"),
    "decimal comma": ('"3,5",Dream,small', "row 3, column 'mass': expected a number. Received: '3,5'"),
    "infinite": ("inf,Dream,small", "row 3, column 'mass': expected a finite number. Received: 'inf'"),
    "too large for float32": ("1e39,Dream,small", "row 3, column 'mass': expected a finite number. Received: '1e39'"),
    "unknown word": (
        "1,Bisco,small",
        "row 3, column 'island': expected one of 'Biscoe', 'Dream', 'NA'. Received: 'Bisco'",
    ),
    "unknown label": (
        "1,Dream,Small",
        "row 3, label 'size': expected one of 'small', 'large'. Received: 'Small'",
    ),
    "index of no label": ("1,Dream,2", "row 3, label 'size': expected one of 'small', 'large'. Received: '2'"),
    "no label": ("1,Dream,", "row 3, label 'size': expected one of 'small', 'large'. Received: an empty cell"),
    "a cell too few": ("1,Dream", "CSV parse error: Row #3: Expected 3 columns, got 2: 1,Dream"),
}


@pytest.mark.parametrize(("rows", "message"), CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_a_wrong_cell_is_one_sentence_with_its_row(write: Write, name: str, rows: str, message: str) -> None:
    file = write(name, csv([]) + GOOD + rows + "\n")
    with pytest.raises(DataError) as error:
        load_table(MODEL, str(file))
    hint, place, said = str(error.value).partition(f"{file}: ")
    assert hint == next((f"Did you mean {right}? " for wrong, right in HINTS.items() if wrong in message), "")
    assert place and message in said and "\n" not in said


def test_a_wrong_cell_far_behind_has_its_row_too(write: Write, tmp_path: Path) -> None:
    """Arrow reads slices of a megabyte."""
    with pytest.raises(DataError, match=r"table\.csv: row 200003, column 'mass': expected a number\. Received: 'x'"):
        load_table(MODEL, str(write("table.csv", csv([]) + GOOD * 200_001 + "x,Biscoe,small\n" + GOOD)))
    mass = pa.array([1.0] * 200_000 + [math.inf])
    pq.write_table(
        pa.table({"mass": mass, "island": ["Dream"] * 200_001, "size": ["small"] * 200_001}), tmp_path / "t.parquet"
    )
    with pytest.raises(DataError, match=r"t\.parquet: row 200001, column 'mass': expected a finite number"):
        load_table(MODEL, str(tmp_path / "t.parquet"))


FILES = {
    "missing column": (
        csv(header="mas,island,size").encode(),
        "expected a column 'mass'. Received: mas, island, size",
    ),
    "other separator": (csv().replace(",", ";").encode(), "expected a column 'mass'. Received: mass;island;size"),
    "column twice": (csv(header="mass,mass,size").encode(), "CSV file contained multiple columns named mass"),
    "another encoding": (csv([(1, "Île", "small")]).encode("latin-1"), "invalid UTF8 data"),
    "no text": (b"\x89PNG\r\n\x00", "expected a whole table, in UTF-8 if it is CSV. Received:"),
    "nothing": (b"", "Empty CSV file"),
    "header alone": (csv([]).encode(), "expected one or more rows. Received: none"),
}


@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES)
def test_a_wrong_csv_is_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(content)
    with pytest.raises(DataError) as error:
        load_table(MODEL, str(file))
    hint, place, said = str(error.value).partition(f"{file}: ")
    assert hint == next((f"Did you mean {right}? " for wrong, right in HINTS.items() if wrong in message), "")
    assert place and message in said and "\n" not in said


PARQUET = {
    "dates": ({"mass": [date(2026, 1, 1)] * 20}, "column 'mass': expected numbers. Received: date32[day]"),
    "truths": ({"mass": [True] * 20}, "column 'mass': expected numbers. Received: bool"),
    "no numbers": ({"mass": ["heavy"] * 20}, "row 1, column 'mass': expected a number. Received: 'heavy'"),
    "no words": ({"island": [0.5] * 20}, "column 'island': expected words or whole numbers. Received: double"),
    "no labels": ({"size": [0.5] * 20}, "label 'size': expected words or whole numbers. Received: double"),
    "no label": ({"size": ["small"] * 19 + [None]}, "row 20, label 'size': expected one of 'small', 'large'."),
    "not finite": ({"mass": [1.0, math.inf] * 10}, "row 2, column 'mass': expected a finite number. Received: inf"),
}


@pytest.mark.parametrize(("columns", "message"), PARQUET.values(), ids=PARQUET)
def test_a_wrong_parquet_is_one_sentence(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    file = parquet(tmp_path / "table.parquet", **columns)
    with pytest.raises(DataError) as error:
        load_table(MODEL, str(file))
    assert str(error.value).startswith(f"{file}: {message}")


@pytest.mark.parametrize("name", ["table.parquet", "table.csv.gz"])
def test_a_cut_file_is_one_sentence(write: Write, tmp_path: Path, name: str) -> None:
    file = parquet(tmp_path / name) if name.endswith(".parquet") else write(name, csv(ROWS * 2_000))
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError) as error:
        load_table(MODEL, str(file))
    assert str(error.value).startswith(f"{file}: expected a whole table") and "\n" not in str(error.value)


FOLDERS = {
    "of no table": (["a.xlsx", "b.txt"], "expected .csv, .csv.gz, .parquet files in it. Received: a.xlsx, b.txt"),
    "empty": ([], "expected .csv, .csv.gz, .parquet files in it. Received: nothing"),
    "without eval": (["train.csv"], "expected train and eval files, or neither. Received: train without eval"),
    "without train": (["eval.csv", "x.csv"], "expected train and eval files, or neither. Received: eval without train"),
}


@pytest.mark.parametrize(("names", "message"), FOLDERS.values(), ids=FOLDERS)
def test_a_folder_that_is_no_source(write: Write, tmp_path: Path, names: list[str], message: str) -> None:
    (tmp_path / "drop").mkdir()
    for name in names:
        write(f"drop/{name}", csv())
    with pytest.raises(DataError) as error:
        load_table(MODEL, str(tmp_path / "drop"))
    assert str(error.value) == f"{tmp_path / 'drop'}: {message}"


def test_what_is_no_source(write: Write, tmp_path: Path) -> None:
    with pytest.raises(NoSourceError, match=r"a source: 'iris' or a table, a file or a folder\. .*, no such file"):
        load_table(MODEL, str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"a file that ends in \.csv, \.csv\.gz, \.parquet\. Received: table\.xlsx"):
        load_table(MODEL, str(write("table.xlsx", "")))


def test_a_feature_of_several_values_is_no_column(tmp_path: Path) -> None:
    tensor = TensorContract(name="mass", dtype="float32", shape=(1, 4))
    model = MODEL.model_copy(update={"features": (MODEL.features[0].model_copy(update={"tensor": tensor}),)})
    with pytest.raises(ModelDeclarationError, match=r"expected features of one value.* Received: mass of shape \(4,\)"):
        load_table(model, str(tmp_path))


def test_a_refused_table_leaves_nothing_behind(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        ingest_table(MODEL, str(write("table.csv", csv() + "x,y,z\n")), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_models_own_ingest_is_a_call(write: Write, tmp_path: Path) -> None:
    header = "sepal_length,sepal_width,petal_length,petal_width,species"
    rows = [(n, n / 2, "", n / 3, IRIS.labels[n % 3]) for n in range(30)]
    span = tiny_table.ingest(str(write("irises.csv", csv(rows, header))), tmp_path / "data")
    assert {name: split.per_class for name, split in span.manifest.splits.items()} == {
        "train": (8, 8, 8),
        "eval": (2, 2, 2),
    }
    assert str(span).startswith("span-1: 24 train and 6 eval examples from ")


REGRESSION = MODEL.model_copy(
    update={
        "task": Regression(unit="mm"),
        "output": TensorContract(name="length", dtype="float32", shape=(1, 1)),
        "label_key": "length",
    }
)


def lengths(*texts: str) -> str:
    return csv(
        [(mass, island, text) for (mass, island, _), text in zip(ROWS, texts, strict=False)], "mass,island,length"
    )


def test_the_label_of_a_regression_is_a_number_in_the_span_too(write: Write, tmp_path: Path) -> None:
    file = write("table.csv", lengths(*(f"{n}.5" for n in range(20))))
    span = ingest_table(REGRESSION, str(file), tmp_path / "data")
    assert {name: (split.examples, split.per_class) for name, split in span.manifest.splits.items()} == {
        "train": (16, ()),
        "eval": (4, ()),
    }
    records = [
        tf.train.Example.FromString(record)
        for record in tf.data.TFRecordDataset(
            [str(path) for path in span.path.glob("*.gz")], compression_type="GZIP"
        ).as_numpy_iterator()
    ]
    found = sorted(item.features.feature["length"].float_list.value[0] for item in records)
    assert found == [n + 0.5 for n in range(20)]
    assert not ingest_table(REGRESSION, str(file), tmp_path / "data").created


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (("1", ""), "row 3, label 'length': expected a number. Received: an empty cell"),
        (("1", "long"), "row 3, label 'length': expected a number. Received: 'long'"),
        (("1",), "expected two or more examples, to train and to evaluate. Received: one"),
    ],
    ids=str,
)
def test_a_label_of_a_regression_that_is_no_number_is_refused(write: Write, labels: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        load_table(REGRESSION, str(write("table.csv", lengths(*labels))))


def test_features_are_read_without_a_label_in_the_order_of_the_rows(write: Write) -> None:
    file = write("rows.csv", "island,mass\nDream,3\n,2\nBiscoe,\n")
    found, first_row = read_features(file, MODEL.features)
    np.testing.assert_array_equal(found["mass"][:, 0], [3, 2, np.nan])
    np.testing.assert_array_equal(found["island"][:, 0], [ISLANDS.index("Dream"), np.nan, ISLANDS.index("Biscoe")])
    assert first_row == 2


def test_features_without_a_row_are_refused(write: Write) -> None:
    with pytest.raises(DataError, match="expected one or more rows"):
        read_features(write("rows.csv", "island,mass\n"), MODEL.features)
