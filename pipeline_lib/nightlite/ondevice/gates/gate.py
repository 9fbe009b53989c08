"""Gates between a trained model and the phones: their bounds, values and verdicts.

EdgeValidator writes `gates.json` into its InfraBlessing's folder. It holds every gate of a run, the Evaluators'
included. The Pusher copies them into the release's manifest, ModelReport draws them, Airflow shows them.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

GATES_FILE = "gates.json"


class Gate(BaseModel):
    """One bound and the value compared with it.

    `name` is the run parameter of the bound, and `node_id` the node that judged. `subject` names the measured
    quantity for a reader (`accuracy of the worst class, "8" (98 examples)`). `unit` belongs to `bound` and `value`
    ("" for a share in [0, 1]). `value` is None if nothing could be measured. Such a gate has failed.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    node_id: str
    subject: str
    relation: Literal[">=", "<="]
    bound: float
    value: float | None
    unit: str = ""
    passed: bool

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        value = "not measured" if self.value is None else f"{self.value:.6g}{unit}"
        return f"{self.subject}: {value}, expected {self.relation} {self.bound:g}{unit} ({self.name})"


class Gates(BaseModel):
    """Every gate of one run."""

    model_config = ConfigDict(frozen=True)

    gates: tuple[Gate, ...]

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)

    @property
    def refused(self) -> tuple[Gate, ...]:
        return tuple(gate for gate in self.gates if not gate.passed)

    def write(self, folder: Path) -> None:
        (folder / GATES_FILE).write_text(self.model_dump_json(indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Gates":
        return cls.model_validate_json((folder / GATES_FILE).read_text(encoding="utf-8"))
