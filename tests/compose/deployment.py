"""One deployment in containers: its own project name, secrets, port and volumes, driven as an operator drives it."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from nightlite.deployment.client.answers import TaskInstance
from nightlite.deployment.client.rest import AirflowRest
from nightlite.paths import PROJECT
from nightlite.runner.node_result import NodeResult
from tests.names import PIPELINE_NAME
from tests.waiting import wait_until

wait_for = partial(wait_until, seconds=900, every=1)
PROJECT_PREFIX = "nightlite-test-"  # and the process id of the tests
REVISION = "the-tests"  # of the image
# Bounds that another seed's model meets however it turns out, and however busy this host is.
ANY_MODEL = {"min_accuracy": 0.5, "min_class_accuracy": 0.0, "max_loss": 10.0, "min_accuracy_change": -1.0}
ANY_MODEL |= {"max_latency_ratio": 1e6, "max_latency_ms": 1e6, "max_load_ms": 1e6}
ANY_MODEL |= {"min_p_if_worse": 0.0, "push": "even if no better"}
THEIRS = {"postgres", "mariadb"}
OURS = {"api-server", "scheduler", "dag-processor", "triggerer", "init"}
CELERY = {"COMPOSE_PROFILES": "celery", "NIGHTLITE_EXECUTOR": "CeleryExecutor", "NIGHTLITE_SCHEDULER_MEMORY": "512m"}


def docker(*arguments: str) -> str:
    """Run a docker command and return its output. A failed one fails the test with its message."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-3000:]}"
    return done.stdout


def remove_ended() -> None:
    """Remove the deployments of tests that were killed: else Docker starts them again whenever it starts."""
    project = "com.docker.compose.project"
    for name in set(docker("ps", "-a", "--format", f'{{{{.Label "{project}"}}}}').split()):
        pid = name.removeprefix(PROJECT_PREFIX)
        if not (name.startswith(PROJECT_PREFIX) and pid.isdigit()) or Path("/proc", pid).exists():
            continue
        mine = ("--quiet", "--filter", f"label={project}={name}")
        if containers := docker("ps", "--all", *mine).split():
            docker("rm", "--force", *containers)
        for kind in ("volume", "network"):
            if found := docker(kind, "ls", *mine).split():
                docker(kind, "rm", *found)


@dataclass(frozen=True)
class Deployment:
    """A Compose project. `env_file` has its secrets and names Compose's files; containers run `image`."""

    project: str
    env_file: Path
    image: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def compose(self, *arguments: str, settings: Mapping[str, str] | None = None, check: bool = True) -> str:
        """Run `docker compose` of this deployment. Return its stdout and stderr."""
        # A developer's own variables would go before the env file.
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("NIGHTLITE", "AIRFLOW", "COMPOSE"))
        }
        env = kept | {"NIGHTLITE_IMAGE": self.image, "DOCKER_BUILDKIT": "1", **(settings or {})}
        command = ["docker", "compose", "-p", self.project, "--env-file", str(self.env_file), *arguments]
        done = subprocess.run(
            command, cwd=PROJECT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert done.returncode == 0 or not check, f"{' '.join(command)}:\n{done.stdout[-6000:]}{self._logs()}"
        return done.stdout

    def _logs(self) -> str:
        command = ["docker", "compose", "-p", self.project, "logs", "--tail", "15", "--no-color"]
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False).stdout[-8000:]

    def up(self, *arguments: str, settings: Mapping[str, str] | None = None) -> None:
        self.compose("up", "-d", "--wait", "--remove-orphans", *arguments, settings=settings)

    def down(self, *arguments: str) -> None:
        self.compose("down", *arguments, settings=CELERY)

    def container(self, service: str) -> str:
        return self.containers(service)[0]

    def containers(self, service: str = "") -> list[str]:
        """Return ids of the service's containers, or of all, running or not."""
        labels = [f"label=com.docker.compose.project={self.project}"]
        labels += [f"label=com.docker.compose.service={service}"] if service else []
        return docker("ps", "-aq", *(part for label in labels for part in ("--filter", label))).split()

    def unwell(self) -> dict[str, str]:
        """Return what is not as the default executor's `up` leaves it, by service: "" where it is not there."""
        containers = self.containers()
        found = json.loads(docker("inspect", *containers)) if containers else []
        states = {one["Config"]["Labels"]["com.docker.compose.service"]: self._state(one) for one in found}
        others = {name: states[name] for name in states.keys() - OURS - THEIRS}
        return others | {name: states.get(name, "") for name in OURS | THEIRS if states.get(name) != "well"}

    def until_well(self, seconds: float = 300) -> None:
        """Wait for that."""
        wait_for(lambda: f"all well, but {self.unwell()}\n{self._logs()}", lambda: not self.unwell(), seconds=seconds)

    def _state(self, container: Any) -> str:
        service, state = container["Config"]["Labels"]["com.docker.compose.service"], container["State"]
        if service in OURS and container["Config"]["Image"] != self.image:
            return f"of {container['Config']['Image']}"
        if service == "init":
            return "well" if (state["Status"], state["ExitCode"]) == ("exited", 0) else str(state["Status"])
        status = state["Health"]["Status"] if state["Running"] and not state["Paused"] else state["Status"]
        return "well" if status == "healthy" else str(status)

    def secrets(self) -> dict[str, str]:
        """Return all secrets, by name."""
        values = dotenv_values(self.env_file)
        found = {name: str(value) for name, value in values.items() if name.endswith(("PASSWORD", "KEY", "SECRET"))}
        assert len(found) == 9
        return found

    def secret(self, name: str) -> str:
        return str(dotenv_values(self.env_file)[name])

    def login(self, user: str = "operator") -> AirflowRest:
        return AirflowRest.login(self.url, user, self.secret(f"NIGHTLITE_{user.upper()}_PASSWORD"))

    def mlmd(self, query: str) -> list[str]:
        """Return the rows of a query to MLMD's database."""
        client = 'MYSQL_PWD="$MARIADB_PASSWORD" exec mariadb -N -u mlmd mlmd -e "$0"'
        return docker("exec", self.container("mariadb"), "sh", "-c", client, query).splitlines()

    def still_running(self) -> list[str]:
        """Return ids of the executions that MLMD takes for running (2: metadata_store_pb2.Execution.RUNNING)."""
        return self.mlmd("SELECT id FROM Execution WHERE last_known_state = 2")

    def pushed(self) -> list[str]:
        """Return the files below the folder of released models."""
        found = docker("exec", self.container("api-server"), "find", "/var/lib/nightlite/mnist/releases", "-type", "f")
        return sorted(found.split())


@dataclass
class Run:
    """One run, as someone sees it who asks over REST."""

    rest: AirflowRest
    run_id: str
    dag_id: str = PIPELINE_NAME

    @classmethod
    def first(cls, rest: AirflowRest, dag_id: str = PIPELINE_NAME) -> "Run":
        """Return the first run ever, which no one has asked for."""
        runs = wait_for("a run", lambda: rest.dag(dag_id) and rest.runs(dag_id, 100), seconds=120)
        assert [run.run_type for run in runs] == ["scheduled"], runs
        return cls(rest, runs[0].dag_run_id, dag_id)

    @classmethod
    def trigger(cls, rest: AirflowRest, **conf: Any) -> "Run":
        wait_for("the DAG", lambda: rest.dag(PIPELINE_NAME), seconds=120)
        return cls(rest, rest.trigger(PIPELINE_NAME, conf).dag_run_id)

    def task(self, task_id: str) -> TaskInstance:
        return next(task for task in self.rest.tasks(self.dag_id, self.run_id) if task.task_id == task_id)

    def running(self, task_id: str) -> TaskInstance:
        """Return the task, once it is running."""
        return wait_for(f"{task_id} running", lambda: (task := self.task(task_id)).state == "running" and task)

    def finished(self) -> str:
        """Return the run's last state."""
        run = wait_for(f"the end of {self.run_id}", lambda: (run := self.now()) and run.finished and run)
        return str(run.state)

    def now(self) -> Any:
        return self.rest.run(self.dag_id, self.run_id)

    def result(self, task_id: str) -> NodeResult:
        found = self.rest.node_result(self.dag_id, self.run_id, task_id)
        assert found, f"{task_id} left no result: {self.rest.tasks(self.dag_id, self.run_id)}"
        return found


@contextmanager
def peak_memory(containers: list[str]) -> Iterator[list[int]]:
    """While it is open, the sum over the containers in bytes, as docker stats has it, look after look.

    A look that fails, or fewer than ten, fails the client that has opened it.
    """
    looks: list[int] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            lines = docker("stats", "--no-stream", "--format", "{{json .}}", *containers).splitlines()
            looks.append(sum(_bytes(json.loads(line)["MemUsage"].split(" / ")[0]) for line in lines))

    with ThreadPoolExecutor(1) as looker:
        looking = looker.submit(look)
        try:
            yield looks
        finally:
            over.set()
    looking.result()
    assert len(looks) >= 10, f"only {len(looks)} looks: {looks}"


def _bytes(text: str) -> int:
    """Return the bytes of Docker's binary sizes: "743.5MiB", "1.2GiB", "0B"."""
    number = text.rstrip("BiKMGT")
    return int(float(number) * 1024 ** ["B", "KiB", "MiB", "GiB", "TiB"].index(text[len(number) :]))
