"""Our Airflow plugin: the tab *Model report* of a DAG run, runs' notes, checks of who asks and what new runs are told.

Registered by this distribution's entry point `airflow.plugins`: where it is installed with Airflow, the plugin is too.
"""

from functools import cached_property
from typing import Any

# These two are not used here. The scheduler and the DAG processor load plugins before they fork the processes that read
# a DAG's file, once for each task: what is here by then, none of those has to import again.
import airflow.providers.standard.operators.hitl  # noqa: F401
import pydantic_settings  # noqa: F401
from airflow.plugins_manager import AirflowPlugin
from airflow.sdk.configuration import conf

from nightlite.ondevice.in_airflow.pages import run_note
from nightlite.ondevice.in_airflow.pages.links import URL_PREFIX
from nightlite.ondevice.report_files import REPORT_PAGE, REPORT_ROUTE


class MnistLitePlugin(AirflowPlugin):
    """Adds the report and the notes to Airflow's UI, and to its API a refusal of parameters that a pipeline has not.

    No other site's page acts with a person's login. Bodies are bounded. On SQLite also an order of the requests that
    write.
    """

    name = "mnist_lite"
    external_views = [  # noqa: RUF012  an attribute of the base class, which Airflow reads from the instance
        {
            "name": "Model report",
            # Relative: Airflow's pages have a <base>, which knows of a path that the server is mounted under.
            "href": f"{URL_PREFIX.removeprefix('/')}/dags/{{DAG_ID}}/runs/{{RUN_ID}}/{REPORT_PAGE}",
            "destination": "dag_run",
            "url_route": REPORT_ROUTE,
        }
    ]

    listeners = [run_note]  # noqa: RUF012

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Made where it is asked for: every process of Airflow loads plugins, only the API server serves."""
        from nightlite.ondevice.in_airflow.pages.app import report_app

        return [{"app": report_app(), "url_prefix": URL_PREFIX, "name": "model report"}]

    @cached_property
    def fastapi_root_middlewares(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """As above. A request passes the last of them first."""
        from nightlite.deployment.airflow_fixes.body_limit import BodyLimit
        from nightlite.deployment.airflow_fixes.same_origin import SameOrigin
        from nightlite.deployment.airflow_fixes.sqlite_writes import OneWriter
        from nightlite.deployment.airflow_fixes.unknown_parameters import ConfGuard

        on_sqlite = conf.get("database", "sql_alchemy_conn").startswith("sqlite")
        return [
            {"middleware": ConfGuard, "name": "run parameters"},
            *([{"middleware": OneWriter, "name": "one writer"}] if on_sqlite else []),
            {"middleware": BodyLimit, "name": "length of bodies"},
            {"middleware": SameOrigin, "name": "same origin"},
        ]
