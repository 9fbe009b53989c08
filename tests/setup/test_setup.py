"""`make setup`: what it refuses before anything is made, and that it finishes what an interruption left."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest


def refusal(done, project: Path) -> str:
    """Return the one sentence of a set-up that refused, having made nothing."""
    assert done.returncode != 0
    assert not list(project.glob(".venvs/*/"))
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("setup: ")
    return lines[0]


@pytest.mark.parametrize(("system", "machine"), [("Linux", "aarch64"), ("Darwin", "x86_64"), ("FreeBSD", "amd64")])
def test_refuses_another_platform(host, system, machine):
    host.command("uname", f'[ "$1" = -s ] && echo {system} || echo {machine}')
    done = host.setup()
    assert done.returncode == 3
    assert f"Received: {system} on {machine}." in refusal(done, host.project)


def test_refuses_pythons_that_are_too_old_and_names_them(host):
    host.command("python3", 'case "$2" in *python_version*) echo 3.9.2 ;; *) exit 1 ;; esac')
    done = host.setup()
    assert done.returncode == 3
    assert "Received: python3 3.9.2." in refusal(done, host.project)


def test_passes_over_a_python_that_does_not_run(host):
    host.command("python3", "echo 'pyenv: python3: command not found' >&2; exit 127")
    host.command("python3.12", f'exec {sys.executable} "$@"')
    assert host.setup().returncode == 0


def test_finds_a_python_of_pyenv(host):
    versions = host.project.parent / "pyenv" / "versions" / "3.12.1" / "bin"
    versions.mkdir(parents=True)
    (host.bin / "python3").rename(versions / "python3")
    assert host.setup(PYENV_ROOT=str(host.project.parent / "pyenv")).returncode == 0


def test_refuses_a_disk_that_would_be_filled(host, tmp_path):
    nearly_full = "import collections, shutil\nUsage = collections.namedtuple('Usage', 'total used free')\n"
    (tmp_path / "sitecustomize.py").write_text(
        f"{nearly_full}shutil.disk_usage = lambda path: Usage(9e9, 8e9, 1.2e9)\n"
    )
    sentence = refusal(host.setup(PYTHONPATH=str(tmp_path)), host.project)
    assert "expected 6 GB free" in sentence
    assert "Received: 1.2 GB." in sentence


def test_without_network_it_says_what_to_do_after_uvs_reason_and_leaves_no_stamp(host):
    done = host.setup(UV_SYNC="echo 'error: dns error' >&2; exit 2")
    *_, reason, said = done.stderr.splitlines()
    assert (done.returncode, reason) == (1, "error: dns error")
    assert said.startswith("setup: uv cannot install requirements.txt: the reason is above. Run make setup again")
    assert not list(host.project.glob(".venvs/*/setup.stamp"))


def test_refuses_without_a_compiler(host):
    (host.bin / "g++").unlink()
    assert "expected a C++ compiler" in refusal(host.setup(), host.project)


@pytest.mark.parametrize("uv", ["no uv", "uv 0.8.24", "uv 1.0.0"])
def test_without_a_fitting_uv_asks_pip_for_one_and_says_when_it_cannot(host, uv):
    (host.bin / "uv").unlink() if uv == "no uv" else host.command("uv", f"echo {uv}; [ $1 = --version ]")
    done = host.setup(PIP_NO_INDEX="1", PIP_CONFIG_FILE="/dev/null")
    assert done.returncode == 1
    assert "No matching distribution" in done.stderr
    assert "uv cannot be fetched from PyPI: the reason is above" in done.stderr.splitlines()[-1]
    assert not list(host.project.glob(".venvs/*/setup.stamp"))


@pytest.mark.parametrize(("getconf", "os_release", "said"), [
    ("echo glibc 2.35", "ID=ubuntu\nID_LIKE=debian", "Received: glibc 2.35. A newer one can be added only on Debian."),
    ("exit 1", "ID=alpine", "Received: a C library that is not glibc."),
])  # fmt: skip
def test_refuses_a_c_library_that_it_cannot_help(host, tmp_path, getconf, os_release, said):
    host.command("getconf", getconf)
    (tmp_path / "os-release").write_text(os_release)
    done = host.setup()
    assert done.returncode == 3
    sentence = refusal(done, host.project)
    assert said in sentence
    assert "Docker compose" in sentence


def test_makes_both_environments_and_then_has_nothing_to_do(host):
    assert host.setup().returncode == 0
    stamps = {path: path.stat().st_mtime_ns for path in host.project.glob(".venvs/*/setup.stamp")}
    assert {path.parent.name for path in stamps} == {"airflow", "tfx"}
    calls = host.uv_calls()
    again = host.setup()
    assert again.returncode == 0
    assert "up to date" in again.stderr
    assert host.uv_calls() == calls
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


@pytest.mark.parametrize("step", ["/.venvs/tfx", "pip sync --require-hashes", "--editable"])
def test_finishes_what_was_killed_half_way(host, step):
    assert host.setup(UV_KILLS_SETUP_AT=step).returncode == -signal.SIGKILL
    finished = {path.parent.name for path in host.project.glob(".venvs/*/setup.stamp")}
    before = len(host.uv_calls())
    assert host.setup().returncode == 0
    made = [call.rsplit("/", 1)[1] for call in host.uv_calls()[before:] if call.startswith("venv")]
    assert set(made) == {"airflow", "tfx"} - finished
    assert {path.parent.name for path in host.project.glob(".venvs/*/setup.stamp")} == {"airflow", "tfx"}


def test_a_changed_lock_updates_its_environment_in_place(host):
    host.setup()
    before = len(host.uv_calls())
    with (host.project / "requirements-tfx.txt").open("a") as lock:
        lock.write("# changed\n")
    assert host.setup().returncode == 0
    calls = host.uv_calls()[before:]
    assert not [call for call in calls if call.startswith("venv")]
    assert [call.rsplit("/", 1)[1] for call in calls if "sync" in call] == ["requirements-tfx.txt"]


def test_makes_environments_afresh_where_the_checkout_was_moved(host):
    host.setup()
    moved = type(host)(host.bin, host.project.rename(host.project.with_name("moved")))
    before = len(moved.uv_calls())
    assert moved.setup().returncode == 0
    assert len([call for call in moved.uv_calls()[before:] if call.startswith("venv")]) == 2


def test_two_at_once_do_the_work_once(host):
    host_environment = host.environment(UV_SYNC="sleep 0.5")
    command = [host.project / "setup" / "setup.sh"]
    both = [
        subprocess.Popen(command, env=host_environment, cwd=host.project, stderr=subprocess.DEVNULL) for _ in range(2)
    ]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert len(host.uv_calls("sync")) == 2
