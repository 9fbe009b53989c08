"""Rule by which a blessed model replaces the latest release, for the Pusher and its Approval task alike.

Both models are known by their `measurements.json`, which names their origin, and by their contracts with the app.
The release's are in its manifest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.contract.file_contract import FileContract
from nightlite.ondevice.gates.paired import Comparison
from nightlite.ondevice.releases.contract_change import contract_change_gate, taken_app_version
from nightlite.ondevice.releases.reader import ReleaseReader
from nightlite.ondevice.releases.release import Release

# The value of the run parameter `push` that overrides a comparison.
EVEN_IF_NO_BETTER: Final = "even if no better"


@dataclass(frozen=True)
class Policy:
    """The rule for one candidate. Without arguments, it may always be pushed.

    Attributes:
      measurements: the candidate's measurements, if its pipeline measures any.
      push: the run parameter.
      contract: what an app relies on; None: its changes are not judged.
      least_app_version: the run parameter.
    """

    measurements: Mapping[str, Any] | None = None
    push: str | None = None
    contract: AppContract | None = None
    least_app_version: int = 0

    def changes_contract(self, latest: Release) -> bool:
        """Return whether an app relies on something that this file changes."""
        return bool(self.contract and self.contract.changes(latest.manifest.app_contract))

    def unannounced_change(self, latest: Release, releases: ReleaseReader) -> str | None:
        """Return the reason why a changed contract is refused, or None.

        EdgeValidator's gate compared it with the release of its time. Someone may have rolled back since.
        """
        if not self.contract or not self.changes_contract(latest):
            return None
        taken = taken_app_version(self.contract, releases)
        gate = contract_change_gate(self.contract, latest.manifest, taken, self.least_app_version, node_id="")
        return None if gate is None or gate.passed else str(gate)

    def no_better(self, sha256: str, latest: Release, pushed: Mapping[str, int]) -> str | None:
        """Return the reason why a file is no better than the latest, or None.

        Args:
          sha256: the file's.
          latest: the latest release.
          pushed: versions of all pushed files, by sha256.
        """
        if self.measurements is None or self.push == EVEN_IF_NO_BETTER or self.changes_contract(latest):
            return None
        return _no_better(self.measurements, sha256, latest, pushed)


ANY_BLESSED: Final = Policy()


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
