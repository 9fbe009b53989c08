"""Compiled pipelines of any number of nodes, made without TFX, and DAG files of them."""

from pathlib import Path

from bench.dag_parse import write_empty_dag
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node, Parameter

_COMPONENTS = ("StatisticsGen", "Trainer", "Evaluator", "Pusher", "Resolver")
# TFX's representation of a node in tests/pipelines/odd.py has about as many characters.
_IR_CHARACTERS = 3_000
_DAG_FILE = """
from pathlib import Path

from nightlite.runner.in_airflow import AirflowDagRunner, AirflowPipelineConfig

dag = AirflowDagRunner(AirflowPipelineConfig(airflow_dag_config={{"schedule": None}})).run(Path({path!r}))
"""


def pipeline(name: str, nodes: int) -> CompiledPipeline:
    """Return a pipeline of so many nodes, each after the two before it, with ten run parameters."""
    ids = [f"{_COMPONENTS[number % len(_COMPONENTS)]}.{number}" for number in range(nodes)]
    parameters = [Parameter(name=f"p{n}", type="int", default=n, json_schema={"minimum": 0}) for n in range(10)]
    return CompiledPipeline(
        tfx_version="1.21.0",
        name=name,
        nodes=tuple(
            Node(id=node_id, type=f"tfx.{node_id.partition('.')[0]}", upstream=tuple(ids[max(0, number - 2) : number]))
            for number, node_id in enumerate(ids)
        ),
        parameters=tuple(parameters),
        ir={"nodes": [{"id": node_id, "form": "x" * _IR_CHARACTERS} for node_id in ids]},
    )


def write_dags(folder: Path, nodes: int, files: int = 1) -> tuple[Path, Path]:
    """Write DAG files of as many pipelines, and the same graphs of EmptyOperators. Return both folders."""
    ours, empty = folder / "ours", folder / "empty"
    ours.mkdir(parents=True)
    for number in range(files):
        compiled = pipeline(f"synthetic_{number}", nodes)
        path = folder / f"{compiled.name}.json"
        compiled.write(path)
        (ours / f"{compiled.name}.py").write_text(_DAG_FILE.format(path=str(path)), encoding="utf-8")
        write_empty_dag(compiled, empty, compiled.name)
    return ours, empty
