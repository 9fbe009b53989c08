"""A thin client of Airflow's public REST API (v2): one method per call that our commands make, typed answers.

Not the official client: it takes a second more to import, does not fetch tokens, and does not know which requests may
be sent twice. Programs of yours may well use it: `docs/start_run.py` does.

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
from nightlite.errors import NoRunError, RefusedError, RunRefusedError, StackError
from nightlite.runner.node_result import NodeResult

_TIMEOUT_SECONDS = 30
# Between the tries of a request, in seconds. By hand: tenacity takes longer to import than all of the client.
_PAUSES = (0.2, 0.4, 0.8, 1.6, None)
_ABSENT = (httpx.codes.NOT_FOUND,)
_MALFORMED = (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY)


class AirflowRest:
    """A connection to one Airflow as one user; a context manager.

    Reads are tried again when the connection breaks. A trigger is sent again only where it was never received, or names
    its run. `http` makes any other request, as the same user.
    """

    def __init__(self, access: Access, transport: httpx.BaseTransport | None = None) -> None:
        self.http = httpx.Client(
            base_url=f"{access.url}/api/v2/",
            auth=RestToken(access),
            timeout=_TIMEOUT_SECONDS,
            trust_env=access.is_remote,
            # Without TLS no certificates are read, which takes a tenth of a second.
            verify=access.url.startswith("https:"),
            transport=transport,
        )

    @classmethod
    def login(cls, url: str, username: str, password: str) -> Self:
        """Log in with a user's name and password, at the first call."""
        return cls(Access(url=url, user=username, password=SecretStr(password)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def dag(self, dag_id: str) -> Dag | None:
        """The DAG, or None if no file has given one of that name yet."""
        answer = self._send("GET", f"dags/{dag_id}/details", also_ok=_ABSENT)
        return Dag.model_validate(answer.json()) if answer.status_code == httpx.codes.OK else None

    def parse_again(self, dag: Dag) -> None:
        """Ask the DAG processor to read the DAG's file now; a second request while one waits is no error."""
        self._send("PUT", f"parseDagFile/{dag.file_token}", also_ok=(httpx.codes.CONFLICT,))

    def import_error(self, dag_id: str, since: datetime | None = None) -> str | None:
        """Return why the DAG's file cannot be imported; None where it can, or where this user may not know.

        Of a DAG that Airflow has never seen, it is the error of the file of its name, else of any file.

        Args:
          dag_id: names the DAG.
          since: an error that was found before is not told.
        """
        dag = self.dag(dag_id)
        if dag and not dag.has_import_errors:
            return None
        found = [error for error in self._import_errors() if since is None or error.timestamp >= since]
        file = dag.relative_fileloc if dag else f"{dag_id}.py"
        own = [error for error in found if error.filename == file]
        return "; ".join(map(str, own or ([] if dag else found))) or None

    def import_errors(self) -> list[str]:
        """The last line of each DAG file's import error."""
        return list(map(str, self._import_errors()))

    def _import_errors(self) -> list[ImportFailure]:
        answer = self._send("GET", "importErrors", also_ok=(httpx.codes.FORBIDDEN,))
        return [ImportFailure.model_validate(error) for error in answer.json().get("import_errors", [])]

    def unpause(self, dag_id: str) -> None:
        self._send("PATCH", f"dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, note: str | None = None) -> DagRun:
        """Start one run with these parameters.

        Raises:
          RunRefusedError: an unknown parameter, or one of the wrong type or out of bounds.
          StackError: anything else that the server says: unknown DAG, not allowed.
        """
        return DagRun.model_validate(self._trigger(dag_id, {"conf": conf or {}, "note": note}).json())

    def trigger_once(self, dag_id: str, run_id: str, conf: dict[str, Any], note: str | None = None) -> DagRun:
        """The run of that id: started with these parameters, or as it was started before.

        Raises:
          RunRefusedError: as `trigger`, or the run that is there was told something else.
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
        # Without a logical date: two runs of the same second are two runs.
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
                f"expected a run of {dag_id}. Received: {run_id}, and there is none; 'mnist-lite runs' lists them"
            )
        return DagRun.model_validate(answer.json())

    def lost_scheduler(self) -> str | None:
        """Why no task starts: the scheduler has not been heard of for half a minute; None where it has."""
        found = self._send("GET", "monitor/health").json()["scheduler"]
        if found["status"] == "healthy":
            return None
        last = found["latest_scheduler_heartbeat"] or "never"
        return (
            f"Airflow's scheduler was last heard of: {last}. No task starts until it is back: 'make up', or "
            "'docker compose up -d' for containers"
        )

    def runs(self, dag_id: str, limit: int) -> list[DagRun]:
        """Those made last first, whatever date they are of, as a backfill's."""
        query = {"order_by": "-id", "limit": limit}
        answer = self._send("GET", f"dags/{dag_id}/dagRuns", params=query)
        return [DagRun.model_validate(run) for run in answer.json()["dag_runs"]]

    def active_run(self, dag_id: str) -> DagRun | None:
        """The run that is queued or running, the running one first."""
        query = {"state": ["running", "queued"], "order_by": "-state"}
        answer = self._send("GET", f"dags/{dag_id}/dagRuns", params=query, also_ok=_ABSENT)
        runs = answer.json().get("dag_runs", [])
        return DagRun.model_validate(runs[0]) if runs else None

    def tasks(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        answer = self._send("GET", _path(dag_id, run_id, "taskInstances"), params={"limit": 100})
        return [TaskInstance.model_validate(task) for task in answer.json()["task_instances"]]

    def node_result(self, dag_id: str, run_id: str, task_id: str) -> NodeResult | None:
        """What the node's task returned; None if it returned nothing, or something else."""
        path = _path(dag_id, run_id, "taskInstances", task_id, "xcomEntries", "return_value")
        answer = self._send("GET", path, also_ok=_ABSENT)
        try:
            return NodeResult.model_validate(answer.json().get("value"))
        except ValueError:
            return None

    def log_lines(self, dag_id: str, run_id: str, task: TaskInstance) -> list[str]:
        """The task's log: one text per line, its newest try; an exception as its type and message."""
        path = _path(dag_id, run_id, "taskInstances", task.task_id, "logs", str(task.try_number))
        answer = self._send("GET", path, params={"full_content": True}, also_ok=_ABSENT)
        lines: list[str] = []
        for entry in answer.json().get("content", []):
            # Groups are the UI's foldable headings, not something that the node wrote.
            if not (event := str(entry.get("event", ""))).startswith(("::group", "::endgroup")):
                lines.append(event)
            lines += [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or []]
        return lines

    def asset_id(self, name: str) -> int | None:
        """Return the id of the Asset of that name; None if no DAG names it."""
        found = self._send("GET", "assets", params={"name_pattern": name}).json()["assets"]
        return next((int(asset["id"]) for asset in found if asset["name"] == name), None)

    def asset_events(self, asset_id: int) -> list[dict[str, Any]]:
        """Return what the Asset's newest events say; nothing where Airflow cannot tell."""
        query = {"asset_id": asset_id, "order_by": "-timestamp", "limit": 100}
        # Airflow 3.3 fails while a run that such an event has caused is queued: it has no start yet to be told.
        broken = (httpx.codes.INTERNAL_SERVER_ERROR,)
        answer = self._send("GET", "assets/events", params=query, also_ok=broken)
        return [event["extra"] or {} for event in answer.json()["asset_events"]] if answer.is_success else []

    def add_asset_event(self, asset_id: int, extra: dict[str, Any]) -> None:
        """Record an event of the Asset; DAGs that wait for it start."""
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
        """Send a request, again where that does no harm; return an answer that is a success or `also_ok`."""
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
