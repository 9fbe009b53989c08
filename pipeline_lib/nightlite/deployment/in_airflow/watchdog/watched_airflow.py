"""Answers of Airflow's REST API that only the watchdog needs."""

from datetime import datetime
from typing import Any

import httpx

from nightlite.deployment.client.answers import Dag, DagRun, ImportFailure
from nightlite.deployment.client.rest import AirflowRest

# The tag of every DAG that `nightly_dag` and the drop folders' files make.
TAG = "tflite"
_MANY = 100


class WatchedAirflow(AirflowRest):
    """A client that looks at all DAGs of this product, whichever models there are."""

    def dags(self) -> list[Dag]:
        """Return the DAGs with our tag. Airflow calls a DAG stale once its file has failed to import for a minute."""
        query = {"tags": TAG, "exclude_stale": False, "limit": _MANY}
        return [Dag.model_validate(dag) for dag in self._get("dags", query)["dags"]]

    def failures_to_import(self) -> list[ImportFailure]:
        """Return the import errors of all DAG files, as far as this user may see them."""
        return [ImportFailure.model_validate(error) for error in self._get("importErrors", {})["import_errors"]]

    def last_release(self, asset: str) -> datetime | None:
        """Return the time of the newest event of an Asset that tells of a release, or None without one.

        Airflow 3.3 lists no events while a run that one of them started is queued: apache/airflow#71360.
        """
        if (asset_id := self.asset_id(asset)) is None:
            return None
        query = {"asset_id": asset_id, "order_by": "-timestamp", "limit": _MANY}
        events = self._get("assets/events", query)["asset_events"]
        times = (event["timestamp"] for event in events if "version" in (event["extra"] or {}))
        return next(map(datetime.fromisoformat, times), None)

    def oldest_run(self, dag_id: str) -> DagRun | None:
        """Return the oldest run that Airflow still knows."""
        found = self._runs(dag_id, order_by="run_after", limit=1)
        return found[0] if found else None

    def finished_since(self, dag_id: str, state: str, since: datetime) -> list[DagRun]:
        """Return the runs that ended in this state since then, the newest first; at most 100."""
        return self._runs(dag_id, state=state, end_date_gte=since.isoformat(), order_by="-end_date", limit=_MANY)

    def _runs(self, dag_id: str, **query: Any) -> list[DagRun]:
        return [DagRun.model_validate(run) for run in self._get(f"dags/{dag_id}/dagRuns", query)["dag_runs"]]

    def _get(self, path: str, query: dict[str, Any]) -> dict[str, Any]:
        answer: httpx.Response = self._send("GET", path, params=query)
        return dict(answer.json())
