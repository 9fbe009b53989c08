"""Task before a Pusher, in which a person approves or rejects the model, if the run requires it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from nightlite.ondevice.approval import Approval
from nightlite.ondevice.gates.table import SHARES
from nightlite.ondevice.in_airflow.pages.links import report_url, try_url
from nightlite.ondevice.results.percent import percent
from nightlite.ondevice.rollout.words import begins
from nightlite.ondevice.run_options import DRY_RUN, LEAST_APP_VERSION
from nightlite.ondevice.settings import rollout_plan, settings
from nightlite.runner.in_airflow.xcom import group_around, upstream_results
from nightlite.runner.node_result import NodeResult, OutputArtifact

# Imported only in the task, because every parse of the DAG imports this module.
if TYPE_CHECKING:
    from nightlite.ondevice.gates.gate import Gate
    from nightlite.ondevice.model import OnDeviceModel
    from nightlite.ondevice.releases.release import Release

_DOCS = """
Where the run's parameter `approval` is *required*, a person decides here whether the model is pushed: see
*Required actions*. Until then the run waits. Green: approved. Rejected, or not answered in time, this task and the
Pusher end **skipped**. Skipped, too, where no one had to be asked: the Pusher then runs. The end of the log says why.
"""


class ModelApproval(ApprovalOperator):
    """Approval task that succeeds only if a person approves the model, else ends skipped.

    Its XCom is an `Approval`, or `{"passed": why}` if no one had to be asked. The Pusher always runs and obeys that
    record, so that its log, MLMD and the manifest hold the reason.

    Args:
      before: the node that waits for it.
      model: whose releases the candidate is compared with.
    """

    # Subject and body are written from the run's results, not from templates.
    template_fields = ()
    skip_passes: ClassVar[bool] = True

    def __init__(self, *, before: str, model: "OnDeviceModel", **kwargs: Any) -> None:
        kind, dot, of = before.partition(".")
        named = {
            "task_id": f"Approval{dot}{of}",
            "task_display_name": f"Approve {of.replace('_', ' ')}".rstrip(),
            "doc_md": _DOCS,
        }
        super().__init__(**{**named, "subject": f"{kind} {of}?", "defaults": self.REJECT, **kwargs})
        self.model = model
        self._own_id = str(kwargs.get("task_id", named["task_id"]))

    def execute(self, context: Context) -> None:
        if context["params"].get("approval") != "required":
            self._pass(context, "this run asks for no approval")
        if context["params"].get("push") == DRY_RUN:
            self._pass(context, "nothing to approve: a dry run releases nothing")
        from nightlite.ondevice.releases.policy import Policy
        from nightlite.ondevice.releases.store import Releases
        from nightlite.ondevice.results.headline import refusals_of

        results = upstream_results(context)
        if any(result.blessed is False for result in results.values()):
            why = ["nothing to approve: the model is not blessed", *refusals_of(results.values())]
            self._pass(context, "; ".join(why))
        releases = Releases(settings().folders(self.model.name).releases)
        params = context["params"]
        said = int(params.get(LEAST_APP_VERSION) or 0)
        policy = Policy(_measurements(results), params.get("push"), self.model.app_contract, said)
        for model in _model_files(results):
            if known := releases.known(model, must_be_signed=settings().signs, policy=policy):
                self._pass(context, f"nothing to approve: {known.why}")
        group = group_around(self.task_id, self._own_id)
        report = report_url(self.dag_id, str(context["run_id"]), group)
        candidate = try_url(self.dag_id, str(context["run_id"]), group)
        self.subject, self.body = question(results, releases.latest(), report, candidate)
        if shares := begins(releases.state().first_share(rollout_plan(self.model.name))):
            self.body = f"Once approved, it is pushed{shares}. No further step asks again.\n\n{self.body}"
        self.log.info("%s Answer it under 'Required actions', or see %s", self.subject, report)
        super().execute(context)

    def _pass(self, context: Context, why: str) -> NoReturn:
        context["ti"].xcom_push("return_value", {"passed": why})
        self.log.info("%s", why)
        raise AirflowSkipException(f"passed: {why}")

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        answer = HITLOperator.execute_complete(self, context, event)
        chosen = "approved" if answer["chosen_options"] == [self.APPROVE] else "rejected"
        user = answer["responded_by_user"]
        approval = Approval(
            decision="timed out" if event.get("timedout") else chosen,
            user=user and (user["name"] or user["id"]),
            at=answer["responded_at"],
        )
        record = approval.model_dump(mode="json")
        if approval.decision != "approved":
            context["ti"].xcom_push("return_value", record)
            raise AirflowSkipException(str(approval))
        self.log.info("%s", approval)
        return record


def approval_record(context: Context) -> str:
    """Return the record of the approval directly before a task, as JSON. Return "" if there is none or it passed.

    Raises:
      AirflowSkipException: the approval never ran, because a task before it was skipped.
    """
    for task in context["task"].upstream_list:
        if isinstance(task, ModelApproval):
            value = context["ti"].xcom_pull(task_ids=task.task_id)
            if value is None:
                raise AirflowSkipException(f"{task.task_id} never ran: a task before it was skipped")
            return "" if "passed" in value else json.dumps(value)
    return ""


def question(
    results: Mapping[str, NodeResult], released: "Release | None", report: str, candidate: str
) -> tuple[str, str]:
    """Return the subject in one line, and the body in Markdown.

    The body has the figures beside the last release's, the gates, and the addresses of the report and of the page
    that runs the candidate.

    Args:
      results: of the nodes before the Pusher.
    """
    from nightlite.ondevice.results.headline import quality_and_size
    from nightlite.ondevice.results.quality import Quality, name_of
    from nightlite.ondevice.results.run_summary import summarize

    model, last = summarize(results).tflite, released.manifest.quality if released else Quality()
    size = None if released is None else released.manifest.size_bytes
    against = f"release {released.version}: {quality_and_size(last, size)}" if released else "there is no release yet"
    subject = f"Push {quality_and_size(model, model.bytes)}? ({against})"
    title = f"release {released.version}" if released else "no release yet"
    rows = [
        f"| | this model | {title} |",
        "| --- | --- | --- |",
        f"| {name_of([model, last])} | {model.text} | {last.text} |",
        f"| size | {quality_and_size(Quality(), model.bytes)} | {quality_and_size(Quality(), size)} |",
    ]
    gates = [_gate_row(gate) for gate in _gates(results)]
    head = (
        ["Every gate was passed:", "", "| gate | judged by | value | bound |", "| --- | --- | --- | --- |"]
        if gates
        else []
    )
    links = f"[The report of this run]({report}) · [Try this model in the browser]({candidate})"
    return subject, "\n".join([links, "", *rows, "", *head, *gates])


def _artifacts(results: Mapping[str, NodeResult]) -> list[OutputArtifact]:
    return [artifact for result in results.values() for artifact in result.artifacts()]


def _model_files(results: Mapping[str, NodeResult]) -> list[Path]:
    """Return the file to be pushed, or nothing if the model is a folder of several."""
    folders = [Path(item.uri) / "Format-Serving" for item in _artifacts(results) if item.type == "Model"]
    files = [[path for path in folder.rglob("*") if path.is_file()] for folder in folders]
    return [found[0] for found in files if len(found) == 1]


def _gates(results: Mapping[str, NodeResult]) -> "tuple[Gate, ...]":
    from nightlite.ondevice.gates.gate import GATES_FILE, Gates

    file = _of_edge_validator(results, GATES_FILE)
    return Gates.read(file.parent).gates if file else ()


def _measurements(results: Mapping[str, NodeResult]) -> dict[str, Any] | None:
    """Return EdgeValidator's measurements, if the pipeline has any."""
    from nightlite.ondevice.gates.measurements import MEASUREMENTS_FILE

    file = _of_edge_validator(results, MEASUREMENTS_FILE)
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file else None


def _of_edge_validator(results: Mapping[str, NodeResult], name: str) -> Path | None:
    """Return a file of its blessing."""
    files = (Path(item.uri, name) for item in _artifacts(results) if item.type == "InfraBlessing")
    return next(filter(Path.exists, files), None)


def _gate_row(gate: "Gate") -> str:
    subject = gate.subject.replace("\\", "\\\\").replace("|", "\\|")
    relation = "" if gate.name == "contract" else f"{gate.relation} "
    return f"| {subject} | {gate.node_id} | {_in_words(gate, gate.value)} | {relation}{_in_words(gate, gate.bound)} |"


def _in_words(gate: "Gate", value: float | None) -> str:
    """Return a value of this gate for readers, such as "99.44 %" or "0.097 ms"."""
    if value is None:
        return "not measured"
    if gate.name == "contract":
        return "kept" if value else "broken"
    if gate.name in SHARES:
        return percent(value)
    return f"{value:.3g} {gate.unit}".rstrip() if abs(value) < 1000 else f"{value:,.0f} {gate.unit}".rstrip()
