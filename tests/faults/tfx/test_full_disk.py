"""The disk of artifacts and releases is full when a node of the real pipeline runs: each node, one after the other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.mnist.on_device import MODEL
from nightlite.ondevice.releases.store import Releases
from nightlite.runner.in_tfx.mlmd.store import open_store
from tests.faults.tfx.nodes import files_below, launch
from tests.faults.tfx.small_disk import fill, small_disk
from tests.ondevice.in_tfx.gate_laboratory import LENIENT, Laboratory, few_digits, new_laboratory


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """Yield a deployment whose artifacts and releases are on a small disk; data and records are not."""
    var = tmp_path_factory.mktemp("var")
    (var / MODEL.name).mkdir()
    with small_disk(var / "disk", "64m") as disk:
        for name in ("artifacts", "releases"):
            (disk / name).mkdir()
            (var / MODEL.name / name).symlink_to(disk / name)
        yield new_laboratory(var, few_digits())


def left_of_failure(laboratory: Laboratory) -> list[str]:
    """Return what is wrong with what MLMD and the disk have of the execution that failed last."""
    with open_store(laboratory.settings.mlmd_url) as handle:
        executions = handle.store.get_executions()
        artifacts = handle.store.get_artifacts()
    failed = executions[-1]
    assert failed.last_known_state == failed.FAILED
    running = [item.id for item in executions if item.last_known_state in (item.RUNNING, item.NEW)]
    half = [item.uri for item in artifacts if item.state != item.LIVE or not Path(item.uri).exists()]
    folders = laboratory.folders.artifacts.resolve().glob(f"*/*/{failed.id}")
    return [f"execution {number} is running" for number in running] + half + list(map(str, folders))


def test_each_node_says_so_leaves_nothing_and_works_once_there_is_room(laboratory: Laboratory) -> None:
    disk, failed_nodes = laboratory.settings.var_dir / "disk", []
    for item in laboratory.compiled.nodes:
        before, full = files_below(disk), fill(disk, leave=0)
        failed = launch(laboratory, item.id, "run", **LENIENT, epochs=1)
        full.unlink()
        if failed.state == "failed":
            failed_nodes.append(item.id)
            assert failed.reason and "No space left on device" in failed.reason, item.id
            assert f"free some below {laboratory.folders.artifacts}" in failed.reason, item.id
            assert (files_below(disk), left_of_failure(laboratory)) == (before, []), item.id
        again = launch(laboratory, item.id, "run", **LENIENT, epochs=1)
        assert again.state == "succeeded", (item.id, again.reason)
    assert failed_nodes == [item.id for item in laboratory.compiled.nodes if not item.system]
    assert Releases(laboratory.folders.releases).latest_version() == 1
