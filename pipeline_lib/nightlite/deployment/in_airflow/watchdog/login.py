"""Login of the watchdog at Airflow's own REST API, from Airflow's configuration alone.

A task has no database, and the task SDK lists neither DAGs nor import errors. The address is the one at which tasks
reach the API server. In containers, `init` makes a user who may only look, and an Airflow Connection holds the
password. Locally, SimpleAuthManager's own file of passwords does.
"""

import json
from pathlib import Path

from airflow.sdk import Connection
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException
from pydantic import SecretStr

from nightlite.deployment.client.access import Access
from nightlite.errors import StackError

# The user, and the Connection that holds the password.
WATCHDOG_USER, CONNECTION = "watchdog", "nightlite_watchdog"
_SIMPLE = "SimpleAuthManager"


def login() -> Access:
    """Return the address and the login.

    Raises:
      StackError: there is no login.
    """
    url = _address()
    if conf.get("core", "auth_manager", fallback="").endswith(_SIMPLE):
        user, password = _simple_user()
        return Access(url=url, user=user, password=SecretStr(password))
    try:
        found = Connection.get(CONNECTION)
    except AirflowNotFoundException:
        raise StackError(
            f"expected an Airflow Connection {CONNECTION} with login and password of a user who may look. "
            "Received: none; add it in Airflow's UI, or run 'docker compose up -d', whose init adds it"
        ) from None
    return Access(url=url, user=found.login or WATCHDOG_USER, password=SecretStr(found.password or ""))


def _address() -> str:
    """Return the address of the API server as tasks reach it. The public one may be a proxy's."""
    of_tasks = conf.get("core", "execution_api_server_url", fallback="")
    return str(of_tasks or conf.get("api", "base_url", fallback="")).rstrip("/").removesuffix("/execution")


def _simple_user() -> tuple[str, str]:
    """Return one user of SimpleAuthManager and their password."""
    home = conf.get("core", "simple_auth_manager_passwords_file", fallback="")
    try:
        user, password = next(iter(json.loads(Path(home).read_text(encoding="utf-8")).items()))
    except (OSError, ValueError, AttributeError, StopIteration) as error:
        raise StackError(f"expected a file of passwords of SimpleAuthManager. Received: {home}, {error!r}") from None
    return str(user), str(password)
