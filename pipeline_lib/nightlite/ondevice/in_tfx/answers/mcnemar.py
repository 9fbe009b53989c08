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
    return of_counts(int(np.sum(right & ~others)), int(np.sum(others & ~right)), len(right), sha256)


def of_counts(won: int, lost: int, n: int, sha256: str) -> Comparison:
    """Return the comparison of `n` examples, of which only the candidate or only the other file read some right."""
    p = float(binomtest(won, won + lost).pvalue) if won + lost else 1.0
    return Comparison(sha256=sha256, won=won, lost=lost, n=n, p=p)
