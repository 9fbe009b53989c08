"""The wheel in somebody's own Airflow: it moves no version, changes nothing for other DAGs, and leaves nothing."""

import json
import re
import zipfile
from pathlib import Path

import pytest

from nightlite.paths import PROJECT
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node
from tests.wheel.conftest import PlainAirflow, uv

OURS = "/nightlite-runner"
LIST = """
import json
from airflow.dag_processing.dagbag import DagBag

bag = DagBag(collect_dags=True)
tasks = {dag_id: [task.task_id for task in dag.tasks] for dag_id, dag in bag.dags.items()}
print(json.dumps({"tasks": tasks, "errors": bag.import_errors}))
"""


def test_it_holds_only_the_library(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"nightlite", f"{wheel.name.split('-py3')[0]}.dist-info"}
    tracked = list((PROJECT / "pipeline_lib" / "nightlite").rglob("*.j2"))
    assert tracked and {str(path.relative_to(PROJECT / "pipeline_lib")) for path in tracked} <= set(names)
    assert {"newer_glibc.sh", "requirements-tfx.txt"} <= {Path(name).name for name in names}


def test_installing_it_moves_no_version_of_airflow(airflow: PlainAirflow) -> None:
    before, after = airflow.seen["versions"], airflow.freeze()
    print("\n".join(after))
    assert [line for line in before if line not in after] == []
    assert [line.split(" ")[0] for line in after if line not in before] == ["nightlite"]


@pytest.fixture(scope="session")
def look(airflow: PlainAirflow) -> tuple[dict, dict]:
    """Return what is seen of the foreign DAG without the wheel and with it."""
    return airflow.seen["look"], airflow.look()


@pytest.mark.parametrize("what", ["answers", "serialized", "params", "middlewares", "notes", "import_errors"])
def test_a_foreign_dag_is_as_it_was(look: tuple[dict, dict], what: str) -> None:
    before, after = look
    assert before[what] == after[what]
    if what == "answers":
        assert before["answers"]["started"][0] == 200 and before["answers"]["/details"][0] == 200


def test_it_is_scheduled_as_it_was(look: tuple[dict, dict]) -> None:
    names = [name for name in look[0]["details"] if name.startswith("next_dagrun") or "timetable" in name]
    assert names
    before, after = ({name: seen["details"][name] for name in names} for seen in look)
    assert before == after


def test_airflow_has_its_routes_and_one_more_of_ours(look: tuple[dict, dict]) -> None:
    before, after = look
    assert [route for route in after["routes"] if not route.startswith(OURS)] == before["routes"]
    assert [route for route in after["routes"] if route.startswith(OURS)] == [OURS]
    assert before["openapi"] == after["openapi"]
    [ours] = [plugin for plugin in after["plugins"] if plugin not in before["plugins"]]
    assert ours["name"] == "nightlite_runner"
    filled = {name for name, value in ours.items() if value and name not in ("name", "source")}
    assert filled == {"fastapi_apps", "listeners"}
    # It writes on our operator's tasks only: tests/runner/in_airflow/pages/test_node_notes.py
    assert ours["listeners"] == ["nightlite.runner.in_airflow.pages.node_notes"]


def test_four_lines_in_the_dags_folder_render_a_compiled_pipeline(airflow: PlainAirflow) -> None:
    nodes = (
        Node(id="Trainer", type="tfx.components.trainer.component.Trainer"),
        Node(id="Pusher", type="tfx.components.pusher.component.Pusher", upstream=("Trainer",)),
    )
    dags = airflow.home / "dags"
    CompiledPipeline(tfx_version="1.21.0", name="orders", nodes=nodes, ir={}).write(dags / "orders.json")
    example = (PROJECT / "examples" / "runner" / "dags" / "orders.py").read_text()
    assert len([line for line in example.splitlines() if line]) == 4
    (dags / "orders.py").write_text(example)
    found = json.loads(airflow.run("python", "-c", LIST).splitlines()[-1])
    assert found["errors"] == {}
    assert found["tasks"]["orders"] == ["Trainer", "Pusher"]
    (dags / "orders.py").unlink()


def test_no_default_path_lies_below_the_package(airflow: PlainAirflow) -> None:
    code = "from nightlite.deployment.settings import settings; print(settings().model_dump_json())"
    paths = re.findall(r'"(/[^"]*)"', airflow.run("python", "-c", code))
    assert len(paths) >= 4
    assert [path for path in paths if not Path(path).is_relative_to(airflow.home / "nightlite")] == []


def test_uninstalled_nothing_is_left(airflow: PlainAirflow, wheel: Path) -> None:
    python = str(airflow.bin / "python")
    uv("pip", "uninstall", "--python", python, "nightlite")
    try:
        assert airflow.files() == airflow.seen["files"]
        assert airflow.freeze() == airflow.seen["versions"]
        assert not (airflow.home / "nightlite").exists()
    finally:
        uv("pip", "install", "--quiet", "--python", python, str(wheel))
