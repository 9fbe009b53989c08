"""A thin client of Airflow's public REST API (v2): one method per call that our commands make, typed answers.

Not the official client: it takes a second more to import, does not fetch tokens, and does not know which requests may
be sent twice. Programs of yours may well use it: `docs/start_run.py` does.

Airflow's paths and bodies: `airflow/api_fastapi/core_api/routes/public/` of the installed version.
"""

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, SecretStr
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from pipeline_lib.access import Access
from pipeline_lib.airflow.rest_token import RestToken, said
from pipeline_lib.errors import RunRefusedError, StackError
from pipeline_lib.node_result import NodeResult

_TIMEOUT_SECONDS = 30
_MALFORMED = (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY)
_FINISHED = frozenset({"success", "failed"})


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Dag(_Answer):
    """A DAG as the DAG processor parsed it last. `file_token` names its file in `AirflowRest.parse_again`.

    `next_dagrun_run_after` is when the scheduler makes its next run by time: past where it is about to.
    """

    dag_id: str
    is_paused: bool
    has_import_errors: bool
    last_parsed_time: datetime | None
    timetable_summary: str | None
    next_dagrun_run_after: datetime | None = None
    file_token: str


class DagRun(_Answer):
    """One run; `state` is queued, running, success or failed. `conf` is what it was told beyond the defaults."""

    dag_run_id: str
    state: str
    run_type: str = ""
    conf: dict[str, Any] | None = None
    note: str | None = None
    run_after: datetime | None = None
    start_date: datetime | None = None
    duration: float | None = None
    triggering_user_name: str | None = None

    @property
    def finished(self) -> bool:
        return self.state in _FINISHED


class TaskInstance(_Answer):
    """One task of one run; `state` is None until the scheduler has looked at it. Seconds in `duration`.

    `hostname` is where it is at work, or was: empty before its first try.
    """

    task_id: str
    state: str | None
    start_date: datetime | None
    duration: float | None
    try_number: int
    hostname: str | None = None


class AirflowRest:
    """A connection to one Airflow as one user; a context manager.

    Reads are tried again when the connection breaks. A trigger is sent again only where it was never received, or names
    its run.
    """

    def __init__(self, access: Access) -> None:
        self._http = httpx.Client(
            base_url=f"{access.url}/api/v2/",
            auth=RestToken(access),
            timeout=_TIMEOUT_SECONDS,
            trust_env=access.is_remote,
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
        self._http.close()

    def dag(self, dag_id: str) -> Dag | None:
        """The DAG, or None if no file has given one of that name yet."""
        answer = _send(self._http, "GET", f"dags/{dag_id}/details", absent_ok=True)
        return Dag.model_validate(answer.json()) if answer.status_code == httpx.codes.OK else None

    def parse_again(self, dag: Dag) -> None:
        """Ask the DAG processor to read the DAG's file now; a second request while one waits is no error."""
        _send(self._http, "PUT", f"parseDagFile/{dag.file_token}", also_ok=(httpx.codes.CONFLICT,))

    def import_errors(self) -> list[str]:
        """The last line of each DAG file's import error."""
        errors = _send(self._http, "GET", "importErrors").json()["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in errors]

    def unpause(self, dag_id: str) -> None:
        _send(self._http, "PATCH", f"dags/{dag_id}", json={"is_paused": False})

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
        answer = self._trigger(dag_id, body, also_ok=(httpx.codes.CONFLICT,), repeatable=True)
        if answer.is_success:
            return DagRun.model_validate(answer.json())
        run = self.run(dag_id, run_id)
        if (run.conf or {}) != conf:
            told = run.conf or "none"
            raise RunRefusedError(f"run {run_id} is there already: expected its parameters ({told}). Received: {conf}")
        return run

    def _trigger(self, dag_id: str, body: dict[str, Any], **options: Any) -> httpx.Response:
        # Without a logical date: two runs of the same second are two runs.
        form = {"logical_date": None, **body}
        return _send(self._http, "POST", f"dags/{dag_id}/dagRuns", json=form, refused=RunRefusedError, **options)

    def run(self, dag_id: str, run_id: str) -> DagRun:
        answer = _send(self._http, "GET", _path(dag_id, run_id), absent_ok=True)
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise StackError(
                f"expected a run of {dag_id}. Received: {run_id}, and there is none; 'mnist-lite runs' lists them"
            )
        return DagRun.model_validate(answer.json())

    def lost_scheduler(self) -> str | None:
        """Why no task starts: the scheduler has not been heard of for half a minute; None where it has."""
        found = _send(self._http, "GET", "monitor/health").json()["scheduler"]
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
        answer = _send(self._http, "GET", f"dags/{dag_id}/dagRuns", params=query)
        return [DagRun.model_validate(run) for run in answer.json()["dag_runs"]]

    def active_run(self, dag_id: str) -> DagRun | None:
        """The run that is queued or running, the running one first."""
        query = {"state": ["running", "queued"], "order_by": "-state"}
        answer = _send(self._http, "GET", f"dags/{dag_id}/dagRuns", params=query, absent_ok=True)
        runs = answer.json().get("dag_runs", [])
        return DagRun.model_validate(runs[0]) if runs else None

    def tasks(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        answer = _send(self._http, "GET", _path(dag_id, run_id, "taskInstances"), params={"limit": 100})
        return [TaskInstance.model_validate(task) for task in answer.json()["task_instances"]]

    def node_result(self, dag_id: str, run_id: str, task_id: str) -> NodeResult | None:
        """What the node's task returned; None if it returned nothing, or something else."""
        path = _path(dag_id, run_id, "taskInstances", task_id, "xcomEntries", "return_value")
        answer = _send(self._http, "GET", path, absent_ok=True)
        try:
            return NodeResult.model_validate(answer.json().get("value"))
        except ValueError:
            return None

    def log_lines(self, dag_id: str, run_id: str, task: TaskInstance) -> list[str]:
        """The task's log: one text per line, its newest try; an exception as its type and message."""
        path = _path(dag_id, run_id, "taskInstances", task.task_id, "logs", str(task.try_number))
        answer = _send(self._http, "GET", path, params={"full_content": True}, absent_ok=True)
        lines: list[str] = []
        for entry in answer.json().get("content", []):
            # Groups are the UI's foldable headings, not something that the node wrote.
            if not (event := str(entry.get("event", ""))).startswith(("::group", "::endgroup")):
                lines.append(event)
            lines += [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or []]
        return lines


def _path(dag_id: str, run_id: str, *parts: str) -> str:
    return "/".join(["dags", dag_id, "dagRuns", *(quote(part, safe="") for part in (run_id, *parts))])


def _send(
    http: httpx.Client,
    method: str,
    path: str,
    *,
    absent_ok: bool = False,
    also_ok: Sequence[int] = (),
    repeatable: bool = False,
    refused: type[StackError] = StackError,
    **request: Any,
) -> httpx.Response:
    broken: tuple[type[Exception], ...] = (httpx.ConnectError,)
    if repeatable or method == "GET":
        broken = (httpx.TransportError,)
    retrying = Retrying(
        retry=retry_if_exception_type(broken),
        stop=stop_after_attempt(5),
        wait=wait_exponential(multiplier=0.2, max=3),
        reraise=True,
    )
    try:
        answer = retrying(http.request, method, path, **request)
    except httpx.HTTPError as error:
        raise StackError(
            f"expected Airflow to answer at {http.base_url}. Received: {error}. Is it up ('make up')?"
        ) from None
    expected = (*also_ok, httpx.codes.NOT_FOUND) if absent_ok else also_ok
    if answer.is_success or answer.status_code in expected:
        return answer
    kind = refused if answer.status_code in _MALFORMED else StackError
    raise kind(f"Airflow refused {method} {answer.url.path} ({answer.status_code}): {said(answer)}")
