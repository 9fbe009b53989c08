"""Beam jobs with two forked workers, each in a process of its own as a node has it, for `test_forked_workers`.

    python -m tests.runner.in_tfx.beam.jobs

It forks a child for each line "JOB FOLDER" of its input, and prints the child's pid. A child writes FOLDER/outcome.
"""

import importlib
import os
import signal
import sys
import time
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from nightlite.runner.in_tfx.beam import forked_workers, lost_workers, memo, ports
from tests.runner.in_tfx.beam.listening import look_around

EDITED = "edited_between_two_jobs"
# Those of `beam.arguments`, whose import is TFX's.
ARGUMENTS = ("--runner=DirectRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2")


class Stopped(BaseException):
    """The signal that stops a node's task."""


def note_pid(number: int, folder: str) -> int:
    """Write down which process has worked on it."""
    Path(folder, f"worker-{os.getpid()}").touch()
    return number


def sleep(number: int, folder: str) -> int:
    note_pid(number, folder)
    time.sleep(600)
    return number


def die(number: int, folder: str) -> int:
    """Die in the first of two workers, while the second one sleeps."""
    note_pid(number, folder)
    try:
        Path(folder, "first").touch(exist_ok=False)
    except FileExistsError:
        time.sleep(600)
    while len(list(Path(folder).glob("worker-*"))) < 2:
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(number: int, folder: str) -> int:
    note_pid(number, folder)
    raise ValueError("it is a number")


def edited(_number: int, _folder: str) -> int:
    return int(importlib.import_module(EDITED).VALUE)


FUNCTIONS = {"sum": note_pid, "look": look_around, "sleep": sleep, "die": die, "fail": fail, "edited": edited}


def run(job: str, folder: Path) -> str:
    """Run a job as a node does. Return its outcome."""
    signal.signal(signal.SIGTERM, _stop)
    forked_workers.fork_forker()
    lost_workers.quiet()
    memo.install()
    ports.install()
    sys.path.append(str(folder))  # as a node makes the user's code importable
    try:
        with beam.Pipeline(options=PipelineOptions(ARGUMENTS)) as pipeline:
            numbers = pipeline | beam.Create(range(20)) | beam.Reshuffle()
            total = numbers | beam.Map(FUNCTIONS[job], str(folder)) | beam.CombineGlobally(sum)
            total | beam.Map(str) | beam.io.WriteToText(str(folder / "total"), shard_name_template="")
        forked_workers.end_forker()
        return (folder / "total").read_text().strip()
    except (Exception, Stopped) as error:
        return forked_workers.in_words(error)


def _stop(*_: object) -> None:
    raise Stopped("the task was stopped")


def main() -> None:
    for line in sys.stdin:
        job, folder = line.split()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(2, 1)  # stdout is for pids
            try:
                outcome = run(job, Path(folder))
                Path(folder, "outcome.part").write_text(outcome)
                Path(folder, "outcome.part").rename(Path(folder, "outcome"))
            finally:
                os._exit(0)
        print(pid, flush=True)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies: the tests look at processes


if __name__ == "__main__":
    main()
