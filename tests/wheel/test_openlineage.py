"""The extra `openlineage`: the events of real tasks at a local HTTP receiver, in an environment of the test's own."""

import json
import shutil
import stat
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from nightlite.paths import PROJECT
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node
from tests.receivers import http_server
from tests.wheel.conftest import PlainAirflow, uv

DAG_FILE = """
from pathlib import Path
from airflow.sdk import DAG
from nightlite.runner.in_airflow import AirflowPipelineConfig, NodeSettings, TfxTaskGroup

behaviours = {{"Trainer": "read and write", "Evaluator": "fail", "Pusher": "skip"}}
config = AirflowPipelineConfig(
    tfx_python=Path({python!r}),
    node_settings={{node: NodeSettings(env={{"BEHAVE": how}}) for node, how in behaviours.items()}},
)
with DAG("weekly", schedule=None) as dag:
    TfxTaskGroup("train", pipeline=Path({compiled!r}), config=config)
"""
RUN = """
import sys
from airflow.dag_processing.dagbag import DagBag

DagBag(sys.argv[1]).dags["weekly"].test()
"""
NODES = (
    Node(id="Trainer", type="tfx.components.trainer.component.Trainer"),
    Node(id="Evaluator", type="tfx.components.evaluator.component.Evaluator", upstream=("Trainer",)),
    Node(id="Pusher", type="tfx.components.pusher.component.Pusher", upstream=("Trainer",)),
)


@pytest.fixture(scope="module")
def with_lineage(airflow: PlainAirflow, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> PlainAirflow:
    """Return an Airflow with the wheel and its extra."""
    other = PlainAirflow(tmp_path_factory.mktemp("lineage"))
    uv("venv", "--quiet", "--no-project", "--python", sys.executable, str(other.folder / "env"))
    packages = ("apache-airflow==3.3.2", f"nightlite[openlineage] @ {wheel.as_uri()}")
    uv("pip", "install", "--quiet", "--python", str(other.bin / "python"), *packages)
    (other.home / "dags").mkdir(parents=True)
    shutil.copy(airflow.folder / "empty.db", other.home / "airflow.db")
    return other


@pytest.fixture(scope="module")
def events(with_lineage: PlainAirflow) -> dict[str, list[dict[str, Any]]]:
    """Return the events of a run's tasks, by job."""
    folder = with_lineage.folder
    # In an environment that holds this version of the wheel, as the TFX environment does.
    python = with_lineage.bin / "tfx_python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{PROJECT / "tests" / "stand_in.py"}" "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    CompiledPipeline(tfx_version="1.21.0", name="orders", nodes=NODES, ir={}).write(folder / "orders.json")
    file = with_lineage.home / "dags" / "weekly.py"
    file.write_text(DAG_FILE.format(python=str(python), compiled=str(folder / "orders.json")))
    (folder / "run.py").write_text(RUN)
    with http_server() as receiver:
        transport = {"type": "http", "url": receiver.url, "endpoint": "lineage"}
        variables = {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport)}
        # The provider drops an event after ten seconds, which a loaded machine's first import may take.
        variables["AIRFLOW__OPENLINEAGE__EXECUTION_TIMEOUT"] = "300"
        print(with_lineage.run("python", folder / "run.py", file, **variables))
        sent = [json.loads(body) for _, _, body in receiver.posts]
    found = defaultdict(list)
    for event in sent:
        found[event["job"]["name"]].append(event)
    return found


def names(datasets: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Return each dataset as its namespace and name, its artifact's type and its id."""
    facets = [dataset["facets"] for dataset in datasets]
    about = [(facet["datasetType"]["datasetType"], facet["version"]["datasetVersion"]) for facet in facets]
    return [(item["namespace"], item["name"], *more) for item, more in zip(datasets, about, strict=True)]


def test_a_node_is_told_with_its_artifacts_and_metrics(events: dict[str, list[dict[str, Any]]]) -> None:
    start, complete = events["weekly.train.Trainer"]
    assert [event["eventType"] for event in (start, complete)] == ["START", "COMPLETE"]
    assert (start["inputs"], start["outputs"], start["run"]["runId"]) == ([], [], complete["run"]["runId"])
    assert names(complete["inputs"]) == [("file", "/pipelines/ExampleGen/examples/1", "Examples", "1")]
    assert names(complete["outputs"]) == [("s3://bucket", "root/Trainer/model/7", "Model", "2")]
    facet = complete["run"]["facets"]["nightlite_node"]
    assert (facet["nodeId"], facet["state"], facet["executionId"]) == ("Trainer", "succeeded", 7)
    assert facet["pipelineRun"].endswith("@weekly@train")
    assert facet["facts"] == {"metrics": {"accuracy": 0.99}}


def test_a_failed_and_a_skipped_node_say_why(events: dict[str, list[dict[str, Any]]]) -> None:
    ends = {node: events[f"weekly.train.{node}"][-1] for node in ("Evaluator", "Pusher")}
    assert [ends[node]["eventType"] for node in ends] == ["FAIL", "COMPLETE"]
    told = [end["run"]["facets"]["nightlite_node"] for end in ends.values()]
    assert [(facet["state"], facet["reason"]) for facet in told] == [
        ("failed", "ValueError: no label in features"),
        ("skipped", "not blessed: accuracy 0.91 < 0.97"),
    ]
    assert told[1]["blessed"] is False
