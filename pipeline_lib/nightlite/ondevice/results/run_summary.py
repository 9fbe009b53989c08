"""Summary of a run's decisions and figures, from its nodes' results."""

from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict

from nightlite.ondevice.report_files import OUTCOME_NODE
from nightlite.ondevice.results.node_facts import facts_of
from nightlite.ondevice.results.outcome import Outcome
from nightlite.ondevice.results.quality import Quality
from nightlite.runner.node_result import NodeResult

# The node that judges every gate of a run, the Evaluators' included.
JUDGE_NODE = "EdgeValidator"


class ModelMetrics(Quality):
    """Figures of one model: its quality on the eval split, and bytes of its Trainer's model to serve."""

    bytes: int | None = None


class RunSummary(BaseModel):
    """Figures and decisions of a run. `None` means that the run did not reach it.

    `pushed` is the folder of the release that holds the run's model. `pushed_why` is the reason if the run did not
    make it. `outcome` is None if the run goes on, or pushes nothing.
    """

    model_config = ConfigDict(frozen=True)

    keras: ModelMetrics = ModelMetrics()
    tflite: ModelMetrics = ModelMetrics()
    blessed: bool | None = None
    blessed_why: str = "the run did not come to its gates"
    pushed: str | None = None
    pushed_why: str | None = None
    outcome: Outcome | None = None

    @property
    def exit_code(self) -> int:
        """Return the exit code of a command that waited for the run's end."""
        return (self.outcome or Outcome.refused).exit_code


def pusher_of(results: Iterable[NodeResult]) -> NodeResult | None:
    """Return the result of the Pusher, if it has decided."""
    return next((result for result in results if result.pushed is not None), None)


def outcome_of(results: Iterable[NodeResult], failed: bool = False) -> Outcome | None:
    """Return the outcome of a run, or None if none of its nodes decides it.

    Args:
      results: of the nodes that left one.
      failed: whether the run failed, which overrides an earlier node's decision.
    """
    found = list(results)
    if failed:
        return Outcome.failed
    if (pusher := pusher_of(found)) and (decided := facts_of(pusher).outcome):
        return decided
    return Outcome.refused if any(result.blessed is False for result in found) else None


def summarize(results: Mapping[str, NodeResult], failed: bool = False) -> RunSummary:
    """Return the summary of a run from its nodes' results by node id. Unfinished nodes are left out."""
    judge, pusher = results.get(JUDGE_NODE), pusher_of(results.values())
    summary = RunSummary(
        keras=_metrics_of(results, lite=False),
        tflite=_metrics_of(results, lite=True),
        outcome=outcome_of(results.values(), failed),
    )
    if judge and judge.blessed is not None:
        why = "; ".join(facts_of(judge).refusals) or "every gate was passed"
        summary = summary.model_copy(update={"blessed": judge.blessed, "blessed_why": why})
    if pusher:
        summary = summary.model_copy(update={"pushed": facts_of(pusher).pushed_to, "pushed_why": pusher.reason})
    return summary


def report_page(results: Iterable[NodeResult | None]) -> str | None:
    """Return the path of the run's page: OutcomeReport's, else ModelReport's, or a refusing DataGate's."""
    found = {result.node_id: page for result in results if result and (page := facts_of(result).report)}
    return found.get(OUTCOME_NODE) or next(iter(found.values()), None)


def _metrics_of(results: Mapping[str, NodeResult], *, lite: bool) -> ModelMetrics:
    trainer, evaluator = _of_model(results, "Trainer.", lite), _of_model(results, "Evaluator.", lite)
    quality = facts_of(evaluator).quality if evaluator else Quality()
    return ModelMetrics(**dict(quality), bytes=facts_of(trainer).model_bytes if trainer else None)


def _of_model(results: Mapping[str, NodeResult], component: str, lite: bool) -> NodeResult | None:
    """Return the result of one of the two nodes of a component, `Trainer.NAME` and `Trainer.NAME_lite`."""
    found = (result for node_id, result in results.items() if node_id.startswith(component))
    return next((result for result in found if result.node_id.endswith("_lite") is lite), None)
