"""The DAG that watches a model's drop folder, and makes each complete drop a span."""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, Asset, TriggerRule, task

from nightlite.ondevice.in_airflow import drop_folder
from nightlite.ondevice.in_airflow.schedule import node_limits
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.settings import Settings, model_settings, settings

_DOCS = """
Watches `var/{name}/drop/` for new data. Off until someone unpauses it.

Put {files} into a folder of their own, `var/{name}/drop/NAME/`. Once they are complete, create
`var/{name}/drop/NAME/READY`. Within seconds the drop becomes a span, and the Asset `{asset}` starts a run of
the pipeline. A refused drop is red here, and moved to `var/{name}/drop/refused/`, with `reason.txt` beside its files.

One run waits for one drop. Further drops wait for their turn.
"""


def ingest_dag(model: OnDeviceModel, files: str = "a source's files") -> DAG | None:
    """Return the DAG that ingests what is dropped, or None if the model is switched off.

    Args:
      model: the model whose data it is.
      files: what a drop consists of, in words for the DAG's documentation.

    Raises:
      SettingsError: a setting is malformed.
    """
    if not model_settings(model).enabled:
        return None
    with DAG(
        dag_id=f"{model.name}_ingest",
        description="Make what is dropped into the folder a span of data",
        schedule="@continuous",
        # Without one, the second run gets the first one's logical date, and Airflow makes no other.
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        # For causes outside of a drop, such as a folder that cannot be moved.
        max_consecutive_failed_dag_runs=10,
        is_paused_upon_creation=True,
        tags=[model.name, "tflite"],
        default_args={"owner": "nightlite"},
        doc_md=_DOCS.format(name=model.name, asset=model.data_asset, files=files),
    ) as dag:
        _add_tasks(model, settings())
    return dag


def _add_tasks(model: OnDeviceModel, config: Settings) -> None:
    data, folder = Asset(model.data_asset), config.folders(model.name).drop

    @task(outlets=[data], execution_timeout=node_limits(config).execution_timeout)
    def ingest(name: str, outlet_events: Any = None) -> None:
        """Make the drop a span, whose number, size and sha256 go to the Asset's event."""
        outlet_events[data].extra = drop_folder.ingest(name, model, config)

    # After the event: if this fails, the next ingest makes no second span.
    @task(trigger_rule=TriggerRule.NONE_FAILED)
    def put_away(name: str | None) -> None:
        """Move the drop to the folder `ingested` beside it."""
        print(f"moved to {drop_folder.put_away(name, folder)}" if name else "there was none")

    waited = drop_folder.WaitForDrop(
        task_id="wait",
        drop_dir=folder,
        doc_md=f"A folder of `var/{model.name}/drop/` with a file `READY`; it gives its name.",
    )
    ingest(waited.output) >> put_away(waited.output)  # type: ignore[arg-type]
