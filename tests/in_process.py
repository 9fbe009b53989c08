"""Nodes of small pipelines, run as Airflow runs them but in this process."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfx import v1 as tfx

from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.in_tfx import node
from nightlite.runner.in_tfx.compile import compile_pipeline
from nightlite.runner.in_tfx.request import NodeRequest
from nightlite.runner.node_result import NodeResult


@dataclass
class Runs:
    """Runs of pipelines in one folder, which have one root and one metadata store."""

    folder: Path

    @property
    def root(self) -> str:
        return str(self.folder / "root")

    def compile(self, name: str, components: Sequence[Any], **arguments: Any) -> CompiledPipeline:
        """Compile these components into the pipeline's file."""
        return self.compiled(tfx.dsl.Pipeline(name, self.root, components=list(components), **arguments))

    def compiled(self, pipeline: tfx.dsl.Pipeline) -> CompiledPipeline:
        compiled = compile_pipeline(pipeline)
        compiled.write(self.folder / f"{compiled.name}.json")
        return compiled

    def node(self, name: str, node_id: str, run_id: str = "run", **parameters: Any) -> NodeResult:
        """Run one node of a compiled pipeline."""
        result, url = self.folder / "result.json", f"sqlite:///{self.folder}/mlmd.sqlite"
        node.execute(NodeRequest(self.folder / f"{name}.json", node_id, run_id, url, parameters, result))
        return NodeResult.read(result)

    def all(self, compiled: CompiledPipeline, run_id: str = "run", **parameters: Any) -> dict[str, NodeResult]:
        """Run every node as Airflow would: none after a failed one, or after a skipped one that it needs."""
        results: dict[str, NodeResult] = {}
        for item in compiled.nodes:
            before = {name: results.get(name) for name in item.upstream}
            states = {name: result.state if result else "skipped" for name, result in before.items()}
            if "failed" in states.values() or (not item.optional and "skipped" in states.values()):
                continue
            results[item.id] = self.node(compiled.name, item.id, run_id, **parameters)
        return results


def texts(result: NodeResult) -> dict[str, list[str]]:
    """Return a node's outputs that are texts or numbers, by key."""
    assert result.state != "failed", result.reason
    return {key: [Path(item.uri).read_text() for item in items] for key, items in result.outputs.items()}
