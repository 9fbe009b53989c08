"""Jobs on an engine beyond this process, cancelled when their node ends, so that a retry finds no old writer.

A killed node cannot cancel its job. So each job is written to a file before it starts, beside the lock of the running
node. Who closes the node's execution reads the file: the node itself, the process that survives it, or the retry.

Beam's errors of a lost engine are translated into a sentence.

Upstream: none filed. For Beam 2.77.
"""

import contextlib
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import grpc
from apache_beam.options.pipeline_options import PortableOptions
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners.portability import job_server, portable_runner

from nightlite.errors import EngineError
from nightlite.runner.in_tfx import node_log

# A cancelled job of Flink's ends its tasks first.
_ENDING_SECONDS = 20.0
_ASKING_SECONDS = 5.0
_NOBODY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)

_JobServiceHandle: Any = portable_runner.JobServiceHandle
_PipelineResult: Any = portable_runner.PipelineResult
_ExternalJobServer: Any = job_server.ExternalJobServer


class _Recording:
    """File of the running node's jobs. A process runs one node at a time."""

    file: Path | None = None


@contextlib.contextmanager
def recorded(work_file: Path) -> Iterator[None]:
    """Record the jobs that start during the block, beside a node's lock file. Cancel those that it leaves running."""
    _Recording.file = file_of(work_file)
    try:
        yield
    finally:
        _Recording.file = None
        cancel(work_file)


def cancel(work_file: Path) -> None:
    """Cancel a node's recorded jobs that still run, and wait until they have ended. Remove their record.

    The record stays where the engine does not answer: the node's next try asks again.
    """
    file = file_of(work_file)
    try:
        lines = file.read_text().splitlines()
    except FileNotFoundError:
        return
    still = [why for line in lines if (why := _why_not_ended(**json.loads(line)))]
    for why in still:
        node_log.say(why, logging.WARNING)
    if not still:
        file.unlink(missing_ok=True)


def file_of(work_file: Path) -> Path:
    """Return the file of the jobs of the node that has this lock file."""
    return work_file.with_name(f"jobs-{work_file.name}")


def _why_not_ended(endpoint: str, job: str) -> str | None:
    """Cancel a job and wait for its end. Return a sentence if it may still be running."""
    deadline, asked = time.monotonic() + _ENDING_SECONDS, False
    with grpc.insecure_channel(endpoint) as channel:
        service = beam_job_api_pb2_grpc.JobServiceStub(channel)
        try:
            while time.monotonic() < deadline:
                state = service.GetState(beam_job_api_pb2.GetJobStateRequest(job_id=job), timeout=_ASKING_SECONDS).state
                if state in portable_runner.TERMINAL_STATES:
                    if asked:
                        node_log.say(f"cancelled job {job} of the engine at {endpoint}")
                    return None
                if not asked:
                    service.Cancel(beam_job_api_pb2.CancelJobRequest(job_id=job), timeout=_ASKING_SECONDS)
                    asked = True
                time.sleep(0.1)
        except grpc.RpcError as error:
            if error.code() not in _NOBODY:
                return None  # the engine knows no such job
            return f"job {job} may still be running: the engine at {endpoint} does not answer ({error.code().name})"
    return f"job {job} is still ending {_ENDING_SECONDS:.0f} s after it was cancelled at the engine at {endpoint}"


class ExternalJobServer(_ExternalJobServer):
    """A job server that is running already."""

    def start(self) -> Any:
        try:
            return super().start()
        except grpc.FutureTimeoutError:
            raise EngineError(
                f"expected an engine's job server at {self._endpoint}. Received: no answer for {self._timeout} s. "
                "Start it, or correct --job_endpoint, then clear this task"
            ) from None


class JobServiceHandle(_JobServiceHandle):
    """A client of a job server, which records what it starts."""

    def submit(self, proto_pipeline: Any) -> Any:
        try:
            return super().submit(proto_pipeline)
        except grpc.RpcError as error:
            _refuse(error, f"took no job ({self._endpoint})")

    def run(self, preparation_id: str) -> Any:
        self._record(preparation_id)
        self.timeout = None  # Beam would lose a job that takes longer than its answers may, 300 s
        job, *streams = super().run(preparation_id)
        if job != preparation_id:  # Flink's
            self._record(job)
        return job, *streams

    @property
    def _endpoint(self) -> str | None:
        endpoint: str | None = self.options.view_as(PortableOptions).job_endpoint
        return endpoint

    def _record(self, job: str) -> None:
        if _Recording.file and self._endpoint:
            with _Recording.file.open("a") as opened:
                opened.write(json.dumps({"endpoint": self._endpoint, "job": job}) + "\n")


class PipelineResult(_PipelineResult):
    """A running job."""

    def wait_until_finish(self, duration: int | None = None) -> Any:
        try:
            return super().wait_until_finish(duration)
        except grpc.RpcError as error:
            _refuse(error, f"was lost while it ran job {self._job_id}")


def _refuse(error: grpc.RpcError, what: str) -> NoReturn:
    code, details = error.code().name, (error.details() or "").partition("\n")[0]
    raise EngineError(
        f"the engine {what}: {code}, {details}. See its log, start it again, then clear this task"
    ) from None


def install() -> None:
    """Install all replacements in this process. Once is enough."""
    job_server.ExternalJobServer = ExternalJobServer
    portable_runner.JobServiceHandle = JobServiceHandle
    portable_runner.PipelineResult = PipelineResult
