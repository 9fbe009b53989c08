"""Paths of this project and its state. Stdlib only, so that a client process can ask in a millisecond."""

import os
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = PROJECT / "pipeline_lib"  # where `nightlite` and `models` are imported from
TEMPORARY = "tmp"


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
