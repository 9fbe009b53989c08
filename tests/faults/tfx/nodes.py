"""Nodes of a laboratory's pipeline one by one, in this process, through the launcher that Airflow's tasks use."""

from pathlib import Path
from typing import Any

from models.mnist.on_device import MODEL
from nightlite.runner.in_tfx import node
from nightlite.runner.in_tfx.request import NodeRequest
from nightlite.runner.node_result import NodeResult
from tests.ondevice.in_tfx.gate_laboratory import Laboratory

GATE = "DataGate"


def launch(laboratory: Laboratory, node_id: str, run_id: str, **parameters: Any) -> NodeResult:
    """Launch one node of one run. A failure is a result, as for Airflow's tasks."""
    pipeline = laboratory.settings.compiled_file(MODEL)
    if not pipeline.exists():
        laboratory.compiled.write(pipeline)
    request = NodeRequest(
        pipeline=pipeline,
        node_id=node_id,
        run_id=run_id,
        metadata_url=laboratory.settings.mlmd_url,
        parameters=parameters,
        result=None,
    )
    launcher, store = node.prepare(request)
    return node.launch(request, launcher, store)


def until(laboratory: Laboratory, last: str, run_id: str, **parameters: Any) -> NodeResult:
    """Launch nodes in the pipeline's order up to `last`. Return the first failure, else the last one's result."""
    for item in laboratory.compiled.nodes:
        result = launch(laboratory, item.id, run_id, **parameters)
        if result.state == "failed" or item.id == last:
            return result
    raise AssertionError(f"no node {last}")


def files_below(folder: Path) -> dict[str, int]:
    """Return every file's size, by its path below `folder`."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): path.stat().st_size for path in found}
