"""Where this project and its state are. Stdlib only, so that a client process can ask in a millisecond."""

import os
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = PROJECT / "pipeline_lib"  # where `nightlite` and `models` are imported from
TEMPORARY = "tmp"


def var_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder that holds all state: MNIST_LITE_VAR_DIR, else `var/` in the project."""
    return Path(os.path.abspath(environ.get("MNIST_LITE_VAR_DIR") or PROJECT / "var"))


def runtime_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of this host's sockets and temporary files: MNIST_LITE_RUNTIME_DIR, else `var_dir`.

    Hosts and containers that share a `var_dir` must not share this one: process ids and sockets are a host's own.
    """
    return Path(os.path.abspath(environ.get("MNIST_LITE_RUNTIME_DIR") or var_dir(environ)))


def temporary_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of nodes' temporary folders, each named `node-PID-…` by whose it is; made where it is not there.

    What a process that was killed has left is removed when the next warm server starts.
    """
    folder = runtime_dir(environ) / TEMPORARY
    folder.mkdir(parents=True, exist_ok=True)
    return folder
