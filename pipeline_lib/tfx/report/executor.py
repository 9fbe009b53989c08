"""ModelReport's executor: reads a run's artifacts, compares its models, writes the pages. It runs no model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from pipeline_lib.edge import EDGE_FILE, TFLITE_FILE
from pipeline_lib.gates import Gates
from pipeline_lib.report import EdgeFigures, ModelColumn, ModelKey, Report
from pipeline_lib.tfx.eval_answers import EvalAnswers, Labels
from pipeline_lib.tfx.report import comparison, history, pages, sources

Artifacts = Mapping[str, list[types.Artifact]]


class Executor(base_executor.BaseExecutor):
    """Writes `report.html`, `report.json`, `statistics.html` and `evaluations.html` into the output's folder."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Mapping[str, Any]) -> None:
        folder = Path(artifact_utils.get_single_uri(output_dict["report"]))
        judged = Path(_uri(input_dict, "infra_blessing"))
        answers = EvalAnswers.read(judged)
        uris = _model_uris(input_dict)
        found = {key: answers.probabilities[key] for key in uris if key in answers.probabilities}
        evaluations: dict[ModelKey, tuple[Any, ...]] = {
            "keras": sources.evaluation(_uri(input_dict, "evaluation")),
            "tflite": sources.evaluation(_uri(input_dict, "lite_evaluation")),
        }
        span = _span(artifact_utils.get_single_instance(input_dict["examples"]))
        data = (_uri(input_dict, "statistics"), _uri(input_dict, "anomalies"))
        report = Report(
            **sources.of_any_run(self._context, Gates.read(judged).gates, span, *data),
            models=_columns(uris, answers.labels, found, evaluations, judged),
            agreement=comparison.agreement(found["keras"], found["tflite"]),
            mistakes=comparison.mistakes(answers, found),
            training=sources.training_curves(_uri(input_dict, "model_run")),
            evaluations=evaluations,
            parameters=json.loads(exec_properties["run_parameters"]),
            eval_set=answers.eval_set,
        )
        report = report.model_copy(update={"history": (*history.past_runs(folder), report.as_past_run())})
        pages.write(pages.render(report), folder)
        report.write(folder)
        print(f"{report.verdict}. {folder / 'report.html'}", flush=True)


def _uri(artifacts: Artifacts, name: str) -> str:
    return str(artifact_utils.get_single_uri(artifacts[name]))


def _model_path(uri: str, key: ModelKey) -> Path:
    folder = Path(path_utils.serving_model_path(uri))
    return folder if key == "keras" else folder / TFLITE_FILE


def _model_uris(artifacts: Artifacts) -> dict[ModelKey, str]:
    uris: dict[ModelKey, str] = {"keras": _uri(artifacts, "model"), "tflite": _uri(artifacts, "lite_model")}
    if artifacts.get("baseline_model"):
        uris["released"] = _uri(artifacts, "baseline_model")
    return uris


def _columns(
    uris: Mapping[ModelKey, str],
    labels: Labels,
    found: Mapping[ModelKey, comparison.Probabilities],
    evaluations: Mapping[ModelKey, tuple[Any, ...]],
    judged: Path,
) -> tuple[ModelColumn, ...]:
    edge = EdgeFigures.model_validate_json((judged / EDGE_FILE).read_text(encoding="utf-8"))
    edges = {"tflite": edge, "released": edge.baseline}
    return tuple(
        comparison.model_column(key, labels, found[key], _bytes(_model_path(uris[key], key))).model_copy(
            update={"tfma_accuracy": sources.overall_accuracy(evaluations.get(key, ())), "edge": edges.get(key)}
        )
        for key in found
    )


def _bytes(model: Path) -> int:
    files = [model] if model.is_file() else [path for path in model.rglob("*") if path.is_file()]
    return sum(file.stat().st_size for file in files)


def _span(examples: types.Artifact) -> int | None:
    """ExampleGen's span; a property of the artifact, or a custom one, by TFX's version."""
    if examples.has_custom_property("span"):
        return int(examples.get_custom_property("span"))
    return int(examples.span) if examples.span else None
