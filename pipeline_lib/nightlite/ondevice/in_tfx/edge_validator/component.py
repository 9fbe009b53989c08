"""EdgeValidator: checks the TFLite file in the runtime that ships, and gives the verdict of all gates."""

from collections.abc import Mapping
from typing import ClassVar

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.gates.edge import bounds_of
from nightlite.ondevice.gates.table import AGAINST_RELEASES, EDGE
from nightlite.ondevice.in_tfx.artifact_types import DataGates
from nightlite.ondevice.in_tfx.edge_validator.executor import Executor
from nightlite.ondevice.run_options import LEAST_APP_VERSION
from nightlite.runner.in_tfx.run_parameters import RunValue

# One thread can be measured reproducibly on a build host. Phones mostly use two to four.
THREADS = 1


class EdgeValidatorSpec(ComponentSpec):
    """EdgeValidator's inputs, outputs and parameters, described in `EdgeValidator`."""

    INPUTS: ClassVar = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "keras_model": ChannelParameter(type=standard_artifacts.Model),
        "data_gates": ChannelParameter(type=DataGates),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "lite_evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "baseline_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
        "anchor_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
        "replaced_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS: ClassVar = {"blessing": ChannelParameter(type=standard_artifacts.InfraBlessing)}
    PARAMETERS: ClassVar = {
        # Those of the model's task.
        **{row.name: ExecutionParameter(type=float, optional=True) for row in (*EDGE, *AGAINST_RELEASES)},
        "quantization": ExecutionParameter(type=str),
        LEAST_APP_VERSION: ExecutionParameter(type=int),
        "threads": ExecutionParameter(type=int),
        "contract_json": ExecutionParameter(type=str),
        "label_key": ExecutionParameter(type=str),
        "evaluator_id": ExecutionParameter(type=str),
        "lite_evaluator_id": ExecutionParameter(type=str),
    }


class EdgeValidator(base_component.BaseComponent):
    """Component that measures the file in LiteRT, in a process of its own, and judges all of the run's gates.

    Its output `blessing` is TFX's InfraBlessing, for the Pusher's `infra_blessing`. It is blessed only if every
    gate of the run passed. The artifact's folder also holds `gates.json` (`Gates`, every gate of the run). Four
    more files are there if LiteRT could run the model's: `measurements.json` (`CandidateMeasurements`), `golden.json`
    (`Golden`), `answers.json` and `shown_examples.npz` (`EvalAnswers`). The Pusher takes the second, ModelReport the
    last two.

    Args:
      examples: raw examples, whose eval split is used.
      model: the TFLite file's.
      keras_model: the source model, with a `lite` signature.
      data_gates: DataGate's.
      evaluation, lite_evaluation: the two models' evaluations.
      baseline_model: the last release's TFLite file, if any.
      anchor_model: the anchor's, if it is another one.
      replaced_model: the last release, with its manifest, if its contract is another one. Nothing is compared with it.
      contract: what an app relies on. The inputs' names are also the features'.
      label_key: the label's feature, one integer; a regression's is one float.
      run_values: the bounds by the names of `gates.edge.bounds_of` the task, `quantization` and `least_app_version`.
    """

    SPEC_CLASS = EdgeValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        evaluation: channel.OutputChannel,
        lite_evaluation: channel.OutputChannel,
        contract: AppContract,
        label_key: str,
        run_values: Mapping[str, RunValue],
        **inputs: BaseChannel,
    ) -> None:
        spec = EdgeValidatorSpec(
            **inputs,
            evaluation=evaluation,
            lite_evaluation=lite_evaluation,
            blessing=channel.Channel(type=standard_artifacts.InfraBlessing),
            **{name: run_values[name] for name in (*bounds_of(contract.task), "quantization", LEAST_APP_VERSION)},
            threads=THREADS,
            contract_json=contract.model_dump_json(),
            label_key=label_key,
            evaluator_id=evaluation.producer_component_id,
            lite_evaluator_id=lite_evaluation.producer_component_id,
        )
        super().__init__(spec=spec)
