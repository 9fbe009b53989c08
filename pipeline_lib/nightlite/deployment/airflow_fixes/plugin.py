"""The Airflow plugin that switches this deployment's middlewares on, for every DAG of its API server.

A file of Airflow's plugins folder names it: `deployment/local/airflow_config.py` writes the local Airflow's,
`docker/airflow/plugins/` holds the containers'. The wheel's entry point does not.
"""

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk.configuration import conf


class AirflowFixes(AirflowPlugin):
    """The API server's refusals: unknown parameters, other sites' pages, long bodies. On SQLite also its turns."""

    name = "airflow_fixes"

    @cached_property
    def fastapi_root_middlewares(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the middlewares, imported at first use. A request passes the last of them first."""
        from nightlite.deployment.airflow_fixes.body_limit import BodyLimit
        from nightlite.deployment.airflow_fixes.same_origin import SameOrigin
        from nightlite.deployment.airflow_fixes.sqlite_writes import SqliteWrites
        from nightlite.deployment.airflow_fixes.unknown_parameters import UnknownParameters

        on_sqlite = conf.get("database", "sql_alchemy_conn").startswith("sqlite")
        return [
            {"middleware": UnknownParameters, "name": "unknown parameters"},
            *([{"middleware": SqliteWrites, "name": "SQLite writes"}] if on_sqlite else []),
            {"middleware": BodyLimit, "name": "body limit"},
            {"middleware": SameOrigin, "name": "same origin"},
        ]
