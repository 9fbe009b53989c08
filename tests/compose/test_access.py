"""The users' permissions, what is reachable, and the user as whom everything runs."""

import json
import re
import subprocess
import sys
from typing import Any

import httpx
import pytest

from nightlite.errors import RunRefusedError, StackError
from tests.compose.deployment import Deployment, Run, docker, wait_for
from tests.names import PIPELINE_NAME

RUNS = f"/api/v2/dags/{PIPELINE_NAME}/dagRuns"
SECONDS = 60  # for an answer, on a busy host


def inspected(deployment: Deployment) -> dict[str, Any]:
    """Return what Docker says of each service's first container."""
    found = json.loads(docker("inspect", *deployment.containers()))
    return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}


def test_the_viewer_sees_everything_and_may_trigger_nothing(deployment: Deployment) -> None:
    with deployment.login("viewer") as rest:
        wait_for("the DAG", lambda: rest.dag(PIPELINE_NAME), seconds=120)
        with pytest.raises(StackError, match=r"\(403\)"):
            rest.trigger(PIPELINE_NAME)
        with pytest.raises(StackError, match=r"\(403\)"):
            rest.unpause(PIPELINE_NAME)


def test_the_operator_may_trigger_and_is_refused_what_the_admin_may(deployment: Deployment) -> None:
    with deployment.login("operator") as rest, pytest.raises(RunRefusedError, match=r"epochs: expected an integer"):
        # Refused for its value, so let in: 403 would come first.
        wait_for("the DAG", lambda: rest.dag(PIPELINE_NAME), seconds=120)
        Run.trigger(rest, epochs=0)
    users = f"{deployment.url}/auth/fab/v1/users"
    for user, status in (("operator", 403), ("admin", 200)):
        token = httpx.post(
            f"{deployment.url}/auth/token",
            json={"username": user, "password": deployment.secret(f"NIGHTLITE_{user.upper()}_PASSWORD")},
            timeout=SECONDS,
        ).json()["access_token"]
        answer = httpx.get(users, headers={"Authorization": f"Bearer {token}"}, timeout=SECONDS)
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 401), ({"Authorization": "Bearer nonsense"}, 403)], ids=["no token", "a wrong one"]
)
def test_without_a_token_nothing_is_told(deployment: Deployment, headers: dict[str, str], status: int) -> None:
    trigger = httpx.post(deployment.url + RUNS, json={"logical_date": None}, headers=headers, timeout=SECONDS)
    assert trigger.status_code == status
    assert httpx.get(f"{deployment.url}/api/v2/dags", headers=headers, timeout=SECONDS).status_code == status


def log_in_by_form(deployment: Deployment, user: str, password: str) -> httpx.Response:
    """Return what the form in the browser is answered; a browser names its page's origin with each POST."""
    with httpx.Client(base_url=deployment.url, timeout=SECONDS, headers={"Origin": deployment.url}) as browser:
        page = browser.get("/auth/login/").raise_for_status().text
        [csrf] = re.findall(r'name="csrf_token"[^>]* value="([^"]+)"', page)
        form = {"username": user, "password": password, "csrf_token": csrf}
        return browser.post("/auth/login/", data=form)


def test_a_dozen_people_log_in_one_after_the_other_from_one_address(deployment: Deployment) -> None:
    """By FAB's default, the sixth within 40 seconds is answered 429: on a host, all come from the bridge's address."""
    password = deployment.secret("NIGHTLITE_VIEWER_PASSWORD")
    answers = [log_in_by_form(deployment, "viewer", password) for _ in range(12)]
    assert {answer.status_code for answer in answers} == {302}
    assert all("_token" in answer.cookies for answer in answers)
    assert "_token" not in log_in_by_form(deployment, "viewer", "wrong").cookies


def test_only_the_ui_is_published_and_only_on_loopback(deployment: Deployment) -> None:
    published = {
        service: [binding for bindings in one["NetworkSettings"]["Ports"].values() for binding in bindings or []]
        for service, one in inspected(deployment).items()
    }
    assert published.pop("api-server") == [{"HostIp": "127.0.0.1", "HostPort": str(deployment.port)}]
    assert {service for service, bindings in published.items() if bindings} == set()


def test_the_databases_have_no_way_out_and_none_in(deployment: Deployment) -> None:
    containers = inspected(deployment)
    backend = f"{deployment.project}_backend"
    for service in ("postgres", "mariadb"):
        assert list(containers[service]["NetworkSettings"]["Networks"]) == [backend]
    assert json.loads(docker("network", "inspect", backend))[0]["Internal"] is True


def processes(container: str) -> list[dict[str, str]]:
    """Return /proc's `status` of each process in a container.

    Without what Docker itself has in it, as root and for some milliseconds, before each health check. Others may end
    between being listed and being read.
    """
    said = docker("exec", container, "sh", "-c", "cat /proc/[0-9]*/status 2>/dev/null || true")
    found = [
        {name: value.strip() for name, _, value in (line.partition(":") for line in status.splitlines())}
        for status in f"\n{said}".split("\nName:")[1:]
        if not status.strip().startswith("runc:[")
    ]
    assert "1" in {one.get("Pid") for one in found}, said
    return found


# What a client says first, if anything, and by which answer the server is known: whatever else takes connections on the
# way out of this host (a proxy, say) does not answer like that.
SPOKEN = {
    5432: (b"\0\0\0\x08\x04\xd2\x16\x2f", b"SN"),
    3306: (b"", b"MariaDB"),
    6379: (b"PING\r\n", b"-NOAUTH"),
}
ASK = """
import socket, sys
address, port, said, expected = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3]), bytes.fromhex(sys.argv[4])
try:
    with socket.create_connection((address, port), timeout=5) as connection:
        connection.sendall(said)
        answer = connection.recv(4096)
except OSError as error:
    answer = str(error).encode()
print("answered" if expected in answer or len(answer) == 1 and answer in expected else answer)
"""


def test_no_process_of_the_host_can_connect_to_the_databases(deployment: Deployment) -> None:
    addresses = {
        network["IPAddress"]
        for one in inspected(deployment).values()
        for network in one["NetworkSettings"]["Networks"].values()
        if network["IPAddress"]
    }
    assert len(addresses) > 6
    inside = ["docker", "exec", deployment.container("api-server"), "python"]
    answered = {"inside": set[str](), "host": set[str]()}
    for address in addresses:
        for port, (said, expected) in SPOKEN.items():
            question = ["-c", ASK, address, str(port), said.hex(), expected.hex()]
            for where, python in (("inside", inside), ("host", [sys.executable])):
                told = subprocess.run([*python, *question], capture_output=True, text=True, check=True).stdout
                if told.strip() == "answered":
                    answered[where].add(f"{address}:{port}")
    assert answered["host"] == set()
    # The same questions are answered where they may be asked.
    assert {address.split(":")[1] for address in answered["inside"]} == {"5432", "3306"}


def test_every_service_is_healthy_and_unprivileged(deployment: Deployment) -> None:
    containers = inspected(deployment)
    assert {"postgres", "mariadb", "init", "api-server", "scheduler", "dag-processor", "triggerer"} <= set(containers)
    assert containers.pop("init")["State"]["ExitCode"] == 0
    for service, one in containers.items():
        assert one["State"]["Health"]["Status"] == "healthy", service
        running = processes(one["Id"])
        assert "0" not in {uid for process in running for uid in process["Uid"].split()}, service
        assert {process["CapEff"] for process in running} == {"0000000000000000"}, service
        assert one["HostConfig"]["ReadonlyRootfs"] is True, service
        assert one["HostConfig"]["Memory"] > 0, service


def test_compose_finds_nothing_to_complain_about(deployment: Deployment) -> None:
    assert deployment.compose("config", "-q") == ""
    assert deployment.compose("--profile", "celery", "config", "-q") == ""
