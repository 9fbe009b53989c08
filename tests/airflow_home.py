"""A private Airflow: its home must be set before anything imports airflow."""

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_HOME = tempfile.mkdtemp(prefix="nightlite-airflow-")
os.environ.update(
    AIRFLOW_HOME=_HOME,
    AIRFLOW__CORE__DAGS_FOLDER=f"{_HOME}/dags",
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME}/airflow.db",
)
Path(_HOME, "dags").mkdir()

from airflow.sdk import DAG

from nightlite.ondevice.results.node_facts import release_extra
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node, Parameter
from nightlite.runner.in_airflow.config import AirflowPipelineConfig
from nightlite.runner.in_airflow.dag_runner import AirflowDagRunner
from nightlite.runner.in_airflow.operators import TfxNodeOperator
from tests.receivers import statsd_server
from tests.waiting import wait_until


@pytest.fixture(scope="session", autouse=True)
def airflow_home():
    yield Path(_HOME)
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_database() -> None:
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an executable that takes the place of the TFX environment's python."""
    path = tmp_path_factory.mktemp("bin") / "python"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("stand_in.py")}" "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def compiled(pipeline: CompiledPipeline) -> CompiledPipeline:
    return pipeline


@pytest.fixture(scope="session")
def pipeline() -> CompiledPipeline:
    """Return a graph with what TFX's graphs have: a diamond, a system node, dots in ids, parameters of each type."""
    return CompiledPipeline(
        tfx_version="1.21.0",
        name="diamond",
        nodes=(
            Node(id="ExampleGen", type="tfx.components.example_gen.import_example_gen.component.ImportExampleGen"),
            Node(id="latest", type="tfx.dsl.components.common.resolver.Resolver", system=True),
            Node(
                id="Trainer.mnist", type="tfx.components.trainer.component.Trainer", upstream=("ExampleGen", "latest")
            ),
            Node(id="Trainer.lite", type="tfx.components.trainer.component.Trainer", upstream=("ExampleGen",)),
            Node(id="Pusher", type="my.module.Pusher", upstream=("Trainer.lite", "Trainer.mnist")),
        ),
        parameters=(
            Parameter(name="epochs", type="int", default=3, json_schema={"minimum": 1, "title": "Epochs"}),
            Parameter(name="rate", type="float", default=0.5, json_schema={"type": "number", "description": "peak"}),
            Parameter(name="note", type="str", default="none"),
        ),
        ir={},
    )


DAG_FILE = """
from datetime import timedelta
from pathlib import Path
from nightlite.ondevice.in_airflow import metrics
from nightlite.ondevice.in_airflow.notice.task import end_with_notice
from nightlite.ondevice.results.node_facts import release_extra
from nightlite.runner.in_airflow.config import AirflowPipelineConfig
from nightlite.runner.in_airflow.dag_runner import AirflowDagRunner

config = AirflowPipelineConfig(
    tfx_python={python!r},
    grace_seconds=0.3,
    airflow_dag_config={{"default_args": {{"retry_delay": timedelta()}}}},
    node_settings={{{settings}}},
    asset_extra=release_extra,
    hidden_env=("NIGHTLITE_NOTIFY_",),
    on_result=(metrics.emit,),
    finish=(end_with_notice,) if {notice} else (),
)
dag = AirflowDagRunner(config).run(Path({compiled!r}))
"""


@pytest.fixture
def dag_of(airflow_home: Path, airflow_database: None, stand_in: Path, tmp_path: Path) -> Callable[..., DAG]:
    """Make a DAG of nodes {id: (behaviour, upstream, node settings)}, from a file as Airflow reads it."""
    from airflow.dag_processing.dagbag import DagBag

    def make(name: str, nodes: dict[str, tuple[str, tuple[str, ...], str]], notice: bool = False) -> DAG:
        compiled = tmp_path / f"{name}.json"
        parts = tuple(Node(id=i, type="x.Trainer", upstream=upstream) for i, (_, upstream, _) in nodes.items())
        epochs = Parameter(name="epochs", type="int", default=3)
        CompiledPipeline(tfx_version="1.21.0", name=name, nodes=parts, parameters=(epochs,), ir={}).write(compiled)
        settings = ", ".join(
            f"{i!r}: {{'env': {{'BEHAVE': {behave!r}, 'PID_FILE': {str(tmp_path / 'pid')!r}}}, {more}}}"
            for i, (behave, _, more) in nodes.items()
        )
        file = airflow_home / "dags" / f"{name}.py"
        given = {"python": str(stand_in), "settings": settings, "notice": notice, "compiled": str(compiled)}
        file.write_text(DAG_FILE.format(**given))
        return DagBag(str(file)).dags[name]

    return make


@pytest.fixture
def operator(stand_in: Path, compiled: CompiledPipeline, tmp_path: Path) -> Callable[..., TfxNodeOperator]:
    """Make a pipeline's first task, whose node behaves as asked."""

    def make(behave: str, *, grace_seconds: float = 0.3, **node_settings: object) -> TfxNodeOperator:
        config = AirflowPipelineConfig(
            tfx_python=stand_in,
            grace_seconds=grace_seconds,
            asset_extra=release_extra,
            node_settings={"*": {"env": {"BEHAVE": behave, "PID_FILE": str(tmp_path / "pid")}, **node_settings}},
        )
        return AirflowDagRunner(config).run(compiled).get_task("ExampleGen")

    return make


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """Switch Airflow's StatsD client on; each call returns all that it has sent."""
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics.stats_utils import get_stats_factory

    with statsd_server() as (port, received):
        for name, value in (("ON", "True"), ("HOST", "127.0.0.1"), ("PORT", str(port)), ("PREFIX", "airflow")):
            monkeypatch.setenv(f"AIRFLOW__METRICS__STATSD_{name}", value)
        stats.initialize(factory=get_stats_factory(), export_legacy_names=True)

        def sent() -> list[str]:
            # Sent last, so that whatever was counted before it has come.
            ends = received.count("airflow.end:1|c")
            stats.incr("end")
            wait_until("all packets", lambda: received.count("airflow.end:1|c") > ends, seconds=120, every=0.02)
            return [line for line in received if not line.startswith("airflow.end:")]

        yield sent
    monkeypatch.undo()
    stats.initialize(factory=get_stats_factory(), export_legacy_names=True)
