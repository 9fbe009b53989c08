"""Seconds to parse dags/, and the same graph of EmptyOperators beside it."""

import os
import subprocess
import sys
from pathlib import Path

from nightlite.deployment.local.components import settings_environment
from nightlite.deployment.settings import Settings
from nightlite.errors import NightliteError
from nightlite.paths import PROJECT
from nightlite.runner.compiled_pipeline import CompiledPipeline


def parse(settings: Settings, folder: Path, *options: str) -> float:
    """Return the seconds of a DagBag of `folder` in a fresh process, without `import airflow`.

    `options` are those of `bench.parse_folder`.

    Raises:
      NightliteError: the process failed. Its last line is in the message.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment = kept | settings_environment(settings) | {"AIRFLOW_HOME": str(settings.var_dir / "parsing")}
    done = subprocess.run(
        [sys.executable, "-m", "bench.parse_folder", str(folder), *options],
        cwd=PROJECT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        raise NightliteError(f"{folder} could not be parsed: {last}")
    return float(done.stdout.splitlines()[-1])


def write_empty_dag(compiled: CompiledPipeline, folder: Path, name: str = "empty") -> Path:
    """Write a DAG of the pipeline's nodes and edges in which every task is an EmptyOperator. Return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    edges = {node.id: list(node.upstream) for node in compiled.nodes}
    text = f"""
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

with DAG({name!r}, schedule=None):
    tasks = {{}}
    for name, upstream in {edges!r}.items():
        tasks[name] = EmptyOperator(task_id=name)
        tasks[name].set_upstream([tasks[other] for other in upstream])
"""
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder
