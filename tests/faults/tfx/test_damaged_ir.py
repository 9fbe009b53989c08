"""TFX's own part of a compiled pipeline, damaged: run_node refuses it in one sentence."""

from pathlib import Path
from typing import Any

import pytest

from pipeline_lib.errors import CompiledPipelineError
from pipeline_lib.graph import CompiledPipeline
from pipeline_lib.node_exit import EXIT_USAGE
from pipeline_lib.node_result import NodeResult
from pipeline_lib.tfx import node, preloading
from pipeline_lib.tfx.compile import compile_pipeline
from pipeline_lib.tfx.request import NodeRequest
from tests.pipelines import tiny_nights


@pytest.fixture(scope="module")
def compiled() -> CompiledPipeline:
    return compile_pipeline(tiny_nights.create_pipeline("/nowhere/root", "/nowhere/pushed"), tiny_nights.PARAMETERS)


def request_of(folder: Path) -> NodeRequest:
    return NodeRequest(
        pipeline=folder / "compiled.json",
        node_id="Train",
        run_id="run",
        metadata_url=f"sqlite:///{folder / 'mlmd.sqlite'}",
        parameters={"night": 1},
        result=folder / "result.json",
    )


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"nodes": "none"}, "Train cannot be prepared (ParseError: "),
        ({"pipelineInfo": {"id": 5}}, "Train cannot be prepared (ParseError: "),
        ({"deploymentConfig": {}}, "Train cannot be prepared (ValueError: "),
        (None, "does not match its digest"),
    ],
)
def test_the_node_says_so_and_leaves_a_result(
    compiled: CompiledPipeline, tmp_path: Path, capfd: pytest.CaptureFixture[str], damage: Any, words: str
) -> None:
    request = request_of(tmp_path)
    compiled.model_copy(update={"ir": compiled.ir | (damage or {})}).write(request.pipeline)
    if not damage:
        request.pipeline.write_text(request.pipeline.read_text().replace("Train", "Twain"))
    assert node.execute(request) == EXIT_USAGE
    reason = NodeResult.read(tmp_path / "result.json").reason
    assert reason and words in reason and reason.endswith("run 'make compile'") and "\n" not in reason
    said = capfd.readouterr()
    assert "Traceback" not in said.out + said.err


@pytest.mark.parametrize("ir", [{}, {"deploymentConfig": []}, {"deploymentConfig": {"executorSpecs": {"a": 5}}}])
def test_the_warm_server_starts_without_the_executors_of_what_it_cannot_read(tmp_path: Path, ir: Any) -> None:
    CompiledPipeline(tfx_version="1.21.0", name="p", nodes=(), ir=ir).write(tmp_path / "compiled.json")
    assert preloading.executor_modules_or_none(tmp_path / "compiled.json") == []
    (tmp_path / "compiled.json").write_text("{}")
    with pytest.raises(CompiledPipelineError):
        preloading.executor_modules(tmp_path / "compiled.json")
    assert preloading.executor_modules_or_none(tmp_path / "compiled.json") == []
