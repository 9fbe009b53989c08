"""A thin client of Airflow's public REST API (v2): one method per call that the demo makes, typed answers.

Airflow's paths and bodies: `airflow/api_fastapi/core_api/routes/public/` of the installed version.
"""

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import BaseModel, ConfigDict
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from pipeline_lib.errors import StackError
from pipeline_lib.node_result import NodeResult

_TIMEOUT_SECONDS = 30
_FINISHED = frozenset({"success", "failed"})


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Dag(_Answer):
    """A DAG as the DAG processor parsed it last. `file_token` names its file in `AirflowRest.parse_again`."""

    dag_id: str
    is_paused: bool
    has_import_errors: bool
    last_parsed_time: datetime | None
    timetable_summary: str | None
    file_token: str


class DagRun(_Answer):
    """One run; `state` is queued, running, success or failed."""

    dag_run_id: str
    state: str

    @property
    def finished(self) -> bool:
        return self.state in _FINISHED


class TaskInstance(_Answer):
    """One task of one run; `state` is None until the scheduler has looked at it. Seconds in `duration`."""

    task_id: str
    state: str | None
    start_date: datetime | None
    duration: float | None
    try_number: int


class AirflowRest:
    """A logged-in connection to one Airflow; a context manager.

    Reads are tried again when the connection breaks. A trigger is sent again only where it was never received.
    """

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=f"{url}/api/v2/", headers=headers, timeout=_TIMEOUT_SECONDS)

    @classmethod
    def login(cls, url: str, username: str, password: str) -> Self:
        """Log in with a user's name and password.

        Raises:
          StackError: the server refuses them or does not answer.
        """
        with httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS) as http:
            body = {"username": username, "password": password}
            answer = _send(http, "POST", "/auth/token", json=body)
        return cls(url, str(answer.json()["access_token"]))

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

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> DagRun:
        """Start one run with these parameters.

        Raises:
          StackError: the server refuses: unknown DAG, import errors, a parameter of the wrong type or bounds.
        """
        # Without a logical date: two runs of the same second are two runs.
        body = {"logical_date": None, "conf": conf or {}}
        return DagRun.model_validate(_send(self._http, "POST", f"dags/{dag_id}/dagRuns", json=body).json())

    def run(self, dag_id: str, run_id: str) -> DagRun:
        return DagRun.model_validate(_send(self._http, "GET", f"dags/{dag_id}/dagRuns/{run_id}").json())

    def active_run(self, dag_id: str) -> DagRun | None:
        """The run that is queued or running, the running one first."""
        query = {"state": ["running", "queued"], "order_by": "-state"}
        answer = _send(self._http, "GET", f"dags/{dag_id}/dagRuns", params=query, absent_ok=True)
        runs = answer.json().get("dag_runs", [])
        return DagRun.model_validate(runs[0]) if runs else None

    def tasks(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        answer = _send(self._http, "GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 100})
        return [TaskInstance.model_validate(task) for task in answer.json()["task_instances"]]

    def node_result(self, dag_id: str, run_id: str, task_id: str) -> NodeResult | None:
        """What the node's task returned; None if it returned nothing, or something else."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        answer = _send(self._http, "GET", path, absent_ok=True)
        try:
            return NodeResult.model_validate(answer.json().get("value"))
        except ValueError:
            return None

    def log_lines(self, dag_id: str, run_id: str, task: TaskInstance) -> list[str]:
        """The task's log: one text per line, its newest try; an exception as its type and message."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task.task_id}/logs/{task.try_number}"
        answer = _send(self._http, "GET", path, params={"full_content": True}, absent_ok=True)
        lines: list[str] = []
        for entry in answer.json().get("content", []):
            # Groups are the UI's foldable headings, not something that the node wrote.
            if not (event := str(entry.get("event", ""))).startswith(("::group", "::endgroup")):
                lines.append(event)
            lines += [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or []]
        return lines


def _send(
    http: httpx.Client, method: str, path: str, *, absent_ok: bool = False, also_ok: Sequence[int] = (), **request: Any
) -> httpx.Response:
    broken: tuple[type[Exception], ...] = (httpx.TransportError,) if method == "GET" else (httpx.ConnectError,)
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
    raise StackError(f"Airflow refused {method} {answer.url.path} ({answer.status_code}): {_detail(answer)}")


def _detail(answer: httpx.Response) -> str:
    """What the server said: FastAPI's `detail` is a text, or a list of the fields that are wrong."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return answer.text[:300] or answer.reason_phrase
    if isinstance(detail, list):
        return "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in detail)
    # A refused parameter's first line is the sentence; its schema follows.
    return str(detail).partition("\n")[0]
