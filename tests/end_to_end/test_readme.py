"""Every command of README.md, in its order, in a copy of this checkout: what a reader does in the first ten minutes.

`tests/readme.py` names the commands that other tests run.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nightlite.paths import PROJECT
from nightlite.settings import PREFIX
from tests.readme import README, RUN_ELSEWHERE, Command, commands
from tests.real_airflow import free_port
from tests.setup.test_tracked_files import files

COMMANDS = [command for command in commands(README.read_text(encoding="utf-8")) if command.line not in RUN_ELSEWHERE]
# A digit as a reader would have one, from the release's own examples.
PICTURE = """
import json, numpy, PIL.Image
[values, *_] = json.load(open("var/mnist/releases/latest/golden.json"))["examples"][0]["inputs"].values()
pixels = ((numpy.reshape(values, (28, 28)) + 0.5) * 255).round().astype("uint8")
PIL.Image.fromarray(pixels).resize((280, 280)).save("PICTURE.png")
"""


@dataclass(frozen=True)
class Checkout:
    """A copy of this checkout, with its environments and nothing in `var/`."""

    folder: Path
    port: int

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "AIRFLOW"))}
        env = kept | {"PYTHONPATH": str(self.folder / "pipeline_lib"), "NIGHTLITE_PORT": str(self.port)}
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """Yield the copy. Its set-up has nothing to do: tests/setup/test_setup.py and `make test` itself prove that."""
    folder = tmp_path_factory.mktemp("readme") / "nightlite"
    for path in files():
        copy = folder / path.relative_to(PROJECT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    (folder / ".venvs").symlink_to(PROJECT / ".venvs")
    (folder / "setup" / "setup.sh").write_text("#!/bin/sh\n")
    checkout = Checkout(folder, free_port())
    try:
        yield checkout
    finally:
        checkout.run("make", "down")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.line)
def test_a_command_does_what_the_readme_says(command: Command, checkout: Checkout) -> None:
    if "PICTURE.png" in command.line:
        made = checkout.run(str(PROJECT / ".venvs/tfx/bin/python"), "-c", PICTURE)
        assert made.returncode == 0, made.stderr
    done = checkout.run("bash", "-c", command.line)
    assert done.returncode == command.exit_code, f"{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
