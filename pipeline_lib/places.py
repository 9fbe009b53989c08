"""Where this project and its state are. Stdlib only, so that a client process can ask in a millisecond."""

import os
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def var_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder that holds all state: MNIST_LITE_VAR_DIR, else `var/` in the project."""
    return Path(os.path.abspath(environ.get("MNIST_LITE_VAR_DIR") or PROJECT / "var"))
