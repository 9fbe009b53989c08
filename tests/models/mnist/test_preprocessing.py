import numpy as np
import tensorflow as tf

from models.mnist.model.features import IMAGE_KEY, IMAGE_SIZE, LABEL_KEY, transformed_name
from models.mnist.model.preprocessing import preprocessing_fn


def test_image_and_label_reach_the_trainer_as_they_are() -> None:
    images = np.linspace(-0.5, 0.5, 3 * IMAGE_SIZE, dtype=np.float32).reshape(3, IMAGE_SIZE)
    labels = np.array([[0], [5], [9]])

    outputs = preprocessing_fn({IMAGE_KEY: tf.constant(images), LABEL_KEY: tf.constant(labels)})

    assert set(outputs) == {transformed_name(IMAGE_KEY), transformed_name(LABEL_KEY)}
    np.testing.assert_array_equal(outputs[transformed_name(IMAGE_KEY)], images)
    np.testing.assert_array_equal(outputs[transformed_name(LABEL_KEY)], labels)
    assert outputs[transformed_name(LABEL_KEY)].dtype == tf.int64
