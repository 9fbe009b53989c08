"""What one run of one node left behind: the file that crosses from the TFX side to the Airflow side."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from nightlite.ondevice.outcome import Outcome

State = Literal["succeeded", "cached", "skipped", "failed", "cancelled"]


class OutputArtifact(BaseModel):
    """One artifact as MLMD knows it."""

    model_config = ConfigDict(frozen=True)

    id: int
    type: str
    uri: str


class NodeResult(BaseModel):
    """The outcome of one node of one run; small enough for XCom.

    `reason` is the sentence that a person reads: why it was skipped, failed, or answered from cache. The rest is None
    or empty but for the nodes that it belongs to: `blessed` and `pushed` for those that bless or push, `metrics` (of
    the overall slice) and `refusals` (each failed threshold in words) for an Evaluator, `model_bytes` for a Trainer,
    `report` (the page's path) for a ModelReport and an OutcomeReport, and for a DataGate that refused the data.
    `pushed_version`, `pushed_to`, `pushed_sha256` and the Pusher's `metrics` tell the release that holds the model: the
    one that was made, or, where `pushed` is False because there was nothing new, the one that is this very file.
    `outcome`, of a Pusher and of the OutcomeReport after it: how the run ended; None where that failed or was not
    reached.
    `final`: it failed for what another try would find again, such as refused data.
    `seconds` is the node's whole time in its process, `executor_seconds` the part that its executor took.
    """

    model_config = ConfigDict(frozen=True)

    node_id: str
    run_id: str
    state: State
    reason: str | None = None
    execution_id: int | None = None
    outputs: dict[str, list[OutputArtifact]] = {}
    blessed: bool | None = None
    refusals: list[str] = []
    metrics: dict[str, float] = {}
    model_bytes: int | None = None
    pushed: bool | None = None
    pushed_version: str | None = None
    pushed_to: str | None = None
    pushed_sha256: str | None = None
    outcome: Outcome | None = None
    report: str | None = None
    final: bool = False
    seconds: float = 0.0
    executor_seconds: float = 0.0

    def artifacts(self) -> list[OutputArtifact]:
        """All outputs, in their order."""
        return [artifact for artifacts in self.outputs.values() for artifact in artifacts]

    def asset_extra(self) -> dict[str, Any]:
        """What an Airflow Asset's event says of the node that updated the asset."""
        extra: dict[str, Any] = {"node_id": self.node_id, "execution_id": self.execution_id}
        if self.pushed and self.pushed_version:
            extra |= {"version": int(self.pushed_version), "sha256": self.pushed_sha256, "metrics": self.metrics}
        return extra

    def write(self, path: Path) -> None:
        """Write whole or not at all: the reader may look at any moment."""
        from nightlite import durable  # no parse of the DAG writes

        durable.write(path, self.model_dump_json(indent=1).encode())

    @classmethod
    def read(cls, path: Path) -> "NodeResult":
        return cls.model_validate_json(path.read_text(encoding="utf-8"))
