"""A call of a program in the TFX environment. They communicate by argv, standard output and exit codes."""

import os
import subprocess

from nightlite.ondevice.settings import Settings
from nightlite.paths import PROJECT, SOURCES


def run(config: Settings, module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `python -m MODULE ARGUMENTS` there, and return its exit code and output."""
    # Airflow's own PYTHONPATH would put Airflow's packages before that environment's.
    env = {**os.environ, "PYTHONPATH": str(SOURCES)}
    command = [str(config.tfx_python), "-m", module, *arguments]
    return subprocess.run(command, cwd=PROJECT, env=env, check=False, text=True, capture_output=True)
