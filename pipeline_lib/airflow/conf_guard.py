"""Refuses parameters that a pipeline does not have before the run exists: over REST, and so in the UI.

Airflow checks the values of the parameters that a DAG declares, and takes any other name without a word. It has no hook
between a request and the run that it makes but a plugin's middleware. The tasks' own check (`operators.py`) stays for
runs that come another way: `airflow dags trigger`, another DAG's TriggerDagRunOperator.
"""

import difflib
import json
import math
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user, requires_access_dag
from airflow.models.asset import TaskOutletAssetReference
from airflow.utils.session import create_session
from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from sqlalchemy import select
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline_lib.airflow.operators import TfxNodeOperator
from pipeline_lib.airflow.request_body import read_again, read_ahead

_PATHS = (
    re.compile(r"/api/v2/dags/(?P<dag_id>[^/]+)/dagRuns"),
    re.compile(r"/api/v2/assets/(?P<asset_id>[^/]+)/materialize"),
    re.compile(r"/api/v2/backfills(?:/dry_run)?"),
)


@dataclass(frozen=True)
class Asked:
    """A request for runs: of which DAG, and with which parameters."""

    dag_id: str
    conf: Mapping[str, Any]


class ConfGuard:
    """ASGI middleware. Whoever may not trigger the DAG, and whatever is malformed, is answered by Airflow itself.

    So is a body of more than a MiB: whatever parameters it holds, the tasks refuse.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _path(scope)
        if path is None:
            await self.app(scope, receive, send)
            return
        messages = await read_ahead(receive)
        body = b"".join(message.get("body", b"") for message in messages)
        if refusal := await _refusal(Request(scope), path, body):
            await JSONResponse({"detail": refusal}, 400)(scope, receive, send)
            return
        await self.app(scope, read_again(messages, receive), send)


def _path(scope: Scope) -> Mapping[str, str] | None:
    """What the path of a request for runs names."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    found = next(filter(None, (pattern.fullmatch(path) for pattern in _PATHS)), None)
    return found.groupdict() if found else None


async def _refusal(request: Request, path: Mapping[str, str], body: bytes) -> str | None:
    try:
        form = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(form, dict):
        return None
    asked = await run_in_threadpool(_asked, path, form)
    if not asked:
        return None
    known = await run_in_threadpool(_known, request.app.state.dag_bag, asked.dag_id)
    sentence = _sentence(asked, sorted(known)) if known is not None else None
    # Last of all: what a DAG can be told is for those who may tell it.
    return sentence if sentence and await _may_trigger(request, asked.dag_id) else None


def _asked(path: Mapping[str, str], form: Mapping[str, Any]) -> Asked | None:
    conf = form.get("conf") if path else form.get("dag_run_conf")
    dag_id = path.get("dag_id") or form.get("dag_id")
    if "asset_id" in path:
        dag_id = _maker(path["asset_id"])
    return Asked(dag_id, conf) if isinstance(dag_id, str) and isinstance(conf, dict) else None


def _maker(asset_id: str) -> str | None:
    """The DAG that Airflow would run to make the asset."""
    if not asset_id.isdecimal():
        return None
    query = select(TaskOutletAssetReference.dag_id).where(TaskOutletAssetReference.asset_id == int(asset_id)).distinct()
    with create_session() as session:
        dag_ids = session.scalars(query).all()
    return dag_ids[0] if len(dag_ids) == 1 else None


def _known(dag_bag: Any, dag_id: str) -> set[str] | None:
    """The parameters of a DAG that our runner rendered, and that its file added; None: any other DAG."""
    with create_session() as session:
        dag = dag_bag.get_latest_version_of_dag(dag_id, session=session)
    ours = (TfxNodeOperator.__module__, TfxNodeOperator.__name__)
    if not dag or all((task._task_module, task.task_type) != ours for task in dag.tasks):
        return None
    return set(dag.params)


async def _may_trigger(request: Request, dag_id: str) -> bool:
    try:
        user = await get_user(request, None, await bearer_scheme(request))
        await run_in_threadpool(requires_access_dag("POST", DagAccessEntity.RUN, dag_id), request, user)
    except HTTPException:
        return False
    return True


def _sentence(asked: Asked, known: list[str]) -> str | None:
    """Why the run cannot be told that; None: Airflow checks the rest."""
    unknown = sorted(set(asked.conf) - set(known))
    if not unknown:
        # Python's JSON has NaN, and no bound of a JSON Schema refuses it.
        endless = [name for name, value in asked.conf.items() if isinstance(value, float) and not math.isfinite(value)]
        return f"{endless[0]}: expected a finite number. Received: {asked.conf[endless[0]]}" if endless else None
    received = ", ".join(f"{name}={reprlib.repr(asked.conf[name])}" for name in unknown)
    close = [match for name in unknown for match in difflib.get_close_matches(name, known, 1)]
    hint = f". Did you mean {', '.join(close)}?" if close else ""
    return f"expected only run parameters that {asked.dag_id} has ({', '.join(known)}). Received: {received}{hint}"
