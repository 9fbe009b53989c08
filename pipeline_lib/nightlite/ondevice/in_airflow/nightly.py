"""The nightly DAG of a model."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from airflow.sdk import DAG, Asset, TriggerRule

from nightlite.ondevice.approval import APPROVAL_RECORD
from nightlite.ondevice.in_airflow import metrics
from nightlite.ondevice.in_airflow.approval import ModelApproval, approval_record
from nightlite.ondevice.in_airflow.notice.settings import PREFIX as NOTIFY_PREFIX
from nightlite.ondevice.in_airflow.notice.settings import tells_after_runs
from nightlite.ondevice.in_airflow.notice.task import end_with_notice
from nightlite.ondevice.in_airflow.pages.links import links_of
from nightlite.ondevice.in_airflow.schedule import as_of, deadline, node_limits, schedule
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.report_files import OUTCOME_NODE
from nightlite.ondevice.results.node_facts import release_extra
from nightlite.ondevice.run_parameters import declaration
from nightlite.ondevice.settings import model_settings, run_defaults, settings
from nightlite.runner.in_airflow.component_docs import ComponentDoc
from nightlite.runner.in_airflow.config import AirflowPipelineConfig, NodeSettings
from nightlite.runner.in_airflow.dag_runner import AirflowDagRunner

_COMPONENTS = {
    "Resolver.previous_span": ComponentDoc("Find", "", "Finds the labels' statistics of the last span that passed."),
    "Resolver.released": ComponentDoc("Find", "", "Finds the release that phones have now, and the anchor."),
    "Trainer.*_lite": ComponentDoc("Train", "train", "Writes the trained model as a TFLite file. Trains nothing."),
    "Evaluator.*_lite": ComponentDoc(
        "Evaluate", "evaluate", "Measures the TFLite file, and compares it with the release."
    ),
    "DataGate": ComponentDoc("Data gate", "data", "Fails on anomalies and on labels that have drifted."),
    "EdgeValidator": ComponentDoc("Validate on the edge", "evaluate", "Judges every gate of the run."),
    "ModelReport": ComponentDoc("Model report", "evaluate", "Writes the page on the tab *Model report* of the run."),
    # In no group, so that its mark is seen in a folded grid.
    OUTCOME_NODE: ComponentDoc("Outcome", "", "Ends **skipped** where a new model was kept back. The report says why."),
}


def nightly_dag(model: OnDeviceModel, docs: str, node_settings: Mapping[str, NodeSettings] | None = None) -> DAG | None:
    """Return the DAG that retrains, judges and releases the model, or None if the model is switched off.

    Args:
      model: the model.
      docs: the DAG's page in the UI, in Markdown.
      node_settings: queues, pools and the like, by pattern of node ids.

    Raises:
      CompiledPipelineError: there is no usable compiled pipeline, or the model was edited since.
      SettingsError: a setting is malformed.
    """
    here, own = settings(), model_settings(model)
    if not own.enabled:
        return None
    of_nodes = {"*": node_limits(here), "Pusher*": NodeSettings(outlets=(Asset(model.releases_asset),))}
    for pattern, given in (node_settings or {}).items():
        of_nodes[pattern] = given.over(of_nodes.get(pattern, NodeSettings()))
    config = AirflowPipelineConfig(
        airflow_dag_config={
            "description": "Train, convert to TFLite, evaluate, push if blessed",
            "doc_md": docs,
            "schedule": schedule(model, own, here.timezone),
            "deadline": deadline(own),
            "catchup": False,
            "max_active_runs": 1,
            "tags": [model.name, "tfx", "tflite"],
            "default_args": {"owner": "nightlite"},
        },
        node_settings=of_nodes,
        parameter_defaults=run_defaults(model),
        tasks_before={
            "Pusher*": partial(ModelApproval, model=model, response_timeout=timedelta(hours=own.approval_hours))
        },
        context_parameters={"as_of": as_of, APPROVAL_RECORD: approval_record},
        links=links_of,
        finish=(_report_every_outcome, *((end_with_notice,) if tells_after_runs() else ())),
        on_result=(metrics.emit,),
        asset_extra=release_extra,
        components=_COMPONENTS,
        declaration=declaration(model),
        hidden_env=(NOTIFY_PREFIX,),  # recipients and their passwords are no node's concern
    )
    return AirflowDagRunner(config).run(here.compiled_file(model))


def _report_every_outcome(dag: DAG) -> None:
    """Run the OutcomeReport after a skipped Pusher, too."""
    if dag.has_task(OUTCOME_NODE):
        dag.get_task(OUTCOME_NODE).trigger_rule = TriggerRule.NONE_FAILED
