"""Metrics of nodes through Airflow's own clients: StatsD to a UDP listener, OpenTelemetry to a server, on 127.0.0.1."""

import os
import subprocess
import sys

import pytest
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics.stats_utils import get_stats_factory
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from nightlite.ondevice.in_airflow import metrics
from nightlite.paths import PROJECT
from nightlite.runner.in_airflow import metrics as runner_metrics
from nightlite.runner.node_result import NodeResult
from tests.receivers import http_server
from tests.results import node_result

# A task's process as Airflow's supervisor forks it. It ends by _exit, long before a minute, which is how often
# OpenTelemetry sends: what it did not send at its end would be lost.
TASK = """
import os, socket, sys
from airflow.sdk.execution_time.supervisor import _fork_main
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics.stats_utils import get_stats_factory
from nightlite.runner.node_result import NodeResult
from tests.ondevice.in_airflow.test_metrics import emit

def task():
    stats.initialize(factory=get_stats_factory(), export_legacy_names=True)
    emit(NodeResult.model_validate_json(sys.argv[1]))

streams = [socket.socketpair() for _ in ("requests", "stdout", "stderr")]
if (pid := os.fork()) == 0:
    _fork_main(*[child for _, child in streams], 0, task)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def result(node_id: str, state: str = "succeeded", **fields: object) -> NodeResult:
    return node_result(node_id, state, seconds=1.5, executor_seconds=0.25, **fields)


def emit(result: NodeResult) -> None:
    """Emit metrics as a task of the nightly DAG does."""
    runner_metrics.emit(result, "mnist_tflite")
    metrics.emit(result, "mnist_tflite")


def test_nothing_is_sent_unless_airflows_metrics_are_on(statsd, monkeypatch):
    for on in ("False", "True"):
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", on)
        stats.initialize(factory=get_stats_factory(), export_legacy_names=True)
        if on == "False":
            emit(result("Pusher.mnist_lite", pushed=True))
    assert statsd() == []


@pytest.mark.parametrize(
    ("node", "counted"),
    [
        (result("StatisticsGen", "cached"), {"StatisticsGen.cached:1|c"}),
        (
            result("Trainer.mnist_lite", model_bytes=214476),
            {"Trainer__mnist_lite.succeeded:1|c", "Trainer__mnist_lite.model_bytes:214476|g"},
        ),
        (
            result("Evaluator.mnist", metrics={"sparse_categorical_accuracy": 0.5, "loss": 1.0}),
            {"Evaluator__mnist.succeeded:1|c", "Evaluator__mnist.accuracy:0.5|g"},
        ),
        (
            result("Evaluator.mnist", metrics={"sparse_categorical_accuracy": float("nan")}),
            {"Evaluator__mnist.succeeded:1|c"},
        ),
        (
            result("Evaluator.glucose", metrics={"mean_absolute_error": 42.5, "bias": 1.0}, unit="mg/dl"),
            {"Evaluator__glucose.succeeded:1|c", "Evaluator__glucose.mean_error:42.5|g"},
        ),
        (result("EdgeValidator", blessed=False), {"EdgeValidator.succeeded:1|c", "refused:1|c"}),
        (
            result("Pusher.mnist_lite", pushed=True, metrics={"sparse_categorical_accuracy": 0.5}),
            {"Pusher__mnist_lite.succeeded:1|c", "pushed:1|c"},
        ),
        (result("Pusher.mnist_lite", "skipped", pushed=False), {"Pusher__mnist_lite.skipped:1|c"}),
    ],
)
def test_a_nodes_result_is_counted_and_timed(statsd, node, counted):
    name = node.node_id.replace(".", "__")
    timed = {f"{name}.duration:1500.000000|ms", f"{name}.executor_duration:250.000000|ms"}
    emit(node)
    assert set(statsd()) == {f"airflow.nightlite.{packet}" for packet in counted | timed}


def test_a_tasks_metrics_reach_opentelemetry_in_small_letters_before_it_ends(tmp_path):
    node = result("Trainer.mnist_lite", model_bytes=214476)
    with http_server() as collector:
        settings = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__METRICS__OTEL_ON": "True", "PYTHONPATH": str(PROJECT)}
        exporter = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
        env = {"PATH": os.environ["PATH"], **settings, **exporter}
        subprocess.run([sys.executable, "-c", TASK, node.model_dump_json()], env=env, check=True)
    assert {path for path, *_ in collector.posts} == {"/v1/metrics"}
    sent = {
        metric.name: metric
        for *_, body in collector.posts
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if ".nightlite." in metric.name  # Airflow has its own
    }
    name = "airflow.nightlite.trainer__mnist_lite"
    assert set(sent) == {f"{name}.{what}" for what in ("duration", "executor_duration", "succeeded", "model_bytes")}
    [point] = sent[f"{name}.succeeded"].sum.data_points
    tags = {tag.key: tag.value.string_value for tag in point.attributes}
    assert (point.as_int, tags) == (1, {"dag_id": "mnist_tflite", "node_id": "Trainer.mnist_lite"})
    [size] = sent[f"{name}.model_bytes"].gauge.data_points
    assert size.as_int == 214476
    [duration] = sent[f"{name}.duration"].exponential_histogram.data_points
    assert (duration.sum, sent[f"{name}.duration"].unit) == (1500, "ms")
