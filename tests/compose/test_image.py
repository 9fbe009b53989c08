"""The image: what is in it, what is not, and that a change of the code does not install anything again."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline_lib.places import PROJECT
from tests.compose.deployment import Deployment, docker

SIZE = 4 * 10**9


def layers(image: str) -> list[str]:
    return list(json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image)))


def in_image(image: str, *command: str) -> subprocess.CompletedProcess[str]:
    run = ["docker", "run", "--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none", image, *command]
    return subprocess.run(run, capture_output=True, text=True, check=False)


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """The build context with one line more in the code."""
    for name in ("dags", "docker", "pipeline_lib", "schema"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [PROJECT / ".dockerignore", *PROJECT.glob("requirements*.txt")]:
        shutil.copy2(path, tmp_path)
    with (tmp_path / "pipeline_lib" / "cli.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    return tmp_path


def test_it_is_below_four_gigabytes(image: str) -> None:
    assert int(docker("image", "inspect", "--format", "{{.Size}}", image)) < SIZE, docker("history", image)


def test_a_change_of_the_code_installs_nothing_again(image: str, changed: Path) -> None:
    build = [
        "docker",
        "buildx",
        "build",
        "--progress",
        "plain",
        "-t",
        "mnist-lite:test-changed",
        "-f",
        str(changed / "docker/Dockerfile"),
        str(changed),
    ]
    log = subprocess.run(build, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert log.returncode == 0, log.stdout[-5000:]
    before, after = layers(image), layers("mnist-lite:test-changed")
    environments = [
        line.split("\t")[1]
        for line in docker("history", "--no-trunc", "--format", "{{.CreatedBy}}\t{{.Size}}", image).splitlines()
        if line.startswith(("COPY /opt/tfx", "COPY /opt/airflow"))
    ]
    assert len(environments) == 2
    same = [ours for ours, theirs in zip(before, after, strict=True) if ours == theirs]
    # The base's layers, the user's, and the two environments'; then comes the code.
    assert before[: len(same)] == same
    assert "COPY pipeline_lib" in log.stdout
    assert before != after
    for step in ("install.sh /opt/tfx", "install.sh /opt/airflow"):
        number = next(line.split()[0] for line in log.stdout.splitlines() if step in line)
        assert f"{number} CACHED" in log.stdout, f"{step} ran again"


def test_it_does_not_run_as_root_and_holds_no_compiler_and_no_cache(image: str) -> None:
    script = (
        'id -u; command -v gcc g++ cc uv; find / -xdev \\( -name .cache -o -path "/var/lib/apt/lists/*" \\) 2>/dev/null'
    )
    assert in_image(image, "sh", "-c", script).stdout.split() == ["10001"]


def test_what_only_developing_needs_is_not_in_it(image: str) -> None:
    for python in ("/opt/airflow/bin/python", "/opt/tfx/bin/python"):
        names = "mypy", "pytest", "ruff", "pytest_timeout"
        code = f"import importlib.util as u; print([name for name in {names} if u.find_spec(name)])"
        assert in_image(image, python, "-c", code).stdout.strip() == "[]"
    assert in_image(image, "find", "/opt", "-name", "*.a", "-o", "-name", "tests", "-path", "*/pandas/*").stdout == ""


def test_it_is_labelled_and_the_command_line_finds_both_environments(image: str) -> None:
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", image))
    assert labels["org.opencontainers.image.title"] == "mnist-lite"
    for command in ("demo", "ingest"):  # one of each environment
        told = in_image(image, "mnist-lite", command, "--help")
        assert told.returncode == 0 and "mnist-lite" in told.stdout, told.stderr


def test_the_compiled_pipeline_is_in_it(image: str) -> None:
    compiled = json.loads(in_image(image, "cat", "/opt/mnist-lite/compiled/mnist_tflite.json").stdout)
    assert compiled["name"] == "mnist_tflite"
    assert "/var/lib/mnist-lite/pushed/mnist_lite" in json.dumps(compiled["ir"])


def test_no_secret_is_in_its_history_and_its_files(first_build: tuple[Deployment, str]) -> None:
    deployment, log = first_build
    told = log + docker("history", "--no-trunc", deployment.image) + docker("image", "inspect", deployment.image)
    assert [name for name, secret in deployment.secrets().items() if secret in told] == []
    # The environments are made from the locks alone; what else is in the image could be the build context's.
    places = "-path '/opt/tfx/*' -o -path '/opt/airflow/*' -o -path /tmp/sought"
    search = f"cat >/tmp/sought; find / -xdev -type f -not \\( {places} \\) -exec grep -lFf /tmp/sought {{}} + || true"
    command = ["docker", "run", "--rm", "-i", "--network", "none", "--user", "0", deployment.image, "sh", "-c", search]
    for sought, there in ((deployment.secrets().values(), False), (["class AirflowDagRunner"], True)):
        found = subprocess.run(command, input="\n".join(sought), capture_output=True, text=True, check=True).stdout
        assert bool(found) is there, found
