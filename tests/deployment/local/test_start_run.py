"""The run that the demos watch: one that Airflow has made, or is about to make by itself, else one of their own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from nightlite.deployment.local import start_run
from nightlite.deployment.local.start_run import run_under_way
from tests.real_airflow import plain_console

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
    assert run_under_way(rest, "dag") == expected
    assert list(rest.looks) == []


@pytest.mark.parametrize(
    ("summary", "words"),
    [
        ("Asset or 0 2 * * *", "(new data, or 0 2 * * *)."),
        ("Asset", "(new data)."),
        ("0 2 * * *", "(0 2 * * *)."),
        (None, "(none)."),
    ],
)
def test_the_schedule_is_told_in_words(summary: str | None, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    paused = SimpleNamespace(is_paused=True, timetable_summary=summary)
    monkeypatch.setattr(start_run, "_parsed_now", lambda *_: paused)
    console, text = plain_console()
    rest: Any = SimpleNamespace(unpause=lambda _: None)
    start_run.switch_on(rest, "dag", console)
    assert text.getvalue().rstrip().endswith(f"also runs on its schedule {words}")


def test_a_run_that_does_not_come_is_not_waited_for_forever() -> None:
    rest: Any = Rest(*[(dag(LAST_NIGHT), None)] * 9)
    assert run_under_way(rest, "dag", patience=0) is None
