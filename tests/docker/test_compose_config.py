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

from nightlite.deployment.setting_check import refuse_unknown_variables
from nightlite.errors import SettingsError
from nightlite.settings_file import read_settings_file

OURS = {"api-server", "scheduler", "dag-processor", "triggerer", "worker", "init"}
MISSPELT = "NIGHTLITE_" + "MIN_ACURACY"
PROJECT = Path(__file__).resolve().parents[2]
Config = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder of one's own, with Compose's files and no others."""
    shutil.copytree(PROJECT / "docker", tmp_path / "docker")
    shutil.copy(PROJECT / "docker-compose.yml", tmp_path)
    return tmp_path


@pytest.fixture
def config(project: Path) -> Config:
    """Return `docker compose config` of these files, with an env file of these lines, and these settings."""
    version = ["docker", "compose", "version"]
    if not shutil.which("docker") or subprocess.run(version, capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: what Compose makes of docker-compose.yml. There is no docker command with Compose")

    def read(
        *files: str, secrets: bool = True, lines: str = "", settings: str = ""
    ) -> subprocess.CompletedProcess[str]:
        (project / ".env").write_text(lines)
        (project / "settings.env").write_text(settings)
        if secrets:
            subprocess.run([sys.executable, "docker/make_env.py"], cwd=project, check=True, capture_output=True)
        chosen = [part for file in ("docker-compose.yml", *files) for part in ("-f", file)]
        profiles = ["--profile", "celery", "--profile", "feed"]
        command = ["docker", "compose", *chosen, *profiles, "config", "--format", "json"]
        # A developer's own variables would go before the env file.
        theirs = ("NIGHTLITE", "AIRFLOW", "COMPOSE", "NO_PROXY")
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


def test_settings_come_from_their_file_and_else_are_not_set(config: Config) -> None:
    for name, service in services(config()).items():
        if "build" in service:
            assert "NIGHTLITE_SIGNING_KEY" not in service["environment"], name
            assert service["environment"]["NIGHTLITE_METADATA_URL"].endswith("@mariadb/mlmd"), name
    lines = "NIGHTLITE_SIGNING_KEY=/keys/signing.pem\nNIGHTLITE_METADATA_URL=mysql://me@db.example.com/mlmd\n"
    lines += "NIGHTLITE_VAR_DIR=/this/host\n"
    for name, service in services(config(settings=lines)).items():
        ours = {key for key in service.get("environment") or {} if key.startswith("NIGHTLITE_")}
        if "build" not in service:
            assert not ours, name
            continue
        assert service["environment"]["NIGHTLITE_SIGNING_KEY"] == "/keys/signing.pem", name
        assert service["environment"]["NIGHTLITE_METADATA_URL"] == "mysql://me@db.example.com/mlmd", name
        assert service["environment"]["NIGHTLITE_VAR_DIR"] == "/var/lib/nightlite", name
        assert (name == "init") == any("PASSWORD" in key for key in ours), name


def test_compose_and_make_up_read_the_same_out_of_the_file(config: Config, project: Path) -> None:
    lines = """NIGHTLITE_MNIST_SCHEDULE="0 2 * * *"
    NIGHTLITE_TIMEZONE=Europe/Berlin # a comment
    export NIGHTLITE_NOTIFY_WEBHOOK='https://example.com/$a#b'
    NIGHTLITE_SIGNING_KEY=
    NIGHTLITE_MNIST_WINDOW = 7
    NIGHTLITE_MNIST_DATASET=a\\b#c
    NIGHTLITE_MNIST_PUSH=even if no better
    NIGHTLITE_NOTIFY_ON="say \\"yes\\"\\nor no"
    """
    found = services(config(settings=lines))["scheduler"]["environment"]
    read: dict[str, str] = {}
    read_settings_file(read, project / "settings.env")
    assert len(read) == 8
    # In what it prints, Compose writes $$ for a $.
    assert {name: str(found[name]).replace("$$", "$") for name in read} == read


def test_behind_tls_every_component_knows_the_address_that_people_use(config: Config, project: Path) -> None:
    found = services(config("docker/compose.tls.yml", lines="NIGHTLITE_DOMAIN=mnist.example.com\n"))
    addresses = {
        name: service["environment"]["AIRFLOW__API__BASE_URL"] for name, service in found.items() if "build" in service
    }
    assert set(addresses) == OURS
    assert set(addresses.values()) == {"https://mnist.example.com"}
    assert [name for name, service in found.items() if service.get("ports")] == ["proxy"]
    # An address that leads nowhere, where phones have none.
    of_feed = {"NIGHTLITE_FEED_DOMAIN": "http://feed.invalid"}
    assert found["proxy"]["environment"] == {"NIGHTLITE_DOMAIN": "mnist.example.com"} | of_feed
    [mounted] = [item for item in found["proxy"]["volumes"] if item["type"] == "bind"]
    caddyfile = project / "docker" / "Caddyfile"
    assert (mounted["source"], mounted["target"]) == (str(caddyfile), "/etc/caddy/Caddyfile")
    # As much as the API server takes itself: body_limit.py.
    assert re.findall(r"request_body \{\s+max_size (\w+)\s", caddyfile.read_text()) == ["1MiB"]


def test_no_proxy_of_dockers_comes_between_the_services(config: Config) -> None:
    own = "api-server,localhost,127.0.0.1"
    for lines, direct in (("NO_PROXY=\n", own), ("NO_PROXY=.corp.example,10.0.0.1\n", f"{own},.corp.example,10.0.0.1")):
        for name, service in services(config(lines=lines)).items():
            if "build" in service:
                assert service["environment"]["NO_PROXY"] == service["environment"]["no_proxy"] == direct, name


def every_line(example: str) -> str:
    return "".join(f"{line}\n" for line in re.findall(r"^#(NIGHTLITE_\w+=.+)$", (PROJECT / example).read_text(), re.M))


def test_init_alone_sees_every_line_of_the_env_file_and_refuses_a_misspelt_one(config: Config) -> None:
    lines = {"lines": every_line(".env.example"), "settings": every_line("settings.env.example")}
    of_init = services(config(**lines))["init"]["environment"]
    assert {"NIGHTLITE_IMAGE", "NIGHTLITE_MNIST_MIN_ACCURACY"} <= of_init.keys()
    refuse_unknown_variables(of_init)
    assert of_init["NIGHTLITE_URL"] == "http://api-server:8080"  # Compose's file goes before
    for file, who in (("lines", {"init"}), ("settings", OURS)):
        found = services(config(**{file: f"{MISSPELT}=0.98\n"}))
        assert {name for name, one in found.items() if MISSPELT in (one.get("environment") or {})} == who
        with pytest.raises(SettingsError, match=r"^Did you mean NIGHTLITE_[A-Z0-9_]+_MIN_ACCURACY\?"):
            refuse_unknown_variables(found["init"]["environment"])
