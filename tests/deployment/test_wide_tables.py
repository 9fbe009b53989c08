"""Tables of the commands on a terminal of 100 columns: nothing is cut, and no figure or word is broken."""

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nightlite.deployment import comparison_tables, releases_tables
from nightlite.deployment.client import run_list
from nightlite.deployment.client.access import Access
from nightlite.deployment.client.answers import TaskInstance
from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.client.watch import RunView
from nightlite.ondevice.releases.store import Releases
from tests.ondevice.releases.made_releases import push
from tests.ondevice.report.made_comparison import MADE

RUN = "manual__2026-11-24T03:00:00.123456+00:00_Ab3xYz9q"


def shown(parts: Iterable[Table | str]) -> list[str]:
    console = Console(file=io.StringIO(), width=100)
    for part in parts:
        console.print(part)
    lines = str(console.file.getvalue()).splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 100 and not any("…" in line for line in lines)
    return [" ".join(line.split()) for line in lines]


def test_releases(tmp_path: Path) -> None:
    found = Releases(tmp_path / "releases")
    for number in range(3):
        push(found, f"file {number}", f"run-{number}")
    found.rollback(2, who="reviewer@example.com", why="3 is slow on old phones, and its answers are odd")
    lines = shown([releases_tables.releases(found)])
    [first] = [line for line in lines if line.startswith("3 ")]
    assert f"{datetime.now(UTC):%Y-%m-%d}" in first
    assert "reviewer@example.c" in " ".join(lines) and "answers are odd" in " ".join(lines)
    assert shown([releases_tables.history(found.history())])
    assert shown(releases_tables.manifest(found.release(3), "all"))


def test_compare() -> None:
    assert shown(comparison_tables.tables(MADE))


def test_status() -> None:
    view = RunView(AirflowRest(Access(url="http://127.0.0.1:9")), "mnist_tflite", RUN)
    node = {"task_id": "Resolver.previous_span", "state": "upstream_failed", "duration": 12.5, "try_number": 1}
    view.tasks = [TaskInstance.model_validate(node | {"start_date": None, "end_date": None, "map_index": -1})]
    assert any(line.startswith("│ Resolver.previous_span │ upstream_failed │ 12.5") for line in shown([view.table()]))


def test_runs() -> None:
    told = "min_accuracy=0.995, epochs=20, quantization=int8"
    failed = "Failed: Trainer.mnist, the training diverged"
    lines = shown([run_list.table([(RUN, "failed", "2026-11-24 03:00", "83", failed, told)])])
    [first] = [line for line in lines if "2026-11-24 03:00" in line]
    assert first.startswith(RUN[:25]) and " 83 " in first
    assert any("min_accuracy=" in line for line in lines) and any("Trainer.mnist" in line for line in lines)
