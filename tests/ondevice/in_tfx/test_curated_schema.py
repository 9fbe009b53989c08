"""`nightlite schema`: infer, diff and accept, on real spans."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from click.testing import Result
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import schema_utils
from typer.testing import CliRunner

from models.mnist.on_device import MODEL
from nightlite.deployment.in_tfx import commands
from nightlite.deployment.settings import Settings
from nightlite.errors import DataError
from nightlite.ondevice.in_tfx import curated_schema
from nightlite.ondevice.in_tfx.curated_schema import SpanStatistics
from nightlite.ondevice.in_tfx.ingest.examples import Dataset, Split
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.paths import PROJECT
from tests.models.mnist.made_digits import make_split

COMMENT = "# curated by hand\n"


@pytest.fixture(scope="module")
def span(tmp_path_factory: pytest.TempPathFactory) -> SpanStatistics:
    """Return one span: the labels 0 to 7, all shades of grey."""
    folder = tmp_path_factory.mktemp("data")
    train, evaluation = (
        Split(split.inputs, split.labels % np.uint8(8)) for split in (make_split(40, seed=1), make_split(20, seed=2))
    )
    write_span(MODEL, Dataset("test", train, evaluation), folder)
    return curated_schema.latest_statistics(folder)


@pytest.fixture
def schema_file(tmp_path: Path) -> Path:
    file = tmp_path / "schema" / "mnist.pbtxt"
    file.parent.mkdir()
    committed = (PROJECT / "schema" / "mnist.pbtxt").read_text()
    file.write_text(COMMENT + committed[committed.index("feature {") :])
    return file


def test_what_is_inferred_has_the_ranges_of_the_span(span: SpanStatistics) -> None:
    schema = curated_schema.infer(span)
    label, image = tfdv.get_feature(schema, "image_class"), tfdv.get_feature(schema, "image_floats")
    assert (label.int_domain.min, label.int_domain.max) == (0, 7)
    assert (image.float_domain.min, image.float_domain.max) == (-0.5, 0.5)
    assert [size.size for size in image.shape.dim] == [784]
    assert list(curated_schema.anomalies(schema, span)) == []


def test_the_committed_schema_admits_the_span_and_is_left_as_it_is(span: SpanStatistics, schema_file: Path) -> None:
    assert curated_schema.difference(schema_file, curated_schema.proposed(schema_file, span)) == ""


def test_accepting_widens_what_does_not_fit_and_nothing_else(span: SpanStatistics, schema_file: Path) -> None:
    schema_file.write_text(schema_file.read_text().replace("max: 9", "max: 5"))
    [first, second] = curated_schema.anomalies(curated_schema.read(schema_file), span)
    assert first.startswith("span-1, train, image_class: Out-of-range values") and second.startswith("span-1, eval")
    accepted = curated_schema.proposed(schema_file, span)
    lines = curated_schema.difference(schema_file, accepted).splitlines()
    changed = [line for line in lines if line[:2] in ("- ", "+ ")]
    assert changed == ["-    max: 5", "+    max: 7"]
    curated_schema.write(schema_file, accepted)
    assert schema_file.read_text().startswith(COMMENT)
    assert list(curated_schema.anomalies(curated_schema.read(schema_file), span)) == []
    assert list(schema_file.parent.iterdir()) == [schema_file]


def test_without_a_curated_schema_the_inferred_one_is_accepted(span: SpanStatistics, tmp_path: Path) -> None:
    file = tmp_path / "new" / "schema.pbtxt"
    schema = curated_schema.proposed(file, span)
    assert schema == curated_schema.infer(span)
    assert curated_schema.counts(schema) == "2 features: 1 with 'disallow_nan: true', which may not be missing"
    curated_schema.write(file, schema)
    assert curated_schema.read(file) == schema


def test_after_a_change_of_features_what_is_accepted_trains(tmp_path: Path, schema_file: Path) -> None:
    """`image_class` is another type, `image_floats` another shape, `size` is new, and `weight` is gone."""
    gone = 'feature { name: "weight" type: FLOAT }\n'
    planned = 'feature { name: "planned" type: FLOAT lifecycle_stage: PLANNED }\n'
    schema_file.write_text(schema_file.read_text() + gone + planned)
    records: dict[str, list[tuple[bytes, float]]] = {"train": [(b"a", 1.0), (b"b", 2.0)], "eval": [(b"a", 3.0)]}
    by_split = {}
    for split, rows in records.items():
        with tf.io.TFRecordWriter(str(tmp_path / split)) as writer:
            for label, size in rows:
                example = tf.train.Example()
                example.features.feature["image_class"].bytes_list.value.append(label)
                example.features.feature["image_floats"].float_list.value.extend([0.1] * 196)
                example.features.feature["size"].float_list.value.append(size)
                writer.write(example.SerializeToString())
        by_split[split] = tfdv.generate_statistics_from_tfrecord(str(tmp_path / split))
    changed = SpanStatistics("span-2", by_split)

    accepted = curated_schema.proposed(schema_file, changed)
    # What Transform and the Trainers read: a feature without a shape would be a VarLenFeature.
    assert schema_utils.schema_as_feature_spec(accepted).feature_spec == {
        "image_class": tf.io.FixedLenFeature([1], tf.string),
        "image_floats": tf.io.FixedLenFeature([196], tf.float32),
        "size": tf.io.FixedLenFeature([1], tf.float32),
    }
    assert [feature.name for feature in accepted.feature] == ["planned", "image_class", "image_floats", "size"]
    assert list(curated_schema.anomalies(accepted, changed)) == []
    curated_schema.write(schema_file, accepted)
    assert curated_schema.difference(schema_file, curated_schema.proposed(schema_file, changed)) == ""


def test_a_file_that_is_no_schema_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "schema").write_text("features: 3")
    with pytest.raises(DataError, match="expected a Schema as protobuf text. Received:"):
        curated_schema.read(tmp_path / "schema")
    with pytest.raises(DataError, match="'nightlite ingest --model .* SOURCE' first: 'nightlite ingest' lists"):
        curated_schema.latest_statistics(tmp_path)


def test_the_commands_show_and_write(span: SpanStatistics, schema_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Settings(var_dir=schema_file.parent / "var", schema_dir=schema_file.parent)
    left: list[Path] = []

    def statistics(_: Path) -> SpanStatistics:
        left.append(Path(tempfile.mkdtemp()))  # as TFDV and Beam leave theirs
        return span

    monkeypatch.setattr(curated_schema, "latest_statistics", statistics)
    monkeypatch.setattr(commands, "settings", lambda: here)
    monkeypatch.setenv("TMPDIR", tempfile.gettempdir())  # put back afterwards
    monkeypatch.setenv("NIGHTLITE_RUNTIME_DIR", str(schema_file.parent))

    def run(name: str) -> Result:
        return CliRunner().invoke(commands.app, ["schema", name, "--model=mnist"])

    assert 'name: "image_class"' in run("infer").stdout
    assert run("diff").exit_code == 0
    assert run("accept").stdout.endswith("is unchanged: the latest span matches it\n")
    schema_file.write_text(schema_file.read_text().replace("max: 9", "max: 5"))
    shown = run("diff")
    assert shown.exit_code == 1 and "Unexpectedly large value: 7" in shown.stdout and "+    max: 7" in shown.stdout
    assert "run 'make compile'" in run("accept").stdout
    schema_file.unlink()
    assert run("accept").stdout.startswith(
        "2 features: 1 with 'disallow_nan: true', which may not be missing\nWritten "
    )
    assert len(left) == 6 and all(path.parents[1] == schema_file.parent / "tmp" for path in left)
    assert list((schema_file.parent / "tmp").iterdir()) == []
    assert run("diff").exit_code == 0


def test_tfdv_still_adds_a_feature_without_a_shape_and_keeps_one_that_is_gone() -> None:
    frames = (pd.DataFrame({name: [1.0, 2.0] for name in names}) for names in ("a", "ab"))
    one, two = map(tfdv.generate_statistics_from_dataframe, frames)
    added = tfdv.update_schema(tfdv.infer_schema(one, infer_feature_shape=True), two, infer_feature_shape=True)
    assert [feature.HasField("shape") for feature in added.feature] == [True, False]
    left = tfdv.update_schema(tfdv.infer_schema(two, infer_feature_shape=True), one, infer_feature_shape=True)
    assert [feature.lifecycle_stage for feature in left.feature] == [0, schema_pb2.DEPRECATED]
