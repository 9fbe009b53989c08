"""From runs to rows: the arithmetic, the file, the table, and what the command line takes."""

import dataclasses
import io
import json
from typing import Any

import pytest
from rich.console import Console

from bench import row as bench_row
from bench import synthetic
from bench.__main__ import chosen
from bench.deployment import TimedRun
from bench.lab import Pair
from bench.row import Row
from bench.rows import LONG, QUICK, ROWS
from nightlite.deployment.client.answers import TaskInstance
from nightlite.errors import NightliteError
from nightlite.runner.node_result import NodeResult


def task(task_id: str, duration: float) -> TaskInstance:
    return TaskInstance(task_id=task_id, state="success", start_date=None, duration=duration, try_number=1)


def timed_run(seconds: float = 10.0, overhead: float = 1.0) -> TimedRun:
    """Return a run of three nodes, executors of 0, 5 and 2 s, and tasks longer by once to three times `overhead`."""
    executors = {"A": 0.0, "B": 5.0, "C": 2.0}
    tasks = tuple(task(name, took + overhead * (n + 1)) for n, (name, took) in enumerate(executors.items()))
    results = {
        name: NodeResult(node_id=name, run_id="r", state="succeeded", executor_seconds=took)
        for name, took in executors.items()
    }
    return TimedRun(seconds, tasks, results, peak_mebibytes=100.0)


class StandInLab:
    """Runs as they could have been; noop tasks of half a second."""

    noop_runs = (TimedRun(4.0, (task("noop_0", 0.4), task("noop_1", 0.5), task("noop_2", 0.9)), {}, 50.0),)
    cold_run = timed_run(overhead=10.0)

    def pairs(self, examples: int) -> list[Pair]:
        return [
            Pair(timed_run(seconds, overhead), local, 20.0, 200.0)
            for seconds, overhead, local in ((30.0, 1.0, 20.0), (10.0, 2.0, 40.0), (20.0, 3.0, 30.0))
        ]

    def large_run(self, examples: int) -> TimedRun:
        run = timed_run(seconds=200.0 if examples == 100_000 else 2_500.0)
        return dataclasses.replace(run, peak_mebibytes=1_500.0 if examples == 100_000 else 1_800.0)

    def synthetic_parses(self, nodes: int, files: int = 1) -> tuple[list[float], list[float]]:
        return [0.01 + nodes * files * 0.001] * 3, [0.005 * files] * 3

    feed: dict[str, dict[str, list[float]]] = {  # noqa: RUF012
        "check": {"ours": [400.0], "yardstick": [700.0], "without_etag": [3000.0]},
        "release": {"ours": [9.0, 7.0, 8.0], "yardstick": [4.0]},
        "renewal": {"ours": [3.0], "yardstick": [2.0]},
    }
    try_page: dict[str, Any] = {"usable": {"ours": [900.0], "yardstick": [300.0]}, "bytes": 4_500_000}  # noqa: RUF012

    def runtimes(self, quantization: str) -> dict[str, dict[str, Any]]:
        accelerated = quantization == "none"
        found = {"examples": 10, "agreeing": 9, "largest_difference": 2.4e-5, "fully_accelerated": accelerated}
        return {
            "interpreter": {**found, "fully_accelerated": None, "latency_ms": [0.02, 0.04, 0.03]},
            "litert_js": {**found, "latency_ms": [0.3, 0.1, 0.2]},
        }


def test_a_parse_s_growth_is_told_beside_it():
    row = ROWS["parse_100_nodes"]("parse_100_nodes", StandInLab())
    assert "25 nodes: 0.035 s, 50: 0.06 s; the last 50 nodes cost 2 times the 25 before; linear: 2" in row.what


def test_both_sides_of_a_parse_have_the_same_graph(tmp_path):
    from airflow.dag_processing.dagbag import DagBag

    ours, empty = (DagBag(folder).dags for folder in synthetic.write_dags(tmp_path / "dags", 7, files=2))
    assert set(ours) == set(empty) == {"synthetic_0", "synthetic_1"}
    for name, dag in ours.items():
        edges = {task.task_id: task.upstream_task_ids for task in dag.tasks}
        assert len(edges) == 7 and edges == {task.task_id: task.upstream_task_ids for task in empty[name].tasks}
    assert len(dag.params) == 10


def test_a_row_is_the_median_of_its_runs_over_the_yardsticks():
    row = Row.of("dag_run", "s", [30.0, 10.0, 21.0], [40.0, 44.0, 42.0], what="")
    assert (row.ours, row.yardstick, row.ratio, row.runs, row.spread) == (21.0, 42.0, 0.5, 3, 20.0)


def test_a_single_run_has_no_spread_and_a_yardstick_no_ratio():
    row = Row.of("noop_task", "s", [0.25], what="")
    assert (row.ours, row.yardstick, row.ratio, row.spread) == (0.25, None, None, None)


@pytest.mark.parametrize(
    ("name", "ours", "yardstick"),
    [
        ("noop_task", 0.5, None),
        ("parse_100_nodes", 0.11, 0.005),
        ("parse_50_dags", 1.01, 0.25),
        ("node_overhead_warm", 4.0, 0.5),  # medians over nodes 2, 4 and 6 s, over runs 4 s
        ("node_overhead_cold", 20.0, 0.5),
        ("dag_run", 20.0, 30.0),
        ("dag_run_with_imports", 20.0, 50.0),
        ("examples_per_second_10k", 500.0, 10_000 / 30),
        ("peak_memory_60k", 100.0, 200.0),
        ("examples_per_second_100k", 500.0, None),
        ("examples_per_second_1m", 400.0, 500.0),
        ("peak_memory_100k", 1_500.0, None),
        ("peak_memory_1m", 1_800.0, 1_500.0),
        ("runtimes_int8_js", 0.2, 0.03),
        ("runtimes_float", 0.03, None),
        ("feed_check", 400.0, 700.0),
        ("feed_publish", 8.0, 4.0),
        ("feed_renew", 3.0, 2.0),
        ("feed_try", 900.0, 300.0),
    ],
)
def test_what_each_row_is_drawn_from(name, ours, yardstick):
    row = ROWS[name](name, StandInLab())
    assert (row.name, row.ours) == (name, ours)
    assert row.yardstick == (None if yardstick is None else pytest.approx(yardstick, rel=1e-3))


def test_a_large_row_says_its_yardstick_and_its_longest_nodes():
    rate, peak = (ROWS[name](name, StandInLab()).what for name in ("examples_per_second_1m", "peak_memory_1m"))
    assert "1,000,000 examples, 3 epochs, ours alone (longest: B 7 s, C 5 s, A 1 s) | 100,000 examples" in rate
    assert "shared pages included | 100,000 examples" in peak


def test_a_runtimes_row_says_what_agrees_and_what_is_accelerated():
    names = ("runtimes_float_js", "runtimes_int8_js", "runtimes_int8")
    js, int8, interpreter = (ROWS[name](name, StandInLab()).what for name in names)
    assert "9 of 10 golden examples agree, largest difference 2e-05, fully accelerated | the Interpreter" in js
    assert "not fully accelerated" in int8 and "accelerated" not in interpreter


def test_rows_that_were_not_measured_now_stay_in_the_file(tmp_path):
    path = tmp_path / "var" / "bench.json"
    assert bench_row.read(path) == []
    old = [Row.of(name, "s", [1.0], what="") for name in ("dag_parse", "dag_run")]
    bench_row.write(old, path)
    new = Row.of("dag_run", "s", [2.0], [4.0], what="")
    bench_row.write(bench_row.merged(bench_row.read(path), [new]), path)
    assert [(row["name"], row["ours"]) for row in json.loads(path.read_text())] == [("dag_parse", 1.0), ("dag_run", 2)]
    assert list(path.parent.iterdir()) == [path]
    fields = {"name", "unit", "ours", "yardstick", "ratio", "runs", "spread"}
    assert all(fields <= row.keys() for row in json.loads(path.read_text()))


@pytest.mark.parametrize("text", ["", "{}", '[{"name": "dag_run"}]'])
def test_a_file_of_something_else_is_named_and_kept(tmp_path, text):
    path = tmp_path / "bench.json"
    path.write_text(text)
    with pytest.raises(NightliteError, match="expected a list of bench rows in .*bench.json"):
        bench_row.read(path)
    assert path.read_text() == text


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    (tmp_path / "a file").write_text("")
    with pytest.raises(NightliteError, match="--output"):
        bench_row.write([], tmp_path / "a file" / "bench.json")


def test_the_table_colours_a_ratio_by_its_better_side():
    console = Console(record=True, width=150, color_system="truecolor", file=io.StringIO(), force_terminal=True)
    rows = [
        Row.of("slower", "s", [4.0], [2.0], what="ours | theirs"),
        Row.of("faster", "1/s", [3.0], [1.0], what="", better="higher"),
    ]
    console.print(bench_row.table(rows, "2 cores"))
    shown = console.export_text(styles=True)
    assert "2 cores" in shown and "ours | theirs" in shown
    assert "\x1b[33m2\x1b[0m" in shown and "\x1b[32m3\x1b[0m" in shown


def test_only_and_quick_choose_in_the_tables_order():
    assert list(ROWS) == [*chosen(()), *LONG]
    assert chosen(["peak_memory_1*"]) == ["peak_memory_1k", "peak_memory_10k", "peak_memory_100k", "peak_memory_1m"]
    assert chosen(["tflite_size", "dag_parse"]) == ["dag_parse", "tflite_size"]
    assert set(QUICK) <= set(chosen(()))
    with pytest.raises(NightliteError, match="expected some of dag_parse, .* Received: dag_prase"):
        chosen(["dag_prase", "dag_run"])
