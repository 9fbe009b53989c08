"""The module file of all components: each looks its function up by name."""

from pathlib import Path

import keras
import keras_tuner
import shop_features
import tensorflow as tf
import tensorflow_model_analysis as tfma
import tensorflow_transform as tft
from tfx.components.tuner.component import TunerFnResult


def preprocessing_fn(inputs):
    return {
        shop_features.FEATURE: tft.scale_to_0_1(inputs[shop_features.FEATURE]),
        shop_features.LABEL: inputs[shop_features.LABEL],
    }


def _build(parameters):
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(parameters.Int("units", 1, 2))])
    model.compile(loss="mse")
    return model


def tuner_fn(fn_args):
    tuner = keras_tuner.RandomSearch(
        _build, max_trials=1, objective="loss", directory=fn_args.working_dir, project_name="tuning"
    )
    data = tf.data.Dataset.from_tensor_slices(([[0.1], [0.9]], [[0.0], [1.0]])).batch(2)
    return TunerFnResult(tuner=tuner, fit_kwargs={"x": data, "epochs": 1, "verbose": 0})


class Model(tf.Module):
    """A model that was not trained: half of its answers are right."""

    def __init__(self, specification, units):
        super().__init__()
        self.units = tf.Variable(float(units))
        self._specification = specification

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples):
        parsed = tf.io.parse_example(examples, self._specification)
        price = tf.reshape(tf.cast(parsed[shop_features.FEATURE], tf.float32), [-1, 1])
        return {"score": tf.sigmoid((price - 50.0) * tf.minimum(self.units, 1.0))}


def run_fn(fn_args):
    specification = tft.TFTransformOutput(fn_args.transform_output).raw_feature_spec()
    specification.pop(shop_features.LABEL)
    model = Model(specification, fn_args.hyperparameters["values"]["units"])
    tf.saved_model.save(model, fn_args.serving_model_dir, signatures={"serving_default": model.serve})
    names = sorted(fn_args.hyperparameters["values"])
    Path(fn_args.serving_model_dir, shop_features.TUNED).write_text(str(names))


def custom_extractors(eval_shared_model, eval_config, tensor_adapter_config):
    Path(shop_features.EXTRACTED).touch()
    return tfma.default_extractors(
        eval_shared_model=eval_shared_model, eval_config=eval_config, tensor_adapter_config=tensor_adapter_config
    )
