"""The image: what is in it, what is not, and that a change of the code does not install anything again."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nightlite.paths import PROJECT
from tests.compose.deployment import PROJECT_PREFIX, REVISION, Deployment, docker, remove_ended

SIZE = 4 * 10**9
# The one file below pipeline_lib of which the environments are made.
TOOLS = "pipeline_lib/nightlite/runner/tfx_env/requirements-tools.txt"


def layers(image: str) -> list[str]:
    return list(json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image)))


def in_image(image: str, *command: str) -> subprocess.CompletedProcess[str]:
    run = ["docker", "run", "--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none", image, *command]
    return subprocess.run(run, capture_output=True, text=True, check=False)


def only_developing(lock: Path) -> set[str]:
    """Return the packages that a lock holds for pyproject's group "dev" alone, by its comments."""
    why: dict[str, set[str]] = {}
    for line in lock.read_text().splitlines():
        if package := re.match(r"([\w.-]+)==", line):
            reasons = why.setdefault(package[1], set())
        elif reason := re.match(r"    #(?: via| {2}) (\S.*)", line):
            reasons.add(reason[1])
    found, known = set[str](), {"nightlite (pyproject.toml:dev)"}
    while new := {package for package, reasons in why.items() if reasons and reasons <= known} - found:
        found |= new
        known |= new
    return found


@pytest.fixture(scope="module")
def changed(image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the log of building nightlite:test-changed: other code, in a checkout that only its owner may read."""
    tmp_path = tmp_path_factory.mktemp("changed")
    for name in ("dags", "docker", "pipeline_lib", "schema"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [PROJECT / ".dockerignore", PROJECT / "LICENSE", *PROJECT.glob("requirements*.txt")]:
        shutil.copy2(path, tmp_path)
    (tmp_path / "web").mkdir()
    for name in ("package.json", "package-lock.json", ".npmrc", "build.mjs"):
        shutil.copy2(PROJECT / "web" / name, tmp_path / "web")
    with (tmp_path / "pipeline_lib" / "nightlite" / "deployment" / "cli.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    private = ("dags", "docker/airflow", "docker/bin", "pipeline_lib", "schema")
    subprocess.run(["chmod", "-R", "go-rwx", *private], cwd=tmp_path, check=True)
    # A mode is part of what the engine compares, and the other checkout has this one.
    shutil.copymode(PROJECT / TOOLS, tmp_path / TOOLS)
    build = ["docker", "buildx", "build", "--progress", "plain", "-t", "nightlite:test-changed"]
    build += ["-f", str(tmp_path / "docker/Dockerfile"), str(tmp_path)]
    log = subprocess.run(build, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert log.returncode == 0, log.stdout[-5000:]
    return log.stdout


def test_it_has_the_data_that_a_deployment_starts_with(image: str) -> None:
    count = "from models.mnist.data.sources import load_mnist5k; print(len(load_mnist5k().train))"
    done = in_image(image, "/opt/tfx/bin/python", "-c", count)
    assert done.stdout.strip() == "4000", done.stderr


def test_it_has_the_runtime_of_the_pages_that_run_a_model_and_no_npm(image: str) -> None:
    read = (
        "from nightlite.ondevice.try_it.runtime import web_runtime as r; print(len(r().wasm) > 10**6, r().licence[:60])"
    )
    done = in_image(image, "/opt/airflow/bin/python", "-c", read)
    assert done.stdout.split() == ["True", "Apache", "License"], done.stderr
    assert in_image(image, "sh", "-c", "command -v npm node").returncode != 0


def test_it_is_below_four_gigabytes(image: str) -> None:
    assert int(docker("image", "inspect", "--format", "{{.Size}}", image)) < SIZE, docker("history", image)


def test_a_checkout_that_only_its_owner_may_read_makes_an_image_that_runs(changed: str) -> None:
    image = "nightlite:test-changed"
    unreadable = "find /opt/nightlite ! -readable -o -type d ! -executable; ls -l /opt/nightlite/bin/nightlite"
    assert in_image(image, "sh", "-c", unreadable).stdout.split()[0] == "-rwxr-xr-x"
    told = in_image(image, "nightlite", "demo", "--help")
    assert told.returncode == 0 and "nightlite" in told.stdout, told.stderr


def test_a_change_of_the_code_installs_nothing_again(image: str, changed: str) -> None:
    before, after = layers(image), layers("nightlite:test-changed")
    environments = [
        line.split("\t")[1]
        for line in docker("history", "--no-trunc", "--format", "{{.CreatedBy}}\t{{.Size}}", image).splitlines()
        if line.startswith(("COPY /opt/tfx", "COPY /opt/airflow"))
    ]
    assert len(environments) == 2
    same = [ours for ours, theirs in zip(before, after, strict=True) if ours == theirs]
    # The base's layers, the user's, and the two environments'; then comes the code.
    assert before[: len(same)] == same
    assert "COPY pipeline_lib" in changed
    assert before != after
    for step in ("install.sh /opt/tfx", "install.sh /opt/airflow"):
        number = next(line.split()[0] for line in changed.splitlines() if step in line)
        assert f"{number} CACHED" in changed, f"{step} ran again"


def test_it_does_not_run_as_root_and_holds_no_compiler_and_no_cache(image: str) -> None:
    assert in_image(image, "sh", "-c", "id -u; command -v gcc g++ cc uv").stdout.split() == ["10001"]
    # As root, whose home is no one else's to see (its .bashrc is the base's own), with nothing mounted over /tmp.
    caches = (
        '-name .cache -o -path "/cache/*" -o -path "/var/lib/apt/lists/*" -o -path "$(echo ~root)/*" -o -path "/tmp/*"'
    )
    search = f"find / -xdev \\( {caches} \\) ! -name .profile"
    whole = ("run", "--rm", "--network", "none", "--user", "0", image)
    assert [Path(found).name for found in docker(*whole, "sh", "-c", search).split()] == [".bashrc"]


def test_what_only_developing_needs_is_not_in_it(image: str) -> None:
    for python, lock in (("/opt/airflow", "requirements.txt"), ("/opt/tfx", "requirements-tfx.txt")):
        names = only_developing(PROJECT / lock)
        assert {"aiosmtpd", "hypothesis", "mypy", "pytest", "pytest-timeout", "ruff"} <= names
        assert {"packaging", "attrs"}.isdisjoint(names)
        code = "import importlib.metadata as m; print(*(one.name.lower() for one in m.distributions()))"
        installed = set(in_image(image, f"{python}/bin/python", "-c", code).stdout.split())
        assert "packaging" in installed and installed & names == set()
    assert in_image(image, "find", "/opt", "-name", "*.a", "-o", "-name", "tests", "-path", "*/pandas/*").stdout == ""


def test_it_is_labelled_and_the_command_line_finds_both_environments(image: str) -> None:
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", image))
    assert labels["org.opencontainers.image.title"] == "nightlite"
    assert labels["org.opencontainers.image.revision"] == REVISION
    assert in_image(image, "nightlite", "--version").stdout.endswith(f"revision {REVISION}\n")
    for command in ("demo", "ingest"):  # one of each environment
        told = in_image(image, "nightlite", command, "--help")
        assert told.returncode == 0 and "nightlite" in told.stdout, told.stderr


@pytest.mark.parametrize("name", ["mnist", "penguins"])
def test_the_compiled_pipelines_are_in_it(image: str, name: str) -> None:
    compiled = json.loads(in_image(image, "cat", f"/opt/nightlite/compiled/{name}_tflite.json").stdout)
    assert compiled["name"] == f"{name}_tflite"
    assert f"/var/lib/nightlite/{name}/releases" in json.dumps(compiled["ir"])


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


def test_what_killed_tests_left_is_removed(image: str) -> None:
    """The next session's first step; no process has the id 0."""
    name = f"{PROJECT_PREFIX}0"
    labels = ("--label", f"com.docker.compose.project={name}")
    docker("volume", "create", *labels, name)
    docker("create", "--name", name, *labels, "--restart", "always", "--volume", f"{name}:/left", image, "sleep", "9")
    there = (("container", "ls", "--all"), ("volume", "ls"))
    assert all(docker(*kind, "--quiet", "--filter", f"name={name}") for kind in there)
    remove_ended()
    assert not any(docker(*kind, "--quiet", "--filter", f"name={name}") for kind in there)
