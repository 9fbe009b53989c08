"""Example of a DAG that waits for releases: it checks each one, and asks it what ten digits are."""

import json
import os
import subprocess
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, dag, task

from models.mnist.on_device import MODEL
from nightlite.ondevice.settings import model_settings, settings
from nightlite.paths import PROJECT, SOURCES

RELEASES = Asset(MODEL.releases_asset)


@dag(
    schedule=[RELEASES],
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["mnist", "tflite"],
    default_args={"owner": "nightlite", "retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def mnist_consumer() -> None:
    @task
    def verify(triggering_asset_events: Any = None) -> list[str]:
        """Check that the newest release of the run's asset events is the announced file.

        Return its version and sum, because the release may be exchanged before the next task reads it.
        """
        from nightlite.errors import ReleaseError
        from nightlite.ondevice.releases.store import Releases

        announced = [event.extra for event in triggering_asset_events.get(RELEASES, ()) if "version" in event.extra]
        newest: dict[str, Any] = max(announced, key=lambda extra: extra["version"], default={})
        releases = Releases(settings().folders(MODEL.name).releases)
        # A run triggered by hand has no events.
        release = releases.release(newest["version"]) if newest else releases.latest()
        if release is None:
            raise ReleaseError(f"expected a release in {releases.folder}. Received: none yet")
        release.verify()
        if newest and release.manifest.sha256 != newest["sha256"]:
            raise ReleaseError(f"expected the file {newest['sha256']}. Received: {release.manifest.sha256}")
        print(f"release {release.version}: {release.manifest.sha256}, {release.manifest.metrics}")
        return [str(release.version), release.manifest.sha256]

    @task
    def try_out(release: list[str]) -> dict[str, Any]:
        """Ask the release about ten digits, in the environment that has LiteRT.

        It shows the answers and judges none, not even ten wrong ones. They are MNIST's digits, and the model may
        have been trained on others. The gates have judged it.
        """
        command = [str(settings().tfx_python), "-m", "models.mnist.predict.try_release", *release]
        # Airflow's own PYTHONPATH would put Airflow's packages before that environment's.
        env = {**os.environ, "PYTHONPATH": str(SOURCES)}
        done = subprocess.run(command, cwd=PROJECT, env=env, check=False, text=True, capture_output=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or f"it ended without a word, exit code {done.returncode}")
        answer: dict[str, Any] = json.loads(done.stdout)
        print(f"{answer['right']} of {len(answer['digits'])} digits right: {answer['digits']}")
        return answer

    try_out(verify())  # type: ignore[arg-type]  # its XCom, to the reader of this line


if model_settings(MODEL).enabled:
    mnist_consumer()
