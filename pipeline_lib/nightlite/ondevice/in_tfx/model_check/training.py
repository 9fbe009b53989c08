"""A tiny training of a model through Transform and its Trainer, and a check of its signatures."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils
from tfx import v1 as tfx
from tfx.components.util import tfxio_utils
from tfx.proto import example_gen_pb2

from nightlite.errors import ModelDeclarationError
from nightlite.ondevice.in_tfx.answers.task_measures import measures_of
from nightlite.ondevice.in_tfx.model_check.owed import blamed, function
from nightlite.ondevice.in_tfx.model_check.sample import Sample
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.run_parameters import training_params

# Of outputs in [0, 1]. Larger ones have a larger one.
_TOLERANCE = 1e-4
# A quarter of their defaults makes a training tiny. A model that learned nothing cannot be quantized.
_LENGTHS, _SHARE = ("epochs", "steps"), 4


def transform(model: OnDeviceModel, sample: Sample, folder: Path) -> None:
    """Run Transform into `folder/graph`.

    Raises:
      ModelDeclarationError: the model's `preprocessing_fn` failed.
    """
    spec = _spec(model)
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    preprocessing_fn = function(model.preprocessing_fn, "preprocessing_fn", 1)
    subject = f"preprocessing_fn={model.preprocessing_fn!r}"
    with blamed(subject, "transformed features of a batch"), tft_beam.Context(temp_dir=str(folder / "beam")):
        transform_fn = (_rows(_parsed(sample.records["train"], spec)), metadata) | tft_beam.AnalyzeDataset(
            preprocessing_fn
        )
        transform_fn | tft_beam.WriteTransformFn(str(folder / "graph"))
        # TFX's Transform adds the raw schema, of which the serving signature is made.
        metadata_io.write_metadata(metadata, str(folder / "graph" / tft.TFTransformOutput.RAW_METADATA_DIR))
        layer = tft.TFTransformOutput(str(folder / "graph")).transform_features_layer()
        for records in sample.records.values():
            layer(_parsed(records, spec))


def train(model: OnDeviceModel, files: Mapping[str, str], folder: Path) -> Path:
    """Run the Trainer with a quarter of its epochs. Return the folder of its SavedModel.

    Raises:
      ModelDeclarationError: the model's `run_fn` failed, or left no SavedModel.
    """
    saved = folder / "saved_model"
    arguments = fn_args(
        folder,
        files,
        transform_graph_path=str(folder / "graph"),
        serving_model_dir=str(saved),
        custom_config=_tiny(model),
    )
    subject = f"run_fn={model.run_fn!r}"
    # The names that run_fn reads are its own affair, so only it can miss one.
    given = ", ".join(sorted(tft.TFTransformOutput(str(folder / "graph")).transformed_feature_spec()))
    with blamed(subject, "a training and its export", f"; preprocessing_fn gives it {given}"):
        function(model.run_fn, "run_fn", 1)(arguments)
    if not tf.saved_model.contains_saved_model(str(saved)):
        raise ModelDeclarationError(
            f"{subject}: expected a SavedModel in fn_args.serving_model_dir. Received: none; write it with "
            "nightlite.ondevice.in_tfx.export.export"
        )
    return saved


def fn_args(folder: Path, files: Mapping[str, str], **more: Any) -> tfx.components.FnArgs:
    """Return a Trainer's arguments for these files of raw examples."""

    def dataset(patterns: list[str], options: Any, schema: Any) -> tf.data.Dataset:
        graph = more.get("transform_graph_path")
        # Where both have the same names, it would train on values that nobody transformed.
        if graph and schema == tft.TFTransformOutput(graph).transformed_metadata.schema:
            raise ModelDeclarationError(
                "run_fn: expected fn_args.train_files and eval_files to be read as raw examples. Received: the schema "
                "of transformed ones; read them with nightlite.ondevice.in_tfx.training_input.transformed_examples"
            )
        payload = example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE
        return tfxio_utils.make_tfxio(patterns, ["check"], payload, schema=schema).TensorFlowDataset(options)

    return tfx.components.FnArgs(
        train_files=[files["train"]],
        eval_files=[files["eval"]],
        data_accessor=tfx.components.DataAccessor(dataset, None, None),
        model_run_dir=str(folder / "logs"),
        **more,
    )


def check_signatures(model: OnDeviceModel, saved: Path, sample: Sample) -> str:
    """Ask both signatures about the same examples, and compare their answers.

    Raises:
      ModelDeclarationError: a signature is missing, takes or gives something else, or they differ.
    """
    signatures = tf.saved_model.load(str(saved)).signatures
    subject = f"run_fn={model.run_fn!r}"
    if missing := sorted({"serving_default", "lite"} - set(signatures)):
        raise ModelDeclarationError(
            f"{subject}: expected the signatures serving_default and lite. Received: no {' and no '.join(missing)}; "
            "write them with nightlite.ondevice.in_tfx.export.export"
        )
    wanted = f"the output {model.output} of {', '.join(map(str, model.contract.inputs))}"
    with blamed(f"{subject}, signature lite", wanted):
        given = signatures["lite"](**{name: tf.constant(values) for name, values in sample.inputs.items()})
        [(name, answers)] = given.items()
    if name != model.output.name or answers.shape[1:] != model.output.shape[1:] or answers.dtype.name != "float32":
        raise ModelDeclarationError(
            f"{subject}, signature lite: expected the output {model.output}. "
            f"Received: {name} {answers.dtype.name}[-1, {', '.join(map(str, answers.shape[1:]))}]"
        )
    if not np.isfinite(answers).all():
        raise ModelDeclarationError(
            f"{subject}: expected finite outputs. Received: NaN; impute missing values in Transform"
        )
    with blamed(f"{subject}, signature serving_default", "answers to serialized tf.Examples"):
        [others] = signatures["serving_default"](tf.constant(list(sample.records["eval"]))).values()
    difference = float(np.max(np.abs(np.asarray(others) - np.asarray(answers))))
    if not difference <= _TOLERANCE * measures_of(model.task).scale(np.asarray(answers)):
        raise ModelDeclarationError(
            f"{subject}: expected the same answers of serving_default and lite. Received: a difference of "
            f"{difference:.3g}; run Transform's layer in both"
        )
    return f"signatures: serving_default and lite give the same {model.output}"


def _spec(model: OnDeviceModel) -> dict[str, tf.io.FixedLenFeature]:
    """Return the features as a run's inferred schema has them: flat, all of them present."""
    spec = {item.name: tf.io.FixedLenFeature([math.prod(item.shape[1:])], tf.float32) for item in model.contract.inputs}
    return {**spec, model.label_key: tf.io.FixedLenFeature([1], tf.int64 if model.labels else tf.float32)}


def _parsed(records: Sequence[bytes], spec: Mapping[str, tf.io.FixedLenFeature]) -> dict[str, tf.Tensor]:
    found: dict[str, tf.Tensor] = tf.io.parse_example(list(records), dict(spec))
    return found


def _rows(columns: Mapping[str, tf.Tensor]) -> list[dict[str, Any]]:
    arrays = {name: values.numpy() for name, values in columns.items()}
    return [dict(zip(arrays, row, strict=True)) for row in zip(*arrays.values(), strict=True)]


def _tiny(model: OnDeviceModel) -> dict[str, Any]:
    found = {name: field.default for name, field in training_params(model).model_fields.items()}
    return {**found, **{name: max(1, found[name] // _SHARE) for name in _LENGTHS if name in found}}
