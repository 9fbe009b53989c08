"""The counts of nodes that end badly: by Airflow's own StatsD client, once each."""

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout

from tests.runner.in_airflow.test_operators import killed_while_it_hangs, run

__all__ = ["run"]
STATES = ("succeeded", "cached", "skipped", "failed", "cancelled")
NAME = "airflow.nightlite.ExampleGen"


def counted(lines):
    """Return the node's states that were counted, once for each time."""
    return [state for state in STATES for line in lines if line == f"{NAME}.{state}:1|c"]


@pytest.mark.parametrize("behave", ["fail", "crash", "out of memory", "usage", "say nothing", "truncate"])
def test_a_node_that_ends_badly_is_one_failure_whether_it_could_say_so_or_not(run, operator, statsd, behave):
    with pytest.raises(AirflowException):
        run(operator(behave))
    assert counted(statsd()) == ["failed"]


def test_a_node_that_hangs_until_its_timeout_is_one_cancelled(run, operator, statsd, tmp_path):
    with pytest.raises(AirflowTaskTimeout), timeout(4):
        run(operator("hang"))
    assert counted(statsd()) == ["cancelled"]
    assert [line for line in statsd() if line.startswith(f"{NAME}.duration:")]
    # No one knows how long its executor took.
    assert not [line for line in statsd() if "executor_duration" in line]


def test_a_node_that_airflow_kills_is_one_cancelled(run, operator, statsd, caplog):
    killed_while_it_hangs(run, operator("hang"), caplog)
    assert counted(statsd()) == ["cancelled"]


def test_a_run_parameter_that_is_refused_before_the_node_starts_is_one_failure(run, operator, statsd):
    with pytest.raises(AirflowException):
        run(operator("succeed"), unknown=1)
    assert counted(statsd()) == ["failed"]
