"""Result of one run of one node: the file that crosses from TFX's side to Airflow's side."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

State = Literal["succeeded", "cached", "skipped", "failed", "cancelled"]


class OutputArtifact(BaseModel):
    """One artifact as MLMD knows it."""

    model_config = ConfigDict(frozen=True)

    id: int
    type: str
    uri: str


class NodeResult(BaseModel):
    """The result of one node of one run, small enough for XCom.

    `reason` is a sentence for people: why the node was skipped, failed, or answered from cache. `blessed` and
    `pushed` are set only for nodes that bless or push, from TFX's blessings and PushedModel. The product's hook
    `outcome` fills `not_blessed_because`, in words, and `facts`. `final`: another try would fail the same way.
    `seconds` is the node's whole time in its process, `executor_seconds` its executor's part.
    """

    model_config = ConfigDict(frozen=True)

    node_id: str
    run_id: str
    state: State
    reason: str | None = None
    execution_id: int | None = None
    inputs: dict[str, list[OutputArtifact]] = {}
    outputs: dict[str, list[OutputArtifact]] = {}
    blessed: bool | None = None
    not_blessed_because: str = ""
    pushed: bool | None = None
    facts: dict[str, Any] = {}
    final: bool = False
    seconds: float = 0.0
    executor_seconds: float = 0.0

    def artifacts(self) -> list[OutputArtifact]:
        """Return all outputs, in their order."""
        return [artifact for artifacts in self.outputs.values() for artifact in artifacts]

    def write(self, path: Path) -> None:
        """Write whole or not at all: the reader may read at any moment."""
        from nightlite import durable  # no parse of the DAG writes

        durable.write(path, self.model_dump_json(indent=1).encode())

    @classmethod
    def read(cls, path: Path) -> "NodeResult":
        return cls.model_validate_json(path.read_text(encoding="utf-8"))
