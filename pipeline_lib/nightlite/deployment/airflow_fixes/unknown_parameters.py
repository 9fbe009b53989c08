"""Refuse parameters that a pipeline does not take before the run exists: over REST, and so in the UI.

Airflow takes any name that a DAG does not declare. It answers a refused value with a dump of its schema. Its only
hook between a request and the run is a plugin's middleware. The tasks' own check (`run_values.py`) stays for other
runs: `airflow dags trigger`, TriggerDagRunOperator, a materialized asset.

Upstream: apache/airflow#29018, closed as stale. For Airflow 3.3.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.utils.session import create_session
from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from nightlite.deployment.airflow_fixes.parameter_refusal import refusal
from nightlite.deployment.airflow_fixes.request import known_user, read_again, read_whole, route_path
from nightlite.runner.in_airflow.operators import TfxNodeOperator

_PATH = re.compile(r"/api/v2/(?:dags/(?P<dag_id>[^/]+)/dagRuns|backfills(?:/dry_run)?)")


class UnknownParameters:
    """ASGI middleware that refuses parameters.

    Airflow itself answers malformed requests and people who may not trigger the DAG.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _PATH.fullmatch(route_path(scope)) if scope["type"] == "http" and scope["method"] == "POST" else None
        if not path:
            await self.app(scope, receive, send)
            return
        message = await read_whole(receive)
        if why := await _refusal(Request(scope), path["dag_id"], message.get("body", b"")):
            await JSONResponse({"detail": why}, 400)(scope, receive, send)
            return
        await self.app(scope, read_again(message, receive), send)


async def _refusal(request: Request, dag_id: str | None, body: bytes) -> str | None:
    try:
        form = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(form, dict):
        return None
    # Only users who may trigger the DAG learn its parameters.
    user = await known_user(request)
    conf = form.get("conf" if dag_id else "dag_run_conf")
    dag_id = dag_id or form.get("dag_id")
    if not user or not isinstance(dag_id, str) or not isinstance(conf, dict):
        return None
    return await run_in_threadpool(_refusal_of, request, user, dag_id, conf)


def _refusal_of(request: Request, user: Any, dag_id: str, conf: Mapping[str, Any]) -> str | None:
    if not _may_trigger(request, user, dag_id):
        return None
    with create_session() as session:
        dag = request.app.state.dag_bag.get_latest_version_of_dag(dag_id, session=session)
    if not dag or not any(_is_of_whole_dag(task) for task in dag.tasks):
        return None  # a DAG that our runner did not render, though a group of it may be a pipeline
    return refusal(dag_id, conf, dag.params)


def _is_of_whole_dag(task: Any) -> bool:
    """Return whether a task is of a pipeline that is a whole DAG: none of the groups around it is in its id."""
    ours = (TfxNodeOperator.__module__, TfxNodeOperator.__name__)
    group = task.task_group
    while group is not None and not group.is_root:
        if group.prefix_group_id:
            return False
        group = group.parent_group
    return (task._task_module, task.task_type) == ours


def _may_trigger(request: Request, user: Any, dag_id: str) -> bool:
    try:
        requires_access_dag("POST", DagAccessEntity.RUN, dag_id)(request, user)
    except HTTPException:
        return False
    return True
