"""Disks that are full, read-only or lose what was on them: nodes fail with the reason, and go on once it is mended."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_lib.errors import DataError, ReleaseError
from pipeline_lib.mnist.spans import write_span
from pipeline_lib.node_result import NodeResult
from pipeline_lib.releases.manifest import Description
from pipeline_lib.releases.store import Releases
from pipeline_lib.settings import settings
from pipeline_lib.tfx import node
from pipeline_lib.tfx.compile import compile_pipeline
from pipeline_lib.tfx.metadata_store import open_store
from tests.faults.tfx.conftest import few_digits
from tests.faults.tfx.nights import request_of
from tests.faults.tfx.nodes import files_below
from tests.faults.tfx.small_disk import fill, small_disk
from tests.pipelines import tiny_nights


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    with small_disk(tmp_path / "disk", "512k") as folder:
        yield folder


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A deployment of the pipeline of the nights, whose artifacts are in `root`."""
    folder = tmp_path / "var"
    monkeypatch.setenv("MNIST_LITE_VAR_DIR", str(folder))
    settings.cache_clear()
    yield folder
    settings.cache_clear()


def compiled(root: Path) -> None:
    pipeline = tiny_nights.create_pipeline(str(root), str(settings().push_dir))
    compile_pipeline(pipeline, tiny_nights.PARAMETERS).write(settings().compiled_path)


def run(node_id: str, number: int = 0) -> NodeResult:
    request = request_of(node_id, number, f"run-{number}", week=0)
    node.execute(request)
    assert request.result
    return NodeResult.read(request.result)


def states() -> list[str]:
    with open_store(settings().mlmd_url) as handle:
        executions = handle.store.get_executions()
    return [execution.State.Name(execution.last_known_state) for execution in executions]


def test_ingest_on_a_full_disk_leaves_nothing_and_works_when_there_is_room(disk: Path, tmp_path: Path) -> None:
    digits = few_digits()
    fill(disk, leave=40_000)
    with pytest.raises(DataError, match="no span could be written: .*see to the disk, then ingest again"):
        write_span(digits, disk / "data")
    assert files_below(disk / "data") == {}
    (disk / "full").unlink()
    assert write_span(digits, disk / "data").number == 1


def test_a_node_on_a_full_disk_fails_leaves_nothing_and_is_made_good_by_a_retry(disk: Path, var: Path) -> None:
    compiled(disk)
    assert run("Data").state == "succeeded"
    full = fill(disk, leave=8_192)
    failed = run("Train")
    assert failed.state == "failed" and "No space left on device" in str(failed.reason)
    assert list((disk / "Train" / "model").iterdir()) == []
    assert states() == ["COMPLETE", "FAILED"]
    full.unlink()
    assert run("Train").state == "succeeded"


def test_where_the_records_are_on_the_full_disk_too_the_log_says_so_and_a_retry_makes_it_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As by default: all of var/ on one file system. What cannot be recorded is not half recorded."""
    with small_disk(tmp_path / "disk", "2m") as disk:
        monkeypatch.setenv("MNIST_LITE_VAR_DIR", str(disk / "var"))
        settings.cache_clear()
        compiled(settings().pipeline_root)
        assert run("Data").state == "succeeded"
        (settings().var_dir / "result.json").unlink()
        full = fill(disk, leave=0)
        with pytest.raises(FileNotFoundError):
            run("Train")  # its result could not be written
        last_line = capsys.readouterr().out.splitlines()[-1]
        assert last_line.startswith("Train failed: ") and f"free some below {settings().pipeline_root}" in last_line
        full.unlink()
        assert run("Train").state == "succeeded"
        assert states() == ["COMPLETE", "COMPLETE"]
        settings.cache_clear()


def test_a_push_on_a_full_disk_changes_nothing(disk: Path, tmp_path: Path) -> None:
    releases, model = Releases(disk / "pushed"), tmp_path / "tflite"
    described = Description(
        labels=("a",), inputs=(), outputs=(), code_revision="x", run_id="1", model_artifact_id=1, execution_id=1
    )
    model.write_bytes(b"1" * 50_000)
    releases.push(model, described, who="test")
    before = files_below(disk)
    full = fill(disk, leave=30_000)
    model.write_bytes(b"2" * 50_000)
    with pytest.raises(ReleaseError, match=rf"{disk}.*: the releases cannot be changed: No space left on device"):
        releases.push(model, described.model_copy(update={"run_id": "2"}), who="test")
    full.unlink()
    assert files_below(disk) == before and releases.latest_version() == 1
    releases.release(1).verify()
    assert releases.push(model, described.model_copy(update={"run_id": "2"}), who="test").release.version == 2


def test_a_read_only_pipeline_root_is_said_and_recorded(disk: Path, var: Path) -> None:
    compiled(disk)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    failed = run("Data")
    assert failed.state == "failed" and "Read-only file system" in str(failed.reason)
    assert "RUNNING" not in states()
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert run("Data").state == "succeeded"


def artifact(key: str) -> Path:
    [folder] = (settings().pipeline_root / key).glob("[0-9]*")
    return folder


def test_an_artifact_deleted_between_two_nodes_fails_the_second_and_the_next_run_makes_it_anew(var: Path) -> None:
    compiled(settings().pipeline_root)
    run("Data")
    shutil.rmtree(artifact("Data/examples"))
    failed = run("Train")
    assert failed.state == "failed" and failed.reason
    assert states() == ["COMPLETE", "FAILED"]
    again = run("Data", 1)
    assert again.state == "succeeded"  # not from the cache, though nothing of it has changed
    assert run("Train", 1).state == "succeeded"


def test_an_artifact_truncated_between_two_nodes_fails_the_second(var: Path) -> None:
    compiled(settings().pipeline_root)
    run("Data")
    (artifact("Data/examples") / "data").write_bytes(b"")
    assert run("Train").state == "failed"
    assert "RUNNING" not in states()


@pytest.mark.parametrize("damage", ["noise", "truncated", "other"])
def test_a_corrupt_metadata_store_is_said_and_never_replaced(var: Path, damage: str) -> None:
    compiled(settings().pipeline_root)
    assert run("Data").state == "succeeded"
    store = var / "metadata" / "mlmd.sqlite"
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
    failed = run("Train")
    assert failed.state == "failed" and failed.reason and "Error" in failed.reason
    assert hashlib.sha256(store.read_bytes()).hexdigest() == digest
    store.write_bytes(content)
    assert run("Train").state == "succeeded"
