"""When Beam gets worker processes, and that a node which has them finds what it finds without."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow_data_validation as tfdv
from tfx.orchestration.portable.beam_executor_operator import BeamExecutorOperator
from tfx.proto.orchestration import executable_spec_pb2

from pipeline_lib.mnist.dataset import Dataset
from pipeline_lib.mnist.spans import write_span
from pipeline_lib.settings import Settings
from pipeline_lib.tfx import beam_args
from pipeline_lib.tfx.compile import mnist_tflite
from tests.mnist.made_digits import make_split
from tests.tfx.conftest import LONG, Deployment

EXECUTOR = "tfx.components.statistics_gen.executor.Executor"


def _operator(*arguments: str) -> BeamExecutorOperator:
    spec = executable_spec_pb2.BeamExecutableSpec()
    spec.python_executor_spec.class_path = EXECUTOR
    for argument in arguments:
        spec.beam_pipeline_args_placeholders.add().value.string_value = argument
    return BeamExecutorOperator(spec)


@pytest.fixture
def inputs(tmp_path: Path) -> list[Any]:
    (tmp_path / "Split-train").mkdir()
    (tmp_path / "Split-train" / "examples").write_bytes(bytes(2 << 20))
    return [SimpleNamespace(uri=str(tmp_path))]


def test_a_node_that_reads_more_than_the_bound_gets_a_process_per_core(inputs: list[Any]) -> None:
    operator = _operator()
    assert beam_args.give_workers(operator, inputs, above_mebibytes=1)
    assert tuple(item.value.string_value for item in operator.beam_pipeline_args) == beam_args.MULTI_PROCESSING


def test_small_data_the_pipelines_own_arguments_and_other_operators_are_left_alone(inputs: list[Any]) -> None:
    small, own = _operator(), _operator("--runner=FlinkRunner")
    assert not beam_args.give_workers(small, inputs, above_mebibytes=2)
    assert small.beam_pipeline_args == []
    assert not beam_args.give_workers(own, inputs, above_mebibytes=0)
    assert [item.value.string_value for item in own.beam_pipeline_args] == ["--runner=FlinkRunner"]
    assert not beam_args.give_workers(object(), inputs, above_mebibytes=0)


class _Mnist(Deployment):
    @property
    def pipeline(self) -> Path:
        return self.folder / "var" / "compiled" / "mnist_tflite.json"


@LONG
@pytest.mark.parametrize("runtime", ["warm", "cold"])
def test_statistics_are_the_same_with_worker_processes_as_without(tmp_path: Path, runtime: str) -> None:
    found = {}
    for large in (False, True):  # a deployment each: the second would be answered from the first one's cache
        deployment = _Mnist(tmp_path / str(large), runtime)
        settings = Settings(var_dir=deployment.folder / "var")
        mnist_tflite(settings).write(settings.compiled_path)
        write_span(Dataset("test", make_split(40, seed=1), make_split(20, seed=2)), settings.data_dir)
        code, result, log = deployment.run("ImportExampleGen", "run")
        assert code == 0, log
        if large:  # beside the splits, and of no size on the disk
            padding = Path(result.outputs["examples"][0].uri, "padding")
            padding.touch()
            os.truncate(padding, (beam_args.ABOVE_MEBIBYTES + 1) << 20)
        code, result, log = deployment.run("StatisticsGen", "run")
        deployment.stop_servers()
        assert (code, result.state) == (0, "succeeded"), log
        assert ("Beam uses every core" in log) == large
        [statistics] = result.outputs["statistics"]
        found[large] = [
            tfdv.load_stats_binary(str(Path(statistics.uri) / split / "FeatureStats.pb")).datasets[0].num_examples
            for split in ("Split-train", "Split-eval")
        ]
    assert found[False] == found[True] == [40, 20]
