"""docker-compose.yml and its companions by reading: what must hold of every service, on any machine."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from nightlite.ondevice.in_airflow import feed_upload

PROJECT = Path(__file__).resolve().parents[2]
TEXT = (PROJECT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = (PROJECT / ".env.example").read_text()
SETTINGS = {"path": "settings.env", "required": False}
# The image's own, and what Compose's file sets or reads itself: wherever they stand, they change no container.
OF_THE_HOST = {f"NIGHTLITE_{name}" for name in ("VAR_DIR", "TFX_PYTHON", "COMPILED_DIR", "PORT")}
BYTES = {"m": 2**20, "g": 2**30}

every_service = pytest.mark.parametrize("name", SERVICES)


def mebibytes(service: dict[str, Any]) -> float:
    """Return a service's memory limit, as it is unless .env says otherwise."""
    number, unit = re.fullmatch(r"(?:\$\{\w+:-)?(\d+)([mg])\}?", service["mem_limit"]).groups()  # type: ignore[union-attr]
    return int(number) * BYTES[unit] / 2**20


@every_service
def test_it_is_limited_confined_and_its_log_is_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] > 0 and mebibytes(service) > 0
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])
    assert not {"privileged", "cap_add", "pid", "ipc", "devices", "network_mode"} & set(service)


@every_service
def test_it_does_not_run_as_root(name: str) -> None:
    user = SERVICES[name].get("user")
    if name == "feed":  # of our image, too
        assert user == "nightlite"
    if user is None:  # ours: the image says it
        assert "build" in SERVICES[name]
        assert re.findall(r"^USER (\w+)$", (PROJECT / "docker/Dockerfile").read_text(), re.MULTILINE) == ["nightlite"]
    assert user != "root"


@every_service
def test_it_comes_back_and_tells_how_it_is(name: str) -> None:
    service = SERVICES[name]
    if name == "init":
        assert service["restart"] == "no" and service["healthcheck"] == {"disable": True}
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@every_service
def test_it_waits_for_what_it_needs(name: str) -> None:
    needs = SERVICES[name].get("depends_on", {})
    assert all(need["condition"] in ("service_healthy", "service_completed_successfully") for need in needs.values())
    if "build" in SERVICES[name] and name != "init":
        assert needs["init"] == {"condition": "service_completed_successfully"}


def test_only_the_ui_and_the_feed_are_published_and_only_on_loopback() -> None:
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "api-server": ["127.0.0.1:${NIGHTLITE_PORT:-8080}:8080"],
        "feed": ["127.0.0.1:${NIGHTLITE_FEED_PORT:-8081}:8081"],
    }


def test_the_feeds_web_server_is_given_the_feed_alone() -> None:
    feed = SERVICES["feed"]
    assert feed["profiles"] == ["feed"] and feed["volumes"] == ["feed:/var/lib/nightlite/feed:ro"]
    # Nothing else is in its network, and no secret in its environment.
    assert [name for name, service in SERVICES.items() if "phones" in service["networks"]] == ["feed"]
    assert feed["networks"] == ["phones"] and not {"environment", "env_file"} & set(feed)
    # Phones are served whatever the rest of the deployment does.
    assert "depends_on" not in feed


def test_caches_are_told_alike_by_the_web_server_and_by_the_upload_to_a_bucket() -> None:
    told = re.findall(r'add_header Cache-Control "(.*)";', (PROJECT / "docker/feed.nginx.conf").read_text())
    assert set(told) == {feed_upload.FOREVER, feed_upload.SHORTLY, feed_upload.ALWAYS}


def test_the_databases_and_the_queue_are_in_a_network_without_a_way_out() -> None:
    unreachable = {"com.docker.network.bridge.inhibit_ipv4": "true"}
    assert COMPOSE["networks"]["backend"] == {"internal": True, "driver_opts": unreachable}
    for name in ("postgres", "mariadb", "redis"):
        assert SERVICES[name]["networks"] == ["backend"]


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "build" in service])
def test_what_tells_people_has_a_way_out_and_is_told_whom(name: str) -> None:
    """The last task of a run, the triggerer, the DAG processor: by the one network that is not internal."""
    assert "default" in SERVICES[name]["networks"] and not (COMPOSE["networks"]["default"] or {}).get("internal")
    assert SETTINGS in SERVICES[name]["env_file"]


def test_what_runs_by_default_fits_eight_gibibytes() -> None:
    default = [service for name, service in SERVICES.items() if "profiles" not in service and name != "init"]
    assert sum(map(mebibytes, default)) <= 8 * 1024


def test_two_workers_need_what_the_docs_say_and_fit_eight_gibibytes_as_the_example_sets_them() -> None:
    limits = {name: mebibytes(service) for name, service in SERVICES.items() if name != "init"}
    limits["worker"] *= 2
    page = (PROJECT / "docs/containers.md").read_text()
    assert f"With two, the memory limits come to {sum(limits.values()) / 1024:.2f} GiB" in page, limits
    limits["scheduler"] = int(re.findall(r"NIGHTLITE_SCHEDULER_MEMORY=(\d+)m is enough", EXAMPLE)[0])
    assert sum(limits.values()) <= 8 * 1024, limits
    assert f"NIGHTLITE_SCHEDULER_MEMORY={limits['scheduler']}m`" in page


def test_the_image_that_people_are_told_to_build_is_labelled_with_its_revision() -> None:
    page = (PROJECT / "docs/containers.md").read_text()
    assert "make env image " in page and "`make image && docker compose down && docker compose up -d`" in page
    assert "docker compose build init" not in page
    made = subprocess.run(
        ["make", "--no-print-directory", "-n", "image"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    assert re.match(r"REVISION=\$\(git describe .*\) docker compose build init$", made), made


def test_every_state_has_a_named_volume() -> None:
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert mounted == set(COMPOSE["volumes"])
    assert not any(name.startswith(("/", ".")) for name in mounted)


def test_there_is_one_anchor_for_airflow_and_no_default_for_a_secret() -> None:
    assert [key for key in COMPOSE if key.startswith("x-")] == ["x-airflow"]
    secrets = set(re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|KEY)\w*)", TEXT))
    assert len(secrets) == 9
    for name in secrets:
        assert re.search(rf"\$\{{{name}:\?run 'make env'", TEXT), name
        assert f"${{{name}:-" not in TEXT


def test_the_secrets_are_those_that_make_env_writes() -> None:
    written = re.findall(r'^    "(\w+)":', (PROJECT / "docker/make_env.py").read_text(), re.MULTILINE)
    assert set(written) == set(re.findall(r"\$\{(\w+):\?", TEXT))


@pytest.mark.parametrize("example", [".env.example", "settings.env.example"])
def test_a_copy_of_an_example_changes_nothing(example: str) -> None:
    lines = (PROJECT / example).read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_the_example_of_env_lists_every_variable_and_no_other() -> None:
    # Compose's own, and compose.tls.yml's.
    files = {"COMPOSE_PROFILES", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "NIGHTLITE_DOMAIN", "NIGHTLITE_FEED_DOMAIN"}
    assert set(re.findall(r"^#(\w+)=", EXAMPLE, re.MULTILINE)) == set(re.findall(r"\$\{(\w+)", TEXT)) | files


def test_every_setting_reaches_every_container_of_ours_by_the_file() -> None:
    listed = set(re.findall(r"^#(NIGHTLITE_\w+)=", (PROJECT / "settings.env.example").read_text(), re.MULTILINE))
    assert len(listed) > 40 and listed > OF_THE_HOST
    for name, service in SERVICES.items():
        if "build" in service:
            assert service["env_file"][-1] == SETTINGS, name
            # Else a line of the file would do nothing.
            assert (listed - OF_THE_HOST).isdisjoint(service["environment"]), name
            users = {key for key in service["environment"] if re.fullmatch(r"NIGHTLITE_[A-Z]+_PASSWORD", key)}
            assert len(users) == (3 if name == "init" else 0), name


def test_no_file_needs_a_registry_for_its_syntax() -> None:
    assert "# syntax" not in (PROJECT / "docker/Dockerfile").read_text()


def test_the_ignored_context_lets_only_the_images_parts_in() -> None:
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    assert "*" in lines and not any(line.startswith(("!.env", "!tests", "!var")) for line in lines)
