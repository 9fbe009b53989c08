"""Random affine distortions: a slightly turned, slanted, scaled or moved digit is the same digit."""

import dataclasses

import keras
import tensorflow as tf

from models.mnist.model.features import IMAGE_SIDE, IMAGE_SIZE

_BACKGROUND = -0.5
_CENTRE = (IMAGE_SIDE - 1) / 2


@dataclasses.dataclass(frozen=True)
class Distortion:
    """Limits of the distortion. Each value is drawn uniformly from [-limit, limit] for each image."""

    rotation: float = 0.2
    """radians"""
    scale: float = 0.1
    """fraction of the size, each axis by itself"""
    shear: float = 0.2
    """tangent of the slant"""
    shift: float = 2.0
    """pixels, each axis by itself"""


def distort(images: tf.Tensor, seed: tf.Tensor, distortion: Distortion) -> tf.Tensor:
    """Distort each image by an affine map of its own, bilinear, with background outside.

    Args:
      images: float32 [batch, 784], in [-0.5, 0.5].
      seed: int64 [2]. The same seed distorts the same way.
      distortion: the limits.

    Returns:
      float32 [batch, 784].
    """
    square = tf.reshape(images, [-1, IMAGE_SIDE, IMAGE_SIDE, 1])
    moved = keras.ops.image.affine_transform(
        square, affine_maps(tf.shape(images)[0], seed, distortion), fill_mode="constant", fill_value=_BACKGROUND
    )
    return tf.reshape(moved, [-1, IMAGE_SIZE])


def affine_maps(count: tf.Tensor, seed: tf.Tensor, distortion: Distortion) -> tf.Tensor:
    """Return `count` random maps about the image's centre, float32 [count, 8].

    A map is (a0, a1, a2, b0, b1, b2, 0, 0), the form of `keras.ops.image.affine_transform`. The output's pixel at
    (x, y) is the input's at (a0 x + a1 y + a2, b0 x + b1 y + b2).
    """
    d = distortion
    limits = tf.constant([d.rotation, d.scale, d.scale, d.shear, d.shift, d.shift], tf.float32)[:, tf.newaxis]
    draws = limits * tf.random.stateless_uniform([6, count], seed, -1.0, 1.0)
    angle, scale_x, scale_y, shear, shift_x, shift_y = tf.unstack(draws)
    cos, sin = tf.cos(angle), tf.sin(angle)
    a0, a1 = (1 + scale_x) * cos, (1 + scale_x) * (shear * cos - sin)
    b0, b1 = (1 + scale_y) * sin, (1 + scale_y) * (shear * sin + cos)
    a2 = shift_x + _CENTRE * (1 - a0 - a1)
    b2 = shift_y + _CENTRE * (1 - b0 - b1)
    zero = tf.zeros_like(angle)
    return tf.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1)
