"""Files that runs leave: their readers and secrets; and the ports that listen while one goes on."""

import configparser
import contextlib
import ipaddress
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from nightlite.deployment.local import processes
from nightlite.deployment.local.components import read_stack
from nightlite.runner.in_tfx.warm.identity import socket_folder
from tests.end_to_end.conftest import HOOK_PATH, HOOK_SECRET, MAIL_PASSWORD, Deployment, FinishedRun
from tests.names import PIPELINE_NAME
from tests.waiting import wait_until

# The only files that hold secrets, 0600 in a folder of 0700.
HOLD_SECRETS = ("airflow.cfg", "passwords.json")
PRIVATE = (*HOLD_SECRETS, "stack.json")
OTHERS = stat.S_IRWXG | stat.S_IRWXO
A_TOKEN = re.compile(rb"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{20,}")


@dataclass
class Observed:
    """A run, and what was seen of the deployment's processes while it went on."""

    run: FinishedRun
    listening: dict[str, str] = field(default_factory=dict)
    commands: set[str] = field(default_factory=set)
    tasks: int = 0


@pytest.fixture(scope="module")
def observed(deployment: Deployment) -> Observed:
    """Return a run that changes no release, mostly answered from the cache."""
    components = read_stack(deployment.airflow.home).components
    run_id = deployment.rest.trigger(PIPELINE_NAME, {"push": "dry run"}).dag_run_id
    found = Observed(FinishedRun(run_id, "running", {}, {}))

    def is_finished() -> bool:
        found.tasks += len(processes.running_tasks(components))
        for process in processes.alive(components, deployment.airflow.home):
            look_at(process, found)
        return deployment.rest.run(PIPELINE_NAME, run_id).finished

    wait_until(f"the end of {run_id}", is_finished, every=0)
    found.run = deployment.finished(PIPELINE_NAME, run_id)
    return found


def look_at(process: psutil.Process, found: Observed) -> None:
    """Return where it can be reached; it may end at any moment."""
    try:
        found.commands.add(command := " ".join(process.cmdline()))
        connections = process.net_connections("tcp")
    except psutil.Error:
        return
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN:
            found.listening[connection.laddr.ip.removeprefix("::ffff:")] = command


@pytest.fixture(scope="module")
def secrets(deployment: Deployment) -> dict[str, bytes]:
    """Return every secret of the deployment, by its name."""
    home = deployment.airflow.home
    config = configparser.RawConfigParser()
    config.read(home / "airflow.cfg")
    known = {
        "fernet key": config.get("core", "fernet_key"),
        "api secret": config.get("api", "secret_key"),
        "jwt secret": config.get("api_auth", "jwt_secret"),
        "mail password": MAIL_PASSWORD,
        "hook secret": HOOK_SECRET,
        "hook path": HOOK_PATH,
        **json.loads((home / "passwords.json").read_text()),
    }
    assert all(len(secret) >= 12 for secret in known.values())
    return {name: secret.encode() for name, secret in known.items()}


def within(content: bytes, secrets: dict[str, bytes]) -> list[str]:
    return [name for name, secret in secrets.items() if secret in content]


def files(deployment: Deployment, *, that_others_reach: bool = False) -> Iterator[Path]:
    """Return what is below var/, or the part of it that others reach. Airflow goes on making and removing."""
    folders = [deployment.settings.var_dir]
    while folders:
        try:
            entries = os.listdir(folder := folders.pop())
        except FileNotFoundError:
            continue
        for path in (folder / entry for entry in entries):
            with contextlib.suppress(FileNotFoundError):
                mode = path.lstat().st_mode
                if stat.S_ISDIR(mode) and not (that_others_reach and not mode & OTHERS):
                    folders.append(path)
                yield path


def test_secrets_are_the_owners_alone(deployment: Deployment, observed: Observed) -> None:
    home = deployment.airflow.home
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {name: stat.S_IMODE((home / name).stat().st_mode) for name in PRIVATE} == dict.fromkeys(PRIVATE, 0o600)
    assert stat.S_IMODE(socket_folder(deployment.settings.var_dir).stat().st_mode) == 0o700


def test_no_one_else_can_write_below_var(deployment: Deployment, observed: Observed) -> None:
    os.umask(umask := os.umask(0o077))
    forbidden = (stat.S_IWGRP | stat.S_IWOTH) & umask  # who lets their group write means it
    writable = []
    for path in files(deployment, that_others_reach=True):
        with contextlib.suppress(FileNotFoundError):
            if not path.is_symlink() and path.lstat().st_mode & forbidden:
                writable.append(path)
    assert writable == []


def test_no_secret_is_in_any_other_file(deployment: Deployment, observed: Observed, secrets: dict[str, bytes]) -> None:
    """Logs, Airflow's database, MLMD, the compiled pipeline, reports, artifacts, releases: byte by byte."""
    home, looked_at, found = deployment.airflow.home, set(), []
    for path in files(deployment):
        if path.is_file() and not path.is_symlink() and path not in [home / name for name in HOLD_SECRETS]:
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            looked_at.add(path.name)
            found += [(str(path), name) for name in within(content, secrets)]
            if "logs" in path.parts and A_TOKEN.search(content):
                found.append((str(path), "a token"))
    assert found == []
    assert {"mlmd.sqlite", "airflow.db", "mnist_tflite.json", "report.html", "scheduler.log", "tflite"} <= looked_at
    assert any(name.startswith("attempt=") for name in looked_at)


def test_no_secret_is_in_a_command_line(observed: Observed, secrets: dict[str, bytes]) -> None:
    assert within("\n".join(observed.commands).encode(), secrets) == []


def test_only_this_machine_can_reach_it_while_a_run_goes_on(observed: Observed) -> None:
    open_to_others = {
        address: who for address, who in observed.listening.items() if not ipaddress.ip_address(address).is_loopback
    }
    assert observed.listening and open_to_others == {}
    # Those that come and go were seen, too.
    assert observed.tasks and any("nightlite.runner.in_tfx.warm.server" in command for command in observed.commands)


def test_no_secret_is_in_what_airflow_answers(
    deployment: Deployment, observed: Observed, secrets: dict[str, bytes]
) -> None:
    run = f"dags/{PIPELINE_NAME}/dagRuns/{quote(observed.run.run_id, safe='')}"
    public = ("config", "variables", "connections", "plugins", "providers", "eventLogs", "jobs", "importErrors")
    answers = {path: deployment.rest.http.get(path) for path in (*public, run, f"{run}/taskInstances", "dags")}
    pages = ("/", "/auth/login", f"/dags/{PIPELINE_NAME}", "/nightlite" + f"/{run}".replace("dagRuns", "runs"))
    answers |= {page: deployment.rest.http.get(deployment.airflow.url + page) for page in (*pages, "/ui/config")}
    report = deployment.airflow.url + pages[-1] + "/report.html"
    answers |= {"report": deployment.rest.http.get(report)}
    for path in ("config", "variables", "connections", "report", "/", f"/dags/{PIPELINE_NAME}", "/ui/config"):
        assert answers[path].status_code == 200, (path, answers[path].text[:200])
    assert {path: names for path, answer in answers.items() if (names := within(answer.content, secrets))} == {}
    assert b"executor" in answers["config"].content  # it does show its configuration, without what is sensitive
