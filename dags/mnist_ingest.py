"""Watches `var/mnist/drop/` for new data. Off until someone unpauses it.

Put IDX files, named as MNIST names them, or folders of pictures by label, into a folder of their own,
`var/mnist/drop/NAME/`. Once they are complete, create `var/mnist/drop/NAME/READY`. Within seconds the drop becomes a
span, and the Asset `mnist_data` starts a run of the pipeline. A refused drop is red here, and moved to
`var/mnist/drop/refused/`, with `reason.txt` beside its files.

One run waits for one drop. Further drops wait for their turn.
"""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Asset, TriggerRule, dag, task

from models.mnist.on_device import MODEL
from nightlite.ondevice.in_airflow import drop_folder
from nightlite.ondevice.in_airflow.schedule import node_limits
from nightlite.ondevice.settings import settings

DATA = Asset(MODEL.data_asset)
FOLDER = settings().folders(MODEL.name).drop


@dag(
    schedule="@continuous",
    # Without one, the second run gets the first one's logical date, and Airflow makes no other.
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    # For causes outside of a drop, such as a folder that cannot be moved.
    max_consecutive_failed_dag_runs=10,
    is_paused_upon_creation=True,
    tags=["mnist", "tflite"],
    default_args={"owner": "nightlite"},
    doc_md=__doc__,
)
def mnist_ingest() -> None:
    @task(outlets=[DATA], execution_timeout=node_limits(settings()).execution_timeout)
    def ingest(name: str, outlet_events: Any = None) -> None:
        """Make the drop a span, whose number, size and sha256 go to the Asset's event."""
        outlet_events[DATA].extra = drop_folder.ingest(name, MODEL, settings())

    # After the event: if this fails, the next ingest makes no second span.
    @task(trigger_rule=TriggerRule.NONE_FAILED)
    def put_away(name: str | None) -> None:
        """Move the drop to `var/mnist/drop/ingested/`."""
        print(f"moved to {drop_folder.put_away(name, FOLDER)}" if name else "there was none")

    waited = drop_folder.WaitForDrop(
        task_id="wait",
        drop_dir=FOLDER,
        doc_md="A folder of `var/mnist/drop/` with a file `READY`; it gives its name.",
    )
    ingest(waited.output) >> put_away(waited.output)  # type: ignore[arg-type]


mnist_ingest()
