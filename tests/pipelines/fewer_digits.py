"""Write scikit-learn's digits as IDX files, without some of the training examples: new data, and nearly the same.

python -m tests.pipelines.fewer_digits FOLDER COUNT    (TFX environment)
"""

import sys
from pathlib import Path

import numpy as np

from models.mnist.data.sources import load_digits
from models.mnist.model.features import IMAGE_KEY
from tests.models.mnist.made_digits import idx_bytes

if __name__ == "__main__":
    folder, count, digits = Path(sys.argv[1]), int(sys.argv[2]), load_digits()
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, split in (("train", digits.train), ("t10k", digits.eval)):
        kept = split.take(slice(count if prefix == "train" else 0, None))
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx_bytes(kept.inputs[IMAGE_KEY]))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx_bytes(kept.labels.astype(np.uint8)))
