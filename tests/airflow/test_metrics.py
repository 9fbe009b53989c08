"""Metrics of nodes through Airflow's own StatsD client, to a UDP listener on 127.0.0.1."""

import socket

import pytest
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics.stats_utils import get_stats_factory

from pipeline_lib.airflow import metrics
from pipeline_lib.node_result import NodeResult

LAST = "the last packet"


@pytest.fixture
def listener(monkeypatch):
    """A StatsD server; Airflow's client is told of it, but not switched on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(60)
        for name, value in (("HOST", "127.0.0.1"), ("PORT", str(server.getsockname()[1])), ("PREFIX", "airflow")):
            monkeypatch.setenv(f"AIRFLOW__METRICS__STATSD_{name}", value)
        yield server
    monkeypatch.undo()
    stats.initialize(factory=get_stats_factory(), export_legacy_names=True)


def sent(listener: socket.socket, result: NodeResult, expected: int) -> set[str]:
    """What arrives of a node's result: at least so many packets, and all before one that is sent after them."""
    stats.initialize(factory=get_stats_factory(), export_legacy_names=True)
    metrics.emit(result, "mnist_tflite")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as afterwards:
        afterwards.sendto(LAST.encode(), listener.getsockname())
    packets: set[str] = set()
    while LAST not in packets or len(packets) <= expected:
        packets.add(listener.recv(65536).decode())
    return packets - {LAST}


def result(node_id: str, state: str = "succeeded", **fields: object) -> NodeResult:
    return NodeResult(node_id=node_id, run_id="r", state=state, seconds=1.5, executor_seconds=0.25, **fields)


def test_nothing_is_sent_unless_airflows_metrics_are_on(listener):
    assert sent(listener, result("Pusher.mnist_lite", pushed=True), 0) == set()


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
        (result("EdgeValidator", blessed=False), {"EdgeValidator.succeeded:1|c", "refused:1|c"}),
        (
            result("Pusher.mnist_lite", pushed=True, metrics={"sparse_categorical_accuracy": 0.5}),
            {"Pusher__mnist_lite.succeeded:1|c", "pushed:1|c"},
        ),
        (result("Pusher.mnist_lite", "skipped", pushed=False), {"Pusher__mnist_lite.skipped:1|c"}),
    ],
)
def test_a_nodes_result_is_counted_and_timed(listener, monkeypatch, node, counted):
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
    name = node.node_id.replace(".", "__")
    timed = {f"{name}.duration:1500.000000|ms", f"{name}.executor_duration:250.000000|ms"}
    expected = {f"airflow.mnist_lite.{packet}" for packet in counted | timed}
    assert sent(listener, node, len(expected)) == expected
