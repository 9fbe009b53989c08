"""Paths of this project and its state. Stdlib only, so that a client process can ask in a millisecond."""

import os
from collections.abc import Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
TEMPORARY = "tmp"


def project_of(package: Path, environ: Mapping[str, str] = os.environ) -> tuple[Path, bool]:
    """Return the project's folder, and whether it is a checkout of this repository.

    Installed as a wheel, it is `nightlite/` in Airflow's home: nothing is written beside the installed package.
    """
    if package.parent.name == "pipeline_lib":
        return package.parent.parent, True
    home = os.path.expandvars(os.path.expanduser(environ.get("AIRFLOW_HOME") or "~/airflow"))
    return Path(os.path.abspath(home)) / "nightlite", False


PROJECT, IS_CHECKOUT = project_of(PACKAGE)
# Where `models` is imported from. In a checkout it also holds `nightlite`; never an environment's site-packages, which
# must not reach the other environment's interpreter.
SOURCES = PROJECT / "pipeline_lib" if IS_CHECKOUT else PROJECT
# The runtime of the pages that run a model in a browser: `make web` builds it.
WEB_RUNTIME = PROJECT / "web" / "dist"
# Commands in messages: `make` is in a checkout only.
HOW_TO_START = "'make up'" if IS_CHECKOUT else "'nightlite up'"
HOW_TO_SET_UP = "run 'make setup'" if IS_CHECKOUT else "run 'nightlite tfx-env'"


def var_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of all state: NIGHTLITE_VAR_DIR, else `var/` in the project."""
    return Path(os.path.abspath(environ.get("NIGHTLITE_VAR_DIR") or PROJECT / "var"))


def runtime_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of this host's sockets and temporary files: NIGHTLITE_RUNTIME_DIR, else `var_dir`.

    Hosts and containers that share a `var_dir` must not share this one: process ids and sockets belong to a host.
    """
    return Path(os.path.abspath(environ.get("NIGHTLITE_RUNTIME_DIR") or var_dir(environ)))


def temporary_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of nodes' temporary folders, each named `node-PID-…`. It is created if missing.

    The next warm server that starts removes the folders of killed processes.
    """
    folder = runtime_dir(environ) / TEMPORARY
    folder.mkdir(parents=True, exist_ok=True)
    return folder
