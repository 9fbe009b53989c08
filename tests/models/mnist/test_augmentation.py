import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.mnist.model.augmentation import Distortion, distort
from models.mnist.model.features import IMAGE_SIDE, IMAGE_SIZE

NOTHING = Distortion(rotation=0, scale=0, shear=0, shift=0)


def seed(number: int) -> tf.Tensor:
    return tf.constant([1, number], tf.int64)


def crosses(count: int) -> npt.NDArray[np.float32]:
    images = np.full((count, IMAGE_SIDE, IMAGE_SIDE), -0.5, np.float32)
    images[:, 13:15, 4:24] = images[:, 4:24, 13:15] = 0.5
    return images.reshape(count, IMAGE_SIZE)


def test_no_distortion_changes_nothing() -> None:
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (4, IMAGE_SIZE)).astype(np.float32)
    np.testing.assert_allclose(distort(images, seed(0), NOTHING), images, atol=1e-5)


def test_each_image_is_distorted_by_itself_and_the_same_seed_repeats_it() -> None:
    images = crosses(8)
    first = distort(images, seed(3), Distortion()).numpy()
    assert first.shape == images.shape
    assert len(np.unique(first, axis=0)) == 8
    np.testing.assert_array_equal(first, distort(images, seed(3), Distortion()))
    assert not np.array_equal(first, distort(images, seed(4), Distortion()))


def test_turning_and_scaling_are_about_the_centre() -> None:
    turned = distort(crosses(16), seed(0), Distortion(rotation=0.2, scale=0.1, shear=0.2, shift=0)).numpy()
    ink = turned.reshape(16, IMAGE_SIDE, IMAGE_SIDE) + 0.5
    rows, columns = np.mgrid[:IMAGE_SIDE, :IMAGE_SIDE]
    for axis in (rows, columns):
        np.testing.assert_allclose((ink * axis).sum((1, 2)) / ink.sum((1, 2)), (IMAGE_SIDE - 1) / 2, atol=0.1)


def test_what_comes_in_from_outside_is_background() -> None:
    moved = distort(np.full((16, IMAGE_SIZE), 0.5, np.float32), seed(0), Distortion(0, 0, 0, shift=5)).numpy()
    assert moved.min() == -0.5
    assert moved.max() <= 0.5
