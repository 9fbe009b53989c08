"""Rule by which a blessed model replaces the latest release, for the Pusher and its Approval task alike.

Both models are known by their `measurements.json`, which names their origin. The release's is in its manifest.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from nightlite.ondevice.contract.file_contract import FileContract
from nightlite.ondevice.gates.paired import Comparison
from nightlite.ondevice.releases.release import Release

# The value of the run parameter `push` that overrides it.
EVEN_IF_NO_BETTER: Final = "even if no better"

# (sha256, latest release, versions of all pushed files by sha256) to a reason, or None.
Policy = Callable[[str, Release, Mapping[str, int]], str | None]


def policy(measurements: Mapping[str, Any] | None, push: str | None) -> Policy | None:
    """Return the rule for one candidate, or None if any blessed model may be pushed.

    Args:
      measurements: the candidate's measurements, if its pipeline measures any.
      push: the run parameter.
    """
    if measurements is None or push == EVEN_IF_NO_BETTER:
        return None
    return lambda sha256, latest, pushed: _no_better(measurements, sha256, latest, pushed)


def comparison_with(measurements: Mapping[str, Any] | None, sha256: str) -> Comparison | None:
    """Return a candidate's comparison with the file of that sha256, if there is one."""
    found = [(measurements or {}).get(name) for name in ("against_baseline", "against_anchor")]
    comparisons = [Comparison.model_validate(item) for item in found if item]
    return next((item for item in comparisons if item.sha256 == sha256), None)


def _no_better(measurements: Mapping[str, Any], sha256: str, latest: Release, pushed: Mapping[str, int]) -> str | None:
    manifest = latest.manifest
    if not _made_alike(measurements, manifest.measurements or {}):
        return None  # new data, code or form: the gates have judged it
    last = f"release {latest.version}"
    if sha256 in pushed:
        return f"no better: this very file is release {pushed[sha256]}, which {last} replaced on the same data"
    found = comparison_with(measurements, manifest.sha256)
    if found is None:
        return f"no better: not compared with {last}, which is of the same data; the next run will be"
    if found.better:
        return None
    if found.worse:
        return f"no better: worse than {last} on the same data ({found})"
    return f"no detectable difference from {last} on the same data ({found})"


def _made_alike(measurements: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two files have the same origin and form. One whose origin is not recorded counts as new."""
    origins = [[found.get(name) for name in ("code", "data", "contract")] for found in (measurements, other)]
    if not all(map(all, origins)) or measurements.get("quantization") != other.get("quantization"):
        return False
    (*made, contract), (*others_made, others_contract) = origins
    form = FileContract.model_validate(contract)
    return made == others_made and form.same_form(FileContract.model_validate(others_contract))
