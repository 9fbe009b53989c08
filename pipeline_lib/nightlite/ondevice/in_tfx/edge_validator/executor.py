"""Executor of EdgeValidator."""

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tfx.components.evaluator import constants
from tfx.components.example_gen import utils
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils, path_utils

from nightlite.errors import ModelFileError
from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.contract.file_contract import TFLITE_FILE
from nightlite.ondevice.contract.golden import Golden
from nightlite.ondevice.gates.edge import edge_gates
from nightlite.ondevice.gates.gate import Gate, Gates
from nightlite.ondevice.gates.measurements import CandidateMeasurements, CompiledModelRun
from nightlite.ondevice.in_tfx.answers.eval_answers import EvalAnswers
from nightlite.ondevice.in_tfx.answers.eval_split import EvalSplit
from nightlite.ondevice.in_tfx.answers.tally import Floats, Tally
from nightlite.ondevice.in_tfx.answers.task_measures import TaskMeasures, measures_of
from nightlite.ondevice.in_tfx.edge_validator.golden_examples import golden_first, golden_of
from nightlite.ondevice.in_tfx.edge_validator.processes import measure_in_child, measure_together, run_one_at_a_time
from nightlite.ondevice.in_tfx.evaluation.thresholds import evaluation_gates, overall_metrics
from nightlite.ondevice.in_tfx.raw_examples import Inputs
from nightlite.ondevice.quantization import TOLERANCES
from nightlite.ondevice.releases.contract_change import TAKEN_FILE, contract_change_gate
from nightlite.ondevice.releases.manifest import MANIFEST_FILE, Manifest, sha256_of
from nightlite.ondevice.report.contents import ModelKey
from nightlite.ondevice.results.quality import Quality, quality_in
from nightlite.ondevice.run_options import LEAST_APP_VERSION
from nightlite.runner.in_tfx import node_log
from nightlite.runner.in_tfx.made_by import MADE_BY

NODE_ID = "EdgeValidator"
# The golden ones among them. CompiledModel and the Interpreter answer them in half a second each.
_ONE_AT_A_TIME = 1_000
_OTHERS = ("baseline_model", "anchor_model")


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
            # Not in TMPDIR, which may be memory.
            with tempfile.TemporaryDirectory(prefix="eval-", dir=self._get_tmp_dir()) as spool:
                measured, answers, golden = _measure(input_dict, exec_properties, tfmas, Path(spool))
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
    input_dict: Mapping[str, list[Artifact]], exec_properties: Mapping[str, Any], tfmas: Quality, folder: Path
) -> tuple[CandidateMeasurements, EvalAnswers, Golden]:
    """Return what the eval split shows of the file. The folder receives the split, and the models' answers to it."""
    contract, threads = _contract(exec_properties), exec_properties["threads"]
    by_task = measures_of(contract.task)
    examples = artifact_utils.get_single_instance(input_dict["examples"])
    split = _eval_split(examples, contract, exec_properties["label_key"], by_task, folder)
    files = {key: _tflite_file(input_dict[key][0]) for key in ("model", *_OTHERS) if input_dict.get(key)}
    anchor = files.pop("anchor_model", None)
    sums = {key: sha256_of(file) for key, file in files.items()}
    (candidate, *baseline), found = measure_in_child([*files.values()], split.inputs, threads)
    answers: dict[str, Iterable[Floats]] = dict(zip(("tflite", "released"), found, strict=False))
    if anchor and (others := _answers_of_anchor(anchor, split, threads)):
        answers["anchor"] = others
    try:
        tally = _tallied(
            split, _keras(path_utils.serving_model_path(input_dict["keras_model"][0].uri)), answers, by_task
        )
    except ModelFileError as error:
        raise ModelFileError(f"{candidate.contract}: {error}") from None
    tolerance = TOLERANCES[exec_properties["quantization"]] * tally.scale
    compiled, golden = _one_at_a_time(
        files["model"], sums["model"], split, by_task, candidate.contract.output.name, tolerance, folder
    )
    measured = CandidateMeasurements(
        **dict(candidate),
        **dict(compiled),
        **tally.differences.measured(),
        **tally.quality(),
        tfma_accuracy=tfmas.accuracy,
        tfma_mean_error=tfmas.mean_error,
        tolerance=tolerance,
        quantization=exec_properties["quantization"],
        sha256=sums["model"],
        baseline=baseline[0] if baseline else None,
        against_baseline=tally.compare("tflite", "released", sums["baseline_model"]) if baseline else None,
        against_anchor=tally.compare("tflite", "anchor", sha256_of(anchor)) if anchor and "anchor" in answers else None,
        code=input_dict["model"][0].get_string_custom_property(MADE_BY),
        data=examples.get_string_custom_property(utils.FINGERPRINT_PROPERTY_NAME),
    )
    keys: tuple[ModelKey, ...] = ("keras", "tflite", "released") if baseline else ("keras", "tflite")
    return measured, EvalAnswers.of(split, tally, keys), golden


def _tallied(
    split: EvalSplit,
    keras: Callable[[Inputs], Floats],
    answers: Mapping[str, Iterable[Floats]],
    by_task: TaskMeasures,
) -> Tally:
    """Return the tally of Keras's answers and the files', the candidate's first.

    Raises:
      ModelFileError: the candidate's have another shape.
    """
    tally = by_task.tally(("keras", "tflite"))
    for labels, inputs, *found in zip(split.label_batches(), split.inputs, *answers.values(), strict=True):
        expected = keras(inputs)
        if found[0].shape != expected.shape:
            raise ModelFileError(f"answers of shape {found[0].shape} to {len(labels)} examples")
        outputs = zip(("keras", *answers), (expected, *found), strict=True)
        tally.add(labels, {key: by_task.answers(output) for key, output in outputs})
    return tally


def _one_at_a_time(
    file: Path, sha256: str, split: EvalSplit, by_task: TaskMeasures, output: str, tolerance: float, folder: Path
) -> tuple[CompiledModelRun, Golden]:
    """Return CompiledModel's result, and the golden examples with the Interpreter's outputs, named `output`."""
    indices, count = golden_first(split.inputs, by_task.groups(split.labels), _ONE_AT_A_TIME)
    asked = split.inputs.take(indices)
    outputs, compiled = run_one_at_a_time(file, asked, folder)
    return compiled, golden_of(
        sha256,
        tolerance,
        {name: values[:count] for name, values in asked.items()},
        [by_task.label(label) for label in split.labels[indices[:count]]],
        output,
        outputs[:count],
    )


def _answers_of_anchor(file: Path, split: EvalSplit, threads: int) -> Iterable[Floats] | None:
    """Return the anchor's answers, or None if it cannot answer these examples."""
    try:
        return measure_together([file], split.inputs, threads)[1]
    except ModelFileError as error:
        node_log.say(f"the anchor {file} cannot be run, nothing is compared with it: {error}", logging.WARNING)
        return None


def _tflite_file(model: Artifact) -> Path:
    return Path(path_utils.serving_model_path(model.uri), TFLITE_FILE)


def _keras(saved_model: str) -> Callable[[Inputs], Floats]:
    """Return the function that answers a batch by the model's signature `lite`."""
    loaded = tf.saved_model.load(saved_model)

    def answer(inputs: Inputs) -> Floats:
        [output] = loaded.signatures["lite"](**{name: tf.constant(found) for name, found in inputs.items()}).values()
        found: Floats = output.numpy()
        return found

    return answer


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
    examples: Artifact, contract: AppContract, label_key: str, by_task: TaskMeasures, folder: Path
) -> EvalSplit:
    [uri] = artifact_utils.get_split_uris([examples], "eval")
    files = tf.io.gfile.glob(io_utils.all_files_pattern(uri))
    return EvalSplit.spooled(files, contract.file, label_key, by_task.label_type, folder)
