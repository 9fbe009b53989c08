"""A thin client of Airflow's public REST API (v2), with one method per call and typed answers.

It replaces the official client, which imports a second slower, fetches no tokens and does not know safe retries.
Your own programs may well use that client, as `docs/start_run.py` does.

Airflow's paths and bodies: `airflow/api_fastapi/core_api/routes/public/` of the installed version.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from nightlite.deployment.client.access import Access
from nightlite.deployment.client.answers import Dag, DagRun, ImportFailure, TaskInstance
from nightlite.deployment.client.tokens import RestToken, said
from nightlite.deployment.models import names
from nightlite.errors import NoRunError, RefusedError, RunRefusedError, StackError
from nightlite.ondevice.model import model_name
from nightlite.runner.node_result import NodeResult

_TIMEOUT_SECONDS = 30
# Seconds between tries. tenacity takes longer to import than the whole client.
_PAUSES = (0.2, 0.4, 0.8, 1.6, None)
_ABSENT = (httpx.codes.NOT_FOUND,)
_MALFORMED = (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY)


class AirflowRest:
    """A connection to one Airflow as one user; a context manager.

    Reads are retried when the connection breaks. A trigger is retried only if it was never received or names its
    run. `http` sends any other request as the same user.
    """

    def __init__(self, access: Access, transport: httpx.BaseTransport | None = None) -> None:
        self.http = httpx.Client(
            base_url=f"{access.url}/api/v2/",
            auth=RestToken(access),
            timeout=_TIMEOUT_SECONDS,
            trust_env=access.is_remote,
            # Skip loading certificates without TLS: it takes 0.1 s.
            verify=access.url.startswith("https:"),
            transport=transport,
        )

    @classmethod
    def login(cls, url: str, username: str, password: str) -> Self:
        """Return a client that logs in with a user's name and password at its first call."""
        return cls(Access(url=url, user=username, password=SecretStr(password)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def dag(self, dag_id: str) -> Dag | None:
        """Return the DAG, or None while no file defines it."""
        answer = self._send("GET", f"dags/{dag_id}/details", also_ok=_ABSENT)
        return Dag.model_validate(answer.json()) if answer.status_code == httpx.codes.OK else None

    def parse_again(self, dag: Dag) -> None:
        """Ask the DAG processor to parse the DAG's file now. A second request while one waits is no error."""
        self._send("PUT", f"parseDagFile/{dag.file_token}", also_ok=(httpx.codes.CONFLICT,))

    def import_error(self, dag_id: str, since: datetime | None = None) -> str | None:
        """Return the import error of the DAG's file, or None if there is none or this user may not know.

        If Airflow has never seen the DAG, return its model's file's error, else those of files of no other model.
        Errors from before `since` are ignored.
        """
        dag = self.dag(dag_id)
        if dag and not dag.has_import_errors:
            return None
        found = [error for error in self._import_errors() if since is None or error.timestamp >= since]
        file = dag.relative_fileloc if dag else f"{model_name(dag_id)}.py"
        own = [error for error in found if error.filename == file]
        others = {f"{name}.py" for name in names()}
        unseen = [] if dag else [error for error in found if error.filename not in others]
        return "; ".join(map(str, own or unseen)) or None

    def import_errors(self) -> list[str]:
        """Return the last line of each DAG file's import error."""
        return list(map(str, self._import_errors()))

    def _import_errors(self) -> list[ImportFailure]:
        answer = self._send("GET", "importErrors", also_ok=(httpx.codes.FORBIDDEN,))
        return [ImportFailure.model_validate(error) for error in answer.json().get("import_errors", [])]

    def unpause(self, dag_id: str) -> None:
        self._send("PATCH", f"dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, note: str | None = None) -> DagRun:
        """Start one run with these parameters.

        Raises:
          RunRefusedError: a parameter is unknown, of the wrong type or out of bounds.
          StackError: any other refusal, such as an unknown DAG or a missing permission.
        """
        return DagRun.model_validate(self._trigger(dag_id, {"conf": conf or {}, "note": note}).json())

    def trigger_once(self, dag_id: str, run_id: str, conf: dict[str, Any], note: str | None = None) -> DagRun:
        """Start the run of that id with these parameters, or return the run that already exists.

        Raises:
          RunRefusedError: as `trigger`, or the existing run has other parameters.
        """
        body = {"conf": conf, "dag_run_id": run_id, "note": note}
        answer = self._trigger(dag_id, body, httpx.codes.CONFLICT, repeatable=True)
        if answer.is_success:
            return DagRun.model_validate(answer.json())
        run = self.run(dag_id, run_id)
        if (run.conf or {}) != conf:
            told = run.conf or "none"
            raise RunRefusedError(f"run {run_id} is there already: expected its parameters ({told}). Received: {conf}")
        return run

    def _trigger(self, dag_id: str, body: dict[str, Any], *also_ok: int, repeatable: bool = False) -> httpx.Response:
        # Without a logical date, two runs in the same second are two runs.
        form = {"logical_date": None, **body}
        path = f"dags/{dag_id}/dagRuns"
        answer = self._send("POST", path, json=form, also_ok=(*also_ok, *_MALFORMED), repeatable=repeatable)
        if answer.status_code in _MALFORMED:
            raise RunRefusedError(said(answer))
        return answer

    def run(self, dag_id: str, run_id: str) -> DagRun:
        answer = self._send("GET", _path(dag_id, run_id), also_ok=_ABSENT)
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NoRunError(
                f"expected a run of {dag_id}. Received: {run_id}, and there is none; "
                f"'nightlite runs --model {model_name(dag_id)}' lists them"
            )
        return DagRun.model_validate(answer.json())

    def lost_scheduler(self) -> str | None:
        """Return a warning if the scheduler has sent no heartbeat for half a minute, else None."""
        found = self._send("GET", "monitor/health").json()["scheduler"]
        if found["status"] == "healthy":
            return None
        last = found["latest_scheduler_heartbeat"] or "never"
        return (
            f"Airflow's scheduler was last heard of: {last}. No task starts until it is back: 'make up', or "
            "'docker compose up -d' for containers"
        )

    def runs(self, dag_id: str, limit: int) -> list[DagRun]:
        """Return the newest runs by creation, whatever their dates (a backfill's are old)."""
        query = {"order_by": "-id", "limit": limit}
        answer = self._send("GET", f"dags/{dag_id}/dagRuns", params=query)
        return [DagRun.model_validate(run) for run in answer.json()["dag_runs"]]

    def active_run(self, dag_id: str) -> DagRun | None:
        """Return the queued or running run, the running one first."""
        query = {"state": ["running", "queued"], "order_by": "-state"}
        answer = self._send("GET", f"dags/{dag_id}/dagRuns", params=query, also_ok=_ABSENT)
        runs = answer.json().get("dag_runs", [])
        return DagRun.model_validate(runs[0]) if runs else None

    def waiting_event(self, dag_id: str) -> datetime | None:
        """Return the time of the newest Asset event that waits for the DAG's next run, or None.

        Airflow makes no run for it while as many as the DAG allows are queued or running.
        """
        also_ok = (*_ABSENT, httpx.codes.FORBIDDEN)
        waiting = self._send("GET", f"dags/{dag_id}/assets/queuedEvents", also_ok=also_ok).json()
        times = [datetime.fromisoformat(event["created_at"]) for event in waiting.get("queued_events", [])]
        return max(times, default=None)

    def tasks(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        answer = self._send("GET", _path(dag_id, run_id, "taskInstances"), params={"limit": 100})
        return [TaskInstance.model_validate(task) for task in answer.json()["task_instances"]]

    def node_result(self, dag_id: str, run_id: str, task_id: str) -> NodeResult | None:
        """Return the result of the node's task, or None if it returned no node result."""
        path = _path(dag_id, run_id, "taskInstances", task_id, "xcomEntries", "return_value")
        answer = self._send("GET", path, also_ok=_ABSENT)
        try:
            return NodeResult.model_validate(answer.json().get("value"))
        except ValueError:
            return None

    def log_lines(self, dag_id: str, run_id: str, task: TaskInstance) -> list[str]:
        """Return the lines of the log of the task's newest try. An exception is one line with its type and message."""
        path = _path(dag_id, run_id, "taskInstances", task.task_id, "logs", str(task.try_number))
        answer = self._send("GET", path, params={"full_content": True}, also_ok=_ABSENT)
        lines: list[str] = []
        for entry in answer.json().get("content", []):
            # Groups are foldable headings of the UI, not the node's output.
            if not (event := str(entry.get("event", ""))).startswith(("::group", "::endgroup")):
                lines.append(event)
            lines += [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or []]
        return lines

    def asset_id(self, name: str) -> int | None:
        """Return the id of the Asset of that name, or None if no DAG names it."""
        found = self._send("GET", "assets", params={"name_pattern": name}).json()["assets"]
        return next((int(asset["id"]) for asset in found if asset["name"] == name), None)

    def asset_events(self, asset_id: int) -> list[dict[str, Any]]:
        """Return the extras of the Asset's newest events, or an empty list if Airflow cannot list them."""
        query = {"asset_id": asset_id, "order_by": "-timestamp", "limit": 100}
        # Airflow 3.3 fails while an event's run is queued, because it has no start date: apache/airflow#71360.
        broken = (httpx.codes.INTERNAL_SERVER_ERROR,)
        answer = self._send("GET", "assets/events", params=query, also_ok=broken)
        return [event["extra"] or {} for event in answer.json()["asset_events"]] if answer.is_success else []

    def add_asset_event(self, asset_id: int, extra: dict[str, Any]) -> None:
        """Record an event of the Asset. DAGs that wait for it start."""
        self._send("POST", "assets/events", json={"asset_id": asset_id, "extra": extra})

    def _send(
        self,
        method: str,
        path: str,
        *,
        also_ok: Sequence[int] = (),
        repeatable: bool = False,
        **request: Any,
    ) -> httpx.Response:
        """Send a request, with retries where they are safe. Return an answer that is a success or `also_ok`."""
        broken: tuple[type[Exception], ...] = (httpx.ConnectError,)
        if repeatable or method == "GET":
            broken = (httpx.TransportError,)
        for pause in _PAUSES:
            try:
                answer = self.http.request(method, path, **request)
                break
            except httpx.HTTPError as error:
                if pause is None or not isinstance(error, broken):
                    raise StackError(
                        f"expected Airflow to answer at {self.http.base_url}. Received: {error}. Is it up ('make up')?"
                    ) from None
                time.sleep(pause)
        if answer.is_success or answer.status_code in also_ok:
            return answer
        raise RefusedError(f"Airflow refused {method} {answer.url.path} ({answer.status_code}): {said(answer)}")


def _path(dag_id: str, run_id: str, *parts: str) -> str:
    return "/".join(["dags", dag_id, "dagRuns", *(quote(part, safe="") for part in (run_id, *parts))])
