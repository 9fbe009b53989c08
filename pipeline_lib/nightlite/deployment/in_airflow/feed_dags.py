"""The DAGs that publish the feeds, one for each model that is switched on. No model is imported."""

from airflow.sdk import DAG

from nightlite.deployment.models import names
from nightlite.errors import SettingsError
from nightlite.ondevice.in_airflow.feed_dag import feed_dag
from nightlite.ondevice.settings import is_enabled


def feed_dags() -> dict[str, DAG]:
    """Return the DAGs by their ids, none without keys.

    Raises:
      SettingsError: a setting of the deployment is malformed.
    """
    found = (feed_dag(name) for name in names() if _is_on(name))
    return {dag.dag_id: dag for dag in found if dag}


def _is_on(name: str) -> bool:
    """Return whether a model is switched on. One with a malformed setting is, and its task says what is wrong."""
    try:
        return is_enabled(name)
    except SettingsError:
        return True
