"""Gate `least_app_version`: another contract than the served release's needs a run that says a newer app's version."""

import contextlib

from nightlite.errors import ReleaseError
from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.releases.manifest import Manifest
from nightlite.ondevice.releases.reader import ReleaseReader
from nightlite.ondevice.run_options import LEAST_APP_VERSION

# A file with the result of `taken_app_version`, beside a copy of the served release for EdgeValidator.
TAKEN_FILE = "taken_app_version"


def taken_app_version(contract: AppContract, releases: ReleaseReader) -> int:
    """Return the greatest least app version of the releases that have another contract, or 0.

    Apps of that version read another contract. After a rollback this may be a release that is not served.
    """
    taken = 0
    for version in releases.versions():
        with contextlib.suppress(ReleaseError):
            manifest = releases.release(version).manifest
            if contract.changes(manifest.app_contract):
                taken = max(taken, manifest.least_app_version)
    return taken


def contract_change_gate(contract: AppContract, served: Manifest, taken: int, said: int, node_id: str) -> Gate | None:
    """Return the gate on a changed contract, or None if nothing that an app relies on changes.

    Args:
      contract: the candidate's.
      served: of the release that phones have.
      taken: the greatest least app version of any other contract.
      said: the run parameter.
      node_id: the node that judges.
    """
    changes = "; ".join(contract.changes(served.app_contract))
    if not changes:
        return None
    bound = max(taken, served.least_app_version) + 1
    return Gate(
        name=LEAST_APP_VERSION,
        node_id=node_id,
        subject=f"first version of your app for a contract other than release {served.version}'s ({changes})",
        relation=">=",
        bound=bound,
        value=said,
        passed=said >= bound,
    )
