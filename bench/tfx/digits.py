"""Write a span of any number of examples, made of scikit-learn's real digits.

python -m bench.tfx.digits EXAMPLES DATA_DIR
"""

import itertools
import sys
from pathlib import Path

import numpy as np

from models.mnist.data.sources import DIGIT_BOX, load_digits
from models.mnist.model.features import IMAGE_KEY, IMAGE_SIDE
from models.mnist.on_device import MODEL
from nightlite.ondevice.in_tfx.ingest.examples import Dataset, Split
from nightlite.ondevice.in_tfx.ingest.write_span import write_span

EVAL_SHARE = 0.2
# The distance that a digit can move within the image.
LARGEST_SHIFT = (IMAGE_SIDE - DIGIT_BOX) // 2
_SHIFTS = range(-LARGEST_SHIFT, LARGEST_SHIFT + 1)


def shifted(split: Split, examples: int, seed: int) -> Split:
    """Return that many examples, each a real one moved by up to four pixels either way. The result is reproducible.

    Only the different images are in memory, not the examples.
    """
    draw = np.random.default_rng(seed)
    chosen = draw.integers(len(split), size=examples)
    down, right = draw.integers(-LARGEST_SHIFT, LARGEST_SHIFT + 1, size=(examples, 2)).T + LARGEST_SHIFT
    different, order = np.unique((down * len(_SHIFTS) + right) * len(split) + chosen, return_inverse=True)
    move, real = np.divmod(different, len(split))
    images = split.inputs[IMAGE_KEY][real]
    for number, distances in enumerate(itertools.product(_SHIFTS, _SHIFTS)):
        images[move == number] = np.roll(images[move == number], distances, (1, 2))
    return Split({IMAGE_KEY: images}, split.labels[real]).take(order)


def dataset(examples: int) -> Dataset:
    """Return `examples` digits, a fifth of them for evaluation. No evaluation digit is a shifted training digit."""
    digits, held_out = load_digits(), round(examples * EVAL_SHARE)
    train, evaluation = shifted(digits.train, examples - held_out, seed=1), shifted(digits.eval, held_out, seed=2)
    return Dataset(f"digits, shifted to {examples}", train, evaluation)


if __name__ == "__main__":
    print(write_span(MODEL, dataset(int(sys.argv[1])), Path(sys.argv[2])))
