"""What is counted of nodes that end badly: by Airflow's own StatsD client, once each."""

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics.stats_utils import get_stats_factory

from tests.airflow.receivers import statsd_server
from tests.airflow.test_operators import killed_while_it_hangs, run, until

__all__ = ["run"]
STATES = ("succeeded", "cached", "skipped", "failed", "cancelled")
NAME = "airflow.mnist_lite.ExampleGen"


@pytest.fixture
def counted(monkeypatch):
    """The counters of the node's states that have come, once there is one, and what else has."""
    with statsd_server() as (port, received):
        for name, value in (("ON", "True"), ("HOST", "127.0.0.1"), ("PORT", str(port)), ("PREFIX", "airflow")):
            monkeypatch.setenv(f"AIRFLOW__METRICS__STATSD_{name}", value)
        stats.initialize(factory=get_stats_factory(), export_legacy_names=True)

        def states():
            # Sent last, so that whatever was counted before it has come.
            stats.incr("end")
            until(lambda: "airflow.end:1|c" in received)
            return [state for state in STATES for line in received if line == f"{NAME}.{state}:1|c"]

        yield states, received
    monkeypatch.undo()
    stats.initialize(factory=get_stats_factory(), export_legacy_names=True)


@pytest.mark.parametrize("behave", ["fail", "crash", "out of memory", "usage", "say nothing", "truncate"])
def test_a_node_that_ends_badly_is_one_failure_whether_it_could_say_so_or_not(run, operator, counted, behave):
    states, _ = counted
    with pytest.raises(AirflowException):
        run(operator(behave))
    assert states() == ["failed"]


def test_a_node_that_hangs_until_its_timeout_is_one_cancelled(run, operator, counted, tmp_path):
    states, received = counted
    with pytest.raises(AirflowTaskTimeout), timeout(4):
        run(operator("hang"))
    assert states() == ["cancelled"]
    assert [line for line in received if line.startswith(f"{NAME}.duration:")]
    # Nobody knows how long its executor took.
    assert not [line for line in received if "executor_duration" in line]


def test_a_node_that_airflow_kills_is_one_cancelled(run, operator, counted, caplog):
    states, _ = counted
    killed_while_it_hangs(run, operator("hang"), caplog)
    assert states() == ["cancelled"]


def test_a_run_parameter_that_is_refused_before_the_node_starts_is_one_failure(run, operator, counted):
    states, _ = counted
    with pytest.raises(AirflowException):
        run(operator("succeed"), unknown=1)
    assert states() == ["failed"]
