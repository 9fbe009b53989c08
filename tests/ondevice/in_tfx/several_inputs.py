"""A model of three inputs, of which none can stand for another, and its examples."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from nightlite.ondevice.contract.file_contract import FileContract, TensorContract

# Neither in the alphabet's order nor in that of their sizes.
SIZES = {"width": 1, "age": 1, "marks": 3}
CONTRACT = FileContract(
    inputs=tuple(TensorContract(name=name, dtype="float32", shape=(1, size)) for name, size in SIZES.items()),
    output=TensorContract(name="p", dtype="float32", shape=(1, 4)),
)
Inputs = dict[str, npt.NDArray[np.float32]]


def inputs(count: int) -> Inputs:
    random = np.random.default_rng(3)
    return {name: random.uniform(-1, 1, (count, size)).astype(np.float32) for name, size in SIZES.items()}


def save_model(folder: Path, signature: str = "lite") -> tf.Module:
    """Save a softmax over the three inputs as a SavedModel. Return it loaded."""
    sizes = {"age": 1, "marks": 3, "width": 1}
    weights = tf.random.stateless_normal([sum(sizes.values()), 4], seed=(3, 4))

    @tf.function(
        input_signature=[tf.TensorSpec([None, size], tf.float32, name=name) for name, size in sizes.items()],
        autograph=False,
    )
    def answer(age: tf.Tensor, marks: tf.Tensor, width: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"p": tf.nn.softmax(tf.matmul(tf.concat([age, marks, width], axis=1), weights))}

    module = tf.Module()
    module.answer = answer
    tf.saved_model.save(module, str(folder), signatures={signature: answer.get_concrete_function()})
    return tf.saved_model.load(str(folder))


def save_examples(file: Path, found: Inputs) -> None:
    """Write raw examples as TFX's ExampleGen does, with a feature that the file does not take."""
    with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
        for index in range(len(found["age"])):
            example = tf.train.Example()
            for name, values in found.items():
                example.features.feature[name].float_list.value.extend(values[index].tolist())
            example.features.feature["label"].int64_list.value.append(index % 4)
            writer.write(example.SerializeToString())
