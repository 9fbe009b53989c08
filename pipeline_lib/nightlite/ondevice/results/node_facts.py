"""The product's part of a node's result, typed. `in_tfx/node_outcome.py` writes it into `NodeResult.facts`."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from nightlite.ondevice.results.outcome import Outcome
from nightlite.runner.node_result import NodeResult

# Imported for types only, because every parse of the DAG imports this module.
if TYPE_CHECKING:
    from nightlite.ondevice.results.quality import Quality


class NodeFacts(BaseModel):
    """One node's facts about the model. A field is None or empty for nodes without it.

    Attributes:
      metrics: of the overall slice, for an Evaluator; the release's, for a Pusher.
      unit: of a regression's errors, for an Evaluator.
      refusals: each gate that was not passed, in words, for an Evaluator and EdgeValidator.
      model_bytes: of a Trainer's model to serve.
      pushed_version, pushed_to, pushed_sha256: the release that holds the model. The Pusher made it, or found that it
        is this very file.
      outcome: the end of the run, for a Pusher and the OutcomeReport after it; None if that failed or was not reached.
      report: the page's path, for ModelReport and OutcomeReport, and for a DataGate that refused the data.
    """

    model_config = ConfigDict(frozen=True)

    metrics: dict[str, float] = {}
    unit: str = ""
    refusals: list[str] = []
    model_bytes: int | None = None
    pushed_version: str | None = None
    pushed_to: str | None = None
    pushed_sha256: str | None = None
    outcome: Outcome | None = None
    report: str | None = None

    @property
    def quality(self) -> "Quality":
        """Return the model's quality, of an Evaluator."""
        from nightlite.ondevice.results.quality import quality_in

        return quality_in(self.metrics, self.unit)


def facts_of(result: NodeResult) -> NodeFacts:
    """Return the typed view of a node's facts."""
    return NodeFacts.model_validate(result.facts)


def release_extra(result: NodeResult) -> dict[str, Any]:
    """Return the extra of the releases' Asset event for the release that a Pusher made."""
    facts = facts_of(result)
    if not (result.pushed and facts.pushed_version):
        return {}
    return {"version": int(facts.pushed_version), "sha256": facts.pushed_sha256, "metrics": facts.metrics}
