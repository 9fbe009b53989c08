"""The secrets' file: private, complete, and never changed where it says something already."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

from cryptography.fernet import Fernet
from dotenv import dotenv_values
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

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


LINES = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", "  ", "export ", "#"]),
    st.sampled_from([*make_env.SECRETS, "NIGHTLITE_MNIST_SCHEDULE", "NIGHTLITE_PORT"]),
    st.sampled_from(["=", " = ", "=\t"]),
    st.sampled_from(["", " ", "mine", "9090", '""', "''", '"mine too"', "'a\nREDIS_PASSWORD=b\nc'", "x # why", "x#"]),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(lines=["# mine\n", "REDIS_PASSWORD=mine\n", "#AIRFLOW_JWT_SECRET=\n", "AIRFLOW_API_SECRET_KEY=\n"], cut=True)
@example(lines=["NIGHTLITE_MNIST_SCHEDULE=\n", "AIRFLOW_DB_PASSWORD=mine\n"], cut=False)  # empty
@given(lines=st.lists(LINES, max_size=14), cut=st.booleans())
def test_whatever_is_in_it_a_second_time_changes_nothing_and_first_values_stay(
    tmp_path: Path, lines: list[str], cut: bool
) -> None:
    """python-dotenv, which reads such files as Compose does, says what is in it."""
    path = tmp_path / ".env"
    mine = "".join(lines)
    mine = mine.rstrip("\r\n") if cut else mine
    path.write_bytes(mine.encode())
    path.chmod(0o644)
    before = dotenv_values(path)
    make_env.main(path)
    once = path.read_bytes()
    assert once.startswith(mine.encode()) and path.stat().st_mode & 0o777 == 0o600
    values = dotenv_values(path)
    assert all(values[name] for name in make_env.SECRETS)
    assert {name: values[name] for name, value in before.items() if value} == {
        name: value for name, value in before.items() if value
    }
    make_env.main(path)
    assert path.read_bytes() == once


def test_a_quote_that_is_not_closed_is_one_sentence_and_nothing_is_changed(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text('NIGHTLITE_MNIST_SCHEDULE="0 2 * * *\nREDIS_PASSWORD=x\n')
    before = path.read_bytes()
    done = run(path)
    assert done.returncode == 1
    assert (
        done.stderr == 'make env: NIGHTLITE_MNIST_SCHEDULE: expected a closing ". Received: none; nothing was changed\n'
    )
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path / "absent" / ".env")
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr and "Traceback" not in done.stderr
