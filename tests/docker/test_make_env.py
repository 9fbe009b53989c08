"""The secrets' file: private, complete, and never changed where it says something already."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from dotenv import dotenv_values

PROJECT = Path(__file__).resolve().parents[2]
SCRIPT = PROJECT / "docker" / "make_env.py"
spec = importlib.util.spec_from_file_location("make_env", SCRIPT)
assert spec and spec.loader
make_env = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_env)


def run(path: Path, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
    # -I: as a host's bare python3 runs it.
    command = [sys.executable, "-I", SCRIPT, path]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=lambda: os.umask(umask))


def test_it_is_private_from_its_first_moment_and_has_every_secret(tmp_path: Path) -> None:
    done = run(tmp_path / ".env", umask=0)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    values = dotenv_values(tmp_path / ".env")
    assert list(values) == list(make_env.SECRETS)
    assert len(set(values.values())) == len(values)
    assert all(re.fullmatch(r"[\w-]{32,}=?", value or "") for value in values.values())
    Fernet(values["AIRFLOW_FERNET_KEY"] or "")  # raises unless it is one
    assert not any(value in done.stdout + done.stderr for value in values.values() if value)


def test_two_deployments_share_no_secret(tmp_path: Path) -> None:
    run(tmp_path / "a"), run(tmp_path / "b")
    one, other = dotenv_values(tmp_path / "a"), dotenv_values(tmp_path / "b")
    assert set(one.values()).isdisjoint(other.values())


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    run(tmp_path / ".env")
    before = (tmp_path / ".env").read_bytes()
    assert "nothing changed" in run(tmp_path / ".env").stdout
    assert (tmp_path / ".env").read_bytes() == before


@pytest.mark.parametrize("end", ["", "\n"], ids=["without a last newline", "with one"])
def test_what_is_there_stays_byte_for_byte_and_what_lacks_is_added(tmp_path: Path, end: str) -> None:
    mine = f"# mine\nMNIST_LITE_PORT=9090\nREDIS_PASSWORD=chosen\n#AIRFLOW_JWT_SECRET=\nAIRFLOW_API_SECRET_KEY={end}"
    path = tmp_path / ".env"
    path.write_text(mine)
    path.chmod(0o644)
    run(path)
    assert path.read_text().startswith(mine)
    values = dotenv_values(path)
    assert values["REDIS_PASSWORD"] == "chosen" and values["MNIST_LITE_PORT"] == "9090"
    assert all(values[name] for name in make_env.SECRETS)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path / "absent" / ".env")
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr and "Traceback" not in done.stderr
