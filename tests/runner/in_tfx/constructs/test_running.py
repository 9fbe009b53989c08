"""Constructs of TFX that run: the rows of docs/runner.md's table, each on the smallest pipeline that has it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec
from tfx.dsl.control_flow.for_each import ForEach
from tfx.dsl.experimental.node_execution_options import utils as options
from tfx.dsl.input_resolution import resolver_function
from tfx.dsl.input_resolution.ops import ops
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.dsl.input_resolution.strategies.span_range_strategy import SpanRangeStrategy
from tfx.dsl.placeholder import placeholder
from tfx.proto import range_config_pb2
from tfx.types import Channel, channel_utils, standard_artifacts

from nightlite.settings import forget_settings
from tests.in_process import Runs, texts
from tests.pipelines.constructs import (
    Add,
    BeamArguments,
    Beamed,
    Count,
    Read,
    ReadIfAny,
    Say,
    Shout,
    ShoutDriver,
    Write,
)

Examples = standard_artifacts.Examples


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("constructs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTLITE_VAR_DIR", str(folder))
        forget_settings()
        yield Runs(folder)
        forget_settings()


def test_a_function_component_runs_with_its_values_and_outputs(runs: Runs) -> None:
    assert texts(runs.all(runs.compile("function", [Count(number=7)]))["Count"]) == {"count": ["7"], "word": ["many"]}


def test_a_function_component_with_beam_gets_a_pipeline(runs: Runs) -> None:
    result = runs.all(runs.compile("beamed", [Beamed().with_beam_pipeline_args(["--job_name=mine"])]))["Beamed"]
    assert result.state == "succeeded", result.reason
    [words] = result.outputs["words"]
    assert sorted(Path(words.uri, "words").read_text().split()) == ["a", "b"]


def test_a_class_based_component_runs_with_its_own_executor_and_driver(runs: Runs) -> None:
    shout = Shout("loud")
    shout.driver_class = ShoutDriver
    assert texts(runs.all(runs.compile("classes", [shout]))["Shout"]) == {"text": ["LOUD!"]}


def test_a_nodes_beam_arguments_are_its_own_after_the_pipelines(runs: Runs) -> None:
    own = BeamArguments().with_beam_pipeline_args(["--labels=own", placeholder.environment_variable("HOME")])
    compiled = runs.compile("arguments", [own], beam_pipeline_args=["--project=all"])
    [text] = texts(runs.all(compiled)["BeamArguments"])["text"]
    assert "--labels=own" in text and "--project=all" in text and str(Path.home()) in text


def test_exec_properties_are_computed_from_outputs_and_placeholders(runs: Runs) -> None:
    count = Count(number=7)
    add = Add(first=count.outputs["count"].future()[0].value)
    said = Say(word="word: " + count.outputs["word"].future()[0].value)
    run = Say(word=placeholder.execution_invocation().pipeline_run_id).with_id("Run")
    results = runs.all(runs.compile("dynamic", [count, add, said, run]), "nightly-1")
    assert texts(results["Add"]) == {"total": ["7"]}
    assert texts(results["Say"]) == {"text": ["word: many"]}
    assert texts(results["Run"]) == {"text": ["nightly-1"]}


def test_nested_conditions_skip_what_is_in_them(runs: Runs) -> None:
    count = Count(number=tfx.dsl.experimental.RuntimeParameter("number", ptype=int, default=1))
    with tfx.dsl.Cond(count.outputs["word"].future()[0].value == "many"):
        outer = Say(word="outer").with_id("Outer")
        with tfx.dsl.Cond(count.outputs["count"].future()[0].value > 8):
            inner = Say(word="inner").with_id("Inner")
    compiled = runs.compile("nested", [count, outer, inner])
    for number, states in ((1, ("skipped", "skipped")), (7, ("succeeded", "skipped")), (9, ("succeeded",) * 2)):
        results = runs.all(compiled, f"run-{number}", number=number)
        assert (results["Outer"].state, results["Inner"].state) == states
    assert results["Inner"].reason is None


def test_an_optional_input_of_a_skipped_node_is_none_and_a_needed_one_skips(runs: Runs) -> None:
    count = Count(number=tfx.dsl.experimental.RuntimeParameter("number", ptype=int, default=1))
    with tfx.dsl.Cond(count.outputs["word"].future()[0].value == "many"):
        write = Write()
    maybe, read = ReadIfAny(examples=write.outputs["examples"]), Read(examples=write.outputs["examples"])
    last = Say(word=read.outputs["text"].future()[0].value)
    compiled = runs.compile("optional", [count, write, maybe, read, last])
    optional = {node.id: node.optional for node in compiled.nodes if node.optional}
    assert optional == {"ReadIfAny": ("Write",)}
    results = runs.all(compiled, "few")
    assert texts(results["ReadIfAny"]) == {"text": ["nothing"]}
    assert {"Read", "Say"}.isdisjoint(results)
    assert texts(runs.all(compiled, "many", number=6)["ReadIfAny"]) == {"text": ["1"]}


def test_a_node_whose_other_input_was_skipped_is_skipped_though_one_is_optional(runs: Runs) -> None:
    count = Count(number=1)
    with tfx.dsl.Cond(count.outputs["word"].future()[0].value == "many"):
        write, said = Write(), Say(word="x")
    both = ReadIfAny(examples=write.outputs["examples"])
    both.add_upstream_node(said)
    compiled = runs.compile("both", [count, write, said, both])
    result = runs.all(compiled)["ReadIfAny"]
    assert (result.state, result.reason) == ("skipped", "it needs Say, skipped in this run or not run yet")


def test_a_loop_runs_its_node_once_for_each_item_and_the_next_node_reads_all(runs: Runs) -> None:
    first, second = Write(span=1).with_id("First"), Write(span=2).with_id("Second")
    with ForEach(channel_utils.union([first.outputs["examples"], second.outputs["examples"]])) as each:
        read = Read(examples=each)
    after = Say(word=read.outputs["text"].future()[1].value)
    compiled = runs.compile("loop", [first, second, read, after], enable_cache=True)
    results = runs.all(compiled)
    assert texts(results["Read"]) == {"text": ["1", "2"]}
    assert texts(results["Say"]) == {"text": ["2"]}
    again = runs.node("loop", "Read")
    assert (again.reason, again.outputs) == ("it had already succeeded in this run", results["Read"].outputs)
    assert runs.all(compiled, "another")["Read"].state == "cached"


def test_a_loop_without_items_is_skipped(runs: Runs) -> None:
    with ForEach(Channel(type=Examples, producer_component_id="Nobody")) as each:
        read = Read(examples=each)
    result = runs.all(runs.compile("empty", [read]))["Read"]
    assert (result.state, result.reason) == ("skipped", "there is nothing to run it on")


def test_channels_are_united(runs: Runs) -> None:
    first, second = Write(span=1).with_id("First"), Write(span=2).with_id("Second")
    both = channel_utils.union([first.outputs["examples"], second.outputs["examples"]])
    latest = tfx.dsl.Resolver(strategy_class=LatestArtifactStrategy, found=both).with_id("Latest")
    read = Read(examples=latest.outputs["found"])
    assert texts(runs.all(runs.compile("united", [first, second, latest, read]))["Read"]) == {"text": ["2"]}


@resolver_function.resolver_function
def newest_span(channel: Channel) -> object:
    return ops.LatestSpan(channel, n=1)


@newest_span.output_type_inferrer
def _type_of_newest(channel: Channel) -> object:
    return channel.type


def test_resolvers_by_strategy_and_by_function_find_earlier_runs_artifacts(runs: Runs) -> None:
    write = Write(span=tfx.dsl.experimental.RuntimeParameter("span", ptype=int, default=1))
    history = Channel(type=Examples, producer_component_id="Write")
    two = tfx.dsl.Resolver(
        strategy_class=SpanRangeStrategy,
        config={"range_config": range_config_pb2.RangeConfig(rolling_range=range_config_pb2.RollingRange(num_spans=2))},
        found=history,
    ).with_id("Two")
    newest = Read(examples=newest_span(history)).with_id("Newest")
    for node in (two, newest):
        node.add_upstream_node(write)
    compiled = runs.compile("resolvers", [write, two, newest])
    written = [runs.all(compiled, f"run-{span}", span=span) for span in (1, 2, 3)]
    ids = [results["Write"].outputs["examples"][0].id for results in written]
    assert sorted(item.id for item in written[-1]["Two"].outputs["found"]) == ids[1:]
    assert texts(written[-1]["Newest"]) == {"text": ["3"]}


def test_an_importer_reuses_its_artifact_or_makes_a_new_one(runs: Runs) -> None:
    ids = {}
    for reimport in (False, True):
        where = tfx.dsl.experimental.RuntimeParameter("where", ptype=str, default=str(runs.folder))
        importer = tfx.dsl.Importer(
            source_uri=where,
            artifact_type=standard_artifacts.Model,
            reimport=reimport,
            custom_properties={"from": "us"},
        )
        compiled = runs.compile(f"imports-{reimport}", [importer.with_id("Importer")])
        found = [runs.all(compiled, f"run-{night}")["Importer"].outputs["result"] for night in (1, 2)]
        ids[reimport] = len({item.id for [item] in found})
        assert {item.uri for [item] in found} == {str(runs.folder)}
    assert ids == {False: 1, True: 2}


def test_another_pipelines_artifacts_are_read_the_newest_or_a_runs(runs: Runs) -> None:
    write = Write(span=tfx.dsl.experimental.RuntimeParameter("span", ptype=int, default=1))
    producer = tfx.dsl.Pipeline(
        "producer", runs.root, components=[write], outputs={"examples": write.outputs["examples"]}
    )
    compiled = runs.compiled(producer)
    assert [node.id for node in compiled.nodes] == ["Write"]
    for span in (1, 2):
        runs.all(compiled, f"night-{span}", span=span)
    query = {"owner": "us", "pipeline_name": "producer", "producer_component_id": "Write", "output_key": "examples"}
    every = channel_utils.external_pipeline_artifact_query(Examples, **query)
    first = channel_utils.external_pipeline_artifact_query(Examples, **query, pipeline_run_id="night-1")
    latest = tfx.dsl.Resolver(strategy_class=LatestArtifactStrategy, found=every).with_id("Latest")
    newest, one = Read(examples=latest.outputs["found"]).with_id("Newest"), Read(examples=first).with_id("OfRun")
    results = runs.all(runs.compile("consumer", [latest, newest, one]))
    assert texts(results["Newest"]) == {"text": ["2"]}
    assert texts(results["OfRun"]) == {"text": ["1"]}
    newest = tfx.dsl.Resolver(strategy_class=LatestArtifactStrategy, found=producer.outputs["examples"]).with_id(
        "Latest"
    )
    read = Read(examples=newest.outputs["found"])
    assert texts(runs.all(runs.compile("outputs", [newest, read]))["Read"]) == {"text": ["2"]}


def test_an_infra_validator_without_a_docker_engine_blesses_nothing(runs: Runs) -> None:
    importer = tfx.dsl.Importer(source_uri=str(runs.folder), artifact_type=standard_artifacts.Model).with_id("Importer")
    spec = tfx.proto.ServingSpec(
        tensorflow_serving=tfx.proto.TensorFlowServing(tags=["latest"]),
        local_docker=tfx.proto.LocalDockerConfig(client_base_url="unix:///nowhere/docker.sock"),
        model_name="shop",
    )
    infra = tfx.components.InfraValidator(model=importer.outputs["result"], serving_spec=spec)
    result = runs.all(runs.compile("infra", [importer, infra]))["InfraValidator"]
    assert (result.state, result.blessed) == ("succeeded", False)


def test_two_pipelines_share_a_root_and_keep_apart(runs: Runs) -> None:
    one, two = (runs.compile(name, [Write(span=span)]) for name, span in (("one", 1), ("two", 2)))
    [first], [second] = (runs.all(compiled)["Write"].outputs["examples"] for compiled in (one, two))
    assert Path(first.uri, "data").read_text() == "1" and Path(second.uri, "data").read_text() == "2"
    assert runs.root in first.uri and runs.root in second.uri


def test_retries_and_timeout_of_the_pipelines_own_are_compiled(runs: Runs) -> None:
    said = Say(word="x")
    said.node_execution_options = options.NodeExecutionOptions(max_execution_retries=3, execution_timeout_sec=60)
    [node] = runs.compile("options", [said]).nodes
    assert (node.retries, node.timeout_seconds) == (3, 60)
    [plain] = runs.compile("plain", [Say(word="x")]).nodes
    assert (plain.retries, plain.timeout_seconds) == (None, None)


def test_properties_of_an_output_are_its_artifacts(runs: Runs) -> None:
    write = Write()
    write.outputs["examples"].additional_custom_properties["made_for"] = "a test"
    compiled = runs.compile("properties", [write])
    assert "made_for" in compiled.model_dump_json()
    assert runs.all(compiled)["Write"].state == "succeeded"


def test_an_executor_may_be_replaced(runs: Runs) -> None:
    said = Shout("x")
    said.executor_spec = executor_spec.ExecutorClassSpec(Say.EXECUTOR_SPEC.executor_class)
    assert (
        runs.compile("replaced", [said])
        .ir["deploymentConfig"]["executorSpecs"]["Shout"]["classPath"]
        .endswith("Say_Executor")
    )
