"""The compiled form of a pipeline, and the pipelines that are refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import json_format
from tfx import v1 as tfx
from tfx.proto.orchestration import pipeline_pb2

from models.mnist.model.training_parameters import TrainingParams
from models.mnist.on_device import MODEL
from nightlite.deployment.in_tfx import compile as command
from nightlite.deployment.settings import Settings
from nightlite.errors import CompiledPipelineError, ModelDeclarationError, NodeRequestError
from nightlite.ondevice import run_parameters as run_params
from nightlite.ondevice.in_tfx.compile import compile_model
from nightlite.ondevice.model import OnDeviceModel
from nightlite.paths import PROJECT
from nightlite.runner.compiled_pipeline import FORCE, CompiledPipeline, Parameter
from nightlite.runner.in_tfx import run_parameters as runtime_params
from nightlite.runner.in_tfx.compile import compile_pipeline
from nightlite.runner.in_tfx.node import bound_pipeline
from tests.declared import declared_models
from tests.pipelines import odd


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> CompiledPipeline:
    return compile_model(MODEL, Settings(var_dir=tmp_path_factory.mktemp("var")))


@pytest.fixture(scope="module")
def upstream(compiled: CompiledPipeline) -> dict[str, set[str]]:
    return {node.id: set(node.upstream) for node in compiled.nodes}


def _exec_properties(pipeline: pipeline_pb2.Pipeline, node_id: str) -> dict[str, str]:
    [node] = [item.pipeline_node for item in pipeline.nodes if item.pipeline_node.node_info.id == node_id]
    return {key: value.field_value.string_value for key, value in node.parameters.parameters.items()}


def test_the_pusher_waits_for_the_tflite_files_own_evaluator(upstream: dict[str, set[str]]) -> None:
    assert upstream["Pusher.mnist_lite"] == {
        *("ImportExampleGen", "Trainer.mnist_lite", "Evaluator.mnist_lite", "EdgeValidator")
    }
    assert upstream["Evaluator.mnist_lite"] == {"ImportExampleGen", "Trainer.mnist_lite", "Resolver.released"}
    assert {"Evaluator.mnist", "Evaluator.mnist_lite", "DataGate"} <= upstream["EdgeValidator"]
    assert "Trainer.mnist" in upstream["Trainer.mnist_lite"]
    assert upstream["Evaluator.mnist"] == {"ImportExampleGen", "Trainer.mnist"}


def test_only_the_pusher_is_never_answered_from_cache(compiled: CompiledPipeline) -> None:
    pipeline = bound_pipeline(compiled, "run", {})
    nodes = [item.pipeline_node for item in pipeline.nodes]
    uncached = [node.node_info.id for node in nodes if not node.execution_options.caching_options.enable_cache]
    assert uncached == ["Pusher.mnist_lite"]


def test_force_switches_the_cache_off_forevery_node_of_that_run_only(compiled: CompiledPipeline) -> None:
    nodes = [item.pipeline_node for item in bound_pipeline(compiled, "run", {"force": True}).nodes]
    assert not any(node.execution_options.caching_options.enable_cache for node in nodes)
    with pytest.raises(NodeRequestError, match="'force': expected bool. Received: 'yes'"):
        bound_pipeline(compiled, "run", {"force": "yes"})


def test_what_a_run_was_told_is_in_its_context_and_with_the_nodes_that_tell_it_on(compiled: CompiledPipeline) -> None:
    told = {"epochs": 3, "learning_rate": 0.01, "approval": "required", "push": "dry run"}
    pipeline = bound_pipeline(compiled, "run", told)
    expected = run_params.run_params(MODEL)().model_dump() | told
    for node_id in ("ModelReport", "Pusher.mnist_lite"):
        assert json.loads(_exec_properties(pipeline, node_id)["run_parameters"]) == expected
    assert json.loads(_exec_properties(pipeline, "Pusher.mnist_lite")["custom_config"])["push"] == "dry run"
    for item in pipeline.nodes:
        [run] = [c for c in item.pipeline_node.contexts.contexts if c.type.name == "pipeline_run"]
        recorded = {name: value.field_value for name, value in run.properties.items()}
        assert recorded.keys() == expected.keys()
        assert (recorded["epochs"].int_value, recorded["learning_rate"].double_value) == (3, 0.01)
        assert (recorded["approval"].string_value, recorded["force"].string_value) == ("required", "false")


def test_runs_of_one_id_in_two_pipelines_are_two_in_the_metadata_store(compiled: CompiledPipeline) -> None:
    """Airflow names two nightly runs of one minute alike. Executors are told that name."""
    pipeline = bound_pipeline(compiled, "scheduled__2026-11-30T02:00:00+00:00", {})
    said = str(pipeline)
    assert pipeline.runtime_spec.pipeline_run_id.field_value.string_value == "scheduled__2026-11-30T02:00:00+00:00"
    assert said.count('"scheduled__2026-11-30T02:00:00+00:00"') == 1
    assert said.count(f'"{compiled.name}.scheduled__2026-11-30T02:00:00+00:00"') > len(compiled.nodes)


def test_a_node_that_does_not_read_a_value_is_the_same_node_whatever_it_is(compiled: CompiledPipeline) -> None:
    def parameters(**values: object) -> dict[str, dict[str, str]]:
        pipeline = bound_pipeline(compiled, "run", values)
        ids = [item.pipeline_node.node_info.id for item in pipeline.nodes]
        return {node_id: _exec_properties(pipeline, node_id) for node_id in ids}

    before, after = parameters(), parameters(approval="required", push="dry run", force=True)
    assert {node_id for node_id in before if before[node_id] != after[node_id]} == {"ModelReport", "Pusher.mnist_lite"}


def test_the_report_comes_after_every_judgement_and_no_push_waits_for_it(compiled: CompiledPipeline) -> None:
    upstream = {node.id: set(node.upstream) for node in compiled.nodes}
    assert {"Evaluator.mnist", "Evaluator.mnist_lite", "EdgeValidator"} <= upstream["ModelReport"]
    assert [node for node, others in upstream.items() if "ModelReport" in others] == ["OutcomeReport"]
    assert upstream["OutcomeReport"] == {"ModelReport", "Pusher.mnist_lite"}
    assert compiled.nodes[-1].id == "OutcomeReport"  # retention comes after the last node
    assert "Pusher.mnist_lite" not in upstream["ModelReport"]


def test_both_evaluators_have_the_same_metrics_slices_and_thresholds(compiled: CompiledPipeline) -> None:
    pipeline = bound_pipeline(compiled, "run", {"min_accuracy": 0.5, "min_class_accuracy": 0.4})
    configs = [
        json.loads(_exec_properties(pipeline, f"Evaluator.{name}")["eval_config"]) for name in ("mnist", "mnist_lite")
    ]
    for form in configs:
        [spec] = form.pop("model_specs")
        assert spec["label_key"] == "image_class"
    assert configs[0] == configs[1]
    [metrics] = [spec["metrics"] for spec in configs[0]["metrics_specs"]]
    thresholds = {item["class_name"]: item.get("per_slice_thresholds") for item in metrics}
    change = {"direction": "HIGHER_IS_BETTER", "absolute": -0.01}
    overall = {"value_threshold": {"lower_bound": 0.5}, "change_threshold": change}
    assert thresholds["SparseCategoricalCrossentropy"] == [
        {"slicing_specs": [{}], "threshold": {"value_threshold": {"upper_bound": 0.2}}}
    ]
    assert thresholds["SparseCategoricalAccuracy"] == [
        {"slicing_specs": [{}], "threshold": overall},
        {"slicing_specs": [{"feature_keys": ["image_class"]}], "threshold": {"value_threshold": {"lower_bound": 0.4}}},
    ]
    assert {"feature_keys": ["image_class"]} in configs[0]["slicing_specs"]


def test_run_parameters_are_those_of_the_model_and_reach_the_trainer(compiled: CompiledPipeline) -> None:
    assert compiled.parameters == (*run_params.parameters(MODEL), *run_params.context_parameters())
    pipeline = bound_pipeline(compiled, "run", {"epochs": 3})
    config = json.loads(_exec_properties(pipeline, "Trainer.mnist")["custom_config"])
    assert config == {**TrainingParams().model_dump(), "epochs": 3}


def test_it_says_of_which_declaration_it_was_made_as_both_environments_read_it(compiled: CompiledPipeline) -> None:
    digest = "from models.mnist.on_device import MODEL; from nightlite.ondevice.run_parameters import declaration"
    command = [str(PROJECT / ".venvs/airflow/bin/python"), "-c", f"{digest}; print(declaration(MODEL))"]
    in_airflow = subprocess.run(command, check=True, text=True, capture_output=True).stdout.strip()
    assert compiled.declaration == run_params.declaration(MODEL) == in_airflow
    other_schedule, other_bound = {"schedule": "@weekly", "sources": {}}, {"gate_bounds": {"min_accuracy": 0.5}}
    assert run_params.declaration(MODEL.model_copy(update=other_schedule)) == in_airflow
    assert run_params.declaration(MODEL.model_copy(update=other_bound)) != in_airflow


def test_an_edit_of_the_curated_schema_is_a_new_execution(tmp_path: Path) -> None:
    file = tmp_path / "mnist.pbtxt"
    file.write_text('feature { name: "a" }')
    compiled = compile_model(MODEL, Settings(var_dir=tmp_path, schema_dir=tmp_path))

    def fingerprint() -> str:
        return _exec_properties(bound_pipeline(compiled, "run", {}), "SchemaGen")["file_sha256"]

    before = fingerprint()
    assert before == fingerprint()
    file.write_text('feature { name: "b" }')
    assert fingerprint() != before


def test_without_a_curated_schema_one_is_inferred(tmp_path: Path) -> None:
    compiled = compile_model(MODEL, Settings(var_dir=tmp_path, schema_dir=tmp_path / "none"))
    types = {node.id: node.type.rpartition(".")[2] for node in compiled.nodes}
    assert types["SchemaGen"] == "SchemaGen"


def test_nothing_is_trained_before_the_data_gate(upstream: dict[str, set[str]]) -> None:
    assert "DataGate" in upstream["Transform"]
    assert {"StatisticsGen", "SchemaGen", "ExampleValidator", "Resolver.previous_span"} <= upstream["DataGate"]
    assert "Transform" in upstream["Trainer.mnist"] and "Trainer.mnist" in upstream["Trainer.mnist_lite"]


def test_the_same_pipeline_compiles_to_the_same_bytes(compiled: CompiledPipeline) -> None:
    def ordered(form: object) -> bool:
        if isinstance(form, dict):
            return list(form) == sorted(form) and all(map(ordered, form.values()))
        return all(map(ordered, form)) if isinstance(form, list) else True

    assert ordered(compiled.ir)


def test_nothing_secret_and_no_store_is_compiled_in(compiled: CompiledPipeline) -> None:
    assert "connection" not in json.dumps(compiled.ir).lower()


@pytest.mark.parametrize("value", ['quote " and \\ backslash', "\u0000", '{"__class__": 1}', "ü\n"])
def test_a_string_inside_json_survives_as_it_is(value: str) -> None:
    word = runtime_params.runtime_parameter(Parameter(name="word", type="str", default="x"))
    trainer = tfx.components.Trainer(
        run_fn="a.b.c",
        examples=tfx.components.ImportExampleGen(input_base="x").outputs["examples"],
        custom_config={"first": [1, {"word": word}], "second": "constant"},
    )
    compiled = compile_pipeline(tfx.dsl.Pipeline("p", "root", components=[trainer]))
    assert compiled.parameters[0] == Parameter(name="word", type="str", default="x")
    config = _exec_properties(bound_pipeline(compiled, "run", {"word": value}), "Trainer")["custom_config"]
    assert json.loads(config) == {"first": [1, {"word": value}], "second": "constant"}


def test_a_parameter_without_default_must_be_given() -> None:
    echo = odd.Echo(number=tfx.dsl.experimental.RuntimeParameter("count", ptype=int), ratio=0.5, word="w")
    compiled = compile_pipeline(tfx.dsl.Pipeline("p", "root", components=[echo]))
    with pytest.raises(NodeRequestError, match=r"'count': expected int\. Received: None"):
        bound_pipeline(compiled, "run", {})
    bound_pipeline(compiled, "run", {"count": 1})


def test_the_odd_pipeline_keeps_its_edges_types_and_parameters(tmp_path: Path) -> None:
    compiled = compile_pipeline(odd.create_pipeline(str(tmp_path), str(tmp_path)), odd.PARAMETERS)
    assert {node.id for node in compiled.nodes if node.system} == {"Importer", "Resolver"}
    upstream = {node.id: set(node.upstream) for node in compiled.nodes}
    assert upstream["Guarded"] == {"Echo"}
    assert upstream["Resolver"] == {"Importer"}
    assert compiled.parameters[:-1] == odd.PARAMETERS and compiled.parameters[-1].name == FORCE
    json_format.ParseDict(compiled.ir, pipeline_pb2.Pipeline())


def test_a_pipeline_within_the_pipeline_is_refused() -> None:
    inner = tfx.dsl.Pipeline("inner", "root", components=[odd.Echo(number=1, ratio=0.5, word="w")])
    with pytest.raises(CompiledPipelineError, match="'inner' is a pipeline within the pipeline"):
        compile_pipeline(tfx.dsl.Pipeline("outer", "root", components=[inner]))


def test_a_pipeline_of_long_lived_nodes_is_refused() -> None:
    echo = odd.Echo(number=1, ratio=0.5, word="w")
    pipeline = tfx.dsl.Pipeline("p", "root", components=[echo], execution_mode=tfx.dsl.ExecutionMode.ASYNC)
    with pytest.raises(CompiledPipelineError, match=r"ExecutionMode\.SYNC\. Received: ASYNC"):
        compile_pipeline(pipeline)


def test_the_command_says_whether_it_wrote_the_file(
    deployed: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], compiled: CompiledPipeline
) -> None:
    monkeypatch.setattr(sys, "argv", ["compile", "--model", MODEL.name])
    monkeypatch.setattr(command.node_log, "quiet", lambda: None)
    monkeypatch.setattr(command, "compile_model", lambda *_: compiled)
    said = []
    for _ in range(2):
        assert command.main() == 0
        said.append(capsys.readouterr().out)
    path = deployed.compiled_file(MODEL)
    assert said[0].endswith(f" bytes, written to {path}\n") and said[1].endswith(f" bytes, unchanged in {path}\n")


def test_all_models_are_compiled_whichever_of_them_cannot_be(
    deployed: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], compiled: CompiledPipeline
) -> None:
    def compile_all_but_flowers(model: OnDeviceModel, _: Settings) -> CompiledPipeline:
        if model.name == "flowers":
            raise ModelDeclarationError("flowers: expected a run_fn")
        return compiled

    monkeypatch.setattr(sys, "argv", ["compile"])
    monkeypatch.setattr(command.node_log, "quiet", lambda: None)
    monkeypatch.setattr(command, "compile_model", compile_all_but_flowers)
    with declared_models({name: MODEL.model_copy(update={"name": name}) for name in ("flowers", "mnist", "trees")}):
        assert command.main() == 1
    out, err = capsys.readouterr()
    assert err == "compile: flowers: expected a run_fn\n" and out.count(" written to ") == 2
    assert sorted(path.name for path in (deployed.var_dir / "compiled").glob("*.json")) == [
        "mnist_tflite.json",
        "trees_tflite.json",
    ]
