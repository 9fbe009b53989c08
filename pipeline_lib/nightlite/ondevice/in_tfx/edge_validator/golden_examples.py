"""Choice of a release's golden examples among those of the eval split, by the data alone."""

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from nightlite.ondevice.contract.golden import LEAST_EXAMPLES, Golden, GoldenExample, numbers
from nightlite.ondevice.in_tfx.answers.tally import Floats, Indices
from nightlite.ondevice.in_tfx.raw_examples import Inputs, digest

# An example's digest, its group and its index.
_Place = tuple[bytes, int, int]


def golden_first(batches: Iterable[Inputs], groups: Indices, most: int) -> tuple[Indices, int]:
    """Return the indices of the first examples in the order of their digests, and the number of golden ones.

    The golden ones come first. They are the first example of each group, then the first of the others, up to ten.

    Args:
      batches: the inputs of all examples.
      groups: each example's, such as its class.
      most: the number of indices to return. There are more if there are more groups.
    """
    of_group: dict[int, _Place] = {}

    def placed() -> Iterator[_Place]:
        for place in _places(batches, groups):
            of_group[place[1]] = min(place, of_group.get(place[1], place))
            yield place

    first = heapq.nsmallest(max(most, LEAST_EXAMPLES), placed())
    chosen = [of_group[group][2] for group in sorted(of_group)]
    golden = set(chosen)
    others = [index for *_, index in first if index not in golden]
    indices = np.array(chosen + others[: max(most - len(chosen), 0)], np.int64)
    return indices, min(max(len(chosen), LEAST_EXAMPLES), len(indices))


def _places(batches: Iterable[Inputs], groups: Indices) -> Iterator[_Place]:
    indices = itertools.count()
    for batch in batches:
        for place in range(len(next(iter(batch.values())))):
            index = next(indices)
            yield digest(batch, place), int(groups[index]), index


def golden_of(
    sha256: str, tolerance: float, inputs: Inputs, labels: Sequence[str | float], output: str, outputs: Floats
) -> Golden:
    """Return golden examples of these inputs [n, …], true labels and the file's outputs [n, …], by name `output`."""
    examples = (
        GoldenExample(
            label=label,
            inputs={name: numbers(values[index].ravel().tolist()) for name, values in inputs.items()},
            outputs={output: numbers(outputs[index].ravel().tolist())},
        )
        for index, label in enumerate(labels)
    )
    return Golden(sha256=sha256, tolerance=tolerance, examples=tuple(examples))
