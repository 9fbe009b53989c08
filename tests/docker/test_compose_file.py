"""docker-compose.yml and its companions by reading: what must hold of every service, on any machine."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline_lib.notice_settings import NoticeSettings
from pipeline_lib.run_params import RunParams
from pipeline_lib.settings import RunDefaults, Settings

PROJECT = Path(__file__).resolve().parents[2]
TEXT = (PROJECT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = (PROJECT / ".env.example").read_text()
BYTES = {"m": 2**20, "g": 2**30}

every_service = pytest.mark.parametrize("name", SERVICES)


def mebibytes(service: dict[str, Any]) -> float:
    """A service's memory limit, as it is unless .env says otherwise."""
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
    if user is None:  # ours: the image says it
        assert "build" in SERVICES[name]
        assert re.findall(r"^USER (\w+)$", (PROJECT / "docker/Dockerfile").read_text(), re.MULTILINE) == ["mnist"]
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


def test_only_the_ui_is_published_and_only_on_loopback() -> None:
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "api-server": ["127.0.0.1:${MNIST_LITE_PORT:-8080}:8080"]
    }


def test_the_databases_and_the_queue_are_in_a_network_without_a_way_out() -> None:
    unreachable = {"com.docker.network.bridge.inhibit_ipv4": "true"}
    assert COMPOSE["networks"]["backend"] == {"internal": True, "driver_opts": unreachable}
    for name in ("postgres", "mariadb", "redis"):
        assert SERVICES[name]["networks"] == ["backend"]


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "build" in service])
def test_what_tells_people_has_a_way_out_and_is_told_whom(name: str) -> None:
    """The last task of a run, the triggerer, the DAG processor: by the one network that is not internal."""
    assert "default" in SERVICES[name]["networks"] and not (COMPOSE["networks"]["default"] or {}).get("internal")
    told = {f"MNIST_LITE_NOTIFY_{field.upper()}" for field in NoticeSettings.model_fields}
    assert told <= set(SERVICES[name]["environment"])


def test_what_runs_by_default_fits_eight_gibibytes() -> None:
    default = [service for name, service in SERVICES.items() if "profiles" not in service and name != "init"]
    assert sum(map(mebibytes, default)) <= 8 * 1024


def test_two_workers_need_what_the_readme_says_and_fit_eight_gibibytes_as_the_example_sets_them() -> None:
    limits = {name: mebibytes(service) for name, service in SERVICES.items() if name != "init"}
    limits["worker"] *= 2
    readme = (PROJECT / "README.md").read_text()
    assert f"With two, the memory limits come to {sum(limits.values()) / 1024:.2f} GiB" in readme, limits
    limits["scheduler"] = int(re.findall(r"MNIST_LITE_SCHEDULER_MEMORY=(\d+)m is enough", EXAMPLE)[0])
    assert sum(limits.values()) <= 8 * 1024, limits
    assert f"MNIST_LITE_SCHEDULER_MEMORY={limits['scheduler']}m`" in readme


def test_the_image_that_people_are_told_to_build_is_labelled_with_its_revision() -> None:
    readme = (PROJECT / "README.md").read_text()
    assert "make env image " in readme and "`make image && docker compose down && docker compose up -d`" in readme
    assert "docker compose build init" not in readme
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


def test_the_example_lists_every_variable_and_no_other() -> None:
    """With its default beside it, all commented out: a copy of it changes nothing."""
    passed_on = {name for name, value in SERVICES["scheduler"]["environment"].items() if value is None}
    read = set(re.findall(r"\$\{(\w+)", TEXT)) | passed_on
    # Compose's own, and compose.tls.yml's.
    files = {"COMPOSE_PROFILES", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "MNIST_LITE_DOMAIN"}
    assert set(re.findall(r"^#(\w+)=", EXAMPLE, re.MULTILINE)) == read | files
    assert [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")] == []


# What the image knows of itself, what Compose's file sets, and the port of an Airflow that is not in containers.
OF_THE_IMAGE = {"var_dir", "tfx_python", "airflow_python", "compiled_pipeline", "code_revision"}
SET = {"metadata_url"}
LOCAL = {"port"}


def test_every_setting_that_makes_sense_there_reaches_every_container_of_ours() -> None:
    settable = {f"MNIST_LITE_{name.upper()}" for name in Settings.model_fields.keys() - OF_THE_IMAGE - SET - LOCAL}
    for name, service in SERVICES.items():
        if "build" in service:
            passed_on = {variable for variable, value in service["environment"].items() if value is None}
            assert settable - passed_on == set(), name
            assert {f"MNIST_LITE_{field.upper()}" for field in SET} <= service["environment"].keys()
            assert {f"MNIST_LITE_{field.upper()}" for field in OF_THE_IMAGE | LOCAL}.isdisjoint(service["environment"])


def test_the_examples_defaults_are_the_codes() -> None:
    shown = dict(re.findall(r'^#MNIST_LITE_(\w+)="?([^"\n]*)"?$', EXAMPLE, re.MULTILINE))
    fields = {**Settings.model_fields, **RunParams.model_fields}
    for name, field in NoticeSettings.model_fields.items():
        default = ",".join(field.default) if isinstance(field.default, tuple) else str(field.default or "")
        assert shown[f"NOTIFY_{name.upper()}"] == default.removesuffix(".0"), name
    both = {name: field.default for name, field in fields.items() if name.upper() in shown.keys() - {"METADATA_URL"}}
    paths = {name: str(path.relative_to(PROJECT)) for name, path in both.items() if isinstance(path, Path)}
    both |= {name: "" for name, default in both.items() if default is None} | paths
    assert {"schedule", "timezone", "dataset", "min_accuracy", "keep_runs_days", "epochs"} <= set(both)
    assert {name: shown[name.upper()] for name in both} == {name: str(default) for name, default in both.items()}


def test_every_run_parameter_that_has_a_variable_can_be_set() -> None:
    names = {f"MNIST_LITE_{name.upper()}" for name in RunDefaults.model_fields}
    assert len(names) > 20 and names <= set(SERVICES["scheduler"]["environment"])


def test_no_file_needs_a_registry_for_its_syntax() -> None:
    assert "# syntax" not in (PROJECT / "docker/Dockerfile").read_text()


def test_the_ignored_context_lets_only_the_images_parts_in() -> None:
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    assert "*" in lines and not any(line.startswith(("!.env", "!tests", "!var")) for line in lines)
