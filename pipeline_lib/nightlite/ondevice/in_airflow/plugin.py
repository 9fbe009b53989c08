"""Airflow plugin: the tab *Releases* of a DAG, the tab *Model report* of a run, and the runs' notes.

A file of a deployment's plugins folder switches it on: its tabs are on every DAG and run. The wheel's entry point is
the runner's plugin alone. `deployment/airflow_fixes/` holds this deployment's patches of Airflow.
"""

from functools import cached_property
from typing import Any

# Unused here. Imported before Airflow forks, they need no import per DAG file.
import airflow.providers.standard.operators.hitl  # noqa: F401
import pydantic_settings  # noqa: F401
from airflow.plugins_manager import AirflowPlugin

from nightlite.ondevice.in_airflow.pages import run_note
from nightlite.ondevice.in_airflow.pages.links import URL_PREFIX
from nightlite.ondevice.report_files import RELEASES_ROUTE, REPORT_PAGE, REPORT_ROUTE


class NightlitePlugin(AirflowPlugin):
    """The pages and the notes, added to Airflow's UI."""

    name = "nightlite"
    external_views = [  # noqa: RUF012  an attribute of the base class, which Airflow reads from the instance
        {
            "name": "Model report",
            # Relative: Airflow's pages have a <base> with the path of the server's mount.
            "href": f"{URL_PREFIX.removeprefix('/')}/dags/{{DAG_ID}}/runs/{{RUN_ID}}/{REPORT_PAGE}",
            "destination": "dag_run",
            "url_route": REPORT_ROUTE,
        },
        {
            "name": "Releases",
            "href": f"{URL_PREFIX.removeprefix('/')}/dags/{{DAG_ID}}/releases",
            "destination": "dag",
            "url_route": RELEASES_ROUTE,
        },
    ]

    listeners = [run_note]  # noqa: RUF012

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the pages' app, made at first use: every process loads plugins, only the API server serves."""
        from nightlite.ondevice.in_airflow.pages.app import report_app

        return [{"app": report_app(), "url_prefix": URL_PREFIX, "name": "model report"}]
