"""Which run `make compose-demo` watches: the one that a new deployment starts by itself, else one of its own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline_lib.airflow import compose_demo

LAST_NIGHT, TONIGHT = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-8, 16))
RUN = SimpleNamespace(dag_run_id="scheduled__1")


class Rest:
    """What Airflow answers at one look after another: its DAG, the run that is going on, its import errors."""

    def __init__(self, *looks: tuple[Any, Any, list[str]]) -> None:
        self.looks: Iterator[tuple[Any, Any, list[str]]] = iter(looks)

    def __enter__(self) -> "Rest":
        return self

    def __exit__(self, *_: object) -> None: ...

    def dag(self, _: str) -> Any:
        self.look = next(self.looks)
        return self.look[0]

    def active_run(self, _: str) -> Any:
        return self.look[1]

    def import_errors(self) -> list[str]:
        return self.look[2]


def dag(due: datetime | None, paused: bool = False) -> Any:
    return SimpleNamespace(next_dagrun_run_after=due, is_paused=paused)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([(None, None, []), (dag(LAST_NIGHT), None, []), (dag(TONIGHT), RUN, [])], RUN.dag_run_id),
        ([(dag(LAST_NIGHT), RUN, [])], RUN.dag_run_id),
        ([(dag(TONIGHT), None, [])], None),
        ([(dag(None), None, [])], None),  # not by time
        ([(dag(LAST_NIGHT, paused=True), None, [])], None),
        ([(None, None, ["mnist_tflite.py: no compiled pipeline"])], None),
    ],
    ids=["about to be made", "made", "made before", "no schedule", "switched off", "no DAG"],
)
def test_it_waits_for_the_run_that_a_new_deployment_makes_itself(
    monkeypatch: pytest.MonkeyPatch, looks: list[tuple[Any, Any, list[str]]], expected: str | None
) -> None:
    rest = Rest(*looks)
    monkeypatch.setattr(compose_demo.AirflowRest, "login", lambda *_: rest)
    monkeypatch.setenv("MNIST_LITE_ADMIN_PASSWORD", "secret")
    assert compose_demo.run_under_way(compose_demo.ComposeAirflow("http://localhost:8080")) == expected
    assert list(rest.looks) == []


def test_a_run_that_does_not_come_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose_demo.AirflowRest, "login", lambda *_: Rest(*[(dag(LAST_NIGHT), None, [])] * 9))
    monkeypatch.setenv("MNIST_LITE_ADMIN_PASSWORD", "secret")
    assert compose_demo.run_under_way(compose_demo.ComposeAirflow("http://localhost:8080"), patience=0) is None
