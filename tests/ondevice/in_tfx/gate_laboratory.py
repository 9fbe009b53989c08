"""The real pipeline on few digits, in this process: whole runs, and single executors on what a run left."""

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_beam_executor, base_executor
from tfx.orchestration import data_types_utils
from tfx.orchestration.portable import inputs_utils
from tfx.types import Artifact, standard_artifacts

from models.mnist.data.sources import load_digits
from models.mnist.on_device import MODEL
from nightlite.deployment.settings import Settings
from nightlite.ondevice.folders import ModelFolders
from nightlite.ondevice.gates.gate import Gates
from nightlite.ondevice.in_tfx.artifact_types import DataGates
from nightlite.ondevice.in_tfx.compile import compile_model
from nightlite.ondevice.in_tfx.ingest.examples import Dataset
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.in_tfx.beam import memo
from nightlite.runner.in_tfx.node import bound_pipeline
from nightlite.runner.in_tfx.run_local import run_local
from nightlite.runner.node_result import NodeResult

_TYPES = {
    item.TYPE_NAME: item
    for item in (
        *(standard_artifacts.Examples, standard_artifacts.Model, standard_artifacts.ModelEvaluation),
        *(standard_artifacts.ModelBlessing, standard_artifacts.InfraBlessing, standard_artifacts.PushedModel),
        *(standard_artifacts.ExampleStatistics, standard_artifacts.Schema, standard_artifacts.ExampleAnomalies),
        standard_artifacts.ModelRun,
        DataGates,
    )
}
# Bounds that no gate of these tests means to try: a few epochs on a few hundred digits meet them.
LENIENT = {
    "min_accuracy": 0.0,
    "min_class_accuracy": 0.0,
    "max_loss": 100.0,
    "max_load_ms": 1e5,
    "max_latency_ms": 1e5,
    "max_latency_ratio": 1e5,
}
Run = dict[str, NodeResult]


@dataclass(frozen=True)
class Laboratory:
    """One deployment: its settings, and its pipeline compiled."""

    settings: Settings
    compiled: CompiledPipeline

    def __post_init__(self) -> None:
        """Let Beam look at each function once, as in a node's process: half of a small run is that."""
        memo.install()

    @property
    def folders(self) -> ModelFolders:
        return self.settings.folders(MODEL.name)

    def run(self, run_id: str, **parameters: Any) -> Run:
        """Do a whole run, as `nightlite run-local` does."""
        return run_local(self.compiled, run_id, self.settings.mlmd_url, {**LENIENT, **parameters})

    def exec_properties(self, node_id: str, **parameters: Any) -> dict[str, Any]:
        """Return what the node's executor is given in a run with these parameters."""
        pipeline = bound_pipeline(self.compiled, "case", {**LENIENT, **parameters})
        [node] = [item.pipeline_node for item in pipeline.nodes if item.pipeline_node.node_info.id == node_id]
        values = inputs_utils.resolve_parameters_with_schema(node_parameters=node.parameters)
        found: dict[str, Any] = data_types_utils.build_parsed_value_dict(values)
        return found

    def execute(
        self,
        node_id: str,
        inputs: Mapping[str, Artifact],
        output: Artifact,
        folder: Path,
        known_at_run_time: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> Artifact:
        """Run the executor that the compiled pipeline names for a node; gives its output, or its last one.

        `known_at_run_time` goes before the exec properties that the compiled pipeline has.
        """
        spec = self.compiled.ir["deploymentConfig"]["executorSpecs"][node_id]
        path: str = spec.get("pythonExecutorSpec", spec)["classPath"]
        module, _, name = path.rpartition(".")
        kind: type[base_executor.BaseExecutor] = getattr(importlib.import_module(module), name)
        context = {"tmp_dir": str(folder / "tmp"), "unique_id": "1", "pipeline_run_id": "case"}
        if issubclass(kind, base_beam_executor.BaseBeamExecutor):
            made = kind(base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=[], **context))
        else:
            made = kind(base_executor.BaseExecutor.Context(**context))
        outputs = {_OUTPUTS[node_id]: output}
        if node_id.startswith("Evaluator"):
            outputs["blessing"] = new(standard_artifacts.ModelBlessing, folder / "model_blessing")
        properties = {**self.exec_properties(node_id, **parameters), **(known_at_run_time or {})}
        made.Do(
            {key: [item] for key, item in inputs.items()}, {key: [item] for key, item in outputs.items()}, properties
        )
        return output

    def judge(self, inputs: Mapping[str, Artifact], folder: Path, **parameters: Any) -> tuple[Gates, Artifact]:
        """Run EdgeValidator; gives its gates and its blessing."""
        blessing = new(standard_artifacts.InfraBlessing, folder / "blessing")
        self.execute("EdgeValidator", inputs, blessing, folder, **parameters)
        return Gates.read(folder / "blessing"), blessing

    def push(self, run: Run, blessing: Artifact, folder: Path, model: Artifact | None = None) -> bool:
        """Run the Pusher on the run's model, or on another one, with this InfraBlessing; gives whether it pushed."""
        inputs = {
            "model": model or output(run, "Trainer.mnist_lite", "model"),
            "model_blessing": output(run, "Evaluator.mnist_lite", "blessing"),
            "infra_blessing": blessing,
        }
        known = {
            "push_destination": json.dumps({"filesystem": {"base_directory": str(folder / "releases")}}),
            "evaluation_uri": output(run, "Evaluator.mnist_lite", "evaluation").uri,
            "span": 1,
            "source": "a test",
        }
        pushed = new(standard_artifacts.PushedModel, folder / "pushed")
        self.execute("Pusher.mnist_lite", inputs, pushed, folder, known)
        return bool(pushed.get_int_custom_property("pushed"))


def few_digits(train: int = 300, evaluation: int = 100) -> Dataset:
    digits = load_digits()
    return Dataset(
        "a few digits",
        digits.train.take(slice(train)),
        digits.eval.take(slice(evaluation)),
    )


def new_laboratory(folder: Path, dataset: Dataset) -> Laboratory:
    settings = Settings(var_dir=folder)
    write_span(MODEL, dataset, settings.folders(MODEL.name).data)
    return Laboratory(settings, compile_model(MODEL, settings))


_OUTPUTS = {
    "DataGate": "gates",
    "ExampleValidator": "anomalies",
    "Evaluator.mnist": "evaluation",
    "Evaluator.mnist_lite": "evaluation",
    "EdgeValidator": "blessing",
    "Pusher.mnist_lite": "pushed_model",
    "ModelReport": "report",
}


def new(kind: type[Artifact], folder: Path) -> Artifact:
    folder.mkdir(parents=True, exist_ok=True)
    artifact = kind()
    artifact.uri = str(folder)
    return artifact


def new_model(content: bytes, folder: Path) -> Artifact:
    """Make a TFLite Trainer's output that holds this file."""
    serving = folder / "model" / "Format-Serving"
    serving.mkdir(parents=True)
    (serving / "tflite").write_bytes(content)
    model = new(standard_artifacts.Model, folder / "model")
    model.id = 1
    return model


def file_of(run: Run) -> bytes:
    return Path(output(run, "Trainer.mnist_lite", "model").uri, "Format-Serving", "tflite").read_bytes()


def output(run: Run, node_id: str, key: str) -> Artifact:
    """Return a node's output in a finished run, as the executors after it get it."""
    [found] = run[node_id].outputs[key]
    artifact = _TYPES[found.type]()
    artifact.uri, artifact.id = found.uri, found.id
    if found.type in ("Examples", "ExampleStatistics", "ExampleAnomalies"):
        artifact.split_names = json.dumps(["train", "eval"])
    if found.type == "ModelBlessing":
        artifact.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(bool(run[node_id].blessed)))
    return artifact


def edge_inputs(run: Run) -> dict[str, Artifact]:
    """Return EdgeValidator's inputs in a finished run, without a baseline."""
    return {
        "examples": output(run, "ImportExampleGen", "examples"),
        "model": output(run, "Trainer.mnist_lite", "model"),
        "keras_model": output(run, "Trainer.mnist", "model"),
        "data_gates": output(run, "DataGate", "gates"),
        "evaluation": output(run, "Evaluator.mnist", "evaluation"),
        "lite_evaluation": output(run, "Evaluator.mnist_lite", "evaluation"),
    }


def report_inputs(run: Run) -> dict[str, Artifact]:
    """Return ModelReport's inputs in a finished run, without a baseline."""
    edge = edge_inputs(run)
    return {
        **{key: edge[key] for key in ("examples", "evaluation", "lite_evaluation")},
        "statistics": output(run, "StatisticsGen", "statistics"),
        "anomalies": output(run, "ExampleValidator", "anomalies"),
        "model": edge["keras_model"],
        "model_run": output(run, "Trainer.mnist", "model_run"),
        "infra_blessing": output(run, "EdgeValidator", "blessing"),
    }
