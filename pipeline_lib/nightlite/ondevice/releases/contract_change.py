"""Gate `least_app_version`: another contract than the served release's needs a run that says a newer app's version."""

from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.releases.manifest import Manifest
from nightlite.ondevice.run_options import LEAST_APP_VERSION


def contract_change_gate(contract: AppContract, served: Manifest, said: int, node_id: str) -> Gate | None:
    """Return the gate on a changed contract, or None if nothing that an app relies on changes.

    Args:
      contract: the candidate's.
      served: of the release that phones have.
      said: the run parameter.
      node_id: the node that judges.
    """
    changes = "; ".join(contract.changes(served.app_contract))
    if not changes:
        return None
    bound = served.least_app_version + 1
    return Gate(
        name=LEAST_APP_VERSION,
        node_id=node_id,
        subject=f"least version of the app for a contract other than release {served.version}'s ({changes})",
        relation=">=",
        bound=bound,
        value=said,
        passed=said >= bound,
    )
