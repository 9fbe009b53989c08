"""Constructs of TFX that are refused when a pipeline is compiled, each by its name and the node's."""

from collections.abc import Callable
from typing import Any

import pytest
from tfx import v1 as tfx
from tfx.dsl.components.base import base_driver
from tfx.dsl.components.common import manual_node
from tfx.dsl.experimental.node_execution_options import utils as options
from tfx.dsl.placeholder import placeholder
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.kubeflow.decorators import FinalStatusStr
from tfx.proto.orchestration import garbage_collection_policy_pb2, pipeline_pb2, platform_config_pb2
from tfx.types import channel_utils, standard_artifacts

from nightlite.errors import CompiledPipelineError
from nightlite.runner.in_tfx.compile import compile_pipeline
from tests.pipelines.constructs import Add, Read, Say, Shout, Write


def said(**node_options: Any) -> Any:
    node = Say(word="x")
    node.node_execution_options = options.NodeExecutionOptions(**node_options)
    return node


def container() -> Any:
    image = tfx.dsl.experimental.create_container_component(
        name="Image", image="busybox", command=["echo", "x"], inputs={}, outputs={}, parameters={}
    )
    return image()


def with_platform() -> Any:
    return Say(word="x").with_platform_config(platform_config_pb2.DockerPlatformConfig())


class OldDriver(base_driver.BaseDriver):
    """A driver as TFX had them before 0.30, without a method `run`."""


def with_old_driver() -> Any:
    node = Shout("x")
    node.driver_class = OldDriver
    return node


def with_collection() -> Any:
    write = Write()
    policy = garbage_collection_policy_pb2.GarbageCollectionPolicy()
    write.outputs["examples"]._garbage_collection_policy = policy
    return write


def with_async_output() -> Any:
    write = Write()
    write.outputs["examples"].set_as_async_channel()
    return write


def with_tags() -> Any:
    query = {"owner": "us", "pipeline_name": "p", "producer_component_id": "Write", "output_key": "examples"}
    tagged = channel_utils.external_pipeline_artifact_query(
        standard_artifacts.Examples, **query, pipeline_run_tags=["good"]
    )
    return Read(examples=tagged)


def local_executor() -> Any:
    @tfx.dsl.components.component
    def Local() -> None:
        pass

    return Local()


STRATEGY = pipeline_pb2.NodeExecutionOptions.ALL_UPSTREAM_NODES_COMPLETED


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (container, r"Image: expected an executor in Python\. Received: a container component"),
        (lambda: manual_node.ManualNode("look"), r"ManualNode: .* Received: ManualNode"),
        (with_platform, r"Say: expected no \.with_platform_config\(\)"),
        (with_old_driver, r"Shout: expected a driver with a method run\(\).* Received: OldDriver"),
        (with_collection, r"Write: output examples: expected no garbage_collection_policy"),
        (with_async_output, r"Write: output examples: .* Received: an async one"),
        (with_tags, r"Read: input examples: expected no pipeline_run_tags"),
        (lambda: said(trigger_strategy=STRATEGY), r"Say: .* Received: ALL_UPSTREAM_NODES_COMPLETED"),
        (lambda: said(success_optional=True), r"Say: expected no success_optional"),
        (lambda: said(lifetime_start="Other"), r"Say: expected no lifetime_start\. Received: 'Other'"),
        (lambda: Say(word=FinalStatusStr("x")), r"Say: expected no exit handler \(FinalStatusStr in word\)"),
    ],
)
def test_a_construct_is_refused_by_its_name_and_its_nodes(make: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(CompiledPipelineError, match=f"^{sentence}"):
        compile_pipeline(tfx.dsl.Pipeline("p", "/root", components=[make()]))


@pytest.mark.parametrize("root", ["", None, "gs://bucket/root", placeholder.environment_variable("HOME")])
def test_a_root_that_is_no_folder_is_refused(root: Any) -> None:
    with pytest.raises(CompiledPipelineError, match="pipeline_root: expected a folder on a file system"):
        compile_pipeline(tfx.dsl.Pipeline("p", root, components=[Say(word="x")]))


def test_a_pipelines_inputs_and_platform_are_refused() -> None:
    inputs = tfx_pipeline.PipelineInputs({"examples": Write().outputs["examples"]})
    within = tfx.dsl.Pipeline("p", "/root", components=[Read(examples=inputs["examples"])], inputs=inputs)
    with pytest.raises(CompiledPipelineError, match="p: .* Received: PipelineInputs"):
        compile_pipeline(within)
    config = platform_config_pb2.DockerPlatformConfig()
    with pytest.raises(CompiledPipelineError, match=r"p: expected no platform_config.*DockerPlatformConfig"):
        compile_pipeline(tfx.dsl.Pipeline("p", "/root", components=[Say(word="x")], platform_config=config))


def test_one_parameter_of_two_defaults_is_refused() -> None:
    first, second = (tfx.dsl.experimental.RuntimeParameter("size", ptype=int, default=size) for size in (1, 2))
    with pytest.raises(
        CompiledPipelineError, match="one default of the RuntimeParameter 'size'. Received: int 1 and int 2"
    ):
        compile_pipeline(tfx.dsl.Pipeline("p", "/root", components=[Add(first=first, second=second)]))


def test_what_tfx_itself_refuses_is_one_sentence() -> None:
    one, two = Say(word="x").with_id("Same"), Say(word="y").with_id("Same")
    with pytest.raises((CompiledPipelineError, RuntimeError), match="Same"):
        compile_pipeline(tfx.dsl.Pipeline("p", "/root", components=[one, two]))


def test_the_store_of_a_pipeline_is_not_in_its_file() -> None:
    store = tfx.orchestration.metadata.sqlite_metadata_connection_config("/secret/mlmd.sqlite")
    compiled = compile_pipeline(
        tfx.dsl.Pipeline("p", "/root", components=[Say(word="x")], metadata_connection_config=store)
    )
    assert "secret" not in compiled.model_dump_json()


def test_every_pipeline_can_be_forced_unless_it_has_a_parameter_of_that_name() -> None:
    plain = compile_pipeline(tfx.dsl.Pipeline("p", "/root", components=[Say(word="x")]))
    assert [(item.name, item.type, item.read_by) for item in plain.parameters] == [("force", "bool", "run")]
    word = tfx.dsl.experimental.RuntimeParameter("force", ptype=str, default="x")
    own = compile_pipeline(tfx.dsl.Pipeline("p", "/root", components=[Say(word=word)]))
    assert [(item.name, item.type, item.read_by) for item in own.parameters] == [("force", "str", "nodes")]
