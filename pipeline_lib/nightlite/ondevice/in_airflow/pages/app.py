"""App in Airflow's UI: a model's releases, a run's report and its nodes' files, for readers of the runs.

Airflow mounts a plugin's app without its login. So the routes here ask for it, as Airflow's own do.
"""

import pathlib
from typing import Annotated

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import FastAPI, Path, Response
from fastapi.responses import FileResponse
from sqlalchemy.orm import Session

from nightlite.ondevice.in_airflow.pages.links import URL_PREFIX
from nightlite.ondevice.in_airflow.pages.node_outputs import folders_around, outputs_of
from nightlite.ondevice.in_airflow.pages.releases_page import model_of, releases_page
from nightlite.ondevice.in_airflow.pages.try_pages import add_try_routes
from nightlite.ondevice.releases.manifest import CARD_FILE, LABELS_FILE, MANIFEST_FILE
from nightlite.ondevice.releases.reader import ReleaseReader
from nightlite.ondevice.report_files import (
    EVALUATIONS_PAGE,
    REPORT_JSON,
    REPORT_PAGE,
    STATISTICS_PAGE,
)
from nightlite.ondevice.results.node_facts import facts_of
from nightlite.ondevice.results.run_summary import report_page
from nightlite.ondevice.settings import settings
from nightlite.runner.in_airflow.pages.app import FILE_HEADERS, HEADERS, RUN, add_get, add_node_routes, nothing
from nightlite.runner.in_airflow.pages.output_files import file_in
from nightlite.runner.in_airflow.xcom import by_group, stored_results

_MEDIA_TYPES = {
    REPORT_PAGE: "text/html",
    STATISTICS_PAGE: "text/html",
    EVALUATIONS_PAGE: "text/html",
    REPORT_JSON: "application/json",
}
# The files of a release that a browser shows. It downloads the others.
_SHOWN = {MANIFEST_FILE: "application/json", CARD_FILE: "text/plain", LABELS_FILE: "text/plain"}


def report_app() -> FastAPI:
    """Return the app that Airflow mounts. It serves files below the pipeline root, and releases."""
    app = FastAPI(title="nightlite: model report", docs_url=None, redoc_url=None, openapi_url=None)
    add_get(app, "/dags/{dag_id}/releases", _releases)
    add_try_routes(app)
    add_get(app, "/dags/{dag_id}/releases/{version}/{name}", _released_file)
    add_node_routes(
        app, URL_PREFIX, lambda result: outputs_of(result, settings()), lambda result: facts_of(result).refusals
    )
    add_get(app, f"{RUN}/{{page}}", _page)
    return app


# Plain functions: FastAPI runs them in threads that may wait for database and disk.
def _releases(dag_id: str) -> Response:
    """Return the page of the releases of the DAG's model."""
    if not (name := model_of(dag_id)):
        return nothing("This DAG makes no releases: it is no model's nightly DAG.")
    releases = ReleaseReader(settings().folders(name).releases)
    return Response(releases_page(dag_id, releases), 200, HEADERS, "text/html")


def _released_file(dag_id: str, version: Annotated[int, Path(ge=1)], name: str) -> Response:
    """Return a file of a release: to read, or as a download."""
    folder = settings().folders(model).releases if (model := model_of(dag_id)) else None
    found = file_in([folder], str(folder / str(version)), name) if folder else None
    if found is None:
        return nothing("There is no such file of a release: it was pruned, or never made.")
    shown = _SHOWN.get(name)
    return FileResponse(
        found,
        200,
        FILE_HEADERS,
        shown or "application/octet-stream",
        filename=found.name,
        content_disposition_type="inline" if shown else "attachment",
    )


def _page(dag_id: str, run_id: str, page: str, session: SessionDep, group: str = "") -> Response:
    """Return a page of the run's report, or of a `TfxTaskGroup`'s in it."""
    folder = report_folder(session, dag_id, run_id, group) if page in _MEDIA_TYPES else None
    found = file_in([folders_around(folder, settings()).artifacts], folder, page) if folder else None
    if found is None:
        return nothing("This run has no report: ModelReport has not ended in it, or its files were removed.")
    return FileResponse(found, 200, HEADERS, _MEDIA_TYPES[page])


def report_folder(session: Session, dag_id: str, run_id: str, group: str = "") -> str | None:
    """Return the folder of the run's report, from the result of the node that wrote it.

    Without a group, the report of a run that has several is its last group's.
    """
    found = stored_results(session, dag_id, run_id)
    page = report_page((by_group(found).get(group, {}) if group else found).values())
    return str(pathlib.Path(page).parent) if page else None
