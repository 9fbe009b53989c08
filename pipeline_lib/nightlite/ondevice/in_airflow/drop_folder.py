"""A folder into which data is dropped: `<var_dir>/drop/NAME/` with IDX files and, once they are all there, `READY`.

The folder itself is the state, so that no event can be lost: a drop that comes during another one's ingest, or while
Airflow is down, is found by the next look. Each drop ends in one of two places, and is never looked at twice:

    drop/ingested/<time>-NAME/     its span is there, and Airflow's Asset was told
    drop/refused/<time>-NAME/      with `reason.txt`; mend it, move it back, and make READY again
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

from nightlite.paths import PROJECT, SOURCES
from nightlite.settings import Settings, settings

READY = "READY"
REASON = "reason.txt"
_INGESTED, _REFUSED = "ingested", "refused"
_LOOK_EVERY_SECONDS = 5


class WaitForDrop(BaseOperator):
    """Waits, deferred, for a drop that is ready; its XCom is the name of the one that has been so for longest."""

    template_fields = ()

    def execute(self, context: Context) -> str:
        from airflow.providers.standard.triggers.file import FileTrigger

        if not (names := list(ready(settings().drop_dir))):
            pattern = os.path.join(glob.escape(str(settings().drop_dir)), "*", READY)
            self.log.info("waiting for %s", pattern)
            self.defer(trigger=FileTrigger(pattern, poke_interval=_LOOK_EVERY_SECONDS), method_name="found")
        return names[0]

    def found(self, context: Context, event: Any = None) -> str:
        """The trigger has fired."""
        for name in ready(settings().drop_dir):
            return name
        raise AirflowSkipException(f"{READY} was there and is no more")


def ready(drop_dir: Path) -> Iterator[str]:
    """The names of the drops that are ready, the one that has been so for longest first."""
    found = []
    for marker in drop_dir.glob(f"*/{READY}"):
        if marker.parent.name not in (_INGESTED, _REFUSED):
            found.append((marker.stat().st_mtime_ns, marker.parent.name))
    return (name for _, name in sorted(found))


def ingest(name: str, config: Settings) -> dict[str, Any]:
    """Make a drop a span, in the TFX environment; returns what the Asset's event says of it.

    Whatever is wrong, the drop is moved aside with the reason: it must not be tried for ever.

    Raises:
      AirflowFailException: it was refused; says why.
      AirflowSkipException: an older span holds exactly this already.
    """
    folder = config.drop_dir / name
    try:
        done = _ingest(folder, config)
        problem = _reason(done) if done.returncode else None
    except (OSError, AirflowTaskTimeout) as error:
        problem = str(error)
    if problem:
        place = put_away(name, config, refused=problem)
        raise AirflowFailException(f"{problem}. It was moved to {place}")
    said = json.loads(done.stdout)
    print(said["said"])
    if not said["newest"]:
        raise AirflowSkipException(said["said"])
    return {key: said[key] for key in ("span", "examples", "sha256")}


def put_away(name: str, config: Settings, refused: str = "") -> Path:
    """Move a drop out of sight; returns where it is now.

    Raises:
      AirflowFailException: it cannot be moved.
    """
    folder = config.drop_dir / name
    place = config.drop_dir / (_REFUSED if refused else _INGESTED) / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S.%f}-{name}"
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


def _ingest(folder: Path, config: Settings) -> subprocess.CompletedProcess[str]:
    command = [
        str(config.tfx_python),
        "-m",
        "nightlite.deployment.in_tfx.commands",
        "ingest",
        str(folder),
        "--no-tell",
        "--json",
    ]
    # Airflow's own PYTHONPATH would put Airflow's packages before that environment's.
    env = {**os.environ, "PYTHONPATH": str(SOURCES)}
    return subprocess.run(command, cwd=PROJECT, env=env, check=False, text=True, capture_output=True)


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"the ingest was ended by signal {-done.returncode}"
    lines = done.stderr.strip().splitlines()
    return lines[-1].removeprefix("mnist-lite: ") if lines else f"the ingest ended with exit code {done.returncode}"
