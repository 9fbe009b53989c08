"""Airflow plugin of the runner: the page behind a node's button *Artifacts*, and notes on nodes that ran nothing.

This distribution's entry point `airflow.plugins` registers it. It has one app below its own prefix, one listener that
writes on tasks of our operator only, and no view and no middleware: other DAGs are as they were.
"""

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from nightlite.runner.in_airflow.pages import node_notes
from nightlite.runner.in_airflow.pages.links import URL_PREFIX


class RunnerPlugin(AirflowPlugin):
    """The page of a node's outputs in Airflow's API server, and the notes in its grid."""

    name = "nightlite_runner"
    listeners = [node_notes]  # noqa: RUF012

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the page's app, made at first use: every process loads plugins, only the API server serves."""
        from nightlite.runner.in_airflow.pages.app import runner_app

        return [{"app": runner_app(), "url_prefix": URL_PREFIX, "name": "nightlite artifacts"}]
