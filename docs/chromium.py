"""This machine's Chromium, and its start: for docs/screenshots.py and the tests in a browser."""

import os
import shutil

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = "expected Chromium on PATH (Debian: apt-get install chromium). Received: none"


def installed() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def options() -> list[str]:
    """Return the options. Chromium has no sandbox as root, and only reads this machine's own pages."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []
