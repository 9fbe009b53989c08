"""Downloads, against a web server on this machine that misbehaves as told."""

import gzip
import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from models.mnist.data import download
from models.mnist.data.download import fetch
from models.mnist.data.sources import load
from nightlite.errors import DownloadError
from nightlite.ondevice.in_tfx.ingest.examples import Dataset
from nightlite.paths import PROJECT

CONTENT = gzip.compress(np.random.default_rng(0).bytes(200_000))
FILES = {"digits.gz": hashlib.sha256(CONTENT).hexdigest()}
FILE = "digits.gz"
ATTEMPTS = 1 + download.RETRIES_PER_MIRROR


@dataclass
class Mirror:
    """A server of what is under /<name>/, the first `cuts` times to a part of the file only, and what was asked."""

    behaviour: str = "good"
    cuts: int = 0
    content: bytes = CONTENT
    requests: list[str] = field(default_factory=list)


class Web:
    def __init__(self, address: str) -> None:
        self.address = address
        self.mirrors: dict[str, Mirror] = {}

    def mirror(self, name: str, mirror: Mirror) -> str:
        self.mirrors[name] = mirror
        return f"{self.address}/{name}/"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time.sleep", lambda _seconds: None)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, name, file = self.path.split("/", 2)
            mirror = server_web.mirrors[name]
            mirror.requests.append(file)
            _answer(self, mirror)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server_web = Web(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield server_web
        server.shutdown()


def _answer(handler: BaseHTTPRequestHandler, mirror: Mirror) -> None:
    if handler.headers["Accept-Encoding"] != "identity":
        return _send(handler, 406, {}, b"")
    if mirror.behaviour.isdigit():
        return _send(handler, int(mirror.behaviour), {}, b"")
    if mirror.behaviour == "HTML":
        return _send(handler, 200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>Log in</html>")
    headers = {"Content-Length": str(len(mirror.content)), "Content-Encoding": "gzip"}
    cut = len(mirror.requests) <= mirror.cuts
    return _send(handler, 200, headers, mirror.content[: 80_000 if cut else None])


def _send(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def test_cache_hit_makes_no_request(web: Web, tmp_path: Path) -> None:
    mirror = Mirror()
    for _ in range(2):
        fetch(FILES, tmp_path, [web.mirror("a", mirror)])
    assert (tmp_path / FILE).read_bytes() == CONTENT
    assert mirror.requests == [FILE]
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_damaged_cache_is_fetched_again(web: Web, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(CONTENT[:-1] + b"?")
    fetch(FILES, tmp_path, [web.mirror("a", Mirror())])
    assert (tmp_path / FILE).read_bytes() == CONTENT


def test_cut_connection_is_tried_again(web: Web, tmp_path: Path) -> None:
    mirror = Mirror(cuts=2)
    fetch(FILES, tmp_path, [web.mirror("a", mirror)])
    assert (tmp_path / FILE).read_bytes() == CONTENT
    assert mirror.requests == [FILE] * 3
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    ("mirror", "message"),
    [
        (Mirror("403"), "403 Client Error: Forbidden"),
        (Mirror("404"), "404 Client Error: Not Found"),
        (Mirror("503"), "503 Server Error: Service Unavailable"),
        (Mirror("HTML"), "does not match the known hash"),
        (Mirror(cuts=ATTEMPTS), "80000 bytes read"),
        (Mirror(content=CONTENT[:-1] + b"?"), f"expected {FILES[FILE]} but got "),
        (Mirror(content=CONTENT + b"?"), f"expected {FILES[FILE]} but got "),
        (Mirror(content=b""), f"expected {FILES[FILE]} but got {hashlib.sha256().hexdigest()}"),
    ],
    ids=lambda value: value.behaviour if isinstance(value, Mirror) else None,
)
def test_refused(web: Web, tmp_path: Path, mirror: Mirror, message: str) -> None:
    with pytest.raises(DownloadError) as error:
        fetch(FILES, tmp_path, [web.mirror("bad", mirror)])
    assert str(error.value).startswith("digits.gz: no mirror gave it whole")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert len(mirror.requests) == ATTEMPTS
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", [Mirror("403"), Mirror(cuts=ATTEMPTS)], ids=["refused", "cut"])
def test_mirrors_are_tried_in_order(web: Web, tmp_path: Path, bad: Mirror) -> None:
    good, unused = Mirror(), Mirror()
    fetch(FILES, tmp_path, [web.mirror("a", bad), web.mirror("b", good), web.mirror("c", unused)])
    assert (tmp_path / FILE).read_bytes() == CONTENT
    assert [len(mirror.requests) for mirror in (bad, good, unused)] == [ATTEMPTS, 1, 0]


def test_each_mirror_is_named_where_all_fail(web: Web, tmp_path: Path) -> None:
    mirrors = [web.mirror("a", Mirror("403")), "http://127.0.0.1:1/", "ftp://nonsense/", "http://[bad/"]
    with pytest.raises(DownloadError) as error:
        fetch(FILES, tmp_path, mirrors)
    assert all(mirror in str(error.value) for mirror in mirrors)


def test_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(DownloadError, match="cache: the public files could not be kept: File exists"):
        fetch(FILES, tmp_path / "cache", ["http://127.0.0.1:1/"])


def test_mnist_source_reads_what_it_downloaded(
    web: Web, tmp_path: Path, idx_folder: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {path.name: path.read_bytes() for path in idx_folder.iterdir()}
    files = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    assert files.keys() == download.FILES.keys()
    monkeypatch.setattr(download, "FILES", files)
    for name, sha256 in files.items():
        fetch({name: sha256}, tmp_path / "cache", [web.mirror(sha256, Mirror(content=contents[name]))])
    loaded = load("mnist", tmp_path / "cache", ["http://127.0.0.1:1/"])
    assert (loaded.source, loaded.train.sha256()) == ("mnist", dataset.train.sha256())


def test_it_needs_no_tensorflow() -> None:
    code = "import sys, pooch, models.mnist.data.download; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)
