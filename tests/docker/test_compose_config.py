"""docker-compose.yml as Compose reads it, with its companions: needs the docker command, and no engine."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_lib.errors import SettingsError
from pipeline_lib.setting_check import refuse_unknown_variables

MISSPELT = "MNIST_LITE_" + "MIN_ACURACY"
PROJECT = Path(__file__).resolve().parents[2]
Config = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """`docker compose config` of these files, with an env file of these lines."""
    version = ["docker", "compose", "version"]
    if not shutil.which("docker") or subprocess.run(version, capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: what Compose makes of docker-compose.yml. There is no docker command with Compose")

    def read(
        *files: str, secrets: bool = True, lines: str = "", project: Path = PROJECT
    ) -> subprocess.CompletedProcess[str]:
        env_file = (tmp_path if project == PROJECT else project) / ".env"
        env_file.write_text(lines)
        if secrets:
            subprocess.run([sys.executable, PROJECT / "docker/make_env.py", env_file], check=True, capture_output=True)
        chosen = [part for file in ("docker-compose.yml", *files) for part in ("-f", file)]
        command = [
            "docker",
            "compose",
            *chosen,
            "--env-file",
            env_file,
            "--profile",
            "celery",
            "config",
            "--format",
            "json",
        ]
        # A developer's own variables would go before the env file.
        theirs = ("MNIST_LITE", "AIRFLOW", "COMPOSE", "NO_PROXY")
        env = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
        return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)

    return read


def services(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout)["services"])


def test_without_secrets_it_is_refused_with_what_to_run(config: Config) -> None:
    done = config(secrets=False)
    assert done.returncode != 0
    assert "is missing a value: run 'make env', which writes it to .env" in done.stderr


def test_settings_come_from_the_env_file_and_else_are_not_set(config: Config) -> None:
    for name, service in services(config()).items():
        if "build" in service:
            assert service["environment"]["MNIST_LITE_SIGNING_KEY"] is None, name
            assert service["environment"]["MNIST_LITE_METADATA_URL"].endswith("@mariadb/mlmd"), name
    lines = "MNIST_LITE_SIGNING_KEY=/keys/signing.pem\nMNIST_LITE_METADATA_URL=mysql://me@db.example.com/mlmd\n"
    for name, service in services(config(lines=lines)).items():
        if "build" in service:
            assert service["environment"]["MNIST_LITE_SIGNING_KEY"] == "/keys/signing.pem", name
            assert service["environment"]["MNIST_LITE_METADATA_URL"] == "mysql://me@db.example.com/mlmd", name


def test_behind_tls_every_component_knows_the_address_that_people_use(config: Config) -> None:
    found = services(config("docker/compose.tls.yml", lines="MNIST_LITE_DOMAIN=mnist.example.com\n"))
    addresses = {
        name: service["environment"]["AIRFLOW__API__BASE_URL"] for name, service in found.items() if "build" in service
    }
    assert {"api-server", "scheduler", "dag-processor", "triggerer", "worker", "init"} == set(addresses)
    assert set(addresses.values()) == {"https://mnist.example.com"}
    assert [name for name, service in found.items() if service.get("ports")] == ["proxy"]
    assert found["proxy"]["environment"] == {"MNIST_LITE_DOMAIN": "mnist.example.com"}
    [mounted] = [item for item in found["proxy"]["volumes"] if item["type"] == "bind"]
    caddyfile = PROJECT / "docker" / "Caddyfile"
    assert (mounted["source"], mounted["target"]) == (str(caddyfile), "/etc/caddy/Caddyfile")
    # As much as the API server takes itself: body_limit.py.
    assert re.findall(r"request_body \{\s+max_size (\w+)\s", caddyfile.read_text()) == ["1MiB"]


def test_no_proxy_of_dockers_comes_between_the_services(config: Config) -> None:
    own = "api-server,localhost,127.0.0.1"
    for lines, direct in (("NO_PROXY=\n", own), ("NO_PROXY=.corp.example,10.0.0.1\n", f"{own},.corp.example,10.0.0.1")):
        for name, service in services(config(lines=lines)).items():
            if "build" in service:
                assert service["environment"]["NO_PROXY"] == service["environment"]["no_proxy"] == direct, name


def test_init_alone_sees_every_line_of_the_env_file_and_refuses_a_misspelt_one(config: Config, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(PROJECT / "docker-compose.yml", project)
    example = (PROJECT / ".env.example").read_text()
    every_line = "".join(f"{line}\n" for line in re.findall(r"^#(MNIST_LITE_\w+=.+)$", example, re.MULTILINE))
    of_init = services(config(project=project, lines=every_line))["init"]["environment"]
    assert "MNIST_LITE_IMAGE" in of_init
    refuse_unknown_variables(of_init)
    assert of_init["MNIST_LITE_URL"] == "http://api-server:8080"  # Compose's file goes before
    for name, service in services(config(project=project, lines=f"{MISSPELT}=0.98\n")).items():
        assert (MISSPELT in (service.get("environment") or {})) == (name == "init"), name
        if name == "init":
            with pytest.raises(SettingsError, match=r"^Did you mean MNIST_LITE_MIN_ACCURACY\?"):
                refuse_unknown_variables(service["environment"])
