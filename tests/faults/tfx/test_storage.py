"""Disks that are full, read-only or lose what was on them: nodes fail with the reason, and go on once it is mended."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from nightlite.deployment.settings import Settings, settings
from nightlite.runner.in_tfx.mlmd.store import open_store
from nightlite.settings import forget_settings
from tests.faults.tfx.nights import compiled_nights, execute, folders_of
from tests.faults.tfx.small_disk import fill, small_disk


def states() -> list[str]:
    with open_store(settings().mlmd_url) as handle:
        executions = handle.store.get_executions()
    return [execution.State.Name(execution.last_known_state) for execution in executions]


def test_where_the_records_are_on_the_full_disk_too_the_log_says_so_and_a_retry_makes_it_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As by default: all of var/ on one file system. What cannot be recorded is not half recorded."""
    with small_disk(tmp_path / "disk", "2m") as disk:
        monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(disk / "var"))
        forget_settings()
        compiled_nights()
        assert execute("Data", 0).state == "succeeded"
        (settings().var_dir / "result.json").unlink()
        full = fill(disk, leave=0)
        with pytest.raises(FileNotFoundError):
            execute("Train", 0)  # its result could not be written
        last_line = capsys.readouterr().out.splitlines()[-1]
        assert (
            last_line.startswith("Train failed: ")
            and f"free some below {folders_of(settings()).artifacts}" in last_line
        )
        full.unlink()
        assert execute("Train", 0).state == "succeeded"
        assert states() == ["COMPLETE", "COMPLETE"]
        forget_settings()


def test_a_read_only_pipeline_root_is_said_and_recorded(deployed: Settings) -> None:
    with small_disk(deployed.var_dir / "disk", "512k") as disk:
        compiled_nights(disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        failed = execute("Data", 0)
        assert failed.state == "failed" and "Read-only file system" in str(failed.reason)
        assert "RUNNING" not in states()
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert execute("Data", 0).state == "succeeded"


def test_an_artifact_deleted_between_two_nodes_fails_the_second_and_the_next_run_makes_it_again(
    deployed: Settings,
) -> None:
    compiled_nights()
    [examples] = execute("Data", 0).outputs["examples"]
    shutil.rmtree(examples.uri)
    failed = execute("Train", 0)
    assert failed.state == "failed" and failed.reason
    assert states() == ["COMPLETE", "FAILED"]
    again = execute("Data", 1)
    assert again.state == "succeeded"  # not from the cache, though nothing of it has changed
    assert execute("Train", 1).state == "succeeded"


@pytest.mark.parametrize("damage", ["noise", "truncated", "other"])
def test_a_corrupt_metadata_store_is_said_and_never_replaced(deployed: Settings, damage: str) -> None:
    compiled_nights()
    assert execute("Data", 0).state == "succeeded"
    store = deployed.var_dir / "metadata" / "mlmd.sqlite"
    for extra in store.parent.glob("mlmd.sqlite-*"):
        extra.unlink()
    content = store.read_bytes()
    damaged = {
        "noise": os.urandom(len(content)),
        "truncated": content[: len(content) // 3],
        "other": b"a text\n" * 9000,
    }
    store.write_bytes(damaged[damage])
    digest = hashlib.sha256(store.read_bytes()).hexdigest()
    failed = execute("Train", 0)
    assert failed.state == "failed" and failed.reason and "Error" in failed.reason
    assert hashlib.sha256(store.read_bytes()).hexdigest() == digest
    store.write_bytes(content)
    assert execute("Train", 0).state == "succeeded"
