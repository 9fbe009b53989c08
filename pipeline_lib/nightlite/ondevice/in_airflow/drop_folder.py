"""Watched folder for new data: `var/<model>/drop/NAME/` with a source's files and, once complete, `READY`.

The folder itself is the state, so no event can be lost. A drop during another ingest, or while Airflow is down, is
found by the next poll. Each drop ends in one of two folders, and is never read twice:

    drop/ingested/<time>-NAME/     its span exists, and Airflow's Asset was notified
    drop/refused/<time>-NAME/      with `reason.txt`; fix it, move it back, and create READY again
"""

import glob
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, AirflowTaskTimeout

from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.settings import Settings

READY = "READY"
REASON = "reason.txt"
_INGESTED, _REFUSED = "ingested", "refused"
_LOOK_EVERY_SECONDS = 5
_INGEST = "nightlite.ondevice.in_tfx.ingest.run_ingest"


class WaitForDrop(BaseOperator):
    """Operator that waits, deferred, for a ready drop. Its XCom is the name of the drop that has waited longest.

    Args:
      drop_dir: the watched folder.
    """

    template_fields = ()

    def __init__(self, *, drop_dir: Path, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.drop_dir = drop_dir

    def execute(self, context: Context) -> str:
        from airflow.providers.standard.triggers.file import FileTrigger

        if not (names := list(ready(self.drop_dir))):
            pattern = os.path.join(glob.escape(str(self.drop_dir)), "*", READY)
            self.log.info("waiting for %s", pattern)
            self.defer(trigger=FileTrigger(pattern, poke_interval=_LOOK_EVERY_SECONDS), method_name="found")
        return names[0]

    def found(self, context: Context, event: Any = None) -> str:
        """Return the ready drop's name after the trigger has fired."""
        for name in ready(self.drop_dir):
            return name
        raise AirflowSkipException(f"{READY} is no longer there")


def ready(drop_dir: Path) -> Iterator[str]:
    """Yield the names of the ready drops, the one that has waited longest first."""
    found = []
    for marker in drop_dir.glob(f"*/{READY}"):
        if marker.parent.name not in (_INGESTED, _REFUSED):
            found.append((marker.stat().st_mtime_ns, marker.parent.name))
    return (name for _, name in sorted(found))


def ingest(name: str, model: OnDeviceModel, config: Settings) -> dict[str, Any]:
    """Make a drop a span, in the TFX environment. Return the extra of the Asset's event.

    On any error, the drop is moved aside with the reason, so that it is not retried forever.

    Raises:
      AirflowFailException: it was refused, with the reason.
      AirflowSkipException: an older span already holds exactly this.
    """
    from nightlite.ondevice.in_airflow import tfx_program  # no parse of the DAG needs it

    folders = config.folders(model.name)
    try:
        done = tfx_program.run(config, _INGEST, model.ingest, str(folders.drop / name), str(folders.data))
        problem = _reason(done) if done.returncode else None
    except (OSError, AirflowTaskTimeout) as error:
        problem = str(error)
    if problem:
        place = put_away(name, folders.drop, refused=problem)
        raise AirflowFailException(f"{problem}. It was moved to {place}")
    said = json.loads(done.stdout)
    print(said["said"])
    if not said["newest"]:
        raise AirflowSkipException(said["said"])
    return {key: said[key] for key in ("span", "examples", "sha256")}


def put_away(name: str, drop_dir: Path, refused: str = "") -> Path:
    """Move a drop aside. Return its new folder.

    Raises:
      AirflowFailException: it cannot be moved.
    """
    folder = drop_dir / name
    place = drop_dir / (_REFUSED if refused else _INGESTED) / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S.%f}-{name}"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if refused:
            (folder / REASON).write_text(f"{refused}\n", encoding="utf-8")
            (folder / READY).unlink(missing_ok=True)
        folder.rename(place)
    except OSError as error:
        raise AirflowFailException(
            f"expected a drop that can be moved to {place}. Received: {error}. {refused or 'Its data is a span'}"
        ) from None
    return place


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"the ingest was ended by signal {-done.returncode}"
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"the ingest ended with exit code {done.returncode}"
