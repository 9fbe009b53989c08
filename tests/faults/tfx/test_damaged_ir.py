"""A compiled pipeline, damaged: run_node refuses it in one sentence."""

from pathlib import Path

import pytest

from nightlite.ondevice.hooks import HOOKS
from nightlite.runner.compiled_pipeline import HOW_TO_COMPILE, CompiledPipeline
from nightlite.runner.exit_codes import EXIT_USAGE
from nightlite.runner.in_tfx import node
from nightlite.runner.in_tfx.compile import compile_pipeline
from nightlite.runner.in_tfx.request import NodeRequest
from nightlite.runner.in_tfx.warm import preloading
from nightlite.runner.node_result import NodeResult
from tests.pipelines import tiny_nights


@pytest.fixture(scope="module")
def compiled() -> CompiledPipeline:
    return compile_pipeline(
        tiny_nights.create_pipeline("/nowhere/root", "/nowhere/pushed"), tiny_nights.PARAMETERS, HOOKS
    )


def request_of(folder: Path) -> NodeRequest:
    return NodeRequest(
        pipeline=folder / "compiled.json",
        node_id="Train",
        run_id="run",
        metadata_url=f"sqlite:///{folder / 'mlmd.sqlite'}",
        parameters={"night": 1},
        result=folder / "result.json",
    )


def test_the_node_says_so_and_leaves_a_result(
    compiled: CompiledPipeline, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    request = request_of(tmp_path)
    compiled.write(request.pipeline)
    request.pipeline.write_text(request.pipeline.read_text().replace("Train", "Twain"))
    assert node.execute(request) == EXIT_USAGE
    reason = NodeResult.read(tmp_path / "result.json").reason
    assert reason and "\n" not in reason
    assert "does not match its digest" in reason and reason.endswith(HOW_TO_COMPILE)
    said = capfd.readouterr()
    assert "Traceback" not in said.out + said.err


def test_the_warm_server_starts_without_the_executors_of_what_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "compiled.json").write_text("{}")
    assert preloading.modules_of(tmp_path / "compiled.json") == []
    preloading.read_ahead(tmp_path / "compiled.json")
