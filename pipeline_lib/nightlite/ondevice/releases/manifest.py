"""Manifest of a release: the file, its gates and its origin."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from nightlite.ondevice.approval import Approval
from nightlite.ondevice.contract.app_contract import AppContract, Input
from nightlite.ondevice.contract.file_contract import TensorContract
from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.results.quality import Quality, quality_in

CARD_FILE = "model_card.md"
MODEL_FILE = "model.tflite"
LABELS_FILE = "labels.txt"
MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "manifest.sig"

_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
# A name without a folder: readers copy these files.
_FileName = Annotated[str, Field(pattern="^[a-z_]+[.][a-z]+$")]


class Description(BaseModel):
    """Description of a model before it has a version.

    Attributes:
      labels: the meaning of the output's entries, in their order; () for a regression.
      unit: of a regression's output and errors, "" if it has none.
      inputs, outputs: the signature that an app calls. Each input has its meaning, but in older manifests.
      least_app_version: the first version of the app that understands the file.
      metrics: by name, on the eval split: TFMA's of the TFLite file, and EdgeValidator's if there was one.
      gates: every gate of the run that released it.
      measurements: EdgeValidator's measurements (`measurements.json`), None if there was none.
      span: of the training examples.
      source: of these examples, in words; "" if it is not recorded.
      parameters: the run's, each default included. Empty in manifests that are older than this field.
      versions: of the libraries that made it, by package name.
      least_runtime_version: of TensorFlow Lite, whose numbers end with 2.x; any LiteRT is newer. "": not known.
      code_revision: git's, with `-dirty` for changed or untracked files; `sha256:…` of the code without git.
      run_id: the pipeline run.
      model_artifact_id: the model's in MLMD; `artifact_ids`: of the Pusher's inputs, by their names.
      execution_id: the Pusher's in MLMD.
      approval: who approved it and when; None if the run needed no approval.
      anchor: the version of the anchor that it was compared with; None if there was none.
      beat_anchor: whether it was detectably better than that.
    """

    model_config = ConfigDict(frozen=True)

    labels: tuple[str, ...]
    unit: str = ""
    inputs: tuple[Input, ...]
    outputs: tuple[TensorContract, ...]
    least_app_version: int = Field(default=1, ge=1)
    metrics: dict[str, float] = {}
    gates: tuple[Gate, ...] = ()
    measurements: dict[str, Any] | None = None
    span: int | None = None
    source: str = ""
    parameters: dict[str, bool | int | float | str] = {}
    versions: dict[str, str] = {}
    least_runtime_version: str = ""
    code_revision: str
    run_id: str
    model_artifact_id: int
    artifact_ids: dict[str, int] = {}
    execution_id: int
    approval: Approval | None = None
    anchor: int | None = None
    beat_anchor: bool = False


class Manifest(Description):
    """Content of one release's `manifest.json`. A reader of one `schema_version` would misread a newer one.

    `files` has the sha256 of `golden.json` and of `model_card.md`. Older manifests lack the field (empty).
    """

    schema_version: Literal[1] = 1
    version: int = Field(ge=1)
    created: AwareDatetime
    sha256: _Sha256
    size_bytes: int
    files: dict[_FileName, _Sha256] = {}

    @property
    def app_contract(self) -> AppContract:
        """Return what an app relies on."""
        [output] = self.outputs
        return AppContract(inputs=self.inputs, output=output, labels=self.labels, unit=self.unit)

    @property
    def quality(self) -> Quality:
        """Return the file's quality on the eval split of its run."""
        return quality_in(self.metrics, self.unit)

    @property
    def next_anchor(self) -> int:
        """Return the version of its anchor, or its own.

        Candidates are compared with it while this release is the latest.
        """
        approved = self.approval is not None and self.approval.decision == "approved"
        return self.version if self.anchor is None or self.beat_anchor or approved else self.anchor


def sha256_of(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
