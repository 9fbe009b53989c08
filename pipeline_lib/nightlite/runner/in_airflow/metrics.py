"""Metrics of each node's duration and end, through Airflow's own StatsD or OpenTelemetry client.

`[metrics]` enables one. docs/metrics.md lists the names. Node ids are part of them, because plain StatsD drops
tags.
"""

from datetime import timedelta

from airflow.sdk.observability.stats import incr, normalize_name_for_stats, timing

from nightlite.runner.node_result import NodeResult

PREFIX = "nightlite"


def name_of(node_id: str) -> str:
    """Return the prefix of a node's metrics. A dot would be a level of StatsD's hierarchy."""
    return f"{PREFIX}.{normalize_name_for_stats(node_id.replace('.', '__'), log_warning=False)}"


def emit(result: NodeResult, dag_id: str) -> None:
    """Send the end and the duration of one node of one run, tagged with `dag_id` and `node_id`."""
    name, tags = name_of(result.node_id), {"dag_id": dag_id, "node_id": result.node_id}
    # A killed node leaves no time, a cached one no executor's time. Neither sends a zero.
    for metric, seconds in (("duration", result.seconds), ("executor_duration", result.executor_seconds)):
        if seconds:
            timing(f"{name}.{metric}", timedelta(seconds=seconds), tags=tags)
    incr(f"{name}.{result.state}", tags=tags)
