"""Releases of made-up files."""

import json
from pathlib import Path
from typing import Any

from nightlite.ondevice.contract.app_contract import AppContract, Input, Meaning
from nightlite.ondevice.contract.file_contract import TensorContract
from nightlite.ondevice.releases.manifest import Description
from nightlite.ondevice.releases.store import Push, Releases
from nightlite.ondevice.rollout.plan import AT_ONCE, Plan

CONTRACT = AppContract(
    inputs=(
        Input(
            name="image_floats",
            dtype="float32",
            shape=(1, 784),
            meaning=Meaning(description="pixels", unit="grey level", scale=0.5),
        ),
    ),
    output=TensorContract(name="probabilities", dtype="float32", shape=(1, 2)),
    labels=("0", "1"),
)


def declared(contract: AppContract) -> dict[str, Any]:
    """Return a Description's fields of a contract."""
    return {"labels": contract.labels, "unit": contract.unit, "inputs": contract.inputs, "outputs": (contract.output,)}


DESCRIPTION = Description(
    **declared(CONTRACT),
    metrics={"accuracy": 0.99},
    span=4,
    code_revision="abc",
    run_id="run-1",
    model_artifact_id=8,
    execution_id=9,
)


def describe(run_id: str, labels: tuple[str, ...] = DESCRIPTION.labels) -> Description:
    return DESCRIPTION.model_copy(update={"run_id": run_id, "labels": labels})


def push(releases: Releases, content: str, run_id: str, plan: Plan = AT_ONCE, **said: Any) -> Push:
    """Push a file of this content, as the Pusher of that run would. Its manifest says more."""
    releases.folder.parent.mkdir(parents=True, exist_ok=True)
    model = releases.folder.parent / f"model-of-{run_id}"
    model.write_text(content)
    described = describe(run_id).model_copy(update=said)
    return releases.push(model, described, who="Pusher", plan=plan)


def history(folder: Path) -> list[tuple[str, int, int | None]]:
    lines = (folder / "history.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return [(event["action"], event["version"], event["previous"]) for event in events]
