"""Forked Beam workers: what they compute, and what is left when one of the processes dies."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from nightlite.paths import PROJECT
from tests.run_nodes import alive, wait_for
from tests.runner.in_tfx.beam import jobs


class Jobs:
    """A process that has imported Beam, and forks a process for each job."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.runner.in_tfx.beam.jobs"],
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "pipeline_lib")])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
        )

    def start(self, job: str, folder: Path) -> psutil.Process:
        assert self._process.stdin and self._process.stdout
        print(job, folder, file=self._process.stdin, flush=True)
        return psutil.Process(int(self._process.stdout.readline()))

    def outcome(self, job: str, folder: Path) -> str:
        self.start(job, folder)
        wait_for((folder / "outcome").exists)
        return (folder / "outcome").read_text()

    def end(self) -> None:
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def a_preloaded_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    started = Jobs(tmp_path_factory.mktemp("jobs") / "log")
    yield started
    started.end()


def workers(folder: Path) -> list[int]:
    return [int(file.name.removeprefix("worker-")) for file in folder.glob("worker-*")]


def test_two_forked_workers_share_the_work(a_preloaded_process: Jobs, tmp_path: Path) -> None:
    assert a_preloaded_process.outcome("sum", tmp_path) == str(sum(range(20)))
    assert len(workers(tmp_path)) == 2
    wait_for(lambda: not any(map(alive, workers(tmp_path))))


def test_no_other_user_gets_an_answer_of_them(a_preloaded_process: Jobs, tmp_path: Path) -> None:
    assert a_preloaded_process.outcome("look", tmp_path) == str(sum(range(20)))
    seen = [json.loads(file.read_text()) for file in tmp_path.glob("*.json")]
    assert len(seen) == 2
    for told in seen:
        assert told["ports"] == []
        assert len(told["sockets"]) == 4  # control, data, state, logging
        assert told["own"] == ["connected"]
        if os.getuid() == 0:
            assert told["others"] == ["PermissionError"]
        assert not Path(told["sockets"][0]).parent.exists()


def test_a_worker_that_is_killed_fails_the_job_in_a_sentence(a_preloaded_process: Jobs, tmp_path: Path) -> None:
    outcome = a_preloaded_process.outcome("die", tmp_path)
    assert outcome.startswith("Beam's worker_"), outcome
    assert " was killed by SIGKILL: out of memory is the usual reason (it had used " in outcome
    assert "Traceback" not in a_preloaded_process.log.read_text()
    wait_for(lambda: not any(map(alive, workers(tmp_path))))


def test_a_failure_in_a_worker_is_told_as_one_in_the_node(a_preloaded_process: Jobs, tmp_path: Path) -> None:
    outcome = a_preloaded_process.outcome("fail", tmp_path)
    assert outcome.startswith("ValueError: it is a number [while running '"), outcome
    wait_for(lambda: not any(map(alive, workers(tmp_path))))


@pytest.mark.parametrize("killed", ["node", "forker"])
def test_no_worker_outlives_its_node(a_preloaded_process: Jobs, tmp_path: Path, killed: str) -> None:
    node = a_preloaded_process.start("sleep", tmp_path)
    wait_for(lambda: len(workers(tmp_path)) == 2)
    family = node.children(recursive=True)
    [forker] = node.children()
    assert {child.pid for child in family} == {forker.pid, *workers(tmp_path)}
    (node if killed == "node" else forker).kill()
    wait_for(lambda: not any(alive(process.pid) for process in [node, *family]))
    if killed == "forker":
        assert "is lost: the process that forked it has ended" in (tmp_path / "outcome").read_text()


def test_a_stopped_node_waits_for_no_bundle(a_preloaded_process: Jobs, tmp_path: Path) -> None:
    node = a_preloaded_process.start("sleep", tmp_path)
    wait_for(lambda: len(workers(tmp_path)) == 2)
    node.send_signal(signal.SIGTERM)  # to the node alone, as a cold one has it
    wait_for((tmp_path / "outcome").exists)
    assert (tmp_path / "outcome").read_text() == "Stopped: the task was stopped"
    wait_for(lambda: not any(map(alive, [node.pid, *workers(tmp_path)])))


def test_the_next_nodes_workers_have_the_users_code_as_it_is_then(a_preloaded_process: Jobs, tmp_path: Path) -> None:
    for value in (3, 5):
        folder = tmp_path / str(value)
        folder.mkdir()
        (folder / f"{jobs.EDITED}.py").write_text(f"VALUE = {value}\n")
        assert a_preloaded_process.outcome("edited", folder) == str(20 * value)
    assert importlib.util.find_spec(jobs.EDITED) is None
