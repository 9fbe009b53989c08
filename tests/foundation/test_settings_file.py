"""settings.env: what local commands take from it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nightlite.errors import SettingsError
from nightlite.paths import PROJECT
from nightlite.settings_file import read_settings_file


def read(file: Path, **environ: str) -> dict[str, str]:
    read_settings_file(environ, file)
    return environ


def test_the_environment_wins_also_with_an_empty_value(tmp_path: Path) -> None:
    file = tmp_path / "settings.env"
    lines = ("# mine", "EPOCHS=3", 'SCHEDULE="0 2 * * *" # nightly', "WINDOW=7")
    file.write_text("\n".join(line if "#" in line[:1] else f"NIGHTLITE_MNIST_{line}" for line in lines))
    found = read(file, NIGHTLITE_MNIST_SCHEDULE="", NIGHTLITE_MNIST_WINDOW="8")
    assert [found[f"NIGHTLITE_MNIST_{name}"] for name in ("EPOCHS", "SCHEDULE", "WINDOW")] == ["3", "", "8"]


def test_processes_of_the_local_airflow_keep_what_it_was_started_with(tmp_path: Path) -> None:
    file = tmp_path / "settings.env"
    file.write_text("NIGHTLITE_MNIST_EPOCHS=3\n")
    assert "NIGHTLITE_MNIST_EPOCHS" not in read(file, NIGHTLITE_STACK="anywhere")


def test_no_file_is_no_setting_but_one_that_is_there_must_be_readable(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == {}
    with pytest.raises(SettingsError, match=f"expected a file of settings. Received: {tmp_path}, .*Is a directory"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("NIGHTLITE_MNIST_EPOCHS", "something else"),
        ("two words", "something else"),
        ("NIGHTLITE_MNIST_EPOCHS='3", "a value with an opening quote and no closing one at its end"),
        ('export NIGHTLITE_MNIST_EPOCHS = "3', "a value with an opening quote and no closing one at its end"),
    ],
)
def test_a_line_that_is_no_assignment_is_named_and_not_shown(tmp_path: Path, line: str, found: str) -> None:
    file = tmp_path / "settings.env"
    file.write_text(f"NIGHTLITE_MNIST_WINDOW=2\n{line}\n")
    with pytest.raises(SettingsError, match=rf"settings.env, line 2: expected NAME=VALUE. Received: {found}$"):
        read(file)


def test_make_up_refuses_a_misspelt_name_in_it(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "pipeline_lib", tmp_path / "pipeline_lib", ignore=shutil.ignore_patterns("__pycache__"))
    misspelt = "NIGHTLITE_MIN_" + "ACURACY"
    (tmp_path / "settings.env").write_text(f"{misspelt}=0.98\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith("NIGHTLITE_")}
    env["PYTHONPATH"] = str(tmp_path / "pipeline_lib")
    done = subprocess.run(
        [sys.executable, "-m", "nightlite.deployment.cli", "up"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    # The name of another model is as close.
    assert re.match(r"nightlite: Did you mean NIGHTLITE_[A-Z0-9_]+_MIN_ACCURACY\? ", done.stderr)
    assert not (tmp_path / "var").exists()
