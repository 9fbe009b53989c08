"""Small but real artifacts for ModelReport: two models that differ, TFMA's, TFDV's and training's own files."""

from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_data_validation as tfdv
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from models.mnist.model.features import IMAGE_KEY, LABEL_KEY
from models.mnist.on_device import MODEL
from nightlite.ondevice.in_tfx.ingest.examples import Split
from nightlite.ondevice.in_tfx.ingest.tfrecords import write_split
from tests.models.mnist.made_digits import floats

KEYS = {"run_parameters": '{"epochs": 7, "force": false}', "card": MODEL.card.model_dump_json()}
EVIL = "<script>alert('x')</script>"


class Linear(tf.Module):
    """Softmax over 784 pixels: quick to make, and wrong often enough."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.weights = tf.Variable(weights)

    @tf.function(input_signature=[tf.TensorSpec([None, 784], tf.float32, name=IMAGE_KEY)])
    def lite(self, image_floats: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": tf.nn.softmax(tf.matmul(image_floats, self.weights))}


def save_models(folder: Path, weights: np.ndarray, lite_weights: np.ndarray) -> None:
    """Return a SavedModel under `keras`, a TFLite file of other weights under `lite`, as TFX's artifacts."""
    module = Linear(weights)
    tf.saved_model.save(module, str(folder / "keras" / "Format-Serving"), signatures={"lite": module.lite})
    other = Linear(lite_weights)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([other.lite.get_concrete_function()], other)
    (folder / "lite" / "Format-Serving").mkdir(parents=True)
    (folder / "lite" / "Format-Serving" / "tflite").write_bytes(converter.convert())


def softmax(split: Split, weights: np.ndarray) -> np.ndarray:
    logits = np.exp(floats(split).astype(np.float64) @ weights)
    return logits / logits.sum(1, keepdims=True)


def save_evaluation(folder: Path, labels: np.ndarray, probabilities: np.ndarray) -> None:
    config = config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(label_key=LABEL_KEY, prediction_key="prediction")],
        slicing_specs=[config_pb2.SlicingSpec(), config_pb2.SlicingSpec(feature_keys=[LABEL_KEY])],
        metrics_specs=[
            config_pb2.MetricsSpec(metrics=[config_pb2.MetricConfig(class_name="SparseCategoricalAccuracy")]),
            # Of class 3 in the slice of another class there is nothing to compute: TFMA says NaN.
            config_pb2.MetricsSpec(
                metrics=[config_pb2.MetricConfig(class_name="Recall")],
                binarize=config_pb2.BinarizationOptions(class_ids={"values": [3]}),
            ),
        ],
    )
    frame = pd.DataFrame({LABEL_KEY: labels.astype(np.int64), "prediction": probabilities.tolist()})
    tfma.analyze_raw_data(frame, config, output_path=str(folder))


def save_data(folder: Path, split: Split) -> None:
    (folder / "examples" / "Split-eval").mkdir(parents=True)
    write_split(split, "eval", MODEL, folder / "examples" / "Split-eval")
    statistics = tfdv.generate_statistics_from_dataframe(pd.DataFrame({EVIL: split.labels.astype(float)}))
    (folder / "statistics" / "Split-eval").mkdir(parents=True)
    (folder / "statistics" / "Split-eval" / "FeatureStats.pb").write_bytes(statistics.SerializeToString())
    schema = tfdv.infer_schema(tfdv.generate_statistics_from_dataframe(pd.DataFrame({"gone": [1.0, 2.0]})))
    (folder / "anomalies" / "Split-eval").mkdir(parents=True)
    found = tfdv.validate_statistics(statistics, schema)
    (folder / "anomalies" / "Split-eval" / "SchemaDiff.pb").write_bytes(found.SerializeToString())


def save_training(folder: Path) -> None:
    writer = tf.summary.create_file_writer(str(folder))
    metadata = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"})
    with writer.as_default():
        for step, value in enumerate((0.9, 0.5, 0.25)):
            tf.summary.write("loss", value, step=step, metadata=metadata)
            tf.summary.write("val_loss", value / 2, step=step, metadata=metadata)
    writer.close()
