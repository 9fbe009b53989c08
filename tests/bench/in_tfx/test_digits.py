"""The bench's examples: moved digits, any number of them in little memory."""

import tracemalloc

import numpy as np
import pytest

from bench.tfx.digits import LARGEST_SHIFT, dataset, shifted
from models.mnist.model.features import IMAGE_KEY, IMAGE_SIDE
from nightlite.ondevice.in_tfx.ingest.examples import Split


@pytest.fixture(scope="module")
def pair() -> Split:
    """Return two images that no two shifts make alike."""
    pixels = np.random.default_rng(5).integers(1, 256, size=(2, IMAGE_SIDE, IMAGE_SIDE)).astype(np.uint8)
    return Split({IMAGE_KEY: pixels}, np.array([3, 7], np.uint8))


def test_each_example_is_a_drawn_one_moved_by_a_drawn_distance(pair: Split) -> None:
    draw = np.random.default_rng(9)
    chosen = draw.integers(len(pair), size=500)
    moves = draw.integers(-LARGEST_SHIFT, LARGEST_SHIFT + 1, size=(500, 2))
    images = [np.roll(pair.inputs[IMAGE_KEY][index], move, (0, 1)) for index, move in zip(chosen, moves, strict=True)]
    made = shifted(pair, 500, seed=9)
    np.testing.assert_array_equal(made.inputs[IMAGE_KEY], np.stack(images))
    np.testing.assert_array_equal(made.labels, pair.labels[chosen])


def test_a_fifth_is_held_out() -> None:
    made = dataset(1_000)
    assert (len(made.train), len(made.eval)) == (800, 200)


def test_examples_cost_a_few_bytes_each_not_their_pixels(pair: Split) -> None:
    tracemalloc.start()
    try:
        made = shifted(pair, 100_000, seed=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(made) == 100_000
    assert peak < 100_000 * 100  # the pixels of each are 784 bytes
