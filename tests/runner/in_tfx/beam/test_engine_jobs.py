"""Jobs on an engine: Beam's own job server in this process, which runs them in threads."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import portpicker
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_job_api_pb2
from apache_beam.runners.portability import job_server, local_job_service, portable_runner

from nightlite.errors import EngineError
from nightlite.runner.in_tfx.beam import engine_jobs

JobState = beam_job_api_pb2.JobState
_may_end = threading.Event()


class Engine(local_job_service.LocalJobServicer):
    """A job server with a port, and the states of its jobs."""

    def __init__(self) -> None:
        super().__init__()
        self.endpoint = f"localhost:{self.start_grpc_server()}"

    @property
    def states(self) -> list[str]:
        return [JobState.Enum.Name(job.state) for job in self._jobs.values()]

    @property
    def arguments(self) -> PipelineOptions:
        endpoint = f"--job_endpoint={self.endpoint}"
        return PipelineOptions(["--runner=PortableRunner", endpoint, "--environment_type=beam:env:embedded_python:v1"])


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    for owner, name in (
        (job_server, "ExternalJobServer"),
        (portable_runner, "JobServiceHandle"),
        (portable_runner, "PipelineResult"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    engine_jobs.install()
    _may_end.clear()
    engine = Engine()
    yield engine
    _may_end.set()
    engine.stop(0)


def wait_to_end(number: int) -> int:
    assert _may_end.wait(60)
    return number


def start_job(engine: Engine) -> Any:
    pipeline = beam.Pipeline(options=engine.arguments)
    _ = pipeline | beam.Create([1]) | beam.Map(wait_to_end)
    job = pipeline.run()
    while engine.states != ["RUNNING"]:
        time.sleep(0.01)
    return job


def test_a_node_that_fails_or_is_stopped_cancels_its_job(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt), engine_jobs.recorded(tmp_path / "node"):
        start_job(engine)
        assert engine_jobs.file_of(tmp_path / "node").exists()
        raise KeyboardInterrupt
    assert engine.states == ["CANCELLED"]
    assert list(tmp_path.iterdir()) == []
    assert f"of the engine at {engine.endpoint}" in capsys.readouterr().out


def test_the_job_of_a_node_that_was_killed_is_cancelled_from_its_file(engine: Engine, tmp_path: Path) -> None:
    with engine_jobs.recorded(tmp_path / "node"):
        start_job(engine)
        # As if the block had never ended.
        engine_jobs.file_of(tmp_path / "node").rename(engine_jobs.file_of(tmp_path / "killed"))
    assert engine.states == ["RUNNING"]
    engine_jobs.cancel(tmp_path / "killed")
    assert engine.states == ["CANCELLED"]
    assert list(tmp_path.iterdir()) == []


def test_beam_still_leaves_the_job_of_an_interrupted_process_running(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(portable_runner, "PipelineResult", engine_jobs._PipelineResult)
    monkeypatch.setattr(engine_jobs._PipelineResult, "_observe_state", interrupt)
    with pytest.raises(KeyboardInterrupt):
        start_job(engine).wait_until_finish()
    assert engine.states == ["RUNNING"]


def run_longer_than_an_answer_may_take(engine: Engine) -> None:
    options = PipelineOptions(["--job_server_timeout=1", *engine.arguments._flags])
    threading.Timer(3, _may_end.set).start()
    with beam.Pipeline(options=options) as pipeline:
        _ = pipeline | beam.Create([1]) | beam.Map(wait_to_end)


def test_a_job_may_take_longer_than_the_job_servers_answers(engine: Engine) -> None:
    run_longer_than_an_answer_may_take(engine)
    assert engine.states == ["DONE"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_beam_still_loses_a_job_that_takes_longer_than_the_job_servers_answers(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portable_runner, "JobServiceHandle", engine_jobs._JobServiceHandle)
    with pytest.raises(EngineError, match="DEADLINE_EXCEEDED"):
        run_longer_than_an_answer_may_take(engine)


def test_a_finished_job_is_left_alone(engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _may_end.set()
    with engine_jobs.recorded(tmp_path / "node"), beam.Pipeline(options=engine.arguments) as pipeline:
        _ = pipeline | beam.Create([1]) | beam.Map(wait_to_end)
    assert engine.states == ["DONE"]
    assert list(tmp_path.iterdir()) == []
    assert "cancelled" not in capsys.readouterr().out


def test_an_engine_that_does_not_answer_is_asked_again(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, port = engine_jobs.file_of(tmp_path / "node"), portpicker.pick_unused_port()
    file.write_text(f'{{"endpoint": "localhost:{port}", "job": "job-1"}}\n')
    engine_jobs.cancel(tmp_path / "node")
    assert "job job-1 may still be running: the engine at" in capsys.readouterr().out
    assert file.exists()


def test_a_job_that_the_engine_no_longer_knows_has_ended(engine: Engine, tmp_path: Path) -> None:
    file = engine_jobs.file_of(tmp_path / "node")
    file.write_text(f'{{"endpoint": "{engine.endpoint}", "job": "job-1"}}\n')
    engine_jobs.cancel(tmp_path / "node")
    assert not file.exists()


def test_an_engine_that_cannot_be_reached_is_named(engine: Engine) -> None:
    endpoint = f"localhost:{portpicker.pick_unused_port()}"
    arguments = [f"--job_endpoint={endpoint}", "--environment_type=beam:env:embedded_python:v1"]
    options = PipelineOptions(["--runner=PortableRunner", "--job_server_timeout=1", *arguments])
    answer = f"expected an engine's job server at {endpoint}. Received: no answer for 1 s"
    with pytest.raises(EngineError, match=answer), beam.Pipeline(options=options) as pipeline:
        _ = pipeline | beam.Create([1])


# Beam's own thread for the job's messages ends with the connection, too.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_engine_that_is_lost_ends_the_node_in_a_sentence(engine: Engine) -> None:
    job = start_job(engine)
    threading.Timer(0.2, engine.stop, [0]).start()
    with pytest.raises(EngineError, match="the engine was lost while it ran job .* then clear this task"):
        job.wait_until_finish()
