"""Measure a model's feed: its publication, and the bytes of "is there anything new?".

    python -m bench.tfx.feed RELEASE_FOLDER --result FILE

The result, each as {"ours": […], "yardstick": […]}:
  release, renewal: ms of a publication with and without a new release; of writing the same files, each synced.
  check: bytes of HTTP in both directions, where there is nothing new, of our client and of TUF's own. `without_etag`
    has those of a client of ours that remembers no ETag: of the document and its signatures.
"""

import argparse
import http.server
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuf.ngclient import Updater

from nightlite import durable
from nightlite.ondevice.feed import keys
from nightlite.ondevice.feed.folder import FeedFolder
from nightlite.ondevice.feed.keys import FeedKeys
from nightlite.ondevice.feed.publish import publish
from nightlite.ondevice.feed_client.acceptance import Expected
from nightlite.ondevice.feed_client.client import App, FeedClient
from nightlite.ondevice.feed_client.memory import ClientFolder
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.rollout.state import Channel
from nightlite.ondevice.settings import Settings

RUNS = 10
_CHANNEL: Channel = "stable"

Times = dict[str, list[float]]


def publications(releases: Path, feed: Path, ours: FeedKeys, *, of_release: bool) -> Times:
    """Return the ms of publications, and of writing the files that each has written, in turn."""
    found: Times = {"ours": [], "yardstick": []}
    for _ in range(RUNS):
        if of_release:
            shutil.rmtree(feed, ignore_errors=True)
        before = _files(feed)
        found["ours"].append(_ms(lambda: publish(Releases(releases), feed, ours, Settings(var_dir=feed.parent))))
        written = {path: path.read_bytes() for path, changed in _files(feed).items() if before.get(path) != changed}
        with tempfile.TemporaryDirectory(dir=feed.parent) as folder:
            found["yardstick"].append(_ms(lambda: _write(written, Path(folder))))  # noqa: B023  it is called at once
    return found


def _files(feed: Path) -> dict[Path, int]:
    return {path: path.stat().st_ino for path in feed.rglob("*") if path.is_file() and not path.name.startswith(".")}


def _write(files: dict[Path, bytes], folder: Path) -> None:
    for number, content in enumerate(files.values()):
        durable.write(folder / str(number), content)


def _ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


class _Counted:
    """A stream that counts the bytes that go through it."""

    def __init__(self, stream: Any, server: "_Server") -> None:
        self._stream, self._server = stream, server

    def readline(self, size: int = -1) -> bytes:
        line: bytes = self._stream.readline(size)
        self._server.bytes += len(line)
        return line

    def write(self, content: bytes) -> int:
        self._server.bytes += len(content)
        return int(self._stream.write(content))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    bytes = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    """The headers of docker/feed.nginx.conf."""

    protocol_version = "HTTP/1.1"
    server: _Server
    root: Path

    def setup(self) -> None:
        super().setup()
        self.rfile, self.wfile = _Counted(self.rfile, self.server), _Counted(self.wfile, self.server)  # type: ignore[assignment]

    def do_GET(self) -> None:
        path = self.root / self.path.lstrip("/")
        if not path.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content, stat = path.read_bytes(), path.stat()
        etag = f'"{int(stat.st_mtime):x}-{stat.st_size:x}"'
        is_new = self.headers.get("If-None-Match") != etag
        self.send_response(200 if is_new else 304)
        self.send_header("Last-Modified", self.date_time_string(int(stat.st_mtime)))
        self.send_header("ETag", etag)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "public, max-age=60, must-revalidate")
        if is_new:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if is_new:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _served(feed: Path) -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), type("_HandlerOfFeed", (_Handler,), {"root": feed})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def checks(feed: Path, ours: FeedKeys, model: str) -> Times:
    """Return the bytes of HTTP of clients with nothing new."""
    shipped = keys.public_keys(ours.app_keys.read_bytes())
    with _served(feed) as server, tempfile.TemporaryDirectory() as folder:
        url = f"http://127.0.0.1:{server.server_port}"
        kept, of_tuf = ClientFolder(Path(folder, "ours")), Path(folder, "tuf")
        of_tuf.mkdir()
        client = FeedClient(url, Expected(model, _CHANNEL, shipped), App("bench", 10**6), kept)

        def tuf() -> None:
            Updater(str(of_tuf), f"{url}/tuf/", bootstrap=ours.roots()[ours.root]).refresh()

        def without_etag() -> None:
            kept.remember(kept.memory().model_copy(update={"etag": ""}))
            client.fetch()

        found: Times = {}
        for name, ask in (("ours", client.fetch), ("yardstick", tuf), ("without_etag", without_etag)):
            ask()
            server.bytes = 0
            ask()
            found[name] = [server.bytes]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    parser.add_argument("--result", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ours, feed = keys.make(Path(folder, "keys")), Path(folder, "feed")
        releases = options.release.resolve().parent
        result = {"release": publications(releases, feed, ours, of_release=True)}
        result["renewal"] = publications(releases, feed, ours, of_release=False)
        said = FeedFolder(feed).read(_CHANNEL, ours)
        assert said
        result["check"] = checks(feed, ours, said.document.model)
    options.result.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
