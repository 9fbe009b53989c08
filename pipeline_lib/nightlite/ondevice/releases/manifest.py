"""A release's manifest: what the file is, how it was judged, and what it was made from."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from nightlite.ondevice.approval import Approval
from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.gates.measurements import TensorContract

MODEL_FILE = "model.tflite"
LABELS_FILE = "labels.txt"
MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "manifest.sig"


class Description(BaseModel):
    """What is said of a model before it has a version.

    Attributes:
      labels: what the output's entries mean, in their order.
      inputs, outputs: the signature that an app calls.
      metrics: by name, on the eval split: TFMA's of the TFLite file, and EdgeValidator's where there was one.
      gates: every gate of the run that released it.
      edge: EdgeValidator's measurements (`edge.json`), None where there was none.
      span: of the examples that it was trained on.
      parameters: what the run was told, each default included; empty in manifests that are older than this field.
      versions: of the libraries that made it, by package name.
      code_revision: git's, with `-dirty` where the checkout was; `sha256:…` of the code where there is no git.
      run_id: the pipeline run.
      model_artifact_id: the model's in MLMD; `artifact_ids`: of the Pusher's inputs, by their names.
      execution_id: the Pusher's in MLMD.
      approval: who approved it and when; None where the run needed no approval.
      anchor: the version of the release that it was held to beside the last one; None where there was none.
      beat_anchor: whether it was detectably better than that.
    """

    model_config = ConfigDict(frozen=True)

    labels: tuple[str, ...]
    inputs: tuple[TensorContract, ...]
    outputs: tuple[TensorContract, ...]
    metrics: dict[str, float] = {}
    gates: tuple[Gate, ...] = ()
    edge: dict[str, Any] | None = None
    span: int | None = None
    parameters: dict[str, bool | int | float | str] = {}
    versions: dict[str, str] = {}
    code_revision: str
    run_id: str
    model_artifact_id: int
    artifact_ids: dict[str, int] = {}
    execution_id: int
    approval: Approval | None = None
    anchor: int | None = None
    beat_anchor: bool = False


class Manifest(Description):
    """`manifest.json` of one release. A new `schema_version`: a reader of this one would misread it."""

    schema_version: Literal[1] = 1
    version: int = Field(ge=1)
    created: AwareDatetime
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int

    @property
    def next_anchor(self) -> int:
        """The version that a candidate is held to while this release is the latest: its anchor, or itself."""
        approved = self.approval is not None and self.approval.decision == "approved"
        return self.version if self.anchor is None or self.beat_anchor or approved else self.anchor


def sha256_of(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
