"""McNemar's exact test of two files' answers. It needs SciPy, so it runs in the TFX environment only."""

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from nightlite.ondevice.gates.paired import Comparison


def compare(right: npt.NDArray[np.bool_], others: npt.NDArray[np.bool_], sha256: str) -> Comparison:
    """Compare the examples that two files read right.

    Args:
      right: of the candidate, bool [n].
      others: of the other file, bool [n].
      sha256: the other file's.
    """
    won, lost = int(np.sum(right & ~others)), int(np.sum(others & ~right))
    p = float(binomtest(won, won + lost).pvalue) if won + lost else 1.0
    return Comparison(sha256=sha256, won=won, lost=lost, n=len(right), p=p)
