"""Connection to the Airflow that a command asks."""

from nightlite.deployment.client.access import Access, ask_password, find_access
from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.settings import Settings
from nightlite.errors import StackError
from nightlite.paths import HOW_TO_START


def connect(config: Settings) -> tuple[Access, AirflowRest]:
    """Return the Airflow that the environment names, or the local one, with a connection to it.

    Raises:
      StackError: there is no Airflow.
      SettingsError: the environment is incomplete.
    """
    access = find_access(config, ask_password)
    if access is None:
        raise StackError(
            "expected an Airflow: NIGHTLITE_URL and who asks it, or a local one. Received: neither; "
            f"run {HOW_TO_START} for the second"
        )
    return access, AirflowRest(access)
