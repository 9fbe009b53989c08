"""This machine's Chromium, and its start: for docs/screenshots.py and the tests in a browser."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = "expected Chromium on PATH (Debian: apt-get install chromium). Received: none"


def installed() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def options() -> list[str]:
    """Return the options. Chromium has no sandbox as root, and only reads this machine's own pages."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []


def run(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python -m MODULE ARGUMENTS` in the environment of `make screenshots`, which alone has Playwright."""
    uv = shutil.which("uv") or str(PROJECT / ".venvs" / "tools" / "bin" / "uv")
    python = [uv, "run", "--quiet", "--no-project", "--python", ">=3.11,<3.14"]
    python += ["--with-requirements", "requirements-screenshots.txt", "python"]
    return subprocess.run(
        [*python, "-m", module, *arguments],
        cwd=PROJECT,
        env={**os.environ, **(environment or {})},
        check=False,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
