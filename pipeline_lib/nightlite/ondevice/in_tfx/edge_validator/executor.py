"""Executor of EdgeValidator."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tfx.components.evaluator import constants
from tfx.components.example_gen import utils
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils, path_utils

from nightlite.errors import ModelFileError
from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.contract.file_contract import TFLITE_FILE, FileContract
from nightlite.ondevice.contract.golden import Golden
from nightlite.ondevice.gates.edge import edge_gates
from nightlite.ondevice.gates.gate import Gate, Gates
from nightlite.ondevice.gates.measurements import CandidateMeasurements, CompiledModelRun
from nightlite.ondevice.gates.paired import Comparison
from nightlite.ondevice.in_tfx.edge_validator.eval_answers import EvalAnswers, Floats
from nightlite.ondevice.in_tfx.edge_validator.golden_examples import golden_first, golden_of
from nightlite.ondevice.in_tfx.edge_validator.processes import measure_in_child, measure_together, run_one_at_a_time
from nightlite.ondevice.in_tfx.edge_validator.task_measures import TaskMeasures, difference, measures_of
from nightlite.ondevice.in_tfx.evaluation.thresholds import evaluation_gates, overall_metrics
from nightlite.ondevice.in_tfx.raw_examples import Inputs, Labels, read_labelled
from nightlite.ondevice.quantization import TOLERANCES
from nightlite.ondevice.releases.contract_change import TAKEN_FILE, contract_change_gate
from nightlite.ondevice.releases.manifest import MANIFEST_FILE, Manifest, sha256_of
from nightlite.ondevice.results.quality import Quality, quality_in
from nightlite.ondevice.run_options import LEAST_APP_VERSION
from nightlite.runner.in_tfx import node_log
from nightlite.runner.in_tfx.made_by import MADE_BY

NODE_ID = "EdgeValidator"
_BATCH = 500
# The golden ones among them. CompiledModel and the Interpreter answer them in half a second each.
_ONE_AT_A_TIME = 1_000


class Executor(base_executor.BaseExecutor):
    """Executor that measures, judges, and writes the blessing. A refusal is a result, not a failure."""

    def Do(
        self,
        input_dict: Mapping[str, list[Artifact]],
        output_dict: Mapping[str, list[Artifact]],
        exec_properties: Mapping[str, Any],
    ) -> None:
        """Measure and judge. Inputs, outputs and parameters are those of `EdgeValidatorSpec`.

        Raises:
          NightliteError: the measuring process crashed for another reason than the file.
        """
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        folder = Path(blessing.uri)
        evaluations = {key: artifact_utils.get_single_uri(input_dict[key]) for key in ("evaluation", "lite_evaluation")}
        tfmas = quality_in(overall_metrics(evaluations["lite_evaluation"]))
        measured, found = None, ""
        try:
            measured, answers, golden = _measure(input_dict, exec_properties, tfmas)
            measured.write(folder)
            answers.write(folder)
            golden.write(folder)
        except ModelFileError as error:
            found = str(error)
        quantization, contract = exec_properties["quantization"], _contract(exec_properties)
        gates = Gates(
            gates=(
                *Gates.read(Path(artifact_utils.get_single_uri(input_dict["data_gates"]))).gates,
                *evaluation_gates(evaluations["evaluation"], exec_properties["evaluator_id"]),
                *evaluation_gates(evaluations["lite_evaluation"], exec_properties["lite_evaluator_id"]),
                *edge_gates(measured, exec_properties, contract, quantization, NODE_ID, found),
                *_contract_change(input_dict, exec_properties, contract),
            )
        )
        gates.write(folder)
        _bless(blessing, gates.passed, artifact_utils.get_single_instance(input_dict["model"]).id)
        for gate in gates.gates:
            level = logging.INFO if gate.passed else logging.ERROR
            node_log.say(f"{'pass' if gate.passed else 'FAIL'}  {gate.node_id}: {gate}", level)


def _bless(blessing: Artifact, passed: bool, model_id: int) -> None:
    """Mark the blessing as TFX's InfraValidator does, without importing its Docker and Kubernetes clients."""
    Path(blessing.uri, "INFRA_BLESSED" if passed else "INFRA_NOT_BLESSED").touch()
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(passed))
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model_id)


def _measure(
    input_dict: Mapping[str, list[Artifact]], exec_properties: Mapping[str, Any], tfmas: Quality
) -> tuple[CandidateMeasurements, EvalAnswers, Golden]:
    contract = _contract(exec_properties)
    by_task = measures_of(contract.task)
    examples = artifact_utils.get_single_instance(input_dict["examples"])
    inputs, labels = _eval_split(examples, contract.file, exec_properties["label_key"], by_task)
    files = [_tflite_file(input_dict[key][0]) for key in ("model", "baseline_model") if input_dict.get(key)]
    sha256 = sha256_of(files[0])
    (candidate, *baseline), found = measure_in_child(files, inputs, exec_properties["threads"])
    expected = _keras_outputs(path_utils.serving_model_path(input_dict["keras_model"][0].uri), inputs)
    if found[0].shape != expected.shape:
        raise ModelFileError(f"{candidate.contract}: answers of shape {found[0].shape} to {len(labels)} examples")
    keras, outputs, *others = map(by_task.answers, (expected, *found))
    against = [by_task.compare(outputs, other, labels, sha256_of(files[1])) for other in others]
    tolerance = TOLERANCES[exec_properties["quantization"]] * by_task.scale(keras)
    compiled, golden = _one_at_a_time(
        files[0], sha256, inputs, labels, by_task, candidate.contract.output.name, tolerance
    )
    measured = CandidateMeasurements(
        **dict(candidate),
        **dict(compiled),
        **difference(outputs, keras),
        **by_task.quality(outputs, keras, labels),
        tfma_accuracy=tfmas.accuracy,
        tfma_mean_error=tfmas.mean_error,
        tolerance=tolerance,
        quantization=exec_properties["quantization"],
        sha256=sha256,
        baseline=baseline[0] if baseline else None,
        against_baseline=against[0] if against else None,
        against_anchor=_against_anchor(by_task, outputs, input_dict, inputs, labels, exec_properties["threads"]),
        code=input_dict["model"][0].get_string_custom_property(MADE_BY),
        data=examples.get_string_custom_property(utils.FINGERPRINT_PROPERTY_NAME),
    )
    answers = dict(zip(("keras", "tflite", "released"), (keras, outputs, *others), strict=False))
    return measured, EvalAnswers.of(inputs, labels, answers, by_task.odd_ones(labels, keras, outputs)), golden


def _one_at_a_time(
    file: Path, sha256: str, inputs: Inputs, labels: Labels, by_task: TaskMeasures, output: str, tolerance: float
) -> tuple[CompiledModelRun, Golden]:
    """Return CompiledModel's result, and the golden examples with the Interpreter's outputs, named `output`."""
    indices, count = golden_first(inputs, by_task.groups(labels))
    asked = {name: values[indices[:_ONE_AT_A_TIME]] for name, values in inputs.items()}
    outputs, compiled = run_one_at_a_time(file, asked)
    return compiled, golden_of(
        sha256,
        tolerance,
        {name: values[:count] for name, values in asked.items()},
        [by_task.label(label) for label in labels[indices[:count]]],
        output,
        outputs[:count],
    )


def _against_anchor(
    by_task: TaskMeasures,
    outputs: Floats,
    input_dict: Mapping[str, list[Artifact]],
    inputs: Inputs,
    labels: Labels,
    threads: int,
) -> Comparison | None:
    """Return the comparison with the anchor, or None if that is the last release or cannot answer these examples."""
    if not input_dict.get("anchor_model"):
        return None
    file = _tflite_file(input_dict["anchor_model"][0])
    try:
        _, others = measure_together([file], inputs, threads)
    except ModelFileError as error:
        node_log.say(f"the anchor {file} cannot be run, nothing is compared with it: {error}", logging.WARNING)
        return None
    return by_task.compare(outputs, by_task.answers(others), labels, sha256_of(file))


def _tflite_file(model: Artifact) -> Path:
    return Path(path_utils.serving_model_path(model.uri), TFLITE_FILE)


def _keras_outputs(saved_model: str, inputs: Inputs) -> Floats:
    loaded = tf.saved_model.load(saved_model)
    signature = loaded.signatures["lite"]
    starts = range(0, len(next(iter(inputs.values()))), _BATCH)
    batches = ({name: tf.constant(found[start : start + _BATCH]) for name, found in inputs.items()} for start in starts)
    return np.concatenate([next(iter(signature(**batch).values())).numpy() for batch in batches])


def _contract(exec_properties: Mapping[str, Any]) -> AppContract:
    return AppContract.model_validate_json(exec_properties["contract_json"])


def _contract_change(
    input_dict: Mapping[str, list[Artifact]], exec_properties: Mapping[str, Any], contract: AppContract
) -> Iterator[Gate]:
    """Yield the gate on a contract other than the served release's, if it is another one."""
    for artifact in input_dict.get("replaced_model", ()):
        served = Manifest.model_validate_json(Path(artifact.uri, MANIFEST_FILE).read_text(encoding="utf-8"))
        taken = int(Path(artifact.uri, TAKEN_FILE).read_text(encoding="ascii"))
        if gate := contract_change_gate(contract, served, taken, exec_properties[LEAST_APP_VERSION], NODE_ID):
            yield gate


def _eval_split(
    examples: Artifact, contract: FileContract, label_key: str, by_task: TaskMeasures
) -> tuple[Inputs, Labels]:
    [uri] = artifact_utils.get_split_uris([examples], "eval")
    files = tf.io.gfile.glob(io_utils.all_files_pattern(uri))
    return read_labelled(files, contract, label_key, by_task.label_type)
