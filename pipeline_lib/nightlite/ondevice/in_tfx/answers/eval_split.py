"""Eval split of which models are asked: inputs on the disk, labels in memory."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from nightlite.ondevice.contract.file_contract import FileContract
from nightlite.ondevice.in_tfx.answers.spool import SpooledInputs
from nightlite.ondevice.in_tfx.raw_examples import BATCH, Inputs, Labels, labelled_batches


@dataclass(frozen=True)
class EvalSplit:
    """Examples of a split in their order. `labels` [n] are eight bytes an example, a regression's four."""

    inputs: SpooledInputs
    labels: Labels

    @classmethod
    def spooled(
        cls, files: Sequence[str], contract: FileContract, label_key: str, label_type: type[np.generic], folder: Path
    ) -> Self:
        """Read a split's files as `labelled_batches` does, and write its inputs into a new folder below this one.

        Raises:
          DataError: there is no example.
        """
        labels: list[Labels] = []

        def inputs() -> Iterator[Inputs]:
            for batch, found in labelled_batches(files, contract, label_key, label_type):
                labels.append(found)
                yield batch

        spooled = SpooledInputs.write(folder / "inputs", inputs())
        return cls(spooled, np.concatenate(labels))

    def label_batches(self) -> Iterator[Labels]:
        """Yield the labels of each batch of the inputs."""
        for start in range(0, len(self.labels), BATCH):
            yield self.labels[start : start + BATCH]

    @property
    def eval_set(self) -> str:
        """Return a hash of all examples in their order."""
        digest = hashlib.sha256()
        for file in self.inputs.files.values():
            for batch in file:
                digest.update(batch.tobytes())
        digest.update(self.labels.tobytes())
        return digest.hexdigest()[:16]
