"""The place of our middlewares: in this deployment's API server, and in no other that has the wheel."""

from fastapi import FastAPI

from nightlite.paths import PROJECT
from tests.real_airflow import api_application, deployed_api_application

ALL = ["SameOrigin", "BodyLimit", "SqliteWrites", "UnknownParameters"]


def ours(app: FastAPI) -> list[str]:
    """Return the names of our middlewares in the order in which a request passes them."""
    classes = [item.cls for item in app.user_middleware]
    return [cls.__name__ for cls in classes if cls.__module__.startswith("nightlite.")]  # type: ignore[attr-defined]


def test_the_wheels_plugin_alone_adds_no_middleware(airflow_database: None) -> None:
    from nightlite.ondevice.in_airflow.pages.links import URL_PREFIX as OF_MODELS
    from nightlite.runner.in_airflow.pages.links import URL_PREFIX as OF_RUNNER

    with api_application() as app:
        assert ours(app) == []
        mounted = [getattr(route, "path", "") for route in app.routes]
    assert OF_RUNNER in mounted and OF_MODELS not in mounted


def test_this_deployments_configuration_switches_them_on(airflow_database: None) -> None:
    with deployed_api_application() as app:
        assert ours(app) == ALL


def test_so_does_the_containers_folder(airflow_database: None) -> None:
    with api_application(plugins_folder=PROJECT / "docker" / "airflow" / "plugins") as app:
        assert ours(app) == ALL


def test_it_adds_nothing_else() -> None:
    from airflow.plugins_manager import AirflowPlugin

    from nightlite.deployment.airflow_fixes.plugin import AirflowFixes

    plugin, bare = AirflowFixes(), AirflowPlugin()
    empty = [name for name, value in vars(AirflowPlugin).items() if value == []]
    assert empty
    changed = {name for name in empty if getattr(plugin, name) != getattr(bare, name)}
    assert changed == {"fastapi_root_middlewares"}
