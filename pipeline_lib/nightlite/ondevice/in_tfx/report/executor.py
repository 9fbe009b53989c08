"""Executor of ModelReport: reads a run's artifacts, compares its models, writes the pages. It runs no model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from nightlite.ondevice.gates.gate import Gates
from nightlite.ondevice.gates.measurements import MEASUREMENTS_FILE
from nightlite.ondevice.in_tfx.answers.eval_answers import AnswerFigures, EvalAnswers
from nightlite.ondevice.in_tfx.report import comparison, history, pages, sources
from nightlite.ondevice.model import ModelCard
from nightlite.ondevice.report.contents import ModelColumn, ModelKey, ReportedMeasurements
from nightlite.ondevice.report.run_report import Report

Artifacts = Mapping[str, list[types.Artifact]]


class Executor(base_executor.BaseExecutor):
    """Executor that writes `report.html`, `report.json`, `statistics.html` and `evaluations.html`."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Mapping[str, Any]) -> None:
        folder = Path(artifact_utils.get_single_uri(output_dict["report"]))
        judged = Path(_uri(input_dict, "infra_blessing"))
        answers = EvalAnswers.read(judged)
        found = answers.figures
        evaluations: dict[ModelKey, tuple[Any, ...]] = {
            "keras": sources.evaluation(_uri(input_dict, "evaluation")),
            "tflite": sources.evaluation(_uri(input_dict, "lite_evaluation")),
        }
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        data = (_uri(input_dict, "statistics"), _uri(input_dict, "anomalies"))
        card = ModelCard.model_validate_json(exec_properties["card"])
        report = Report(
            **sources.of_any_run(self._context, Gates.read(judged).gates, examples, *data),
            card=card,
            models=_columns(_uri(input_dict, "model"), card.task.unit, found, evaluations, judged),
            agreement=found.agreement,
            mistakes=found.mistakes.model_copy(
                update={"shown": comparison.with_inputs(found.mistakes.shown, answers.inputs, card.show)}
            ),
            training=sources.training_curves(_uri(input_dict, "model_run")),
            evaluations=evaluations,
            parameters=json.loads(exec_properties["run_parameters"]),
            eval_set=found.eval_set,
        )
        report = report.model_copy(update={"history": (*history.past_runs(folder), report.as_past_run())})
        pages.write(pages.render(report), folder)
        report.write(folder)
        print(f"{report.verdict}. {folder / 'report.html'}", flush=True)


def _uri(artifacts: Artifacts, name: str) -> str:
    return str(artifact_utils.get_single_uri(artifacts[name]))


def _columns(
    keras_uri: str,
    unit: str,
    found: AnswerFigures,
    evaluations: Mapping[ModelKey, tuple[Any, ...]],
    judged: Path,
) -> tuple[ModelColumn, ...]:
    candidate = json.loads((judged / MEASUREMENTS_FILE).read_text(encoding="utf-8"))
    saved_model = Path(path_utils.serving_model_path(keras_uri)).rglob("*")
    keras = {"size_bytes": sum(file.stat().st_size for file in saved_model if file.is_file())}
    measured = {"keras": keras, "tflite": candidate, "released": candidate["baseline"]}
    return tuple(
        comparison.model_column(key, figures, measured[key]["size_bytes"]).model_copy(
            update={
                "tfma": sources.overall_quality(evaluations.get(key, ()), unit),
                "measurements": None if key == "keras" else ReportedMeasurements.model_validate(measured[key]),
            }
        )
        for key, figures in found.models.items()
    )
