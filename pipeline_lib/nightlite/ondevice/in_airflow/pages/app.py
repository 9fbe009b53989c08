"""App in Airflow's UI: a model's releases, a run's report and its nodes' files, for readers of the runs.

Airflow mounts a plugin's app without its login. So the routes here ask for it, as Airflow's own do.
"""

import pathlib
from typing import Annotated

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, Path, Request, Response
from fastapi.responses import FileResponse
from sqlalchemy.orm import Session

from nightlite.ondevice.in_airflow.pages.artifact_files import NodeOutput, file_in, folders_around, outputs_of
from nightlite.ondevice.in_airflow.pages.artifacts_page import node_page
from nightlite.ondevice.in_airflow.pages.links import URL_PREFIX, run_path
from nightlite.ondevice.in_airflow.pages.releases_page import model_of, releases_page
from nightlite.ondevice.releases.manifest import CARD_FILE, LABELS_FILE, MANIFEST_FILE
from nightlite.ondevice.releases.reader import ReleaseReader
from nightlite.ondevice.report_files import (
    EVALUATIONS_PAGE,
    REPORT_JSON,
    REPORT_PAGE,
    STATISTICS_PAGE,
)
from nightlite.ondevice.results.run_summary import report_page
from nightlite.ondevice.settings import settings
from nightlite.runner.in_airflow.xcom import stored_results
from nightlite.runner.node_result import NodeResult

_MEDIA_TYPES = {
    REPORT_PAGE: "text/html",
    STATISTICS_PAGE: "text/html",
    EVALUATIONS_PAGE: "text/html",
    REPORT_JSON: "application/json",
}
# The files of a release that a browser shows. It downloads the others.
_SHOWN = {MANIFEST_FILE: "application/json", CARD_FILE: "text/plain", LABELS_FILE: "text/plain"}
# The pages hold outside text, so only styles are allowed: charts have style attributes.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}
# A node's file may be anything, so it is downloaded, never shown.
FILE_HEADERS = HEADERS | {"Content-Security-Policy": f"sandbox; {HEADERS['Content-Security-Policy']}"}
_NOTHING = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<title>Nothing here</title><body style="font: 15px/1.5 system-ui, sans-serif; margin: 2rem">
<p>{}</p>"""
_NO_REPORT = _NOTHING.format("This run has no report: ModelReport has not ended in it, or its files were removed.")
_NO_FILE = _NOTHING.format("This task has made no such file, or it was removed.")
_NO_NODE = _NOTHING.format("This task has left no result: it has not ended, or its XCom was removed.")
_NO_RELEASES = _NOTHING.format("This DAG makes no releases: it is no model's nightly DAG.")
_NO_RELEASED_FILE = _NOTHING.format("There is no such file of a release: it was pruned, or never made.")

_may_read_run = requires_access_dag("GET", DagAccessEntity.RUN)


def report_app() -> FastAPI:
    """Return the app that Airflow mounts. It serves files below the pipeline root, and releases."""
    app = FastAPI(title="nightlite: model report", docs_url=None, redoc_url=None, openapi_url=None)
    run = "/dags/{dag_id}/runs/{run_id}"
    for path, endpoint in (
        ("/dags/{dag_id}/releases", _releases),
        ("/dags/{dag_id}/releases/{version}/{name}", _released_file),
        (f"{run}/nodes/{{node_id}}", _node),
        (f"{run}/nodes/{{node_id}}/files/{{key}}/{{path:path}}", _file),
        (f"{run}/{{page}}", _page),
    ):
        app.add_api_route(path, endpoint, methods=["GET", "HEAD"], dependencies=[Depends(_may_read_run)])
    return app


# Plain functions: FastAPI runs them in threads that may wait for database and disk.
def _releases(dag_id: str) -> Response:
    """Return the page of the releases of the DAG's model."""
    if not (name := model_of(dag_id)):
        return Response(_NO_RELEASES, 404, HEADERS, "text/html")
    releases = ReleaseReader(settings().folders(name).releases)
    return Response(releases_page(dag_id, releases), 200, HEADERS, "text/html")


def _released_file(dag_id: str, version: Annotated[int, Path(ge=1)], name: str) -> Response:
    """Return a file of a release: to read, or as a download."""
    folder = settings().folders(model).releases if (model := model_of(dag_id)) else None
    found = file_in(folder, str(folder / str(version)), name) if folder else None
    if found is None:
        return Response(_NO_RELEASED_FILE, 404, HEADERS, "text/html")
    shown = _SHOWN.get(name)
    return FileResponse(
        found,
        200,
        FILE_HEADERS,
        shown or "application/octet-stream",
        filename=found.name,
        content_disposition_type="inline" if shown else "attachment",
    )


def _node(request: Request, dag_id: str, run_id: str, node_id: str, session: SessionDep) -> Response:
    """Return the page of a task's outputs."""
    result = stored_results(session, dag_id, run_id, node_id).get(node_id)
    if result is None:
        return Response(_NO_NODE, 404, HEADERS, "text/html")
    run_url = request.scope["root_path"].removesuffix(URL_PREFIX) + run_path(dag_id, run_id)
    return Response(node_page(result, _outputs(result), run_url), 200, HEADERS, "text/html")


def _file(dag_id: str, run_id: str, node_id: str, key: str, path: str, session: SessionDep) -> Response:
    """Return a file of a task's outputs as a download."""
    result = stored_results(session, dag_id, run_id, node_id).get(node_id)
    output = next((output for output in _outputs(result) if output.key == key), None) if result else None
    found = file_in(output.within, output.uri, path) if output else None
    if found is None:
        return Response(_NO_FILE, 404, HEADERS, "text/html")
    return FileResponse(found, 200, FILE_HEADERS, "application/octet-stream", filename=found.name)


def _page(dag_id: str, run_id: str, page: str, session: SessionDep) -> Response:
    """Return a page of the run's report."""
    folder = report_folder(session, dag_id, run_id) if page in _MEDIA_TYPES else None
    found = file_in(folders_around(folder, settings()).artifacts, folder, page) if folder else None
    if found is None:
        return Response(_NO_REPORT, 404, HEADERS, "text/html")
    return FileResponse(found, 200, HEADERS, _MEDIA_TYPES[page])


def _outputs(result: NodeResult) -> list[NodeOutput]:
    return outputs_of(result, settings())


def report_folder(session: Session, dag_id: str, run_id: str) -> str | None:
    """Return the folder of the run's report, from the result of the node that wrote it."""
    page = report_page(stored_results(session, dag_id, run_id).values())
    return str(pathlib.Path(page).parent) if page else None
