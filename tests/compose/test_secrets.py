"""No secret is in what a deployment writes or answers: neither the env file's nor those stored in Airflow."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.compose.deployment import Deployment, docker
from tests.names import PIPELINE_NAME

STORED = "a-stored-secret-"
# What the UI's pages on the configuration, on stored secrets and on a run are made of.
ANSWERS = ("config", "variables", "connections", "variables/hook_password", "connections/mail", "eventLogs?limit=100")
ANSWERS += ("plugins", f"dagSources/{PIPELINE_NAME}", f"dags/{PIPELINE_NAME}/details")
TRAINER = "/taskInstances/Trainer.mnist"
OF_RUN = ("", "/taskInstances", TRAINER, f"{TRAINER}/xcomEntries/return_value", f"{TRAINER}/logs/1")


@pytest.fixture
def stored(deployment: Deployment) -> Iterator[dict[str, str]]:
    """Yield secrets that an admin has stored in Airflow, by where they are."""
    connection = {"connection_id": "mail", "conn_type": "smtp", "password": f"{STORED}connection"}
    connection["extra"] = json.dumps({"api_token": f"{STORED}extra"})
    with deployment.login("admin") as rest:
        rest.http.post("connections", json=connection).raise_for_status()
        rest.http.post("variables", json={"key": "hook_password", "value": f"{STORED}variable"}).raise_for_status()
        yield {place: f"{STORED}{place}" for place in ("connection", "extra", "variable")}
        rest.http.delete("connections/mail").raise_for_status()
        rest.http.delete("variables/hook_password").raise_for_status()


def inside(deployment: Deployment, service: str, command: str) -> str:
    return docker("exec", deployment.container(service), "sh", "-c", command)


def in_it(told: str, secrets: dict[str, str]) -> list[str]:
    return [name for name, secret in secrets.items() if secret in told]


def test_no_secret_is_written_down(deployment: Deployment, stored: dict[str, str]) -> None:
    dump = 'MYSQL_PWD="$MARIADB_PASSWORD" exec mariadb-dump -u mlmd --single-transaction --no-tablespaces mlmd'
    written = {
        # Each with words by which it is seen that it is what it is called.
        "init: ": deployment.compose("logs", "--no-color"),
        "Trainer.mnist succeeded": inside(deployment, "scheduler", "find /var/log/airflow -type f -exec cat {} +"),
        "CREATE TABLE `Execution`": inside(deployment, "mariadb", dump),
        "CREATE TABLE public.dag_run": inside(deployment, "postgres", "pg_dump -U airflow airflow"),
    }
    assert [words for words, text in written.items() if words not in text] == []
    secrets = stored | deployment.secrets()
    assert {words: found for words, text in written.items() if (found := in_it(text, secrets))} == {}


@pytest.mark.parametrize("user", ["viewer", "operator"])
def test_no_secret_is_answered(deployment: Deployment, first_run: str, stored: dict[str, str], user: str) -> None:
    run = f"dags/{PIPELINE_NAME}/dagRuns/{quote(first_run, safe='')}"
    secrets = stored | deployment.secrets()
    with deployment.login(user) as rest:
        answers = {path: rest.http.get(path) for path in (*ANSWERS, *(run + part for part in OF_RUN))}
        page = f"{deployment.url}/nightlite/{run.replace('dagRuns', 'runs')}/report.html"
        answers |= {page: rest.http.get(page), "ui": rest.http.get(f"{deployment.url}/ui/config")}
    assert {path: answer.status_code for path, answer in answers.items() if answer.status_code not in (200, 403)} == {}
    assert all(answers[path].status_code == 200 for path in (page, "ui", run)) and first_run in answers[page].text
    assert {path: found for path, answer in answers.items() if (found := in_it(answer.text, secrets))} == {}
    if user == "viewer":
        refused = {path for path, answer in answers.items() if answer.status_code == 403}
        assert {"config", "variables", "connections"} <= refused
