"""A small split read whole, for tests that compare with it."""

from collections.abc import Sequence

import numpy as np

from nightlite.ondevice.contract.file_contract import FileContract
from nightlite.ondevice.in_tfx.raw_examples import Inputs, Labels, labelled_batches


def read_labelled(files: Sequence[str], contract: FileContract, label_key: str) -> tuple[Inputs, Labels]:
    """Return the inputs by their names, and the labels, in the examples' order."""
    batches = list(labelled_batches(files, contract, label_key))
    inputs = {name: np.concatenate([batch[name] for batch, _ in batches]) for name in batches[0][0]}
    return inputs, np.concatenate([labels for _, labels in batches])
