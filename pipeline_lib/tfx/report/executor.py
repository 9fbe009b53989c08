"""ModelReport's executor: reads a run's artifacts, compares its models, writes the pages."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from pipeline_lib.edge import TFLITE_FILE
from pipeline_lib.errors import DataError
from pipeline_lib.report import EdgeFigures, ModelColumn, ModelKey, Report
from pipeline_lib.tfx.report import comparison, history, outputs, pages, sources

EVAL_SPLIT = "eval"
Artifacts = Mapping[str, list[types.Artifact]]


class Executor(base_executor.BaseExecutor):
    """Writes `report.html`, `report.json`, `statistics.html` and `evaluations.html` into the output's folder."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Mapping[str, Any]) -> None:
        folder = Path(artifact_utils.get_single_uri(output_dict["report"]))
        examples = _eval_split(_uri(input_dict, "examples"), exec_properties)
        found = _probabilities(input_dict, examples)
        edge = sources.edge_figures(_optional_uri(input_dict, "infra_blessing"))
        gates = sources.gates(_optional_uri(input_dict, "infra_blessing"))
        evaluations: dict[ModelKey, tuple[Any, ...]] = {
            "keras": sources.evaluation(_uri(input_dict, "evaluation")),
            "tflite": sources.evaluation(_uri(input_dict, "lite_evaluation")),
        }
        span = _span(artifact_utils.get_single_instance(input_dict["examples"]))
        data = (_uri(input_dict, "statistics"), _uri(input_dict, "anomalies"))
        report = Report(
            **sources.of_any_run(self._context, gates, span, *data),
            models=_columns(input_dict, examples, found, evaluations, edge),
            agreement=comparison.agreement(found["keras"], found["tflite"]),
            mistakes=comparison.mistakes(examples, found),
            training=sources.training_curves(_uri(input_dict, "model_run")),
            evaluations=evaluations,
            parameters=json.loads(exec_properties["run_parameters"]),
            eval_set=examples.identity(),
        )
        report = report.model_copy(update={"history": (*history.past_runs(folder), report.as_past_run())})
        pages.write(pages.render(report), folder)
        report.write(folder)
        print(f"{report.verdict}. {folder / 'report.html'}", flush=True)


def _uri(artifacts: Artifacts, name: str) -> str:
    return str(artifact_utils.get_single_uri(artifacts[name]))


def _optional_uri(artifacts: Artifacts, name: str) -> str | None:
    return _uri(artifacts, name) if artifacts.get(name) else None


def _eval_split(uri: str, exec_properties: Mapping[str, Any]) -> outputs.Examples:
    splits = sources.split_folders(uri)
    if EVAL_SPLIT not in splits:
        raise DataError(f"{uri}: expected a split named {EVAL_SPLIT!r}. Received: {', '.join(splits) or 'none'}")
    return outputs.read_examples(splits[EVAL_SPLIT], exec_properties["image_key"], exec_properties["label_key"])


def _model_path(uri: str, key: ModelKey) -> Path:
    folder = Path(path_utils.serving_model_path(uri))
    return folder if key == "keras" else folder / TFLITE_FILE


def _model_uris(artifacts: Artifacts) -> dict[ModelKey, str]:
    uris: dict[ModelKey, str] = {"keras": _uri(artifacts, "model"), "tflite": _uri(artifacts, "lite_model")}
    if released := _optional_uri(artifacts, "baseline_model"):
        uris["released"] = released
    return uris


def _probabilities(artifacts: Artifacts, examples: outputs.Examples) -> dict[ModelKey, comparison.Probabilities]:
    return {
        key: (outputs.keras_probabilities if key == "keras" else outputs.tflite_probabilities)(
            _model_path(uri, key), examples.images
        )
        for key, uri in _model_uris(artifacts).items()
    }


def _columns(
    artifacts: Artifacts,
    examples: outputs.Examples,
    found: Mapping[ModelKey, comparison.Probabilities],
    evaluations: Mapping[ModelKey, tuple[Any, ...]],
    edge: EdgeFigures | None,
) -> tuple[ModelColumn, ...]:
    edges: dict[ModelKey, EdgeFigures | None] = {"tflite": edge, "released": edge.baseline if edge else None}
    return tuple(
        comparison.model_column(key, examples.labels, found[key], _bytes(_model_path(uri, key))).model_copy(
            update={"tfma_accuracy": sources.overall_accuracy(evaluations.get(key, ())), "edge": edges.get(key)}
        )
        for key, uri in _model_uris(artifacts).items()
    )


def _bytes(model: Path) -> int:
    files = [model] if model.is_file() else [path for path in model.rglob("*") if path.is_file()]
    return sum(file.stat().st_size for file in files)


def _span(examples: types.Artifact) -> int | None:
    """ExampleGen's span; a property of the artifact, or a custom one, by TFX's version."""
    if examples.has_custom_property("span"):
        return int(examples.get_custom_property("span"))
    return int(examples.span) if examples.span else None
