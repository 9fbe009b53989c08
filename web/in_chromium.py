"""A release's golden examples in LiteRT.js, in the installed Chromium: for a test, and for the bench.

    python -m web.in_chromium RELEASE_FOLDER

runs where Playwright is, and prints the findings of golden.html as JSON. `golden()` calls it from any environment.
"""

import fcntl
import functools
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from docs import chromium

WEB = Path(__file__).resolve().parent
_INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
_BUILD = ("node", "build.mjs")
_LIMIT_MS = 120_000


class BrowserError(Exception):
    """The page could not be run. The message says why."""


def missing() -> str | None:
    """Return the reason why this machine cannot run the page, with what to install, or None."""
    if not chromium.installed():
        return chromium.MISSING
    return None if shutil.which("npm") else "expected npm on PATH (Debian: apt-get install npm). Received: none"


@functools.cache
def install_runtime() -> None:
    """Install LiteRT.js into web/node_modules from the lock, and build web/dist, as `make web` does.

    Tests of both environments ask for it side by side, and an installation removes the one before.

    Raises:
      BrowserError: npm says why not.
    """
    lock = WEB / "package-lock.json"
    with lock.open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        _make(WEB / "node_modules" / ".package-lock.json", lock, _INSTALL)
        _make(WEB / "dist" / "LICENSE", WEB / "build.mjs", _BUILD)


def _make(made: Path, source: Path, command: Sequence[str]) -> None:
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        _done(subprocess.run(command, cwd=WEB, check=False, text=True, capture_output=True, stdin=subprocess.DEVNULL))


def golden(release: Path) -> dict[str, Any]:
    """Return the findings of golden.html on a release's folder.

    Raises:
      BrowserError: the release or the runtime cannot be loaded, or something is `missing()`.
    """
    if reason := missing():
        raise BrowserError(reason)
    install_runtime()
    found: dict[str, Any] = json.loads(_done(chromium.run("web.in_chromium", str(release))))
    return found


def _done(process: subprocess.CompletedProcess[str]) -> str:
    if process.returncode:
        raise BrowserError(process.stderr.strip() or f"{process.args}: exit code {process.returncode}")
    return process.stdout


class _Pages(SimpleHTTPRequestHandler):
    """The files of web/, and those of one release below /release/."""

    def __init__(self, *arguments: Any, release: Path) -> None:
        self._release = release
        super().__init__(*arguments, directory=str(WEB))

    def translate_path(self, path: str) -> str:
        name = path.removeprefix("/release/")
        return str(self._release / Path(name).name) if name != path else super().translate_path(path)

    def end_headers(self) -> None:
        # A page apart from others has a clock with steps of 0.005 ms, else of 0.1.
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def _findings(release: Path) -> dict[str, Any]:
    from playwright.sync_api import sync_playwright

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Pages, release=release))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.installed(), args=chromium.options())
        try:
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/golden.html")
            body = page.locator("body[data-findings], body[data-failure]")
            body.wait_for(timeout=_LIMIT_MS)
            if failure := body.get_attribute("data-failure"):
                raise BrowserError(failure)
            found: dict[str, Any] = json.loads(body.get_attribute("data-findings") or "{}")
            return found
        finally:
            browser.close()


if __name__ == "__main__":
    try:
        print(json.dumps(_findings(Path(sys.argv[1]))))
    except BrowserError as error:
        sys.exit(str(error))
