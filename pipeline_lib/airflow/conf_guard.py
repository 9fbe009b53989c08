"""Refuses parameters that a pipeline does not have before the run exists: over REST, and so in the UI.

Airflow checks the values of the parameters that a DAG declares, and takes any other name without a word. It has no hook
between a request and the run that it makes but a plugin's middleware. The tasks' own check (`operators.py`) stays for
runs that come another way: `airflow dags trigger`, another DAG's TriggerDagRunOperator.

The values are checked here, too: of a backfill's, Airflow itself says 422, as of a form that it cannot read.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.asset import TaskOutletAssetReference
from airflow.utils.session import create_session
from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from sqlalchemy import select
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline_lib.airflow.operators import TfxNodeOperator
from pipeline_lib.airflow.param_refusal import refusal
from pipeline_lib.airflow.request import known_user, read_again, read_whole, route_path

_LARGEST_ID = 2**63 - 1

# Starlette's routes are matched up to a $, which a line feed may follow.
_PATHS = (
    re.compile(r"/api/v2/dags/(?P<dag_id>[^/]+)/dagRuns\n?"),
    re.compile(r"/api/v2/assets/(?P<asset_id>[^/]+)/materialize\n?"),
    re.compile(r"/api/v2/backfills(?:/dry_run)?\n?"),
)


@dataclass(frozen=True)
class Asked:
    """A request for runs: of which DAG, and with which parameters."""

    dag_id: str
    conf: Mapping[str, Any]


class ConfGuard:
    """ASGI middleware. Airflow itself answers malformed requests and people who may not trigger the DAG."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _path(scope)
        if path is None:
            await self.app(scope, receive, send)
            return
        message = await read_whole(receive)
        body = message.get("body", b"")
        if why := await _refusal(Request(scope), path, body):
            await JSONResponse({"detail": why}, 400)(scope, receive, send)
            return
        await self.app(scope, read_again(message, receive), send)


def _path(scope: Scope) -> Mapping[str, str] | None:
    """What the path of a request for runs names."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    found = next(filter(None, (pattern.fullmatch(route_path(scope)) for pattern in _PATHS)), None)
    return found.groupdict() if found else None


async def _refusal(request: Request, path: Mapping[str, str], body: bytes) -> str | None:
    try:
        form = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(form, dict):
        return None
    # Whoever is not logged in makes nothing be looked up, and what a DAG can be told is for those who may tell it.
    user = await known_user(request)
    asked = await run_in_threadpool(_asked, path, form) if user else None
    if not asked or not await run_in_threadpool(_may_trigger, request, user, asked.dag_id):
        return None
    params = await run_in_threadpool(_params, request.app.state.dag_bag, asked.dag_id)
    return None if params is None else await run_in_threadpool(refusal, asked.dag_id, asked.conf, params)


def _asked(path: Mapping[str, str], form: Mapping[str, Any]) -> Asked | None:
    conf = form.get("conf") if path else form.get("dag_run_conf")
    dag_id = path.get("dag_id") or form.get("dag_id")
    if "asset_id" in path:
        dag_id = _maker(path["asset_id"])
    if not isinstance(dag_id, str) or not isinstance(conf, dict) or not _is_unicode(dag_id):
        return None
    return Asked(dag_id, conf)


def _is_unicode(text: str) -> bool:
    """Whether a database can be asked for it: JSON can write half a surrogate pair."""
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False


def _maker(asset_id: str) -> str | None:
    """The DAG that Airflow would run to make the asset."""
    # Beyond twenty digits nothing is an id, and beyond 4300 Python reads no number.
    if not asset_id.isdecimal() or len(asset_id) > len(str(_LARGEST_ID)) or int(asset_id) > _LARGEST_ID:
        return None
    query = select(TaskOutletAssetReference.dag_id).where(TaskOutletAssetReference.asset_id == int(asset_id)).distinct()
    with create_session() as session:
        dag_ids = session.scalars(query).all()
    return dag_ids[0] if len(dag_ids) == 1 else None


def _params(dag_bag: Any, dag_id: str) -> Any:
    """The parameters of a DAG that our runner rendered, and that its file added; None: any other DAG."""
    with create_session() as session:
        dag = dag_bag.get_latest_version_of_dag(dag_id, session=session)
    ours = (TfxNodeOperator.__module__, TfxNodeOperator.__name__)
    if not dag or all((task._task_module, task.task_type) != ours for task in dag.tasks):
        return None
    return dag.params


def _may_trigger(request: Request, user: Any, dag_id: str) -> bool:
    try:
        requires_access_dag("POST", DagAccessEntity.RUN, dag_id)(request, user)
    except HTTPException:
        return False
    return True
