"""Write scikit-learn's digits as IDX files, without some of the training examples: new data, and nearly the same.

python -m tests.pipelines.fewer_digits FOLDER COUNT    (TFX environment)
"""

import struct
import sys
from pathlib import Path

import numpy as np

from pipeline_lib.mnist.sources import load_digits


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


if __name__ == "__main__":
    folder, count, digits = Path(sys.argv[1]), int(sys.argv[2]), load_digits()
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, split in (("train", digits.train), ("t10k", digits.eval)):
        images, labels = (
            (split.images[count:], split.labels[count:]) if prefix == "train" else (split.images, split.labels)
        )
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels))
