"""The demo's refusals and interruptions, without an Airflow."""

import contextlib
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.mnist.on_device import MODEL
from nightlite.deployment.data_sources import checked_source
from nightlite.deployment.local import demo, stack
from nightlite.deployment.local.components import Stack
from nightlite.deployment.local.processes import Component
from nightlite.deployment.settings import Settings
from nightlite.errors import NoSourceError, StackError
from tests.real_airflow import free_port

INGESTED = """echo '{"span": 4, "said": "span-4 it is"}'"""


def tfx_python(folder: Path, script: str) -> Settings:
    """Return settings whose TFX interpreter is this shell script."""
    python = folder / "tfx-python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return Settings(var_dir=folder / "var", tfx_python=python, port=free_port())


def test_a_missing_tfx_environment_says_make_setup(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"No such file.*make setup"):
        demo.demo(Settings(var_dir=tmp_path, tfx_python=tmp_path / "nope", port=free_port()), MODEL)


def test_bad_data_ends_it_before_airflow_is_started(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = tfx_python(tmp_path, 'echo "$4 is bad" >&2; exit 1')
    with pytest.raises(StackError, match="could not ingest the data: the reason is above"):
        demo.demo(settings, MODEL, str(tmp_path))
    assert f"{tmp_path} is bad" in capfd.readouterr().err
    assert not (settings.var_dir / "airflow" / "stack.json").exists()


def test_what_is_no_source_and_no_folder_is_said_before_anything_is_done(tmp_path: Path) -> None:
    settings = tfx_python(tmp_path, f"touch {tmp_path}/ran")
    first, *_ = sources = MODEL.sources
    with pytest.raises(NoSourceError) as refused:
        demo.demo(settings, MODEL, f"{first}x")
    said = f"Did you mean {first}? Expected a source of {MODEL.name} ({', '.join(sources)}), a folder or a file. "
    assert str(refused.value) == f"{said}Received: '{first}x'"
    assert not (tmp_path / "ran").exists()


def test_without_a_source_it_is_the_models_first(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StackError, match="could not ingest"):
        demo.demo(tfx_python(tmp_path, 'echo "asked for $4" >&2; exit 1'), MODEL)
    assert f"asked for {MODEL.usual_source}\n" in capfd.readouterr().err


def test_a_folder_is_taken_from_where_the_command_was_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    assert checked_source(MODEL, "data") == str(tmp_path / "data")
    usual = MODEL.usual_source
    (tmp_path / usual).mkdir()
    assert checked_source(MODEL, usual) == usual
    assert checked_source(MODEL, f"./{usual}") == str(tmp_path / usual)


def test_a_taken_port_is_said_before_anything_is_done(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        settings = tfx_python(tmp_path, f"touch {tmp_path}/ran")
        with pytest.raises(StackError, match="is taken by"):
            demo.demo(settings.model_copy(update={"port": holder.getsockname()[1]}), MODEL)
    assert not (tmp_path / "ran").exists()


def test_a_second_demo_is_told_of_the_first(tmp_path: Path) -> None:
    settings = tfx_python(tmp_path, "true")
    with demo.only_one_demo(settings), pytest.raises(StackError, match=r"running already \(pid \d+ on "):
        demo.demo(settings, MODEL)


def test_an_interruption_before_the_run_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stack, "up", interrupted)
    assert demo.demo(tfx_python(tmp_path, INGESTED), MODEL) == 130
    assert "before a run was started" in capsys.readouterr().out


def test_an_interruption_while_watching_says_that_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    settings = tfx_python(tmp_path, INGESTED)
    monkeypatch.setattr(stack, "up", lambda settings, console: stack.local_airflow(settings))
    monkeypatch.setattr(demo, "switch_on", lambda *_: None)
    monkeypatch.setattr(demo, "run_under_way", lambda *_: None)
    rest = SimpleNamespace(trigger=lambda _, conf: SimpleNamespace(dag_run_id=f"run-7 of span {conf['span']}"))
    monkeypatch.setattr(demo, "log_in", lambda _: contextlib.nullcontext(rest))
    monkeypatch.setattr(demo, "show_run", interrupted)
    assert demo.demo(settings, MODEL) == 130
    out = capsys.readouterr().out
    assert "span-4 it is" in out and "run-7 of span 4 goes on" in out and "make down" in out


def test_a_down_forgets_what_has_ended_by_itself(tmp_path: Path) -> None:
    settings = tfx_python(tmp_path, "true")
    record = settings.var_dir / "airflow" / "stack.json"
    record.parent.mkdir(parents=True)
    ended = Component(name="scheduler", pid=2**22, started=1.0)
    record.write_text(Stack(port=settings.port, components=(ended,)).model_dump_json())
    assert stack.down(settings) == []
    assert not record.exists()


def test_an_older_versions_state_is_told_and_left_alone(tmp_path: Path) -> None:
    settings = tfx_python(tmp_path, f"touch {tmp_path}/ran")
    old = settings.var_dir / "pushed" / "mnist_lite" / "1"
    old.mkdir(parents=True)
    for start in (stack.up, lambda config: demo.demo(config, MODEL)):
        with pytest.raises(StackError, match=r"of this version in .*/var\. Received: pushed, .*_VAR_DIR to .*$"):
            start(settings)
    assert list(settings.var_dir.rglob("*")) == [old.parents[1], old.parents[0], old]
    assert not (tmp_path / "ran").exists()
