"""Print, as JSON, all that an Airflow says of the DAG `foreign`, and what plugins add to it.

python look.py    in the environment that is looked at, with AIRFLOW_HOME set; it has no nightlite, or the wheel
"""

import json
import sys
from typing import Any

from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.dag_processing.dagbag import DagBag
from airflow.listeners.listener import get_listener_manager
from airflow.models.dagrun import DagRun
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.session import create_session
from fastapi.testclient import TestClient
from sqlalchemy import select

# They are of the moment, not of the DAG.
_OF_THE_MOMENT = ("created", "updated", "last_parse", "queued_at", "run_after", "file_token", "version_number")


def lasting(value: Any) -> Any:
    """Return a JSON value without what differs at each look."""
    if isinstance(value, dict):
        kept = {key: lasting(one) for key, one in value.items() if not any(word in key for word in _OF_THE_MOMENT)}
        return {key: one for key, one in kept.items() if key not in ("id", "dag_run_id")}
    return [lasting(one) for one in value] if isinstance(value, list) else value


def notes_after_its_end(run_id: str) -> list[Any]:
    """Return the notes of a run and of its tasks, after all listeners heard of the run's end."""
    with create_session() as session:
        run = session.scalars(select(DagRun).where(DagRun.run_id == run_id)).one()
        get_listener_manager().hook.on_dag_run_success(dag_run=run, msg="")
        return [run.note, *(task.note for task in run.task_instances)]


def main() -> None:
    app = create_app(apps="all")
    user = SimpleAuthManagerUser(username="somebody", role="admin")
    client = TestClient(app, headers={"Authorization": f"Bearer {get_auth_manager().generate_jwt(user)}"})
    dag = DagBag(collect_dags=True).dags["foreign"]
    answers = {}
    for path in ("", "/details", "/tasks", "/dagRuns", "/dagVersions"):
        answer = client.get(f"/api/v2/dags/foreign{path}")
        answers[path] = [answer.status_code, lasting(answer.json())]
    body = {"logical_date": None, "conf": {"limit": 7, "nobody_knows": 1}}
    started = client.post("/api/v2/dags/foreign/dagRuns", json=body)
    answers["started"] = [started.status_code, lasting(started.json())]
    said = {
        "answers": answers,
        "details": client.get("/api/v2/dags/foreign/details").json(),
        "serialized": lasting(DagSerialization.to_dict(dag)),
        "params": {name: dag.params.get_param(name).dump() for name in dag.params},
        "openapi": app.openapi(),
        "routes": sorted(getattr(route, "path", "") for route in app.routes),
        "middlewares": [str(item) for item in app.user_middleware],
        "notes": notes_after_its_end(str(started.json()["dag_run_id"])),
        "plugins": client.get("/api/v2/plugins").json()["plugins"],
        "import_errors": client.get("/api/v2/importErrors").json(),
    }
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
