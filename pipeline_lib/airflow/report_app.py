"""Serves a run's report, and what its nodes made, within Airflow's UI: behind its login, to whoever may read the runs.

Airflow mounts a plugin's app as it is, without asking for a login: the routes here ask for themselves, as Airflow's own
do.
"""

from collections.abc import Callable
from pathlib import Path

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, Response
from sqlalchemy.orm import Session

from pipeline_lib.airflow.node_page import node_page
from pipeline_lib.airflow.run_results import stored_results
from pipeline_lib.releases.store import Releases
from pipeline_lib.report_files import (
    EVALUATIONS_PAGE,
    REPORT_JSON,
    REPORT_PAGE,
    STATISTICS_PAGE,
)
from pipeline_lib.run_summary import report_page
from pipeline_lib.settings import settings

_MEDIA_TYPES = {
    REPORT_PAGE: "text/html",
    STATISTICS_PAGE: "text/html",
    EVALUATIONS_PAGE: "text/html",
    REPORT_JSON: "application/json",
}
# The pages hold text from outside (feature names, run ids): they may style themselves, and nothing else.
# 'unsafe-inline' is for styles alone: the charts' SVG carries its colours as style attributes.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}
_NOTHING = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<title>Nothing here</title><body style="font: 15px/1.5 system-ui, sans-serif; margin: 2rem">
<p>{}</p>"""
_NO_REPORT = _NOTHING.format("This run has no report: ModelReport has not ended in it, or its files were removed.")
_NO_NODE = _NOTHING.format("This task has left no result: it has not ended, or its XCom was removed.")

_may_read_run = requires_access_dag("GET", DagAccessEntity.RUN)


def report_app(pipeline_root: Callable[[], Path] = lambda: settings().pipeline_root) -> FastAPI:
    """The app that Airflow mounts.

    Args:
      pipeline_root: the folder that reports may come from; nothing outside of it is ever read.
    """
    app = FastAPI(title="mnist-lite: model report", docs_url=None, redoc_url=None, openapi_url=None)

    # A plain function: FastAPI runs it in a thread, where a database and a disk may be waited for.
    @app.get("/dags/{dag_id}/runs/{run_id}/nodes/{node_id}", dependencies=[Depends(_may_read_run)])
    def node(dag_id: str, run_id: str, node_id: str, session: SessionDep) -> Response:
        result = stored_results(session, dag_id, run_id, node_id).get(node_id)
        if result is None:
            return Response(_NO_NODE, 404, HEADERS, "text/html")
        releases = Releases(settings().push_dir)
        return Response(node_page(result, pipeline_root(), releases), 200, HEADERS, "text/html")

    @app.get("/dags/{dag_id}/runs/{run_id}/{page}", dependencies=[Depends(_may_read_run)])
    def page(dag_id: str, run_id: str, page: str, session: SessionDep) -> Response:
        folder = report_folder(session, dag_id, run_id)
        content = read_page(pipeline_root(), folder, page) if folder else None
        if content is None:
            return Response(_NO_REPORT, 404, HEADERS, "text/html")
        return Response(content, 200, HEADERS, _MEDIA_TYPES[page])

    return app


def report_folder(session: Session, dag_id: str, run_id: str) -> str | None:
    """Where the run's report is, as the node says that wrote it."""
    page = report_page(stored_results(session, dag_id, run_id).values())
    return str(Path(page).parent) if page else None


def read_page(pipeline_root: Path, folder: str, page: str) -> bytes | None:
    """A page of a report, or None: an unknown name, no such file, or one that is not within `pipeline_root`.

    Links are followed before that is judged: an XCom or an artifact that points elsewhere is of no use to anybody.
    """
    if page not in _MEDIA_TYPES or "\0" in folder:
        return None
    file = Path(folder, page).resolve()
    if not file.is_relative_to(pipeline_root.resolve()) or not file.is_file():
        return None
    return file.read_bytes()
