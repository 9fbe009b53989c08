"""Export of a trained network with the two signatures that the pipeline reads, Transform's work inside both."""

from collections.abc import Callable, Mapping

import keras
import tensorflow as tf
import tensorflow_transform as tft

from nightlite.ondevice.contract.file_contract import FileContract

Features = Mapping[str, tf.Tensor]


def export(
    network: keras.Model,
    answer: Callable[[Features], tf.Tensor],
    transform_output: tft.TFTransformOutput,
    contract: FileContract,
    folder: str,
) -> None:
    """Write a SavedModel whose signatures share variables and return the contract's output.

    `serving_default` takes serialized tf.Examples, string [n], with raw features. `lite` takes one raw float32 tensor
    a feature, [n, …], by the feature's name.

    Args:
      network: its variables are saved.
      answer: from transformed features, by their names, to the network's output.
      transform_output: Transform's graph, which runs before `answer`. TFLite needs builtin operators for it.
      contract: the file's inputs, whose names are the features', and its output.
      folder: receives the SavedModel.
    """
    transform = transform_output.transform_features_layer()
    # Outside of the tf.function: traced, this takes autograph 3.6 s.
    raw = transform_output.raw_feature_spec()
    spec = {tensor.name: raw[tensor.name] for tensor in contract.inputs}
    tensors = {
        item.name: tf.TensorSpec([None, *item.shape[1:]], tf.float32, name=item.name) for item in contract.inputs
    }

    # Neither has control flow for autograph, whose conversion takes seconds.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False)
    def serve_examples(examples: tf.Tensor) -> Features:
        return {contract.output.name: answer(transform(tf.io.parse_example(examples, spec)))}

    @tf.function(input_signature=[tensors], autograph=False)
    def serve_features(features: Features) -> Features:
        return {contract.output.name: answer(transform(_as_examples(features, spec)))}

    archive = keras.export.ExportArchive()
    archive.track(network)
    # Track lookup tables only. Tracking the layer itself makes Keras trace it for seconds.
    for part in tf.train.TrackableView(transform).descendants():
        if isinstance(part, tf.saved_model.experimental.TrackableResource):
            archive.track(part)
    archive.add_endpoint("serving_default", serve_examples)
    archive.add_endpoint("lite", serve_features)
    archive.write_out(folder, verbose=False)


def _as_examples(features: Features, spec: Mapping[str, tf.io.FixedLenFeature]) -> Features:
    """Return features in the shapes that examples have: a picture's rows and channels may be one row there."""
    return {
        name: values
        if list(values.shape[1:]) == list(spec[name].shape)
        else tf.reshape(values, [-1, *spec[name].shape])
        for name, values in features.items()
    }
