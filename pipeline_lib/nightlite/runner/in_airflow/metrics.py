"""What a node came to, as metrics through Airflow's own StatsD or OpenTelemetry client, where `[metrics]` has one on.

docs/metrics.md lists the names. Node ids are part of them, since plain StatsD drops tags.
"""

import math
from datetime import timedelta

from airflow.sdk.observability.stats import gauge, incr, normalize_name_for_stats, timing

from nightlite.ondevice.run_summary import ACCURACY, VERDICT
from nightlite.runner.node_result import NodeResult

PREFIX = "mnist_lite"


def emit(result: NodeResult, dag_id: str) -> None:
    """Durations, outcome and figures of one node of one run; each tagged with `dag_id` and `node_id`."""
    # A dot would be a level of its own in StatsD's hierarchy.
    name = f"{PREFIX}.{normalize_name_for_stats(result.node_id.replace('.', '__'), log_warning=False)}"
    tags = {"dag_id": dag_id, "node_id": result.node_id}
    # A node that was killed has no time to say, one that is answered from cache no executor: no zero for either.
    for metric, seconds in (("duration", result.seconds), ("executor_duration", result.executor_seconds)):
        if seconds:
            timing(f"{name}.{metric}", timedelta(seconds=seconds), tags=tags)
    incr(f"{name}.{result.state}", tags=tags)
    accuracy = result.metrics.get(ACCURACY)
    # A Pusher's metrics are another node's.
    if accuracy is not None and math.isfinite(accuracy) and result.pushed is None:
        gauge(f"{name}.accuracy", accuracy, tags=tags)
    if result.model_bytes is not None:
        gauge(f"{name}.model_bytes", result.model_bytes, tags=tags)
    if result.pushed:
        incr(f"{PREFIX}.pushed", tags=tags)
    if result.node_id == VERDICT and result.blessed is False:
        incr(f"{PREFIX}.refused", tags=tags)
