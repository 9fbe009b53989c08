"""Functions that are wrong, each in one way: what a newcomer's first attempts look like."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from pydantic import BaseModel, Field
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx_bsl.public import tfxio

from tests.tiny_table import trainer
from tests.tiny_table.features import CONTRACT


class Unbounded(BaseModel):
    """A default outside of its bounds."""

    epochs: int = Field(default=0, ge=1, title="Epochs", description="Passes")


class Lists(BaseModel):
    """A parameter of a type that no form has."""

    sizes: list[int] = Field(default=[1], title="Sizes", description="Sizes")


def no_argument() -> None:
    """Take no arguments."""


def preprocessing_of_another_feature(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Read a feature that the model has not."""
    return {"leaf_xf": inputs["leaf"]}


def exports_nothing(fn_args: FnArgs) -> None:
    """Train nothing."""


def exports_one_signature(fn_args: FnArgs) -> None:
    """Leave a SavedModel that a server could use, but no phone."""
    module = tf.Module()
    serve = tf.function(lambda examples: {"y": examples}, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(
        module, fn_args.serving_model_dir, signatures={"serving_default": serve.get_concrete_function()}
    )


def exports_another_output(fn_args: FnArgs) -> None:
    """Name the output as the contract does not."""
    _export(fn_args, lambda values, of_examples: {"scores": values})


def exports_no_number(fn_args: FnArgs) -> None:
    """Answer NaN, as a network does whose missing values nobody imputes."""
    _export(fn_args, lambda values, of_examples: {"probabilities": values * float("nan")})


def exports_two_answers(fn_args: FnArgs) -> None:
    """Answer serialized examples otherwise than raw values."""
    _export(fn_args, lambda values, of_examples: {"probabilities": values + float(of_examples)})


def epochs_that_fail(fn_args: FnArgs) -> None:
    """Fail as a training does."""
    raise ValueError(f"epochs was {fn_args.custom_config['epochs']}")


def reads_files_as_transformed(fn_args: FnArgs) -> None:
    """Read the examples as a Trainer does whose Transform has written them."""
    schema = tft.TFTransformOutput(fn_args.transform_graph_path).transformed_metadata.schema
    options = tfxio.TensorFlowDatasetOptions(batch_size=20, num_epochs=1, shuffle=False)
    fn_args.data_accessor.tf_dataset_factory(fn_args.train_files, options, schema)


def _export(fn_args: FnArgs, answers: Any) -> None:
    spec = {tensor.name: tf.io.FixedLenFeature([1], tf.float32) for tensor in CONTRACT.inputs}

    def mean(features: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return tf.concat([features[name] for name in trainer.FEATURES[:3]], axis=1)

    module = tf.Module()
    module.examples = tf.function(
        lambda examples: answers(mean(tf.io.parse_example(examples, spec)), True),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    module.lite = tf.function(
        lambda features: answers(mean(features), False),
        input_signature=[{name: tf.TensorSpec([None, 1], tf.float32, name=name) for name in spec}],
    )
    signatures = {
        "serving_default": module.examples.get_concrete_function(),
        "lite": module.lite.get_concrete_function(),
    }
    tf.saved_model.save(module, fn_args.serving_model_dir, signatures=signatures)
