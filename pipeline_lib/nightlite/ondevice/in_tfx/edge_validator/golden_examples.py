"""Choice of a release's golden examples among those of the eval split, by the data alone."""

from collections.abc import Sequence

import numpy as np

from nightlite.ondevice.contract.golden import LEAST_EXAMPLES, Golden, GoldenExample, numbers
from nightlite.ondevice.in_tfx.edge_validator.eval_answers import Floats, Indices
from nightlite.ondevice.in_tfx.raw_examples import Inputs, digest


def golden_first(inputs: Inputs, groups: Indices) -> tuple[Indices, int]:
    """Return the indices of all examples, the golden ones first, and the number of those.

    In the order of the digests, the first example of each group is golden. The first of the others follow, up to ten.

    Args:
      inputs: of all examples.
      groups: each example's, such as its class.
    """
    order = sorted(range(len(groups)), key=lambda index: (digest(inputs, index), groups[index]))
    of_group: dict[int, int] = {}
    for index in order:
        of_group.setdefault(int(groups[index]), index)
    chosen = [of_group[group] for group in sorted(of_group)]
    golden = set(chosen)
    others = [index for index in order if index not in golden]
    return np.array(chosen + others), min(max(len(chosen), LEAST_EXAMPLES), len(order))


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
