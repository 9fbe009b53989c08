"""Executor of the Pusher: TFX's own, with releases that are whole, described, signed and never repeated."""

import json
import math
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.pusher import executor
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, json_utils, proto_utils

from nightlite.code_revision import code_revision
from nightlite.errors import ReleaseError
from nightlite.ondevice.approval import APPROVAL_RECORD, approval_of, refusal
from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.contract.file_contract import TFLITE_FILE, FileContract
from nightlite.ondevice.gates.gate import Gate, Gates
from nightlite.ondevice.gates.measurements import MEASUREMENTS_FILE
from nightlite.ondevice.in_tfx.evaluation.thresholds import overall_metrics
from nightlite.ondevice.in_tfx.pusher.documents import documents_of
from nightlite.ondevice.in_tfx.pusher.made_by import least_runtime, versions
from nightlite.ondevice.model import ModelCard
from nightlite.ondevice.releases import signing
from nightlite.ondevice.releases.anchor import anchor as anchor_of
from nightlite.ondevice.releases.manifest import Description, sha256_of
from nightlite.ondevice.releases.policy import Policy, comparison_with
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Push, Releases, Signer
from nightlite.ondevice.results.outcome import OUTCOME, Outcome
from nightlite.ondevice.run_options import DRY_RUN, LATEST, LEAST_APP_VERSION
from nightlite.ondevice.settings import Settings, rollout_plan, settings

_QUALITY = (
    *("accuracy", "tfma_accuracy", "keras_agreement", "mean_error", "p95_error", "tfma_mean_error"),
    *("max_abs_difference", "mean_abs_difference"),
)
Artifacts = dict[str, list[types.Artifact]]


class Executor(executor.Executor):
    """Executor that pushes to `push_destination.filesystem.base_directory`, a `releases.store.Releases`.

    Further exec properties: `custom_config` holds `contract` and `card`, JSON of an AppContract and a ModelCard. It
    may also hold the run parameter `push`. `span`, `source`, `run_parameters` (JSON) and `evaluation_uri` go to the
    manifest. The last is the TFLite file's ModelEvaluation. `approval` is the run parameter, `approval_record` the
    answer.

    Nothing is pushed without a required approval, nor if the `Policy` refuses it. A span older than the latest
    release's is pushed only if the run asks for that span. `pushed_model` has TFX's own properties (`pushed`,
    `pushed_version`, `pushed_destination`). It also has `sha256`, `metrics` (JSON) and the `outcome`, and the
    `reason` if nothing was pushed.
    """

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Release the model if it was blessed.

        Raises:
          ReleaseError: the release could not be made, and the releases are unchanged.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed_model = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        if not self.CheckBlessing(input_dict):
            self._mark(pushed_model, Outcome.refused)
            return
        config = settings()
        releases = Releases(_push_dir(exec_properties))
        model = Path(self.GetModelPath(input_dict), TFLITE_FILE)
        custom = json_utils.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        older = _older_data(releases, exec_properties)
        _, measurements = _judgements(input_dict)
        contract = AppContract.model_validate_json(custom["contract"])
        policy = Policy(measurements, custom.get("push"), contract, _least_app_version(exec_properties))
        if custom.get("push") == DRY_RUN:
            would = older or releases.preview(model, signed=config.signs, policy=policy)
            self._mark(pushed_model, Outcome.dry_run, f"{DRY_RUN}: {would}")
            return
        if older:
            self._mark(pushed_model, Outcome.older_data, older)
            return
        approval = approval_of(exec_properties.get(APPROVAL_RECORD, ""))
        if why_not := refusal(exec_properties.get("approval") == "required", approval):
            # A push without a release needs no approval, and no one was asked for it.
            if known := releases.known(model, must_be_signed=config.signs, policy=policy):
                self._tell(known, pushed_model)
            else:
                self._mark(pushed_model, Outcome.not_approved, why_not)
            return
        description = self._describe(model, input_dict, exec_properties, config, contract)
        documents = documents_of(_judged(input_dict), ModelCard.model_validate_json(custom["card"]), releases.model)
        push = releases.push(
            model,
            description,
            who="Pusher",
            sign=_signer(config),
            policy=policy,
            documents=documents,
            plan=rollout_plan(releases.model),
        )
        self._tell(push, pushed_model)
        if push.outcome is Outcome.released:
            io_utils.copy_dir(str(push.release.folder), pushed_model.uri)
            pruned = releases.prune(config.keep_releases, who="Pusher", why=f"keep {config.keep_releases}")
            print(f"{push.why}: {signing.verify(push.release, config)}; pruned: {pruned or 'none'}", flush=True)

    def _describe(
        self,
        model: Path,
        input_dict: Artifacts,
        exec_properties: dict[str, Any],
        config: Settings,
        contract: AppContract,
    ) -> Description:
        # TFX puts an underscore before inputs that only an exec property names.
        ids = {name.removeprefix("_"): artifacts[0].id for name, artifacts in input_dict.items() if artifacts}
        [model_artifact] = input_dict[standard_component_specs.MODEL_KEY]
        gates, measurements = _judgements(input_dict)
        _require_the_measured(model, measurements)
        measured = FileContract.model_validate(measurements["contract"])
        if not measured.same_form(contract.file):
            raise ReleaseError(f"{model}: expected the declared contract, {contract.file}. Received: {measured}")
        releases = Releases(_push_dir(exec_properties))
        served = releases.latest()
        metrics = overall_metrics(exec_properties["evaluation_uri"])
        metrics |= {name: measurements[name] for name in _QUALITY if measurements.get(name) is not None}
        return Description(
            labels=contract.labels,
            unit=contract.unit,
            inputs=contract.inputs,
            outputs=(contract.output,),
            least_app_version=max(
                1, served.manifest.least_app_version if served else 1, _least_app_version(exec_properties)
            ),
            # JSON has no NaN and no infinity.
            metrics={name: value for name, value in metrics.items() if math.isfinite(value)},
            gates=gates,
            measurements=measurements,
            span=int(exec_properties["span"]),
            source=exec_properties.get("source", ""),
            parameters=json.loads(exec_properties["run_parameters"]),
            versions=versions(model, model_artifact),
            least_runtime_version=least_runtime(model),
            code_revision=code_revision(),
            run_id=self._context.pipeline_run_id,
            model_artifact_id=model_artifact.id,
            artifact_ids=ids,
            execution_id=int(self._context._unique_id),  # TFX has no public name for it
            approval=approval_of(exec_properties.get(APPROVAL_RECORD, "")),
            **_anchored(releases, contract, measurements),
        )

    def _tell(self, push: Push, pushed_model: types.Artifact) -> None:
        manifest = push.release.manifest
        if push.outcome in (Outcome.released, Outcome.nothing_new):
            self._MarkPushed(pushed_model, str(push.release.folder), str(push.release.version))
            pushed_model.set_string_custom_property("sha256", manifest.sha256)
            pushed_model.set_string_custom_property("metrics", json.dumps(manifest.metrics))
        self._mark(pushed_model, push.outcome, push.why)

    def _mark(self, pushed_model: types.Artifact, outcome: Outcome, why: str = "") -> None:
        pushed_model.set_string_custom_property(OUTCOME, outcome.value)
        if outcome is not Outcome.released:
            self._MarkNotPushed(pushed_model)
            pushed_model.set_string_custom_property("reason", why)


def _push_dir(exec_properties: dict[str, Any]) -> Path:
    destination = pusher_pb2.PushDestination()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination)
    return Path(destination.filesystem.base_directory)


def _older_data(releases: Releases, exec_properties: dict[str, Any]) -> str | None:
    """Return the reason why a run on older data than the latest release's releases nothing.

    Such a run is a backfill, or was approved late.
    """
    latest, span = releases.latest(), int(exec_properties["span"])
    asked_for = json.loads(exec_properties["run_parameters"]).get("span", LATEST)
    newer = latest.manifest.span if latest else None
    if not latest or newer is None or span >= newer or asked_for != LATEST:
        return None
    return f"older data: span {span}, and release {latest.version} has span {newer}; span={span} would release it"


def _least_app_version(exec_properties: dict[str, Any]) -> int:
    """Return the run parameter, 0 in a pipeline without it."""
    return int(json.loads(exec_properties["run_parameters"]).get(LEAST_APP_VERSION, 0))


def _anchored(releases: Releases, contract: AppContract, measurements: dict[str, Any]) -> dict[str, Any]:
    """Return the Description's fields on the anchor. A release with another contract is compared with none."""
    anchor = anchor_of(releases)
    if anchor is None or contract.changes(anchor.manifest.app_contract):
        return {}
    found = comparison_with(measurements, anchor.manifest.sha256)
    return {"anchor": anchor.version, "beat_anchor": bool(found and found.better)}


def _require_the_measured(model: Path, measurements: dict[str, Any]) -> None:
    if (found := sha256_of(model)) != measurements["sha256"]:
        raise ReleaseError(
            f"{model}: expected the file that EdgeValidator measured, sha256 {measurements['sha256']}. "
            f"Received: {found}; it was changed or damaged since, nothing is released"
        )


def _signer(config: Settings) -> Signer | None:
    if not config.signs:
        return None

    def sign(folder: Path) -> None:
        if config.signing_key:
            signing.sign(folder, config.signing_key)
        # Verify before it becomes the latest: no reader takes a release signed with the wrong key.
        signing.verify(Release.read(folder), config)

    return sign


def _judged(input_dict: Artifacts) -> Path:
    """Return EdgeValidator's folder."""
    return Path(artifact_utils.get_single_uri(input_dict[standard_component_specs.INFRA_BLESSING_KEY]))


def _judgements(input_dict: Artifacts) -> tuple[tuple[Gate, ...], dict[str, Any]]:
    """Return the run's gates, and EdgeValidator's measurements."""
    folder = _judged(input_dict)
    return Gates.read(folder).gates, json.loads((folder / MEASUREMENTS_FILE).read_text(encoding="utf-8"))
