"""Serves a run's report within Airflow's UI: behind its login, to whoever may read the DAG's runs.

Airflow mounts a plugin's app as it is, without asking for a login: the route here asks for itself, as Airflow's own do.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.xcom import XComModel
from fastapi import Depends, FastAPI, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from pipeline_lib.node_result import NodeResult
from pipeline_lib.report_files import (
    EVALUATIONS_PAGE,
    REPORT_JSON,
    REPORT_NODE,
    REPORT_PAGE,
    REPORT_TYPE,
    STATISTICS_PAGE,
)
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
_NO_REPORT = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<title>No report</title><body style="font: 15px/1.5 system-ui, sans-serif; margin: 2rem">
<p>This run has no report: ModelReport has not ended in it, or its files were removed.</p>"""


def report_app(pipeline_root: Callable[[], Path] = lambda: settings().pipeline_root) -> FastAPI:
    """The app that Airflow mounts.

    Args:
      pipeline_root: the folder that reports may come from; nothing outside of it is ever read.
    """
    app = FastAPI(title="mnist-lite: model report", docs_url=None, redoc_url=None, openapi_url=None)

    # A plain function: FastAPI runs it in a thread, where a database and a disk may be waited for.
    @app.get(
        "/dags/{dag_id}/runs/{run_id}/{page}",
        dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.RUN))],
    )
    def page(dag_id: str, run_id: str, page: str, session: SessionDep) -> Response:
        folder = report_folder(session, dag_id, run_id)
        content = read_page(pipeline_root(), folder, page) if folder else None
        if content is None:
            return Response(_NO_REPORT, 404, HEADERS, "text/html")
        return Response(content, 200, HEADERS, _MEDIA_TYPES[page])

    return app


def report_folder(session: Session, dag_id: str, run_id: str) -> str | None:
    """Where ModelReport's own result in this run says that it wrote its report."""
    query = XComModel.get_many(run_id=run_id, key="return_value", task_ids=REPORT_NODE, dag_ids=dag_id, limit=1)
    entry: Any = session.scalars(query).first()
    try:
        result = NodeResult.model_validate(_from_json(entry.value)) if entry else None
    except ValidationError:
        return None
    artifacts = [item for items in result.outputs.values() for item in items] if result else []
    return next((item.uri for item in artifacts if item.type == REPORT_TYPE), None)


def _from_json(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return None


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
