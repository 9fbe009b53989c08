"""The drop folder, with a stand-in for the TFX environment: whatever comes of a drop, it is not looked at again."""

import glob
import os
from pathlib import Path

import pytest
from airflow.providers.standard.triggers.file import FileTrigger
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred

from models.mnist.on_device import MODEL
from nightlite.deployment.settings import Settings, settings
from nightlite.ondevice.in_airflow import drop_folder
from nightlite.settings import forget_settings

GOOD = """echo '{"span": 2, "examples": {"train": 3}, "sha256": "ab", "new": true, "newest": true, "said": "span-2"}'"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(tmp_path / "a [var]"))
    monkeypatch.setenv("NIGHTLITE_TFX_PYTHON", str(tmp_path / "python"))
    forget_settings()
    yield settings()
    forget_settings()


def put(config: Settings, name: str, age: int = 0) -> Path:
    folder = config.folders(MODEL.name).drop / name
    folder.mkdir(parents=True)
    (folder / "train-images-idx3-ubyte").write_bytes(b"pixels")
    (folder / "READY").touch()
    os.utime(folder / "READY", (1_000_000 - age, 1_000_000 - age))
    return folder


def behave(config: Settings, script: str) -> None:
    config.tfx_python.write_text(f"#!/bin/sh\n{script}\n")
    config.tfx_python.chmod(0o755)


def test_what_is_ready_comes_in_the_order_in_which_it_was(config: Settings) -> None:
    for name, age in {"b": 1, "a": 2, "ingested": 9, "refused": 9}.items():
        put(config, name, age)
    (put(config, "unfinished") / "READY").unlink()
    (config.folders(MODEL.name).drop / "READY").touch()
    assert list(drop_folder.ready(config.folders(MODEL.name).drop)) == ["a", "b"]
    assert drop_folder.WaitForDrop(task_id="wait", drop_dir=config.folders(MODEL.name).drop).execute({}) == "a"


def test_it_waits_without_a_process_of_its_own(config: Settings) -> None:
    wait = drop_folder.WaitForDrop(task_id="wait", drop_dir=config.folders(MODEL.name).drop)
    with pytest.raises(TaskDeferred) as deferred:
        wait.execute({})
    trigger = deferred.value.trigger
    assert isinstance(trigger, FileTrigger)
    put(config, "a")
    assert glob.glob(trigger.filepath) == [str(config.folders(MODEL.name).drop / "a" / "READY")]
    assert wait.found({}, True) == "a"


def test_a_good_drop_stays_until_airflow_has_the_event(config: Settings) -> None:
    behave(
        config,
        f'[ "$4" = "{config.folders(MODEL.name).drop}/a" ] && [ "$5" = "{config.folders(MODEL.name).data}" ] && {GOOD}',
    )
    put(config, "a")
    assert drop_folder.ingest("a", MODEL, config) == {"span": 2, "examples": {"train": 3}, "sha256": "ab"}
    assert list(drop_folder.ready(config.folders(MODEL.name).drop)) == ["a"]
    place = drop_folder.put_away("a", config.folders(MODEL.name).drop)
    assert place.parent.name == "ingested" and (place / "train-images-idx3-ubyte").read_bytes() == b"pixels"
    assert list(drop_folder.ready(config.folders(MODEL.name).drop)) == []


def test_what_an_older_span_holds_already_makes_no_event(config: Settings) -> None:
    behave(config, GOOD.replace('"newest": true', '"newest": false'))
    put(config, "a")
    with pytest.raises(AirflowSkipException, match="span-2"):
        drop_folder.ingest("a", MODEL, config)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'the file is truncated' >&2; exit 1", "the file is truncated"),
        ("exit 7", "exit code 7"),
        ("kill -9 $$", "signal 9"),
        (None, "No such file or directory"),
    ],
)
def test_a_bad_drop_is_moved_aside_with_the_reason(config: Settings, script: str | None, reason: str) -> None:
    if script:
        behave(config, script)
    put(config, "a")
    with pytest.raises(AirflowFailException, match=rf"{reason}.*It was moved to"):
        drop_folder.ingest("a", MODEL, config)
    [place] = (config.folders(MODEL.name).drop / "refused").iterdir()
    assert reason in (place / "reason.txt").read_text()
    assert (place / "train-images-idx3-ubyte").read_bytes() == b"pixels"
    assert list(drop_folder.ready(config.folders(MODEL.name).drop)) == []
    # Mended and moved back, it is waited for again.
    place.rename(config.folders(MODEL.name).drop / "a")
    assert list(drop_folder.ready(config.folders(MODEL.name).drop)) == []
    (config.folders(MODEL.name).drop / "a" / "READY").touch()
    assert list(drop_folder.ready(config.folders(MODEL.name).drop)) == ["a"]


def test_a_drop_that_cannot_be_moved_is_one_sentence(config: Settings) -> None:
    behave(config, "exit 1")
    put(config, "a")
    (config.folders(MODEL.name).drop / "refused").touch()
    with pytest.raises(AirflowFailException, match="expected a drop that can be moved .* exit code 1"):
        drop_folder.ingest("a", MODEL, config)
