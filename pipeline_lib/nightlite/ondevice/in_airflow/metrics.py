"""Metrics of a node's model, and counts of pushes and refusals. docs/metrics.md lists the names."""

import math

from airflow.sdk.observability.stats import gauge, incr

from nightlite.ondevice.results.node_facts import facts_of
from nightlite.ondevice.results.run_summary import JUDGE_NODE
from nightlite.runner.in_airflow.metrics import PREFIX, name_of
from nightlite.runner.node_result import NodeResult


def emit(result: NodeResult, dag_id: str) -> None:
    """Send one node's figures of the model, each metric tagged with `dag_id` and `node_id`."""
    name, tags, facts = name_of(result.node_id), {"dag_id": dag_id, "node_id": result.node_id}, facts_of(result)
    figure = facts.quality.figure
    # A Pusher's metrics are another node's.
    if figure and math.isfinite(figure.value) and result.pushed is None:
        gauge(f"{name}.{figure.name.replace(' ', '_')}", figure.value, tags=tags)
    if facts.model_bytes is not None:
        gauge(f"{name}.model_bytes", facts.model_bytes, tags=tags)
    if result.pushed:
        incr(f"{PREFIX}.pushed", tags=tags)
    if result.node_id == JUDGE_NODE and result.blessed is False:
        incr(f"{PREFIX}.refused", tags=tags)
