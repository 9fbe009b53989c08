"""The run that the demos watch: one that Airflow has made, or is about to make by itself, else one of their own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from nightlite.deployment.local.start_run import run_under_way

LAST_NIGHT, TONIGHT = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-8, 16))
RUN = SimpleNamespace(dag_run_id="scheduled__1")


class Rest:
    """Answers of Airflow at one look after another: its DAG, the run that is going on."""

    def __init__(self, *looks: tuple[Any, Any]) -> None:
        self.looks: Iterator[tuple[Any, Any]] = iter(looks)

    def dag(self, _: str) -> Any:
        self.look = next(self.looks)
        return self.look[0]

    def active_run(self, _: str) -> Any:
        return self.look[1]


def dag(due: datetime | None, paused: bool = False) -> Any:
    return SimpleNamespace(next_dagrun_run_after=due, is_paused=paused)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([(dag(LAST_NIGHT), None), (dag(TONIGHT), RUN)], RUN.dag_run_id),
        ([(dag(LAST_NIGHT), RUN)], RUN.dag_run_id),
        ([(dag(TONIGHT), None)], None),
        ([(dag(None), None)], None),  # not by time
        ([(dag(LAST_NIGHT, paused=True), None)], None),
    ],
    ids=["about to be made", "made", "made before", "no schedule", "switched off"],
)
def test_it_waits_for_the_run_that_a_new_deployment_makes_itself(
    looks: list[tuple[Any, Any]], expected: str | None
) -> None:
    rest: Any = Rest(*looks)
    assert run_under_way(rest) == expected
    assert list(rest.looks) == []


def test_a_run_that_does_not_come_is_not_waited_for_forever() -> None:
    rest: Any = Rest(*[(dag(LAST_NIGHT), None)] * 9)
    assert run_under_way(rest, patience=0) is None
