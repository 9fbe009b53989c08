"""Results of a run's nodes, from the XComs of their tasks."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from nightlite.runner.node_result import NodeResult

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def upstream_results(context: Context) -> Mapping[str, NodeResult]:
    """Return the results of the nodes directly before a task, by node id. Nodes without a result are missing."""
    task_ids = sorted(context["task"].upstream_task_ids)
    values = {task_id: context["ti"].xcom_pull(task_ids=task_id) for task_id in task_ids}
    return {result.node_id: result for value in values.values() if (result := node_result(value))}


def stored_results(session: "Session", dag_id: str, run_id: str, task_id: str | None = None) -> dict[str, NodeResult]:
    """Return the results of a run's nodes (or of one), by task id, in Airflow's own processes."""
    from airflow.models.xcom import XComModel

    query = XComModel.get_many(run_id=run_id, key="return_value", task_ids=task_id, dag_ids=dag_id)
    entries: Iterable[Any] = session.scalars(query)
    found = {entry.task_id: node_result(entry.value) for entry in entries}
    return {task_id: result for task_id, result in found.items() if result}


def by_group(results: Mapping[str, NodeResult]) -> dict[str, dict[str, NodeResult]]:
    """Return the results of a run's tasks by `TfxTaskGroup` and node id. The group "" is the DAG itself."""
    groups: dict[str, dict[str, NodeResult]] = {}
    for task_id, result in results.items():
        groups.setdefault(group_around(task_id, result.node_id), {})[result.node_id] = result
    return groups


def group_around(task_id: str, own_id: str) -> str:
    """Return the `TfxTaskGroup` that a task is in, or "", from its id there and the id that it would have outside."""
    return task_id.removesuffix(own_id).removesuffix(".")


def group_among(task_id: str, groups: Collection[str]) -> str:
    """Return which of these `TfxTaskGroup`s a task is in, or "". A task that left no result has no node id."""
    return next((group for group in groups if group and task_id.startswith(f"{group}.")), "")


def node_result(value: Any) -> NodeResult | None:
    """Return an XCom as a NodeResult, or None if it is something else."""
    try:
        return NodeResult.model_validate(json.loads(value) if isinstance(value, str) else value)
    except ValueError:
        return None
